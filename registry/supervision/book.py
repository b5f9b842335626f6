"""The book of alerts: a chained ledger of what happened to alerts, and what follows from it, kept in memory as it grows.

Several processes may hold it: who writes a step looks again while holding the ledger alone, and who reads takes in the new lines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from registry.errors import NotFound
from registry.ledger_open import alone, open_ledger
from registry.supervision.events import AlertEvent, AlertStep, payload_of, read_happening
from registry.supervision.life_cycle import Alert, after_event, after_step, begun, check_follows, escalations

if TYPE_CHECKING:
    from registry.chain import ChainLedger, Entry
    from registry.settings import Settings

ALERTS: Final = "alerts"
"""Name of the ledger."""
_AT_ONCE: Final = 2_000


@dataclass(frozen=True)
class Written:
    """A line of the ledger with the alert as it stood after it."""

    seq: int
    at: datetime
    what: AlertEvent | AlertStep
    alert: Alert


class AlertBook:
    """Alerts of one installation.

    Parameters
    ----------
    ledger
        The ledger of alerts.
    settings
        Where it lies.
    """

    def __init__(self, ledger: ChainLedger, settings: Settings) -> None:
        self._ledger, self._settings, self._lock = ledger, settings, threading.RLock()
        self._alerts: dict[str, Alert] = {}
        self._seen: set[tuple[str, str, int]] = set()
        self._seq = 0

    @classmethod
    def open(cls, settings: Settings) -> AlertBook:
        """Open the book, making its ledger when missing.

        Raises
        ------
        ConfigurationError
            If the ledger key does not exist.
        IntegrityError
            If the ledger does not agree with its head.
        """
        return cls(open_ledger(settings, ALERTS, indexed=("alert_id",)), settings)

    @property
    def seq(self) -> int:
        """Position of the newest line that was taken in."""
        return self._seq

    def refresh(self) -> list[Written]:
        """Take in new lines, and return them; each line's own HMAC holds.

        Raises
        ------
        IntegrityError
            If one was changed.
        """
        with self._lock:
            return [self._take(entry) for entry in self._ledger.entries(after=self._seq)]

    def lines(self, *, after: int, limit: int, wanted: Callable[[Alert], bool] = lambda _: True) -> tuple[list[Written], int]:
        """Return lines behind a position about alerts that are wanted, and the position up to which was looked.

        The alert of each is as it stands now.
        """
        with self._lock:
            self.refresh()
            found, seen = [], after
            for entry in self._ledger.entries(after=after, limit=limit):
                seen, what = entry.seq, read_happening(entry.payload)
                alert = self._alerts.get(what.alert_id)
                if alert is not None and wanted(alert):
                    found.append(Written(entry.seq, entry.at, what, alert))
            return found, seen

    def new(self, events: Iterable[AlertEvent]) -> list[AlertEvent]:
        """Return the events that have not been written: what a replay says again has been."""
        with self._lock:
            self.refresh()
            return [one for one in events if (one.alert_id, one.kind, one.at_s) not in self._seen]

    def record(self, events: Iterable[AlertEvent], *, at: datetime) -> int:
        """Write events of the engine, and return how many were new: what a replay says again is written once."""
        with self._lock, alone(self._settings, ALERTS):
            new = self.new(events)
            for start in range(0, len(new), _AT_ONCE):
                self._ledger.append_many([(payload_of(one), at) for one in new[start:start + _AT_ONCE]])
            self.refresh()
            return len(new)

    def step(self, step: AlertStep, *, at: datetime, may: Callable[[Alert], bool] = lambda _: True, dry_run: bool = False) -> Alert:
        """Take a step, and return the alert after it.

        Parameters
        ----------
        at
            When, aware.
        may
            Whether the alert may be known to who asks; one that may not looks like one that does not exist.
        dry_run
            Only check.

        Raises
        ------
        NotFound
            If there is no such alert.
        InvalidRequest
            If a code or note is not allowed.
        Conflict
            If it does not follow.
        """
        step.check()
        with self._lock, alone(self._settings, ALERTS):
            self.refresh()
            alert = self._found(step.alert_id, may)
            check_follows(alert, step.kind)
            if dry_run:
                return alert
            self._ledger.append(payload_of(step), at=at)
            self.refresh()
            return self._alerts[step.alert_id]

    def escalate(self, now: datetime) -> list[Alert]:
        """Escalate what nobody acknowledged in time, and return it."""
        with self._lock, alone(self._settings, ALERTS):
            self.refresh()
            due = escalations(self._alerts.values(), now)
            if due:
                self._ledger.append_many([(payload_of(step), now) for step in due])
                self.refresh()
            return [self._alerts[step.alert_id] for step in due]

    def get(self, alert_id: str, may: Callable[[Alert], bool] = lambda _: True) -> Alert:
        """Return an alert.

        Raises
        ------
        NotFound
            If there is none that may be known.
        """
        with self._lock:
            self.refresh()
            return self._found(alert_id, may)

    def alerts(self, wanted: Callable[[Alert], bool] = lambda _: True) -> Sequence[Alert]:
        """Return alerts, the newest first."""
        with self._lock:
            self.refresh()
            found = [alert for alert in self._alerts.values() if wanted(alert)]
        return sorted(found, key=lambda alert: (alert.raised_at, alert.alert_id), reverse=True)

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def __enter__(self) -> AlertBook:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _found(self, alert_id: str, may: Callable[[Alert], bool]) -> Alert:
        alert = self._alerts.get(alert_id)
        if alert is None or not may(alert):
            raise NotFound("no alert with this id", where="alert", remedy="List alerts with `roadrisk supervision alerts`.")
        return alert

    def _take(self, entry: Entry) -> Written:
        what = read_happening(entry.payload)
        held = self._alerts.get(what.alert_id)
        if isinstance(what, AlertStep):
            assert held is not None, entry.seq
            alert = after_step(held, what, entry.seq, entry.at)
        else:
            self._seen.add((what.alert_id, what.kind, what.at_s))
            alert = begun(what, entry.seq, entry.at) if held is None else after_event(held, what, entry.seq, entry.at)
        self._alerts[what.alert_id] = alert
        self._seq = entry.seq
        return Written(entry.seq, entry.at, what, alert)


def lines_of(alert: Alert) -> list[dict[str, Any]]:
    """Return the life of an alert for people and machines."""
    return [
        {"seq": one.seq, "at": one.at, "what": one.what.kind, "by": one.what.by, "code": one.what.code, "note": one.what.note}
        if isinstance(one.what, AlertStep) else
        {"seq": one.seq, "at": one.at, "what": one.what.kind, "severity": one.what.severity, "value": one.what.value,
         **({"score_id": one.what.score_id} if one.what.score_id else {})}
        for one in alert.lived
    ]
