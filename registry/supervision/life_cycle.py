"""The life of an alert: folded from its events and steps, and which step may follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from registry.errors import Conflict
from registry.supervision.events import MACHINE, AlertEvent, AlertStep, Happening, StepKind
from registry.supervision.rule_table import RULES_BY_ID
from registry.supervision.rules import ACKNOWLEDGE_WITHIN_S, SEVERITIES, Severity

Status = Literal["raised", "acknowledged", "escalated", "handled", "dismissed"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
STATUS_WORDS: Final[dict[Status, tuple[str, str]]] = {
    "raised": ("待确认", "raised"), "acknowledged": ("已确认", "acknowledged"), "escalated": ("已升级", "escalated"),
    "handled": ("已处置", "handled"), "dismissed": ("已排除", "dismissed"),
}
LIFE_CYCLE: Final[dict[StepKind, tuple[frozenset[Status], Status]]] = {
    "acknowledge": (frozenset({"raised", "escalated"}), "acknowledged"),
    "escalate": (frozenset({"raised", "acknowledged"}), "escalated"),
    "handle": (frozenset({"raised", "acknowledged", "escalated"}), "handled"),
    "dismiss": (frozenset({"raised", "acknowledged", "escalated", "handled"}), "dismissed"),
}
"""Step -> where it may be taken, and where it leads. What was handled may still be dismissed, as when an objection is upheld."""
FINDING: Final = "violation_confirmed"


@dataclass(frozen=True, kw_only=True)
class Lived:
    """One line of an alert's life: place in the ledger, when it was written, and what it was."""

    seq: int
    at: datetime
    what: Happening


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alert as it stands.

    Parameters
    ----------
    alert_id, rule_id, vehicle_id, enterprise_id
        Which, of which rule, about whom.
    raised_at, cleared_at
        When it began, and ended; None while it goes on.
    waiting_since
        Since when it waits to be acknowledged: it was raised, got worse than what had been acknowledged, or came back.
    severity, worst
        Severity now, or last; and the highest.
    value
        Signal at the newest event.
    status
        What persons made of it.
    lived
        Everything that happened to it, oldest first.
    score_id
        Decision that its newest event of a score rests on; empty where none does.
    """

    alert_id: str
    rule_id: str
    vehicle_id: str
    enterprise_id: str
    raised_at: datetime
    waiting_since: datetime
    cleared_at: datetime | None
    severity: Severity
    worst: Severity
    value: float | None
    status: Status
    lived: tuple[Lived, ...]
    score_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its condition goes on."""
        return self.cleared_at is None

    @property
    def is_violation(self) -> bool:
        """Whether a person confirmed a violation and nobody dismissed it: an alert alone is no finding."""
        confirmed = any(isinstance(one.what, AlertStep) and one.what.code == FINDING for one in self.lived)
        return confirmed and self.status != "dismissed"

    def escalates_at(self) -> datetime | None:
        """Return when it is escalated if nobody acknowledges it; None where it does not wait.

        What ended by itself is let go, unless it had been red.
        """
        if self.status != "raised" or not (self.is_open or self.worst == "red"):
            return None
        within_s = ACKNOWLEDGE_WITHIN_S[self.worst if not self.is_open else self.severity]
        return datetime.fromtimestamp(self.waiting_since.timestamp() + within_s, UTC)

    def points(self) -> float:
        """Return what it adds to the supervision score of its vehicle: nothing once it is over, handled or dismissed."""
        live = self.is_open and self.status not in {"dismissed", "handled"}
        return RULES_BY_ID[self.rule_id].points(self.severity) if live and self.rule_id in RULES_BY_ID else 0.0


def begun(event: AlertEvent, seq: int, at: datetime) -> Alert:
    """Return the alert that an event begins."""
    began = datetime.fromtimestamp(event.at_s, UTC)
    return Alert(
        alert_id=event.alert_id, rule_id=event.rule_id, vehicle_id=event.vehicle_id, enterprise_id=event.enterprise_id,
        raised_at=began, waiting_since=began, cleared_at=began if event.kind == "cleared" else None, severity=event.severity,
        worst=event.severity, value=event.value, status="raised", lived=(Lived(seq=seq, at=at, what=event),),
        score_id=event.score_id,
    )


def after_event(alert: Alert, event: AlertEvent, seq: int, at: datetime) -> Alert:
    """Return an alert after a further event."""
    instant = datetime.fromtimestamp(event.at_s, UTC)
    asks = event.kind in {"worsened", "reopened"} and alert.status != "dismissed"
    return replace(
        alert, severity=event.severity, value=event.value, cleared_at=instant if event.kind == "cleared" else None,
        worst=max(alert.worst, event.severity, key=SEVERITIES.index), status="raised" if asks else alert.status,
        waiting_since=instant if asks else alert.waiting_since, lived=(*alert.lived, Lived(seq=seq, at=at, what=event)),
        score_id=event.score_id or alert.score_id,
    )


def after_step(alert: Alert, step: AlertStep, seq: int, at: datetime) -> Alert:
    """Return an alert after a step.

    Raises
    ------
    Conflict
        If the step does not follow from its status.
    """
    check_follows(alert, step.kind)
    return replace(alert, status=LIFE_CYCLE[step.kind][1], lived=(*alert.lived, Lived(seq=seq, at=at, what=step)))


def check_follows(alert: Alert, kind: StepKind) -> None:
    """Refuse a step that does not follow.

    Raises
    ------
    Conflict
        If so.
    """
    allowed = LIFE_CYCLE[kind][0]
    if alert.status not in allowed:
        raise Conflict(
            f"the alert is {alert.status}; {kind} follows only {', '.join(sorted(allowed))}", where="alert",
            remedy="Look at its history: somebody was quicker.",
        )


def escalations(alerts: Iterable[Alert], now: datetime) -> list[AlertStep]:
    """Return the steps of the machine that are due: alerts that nobody acknowledged in time."""
    due = [(at, alert.alert_id) for alert in alerts if (at := alert.escalates_at()) is not None and at <= now]
    return [AlertStep(alert_id=name, kind="escalate", by=MACHINE) for _, name in sorted(due)]
