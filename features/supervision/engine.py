"""From signals at instants to alert events: levels with hysteresis and dwell, one alert of a rule per vehicle, nothing twice.

Pure: a board holds all that matters, and the same signals at the same instants give the same events. All vehicles are looked at
together; what happens in the course of one look is a handful of array operations, and events are made of the few that changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.supervision.events import AlertEvent, EventKind
from registry.supervision.rule_table import ALERT_RULES
from registry.supervision.rules import AlertRule, Severity, Trade

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
NEVER: Final = np.int64(-(2**62))


@dataclass
class _Lane:
    """One rule of all vehicles: latched levels, since when each wants to turn (`NEVER`: it does not), and the alert."""

    on: npt.NDArray[np.bool_]
    turning_s: IntArray
    unknown_s: IntArray
    level: npt.NDArray[np.int8]
    raised_s: IntArray
    cleared_s: IntArray
    bound: npt.NDArray[np.bool_]


@dataclass
class AlertBoard:
    """The alerts of a fleet as they stand.

    Parameters
    ----------
    vehicle_id, enterprise_id
        Pseudonyms by slot.
    trade
        Trade by slot.
    rules
        Rules that are looked at.
    """

    vehicle_id: Sequence[str]
    enterprise_id: Sequence[str]
    trade: Sequence[Trade]
    rules: tuple[AlertRule, ...] = ALERT_RULES
    _lanes: list[_Lane] = field(init=False, repr=False)
    _at_s: int = field(init=False, default=int(NEVER))

    def __post_init__(self) -> None:
        n, trades = len(self.vehicle_id), np.array(self.trade, dtype=object)
        self._lanes = [
            _Lane(
                np.zeros((n, len(rule.levels)), bool), np.full((n, len(rule.levels)), NEVER), np.full(n, NEVER),
                np.zeros(n, np.int8), np.full(n, NEVER), np.full(n, NEVER),
                np.isin(trades, np.array(rule.trades, dtype=object)) if n else np.zeros(0, bool),
            )
            for rule in self.rules
        ]

    def look(self, at_s: int, signals: Mapping[str, FloatArray]) -> list[AlertEvent]:
        """Take the signals at an instant, and return what happened to alerts, ordered by rule and vehicle.

        Parameters
        ----------
        at_s
            Epoch seconds, not before the last look.
        signals
            Name -> value by slot, not-a-number where unknown; a rule without its signal is not looked at.
        """
        assert at_s >= self._at_s, "a board looks forward only"
        self._at_s = at_s
        found: list[AlertEvent] = []
        for rule, lane in zip(self.rules, self._lanes, strict=True):
            if rule.signal in signals:
                found += self._turn(rule, lane, at_s, np.where(lane.bound, signals[rule.signal], np.nan))
        return found

    @property
    def levels(self) -> npt.NDArray[np.int8]:
        """Level of each vehicle and rule, 0 where there is no alert, shape (n, n_rules)."""
        return np.stack([lane.level for lane in self._lanes], axis=1)

    def _turn(self, rule: AlertRule, lane: _Lane, at_s: int, value: FloatArray) -> Iterator[AlertEvent]:
        unknown = np.isnan(value)
        on, off = (np.array([getattr(level, name) for level in rule.levels]) for name in ("on", "off"))
        dwell = np.array([[level.on_for_s for level in rule.levels], [level.off_for_s for level in rule.levels]])
        with np.errstate(invalid="ignore"):
            wants = np.where(lane.on, value[:, None] <= off, value[:, None] >= on)
        lane.turning_s = np.where(wants, np.where(lane.turning_s == NEVER, at_s, lane.turning_s), NEVER)
        turns = wants & (at_s - lane.turning_s >= np.where(lane.on, dwell[1], dwell[0]))
        lane.on ^= turns
        lane.turning_s[turns] = NEVER
        lane.unknown_s = np.where(unknown & lane.on.any(axis=1), np.where(lane.unknown_s == NEVER, at_s, lane.unknown_s), NEVER)
        lapsed = (lane.unknown_s != NEVER) & (at_s - lane.unknown_s >= rule.lapse_s)
        lane.on[lapsed] = False
        lane.unknown_s[lapsed] = NEVER
        # The highest level that is on.
        level = (lane.on * np.arange(1, len(rule.levels) + 1)).max(axis=1).astype(np.int8)
        before, lane.level = lane.level, level
        changed = np.flatnonzero(level != before)
        return self._events(rule, lane, at_s, changed, before, value, lapsed)

    def _events(
        self, rule: AlertRule, lane: _Lane, at_s: int, changed: IntArray, before: npt.NDArray[np.int8], value: FloatArray,
        lapsed: npt.NDArray[np.bool_],
    ) -> Iterator[AlertEvent]:
        for slot in changed.tolist():
            was, now = int(before[slot]), int(lane.level[slot])
            kind: EventKind
            if not was:
                again = lane.cleared_s[slot] != NEVER and at_s - lane.cleared_s[slot] <= rule.again_s
                kind = "reopened" if again else "raised"
                if not again:
                    lane.raised_s[slot] = at_s
            elif not now:
                kind, lane.cleared_s[slot] = "cleared", at_s
            else:
                kind = "worsened" if now > was else "eased"
            yield AlertEvent(
                alert_id=alert_id(self.vehicle_id[slot], rule.rule_id, int(lane.raised_s[slot])), kind=kind, rule_id=rule.rule_id,
                vehicle_id=self.vehicle_id[slot], enterprise_id=self.enterprise_id[slot], at_s=at_s,
                severity=rule.levels[max(was, now) - 1 if not now else now - 1].severity,
                value=None if np.isnan(value[slot]) else round(float(value[slot]), 3), lapsed=bool(lapsed[slot]),
            )

    def resume(self, going_on: Iterable[tuple[str, str, Severity, int]]) -> None:
        """Take up alerts that go on: rule, vehicle, severity, and the instant they were raised; unknown ones are left out."""
        places = {rule.rule_id: (rule, lane) for rule, lane in zip(self.rules, self._lanes, strict=True)}
        slots = {vehicle: slot for slot, vehicle in enumerate(self.vehicle_id)}
        for rule_id, vehicle, severity, raised_s in going_on:
            rule, lane = places.get(rule_id, (None, None))
            slot = slots.get(vehicle)
            if rule is None or lane is None or slot is None:
                continue
            top = next((k for k, level in enumerate(rule.levels, start=1) if level.severity == severity), 0)
            lane.on[slot, :top], lane.level[slot], lane.raised_s[slot] = True, top, raised_s

    def snapshot(self) -> dict[str, Any]:
        """Return all that the board holds as arrays by name, for a checkpoint."""
        kept: dict[str, Any] = {"at_s": np.int64(self._at_s)}
        for rule, lane in zip(self.rules, self._lanes, strict=True):
            kept |= {f"{rule.rule_id}.{name}": values.copy() for name, values in vars(lane).items() if name != "bound"}
        return kept

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Go on from a snapshot of a board of the same vehicles; rules that it does not know begin anew."""
        self._at_s = int(kept["at_s"])
        for rule, lane in zip(self.rules, self._lanes, strict=True):
            for name, values in vars(lane).items():
                held = kept.get(f"{rule.rule_id}.{name}")
                if held is not None and held.shape == values.shape:
                    setattr(lane, name, held.copy())


def alert_id(vehicle_id: str, rule_id: str, raised_s: int) -> str:
    """Return the name of an alert: the same for the same vehicle, rule and instant, so that a replay names nothing anew."""
    return hashlib.sha256(f"{vehicle_id}|{rule_id}|{raised_s}".encode()).hexdigest()[:24]
