"""A slow reading of the rules of alerts: one vehicle and one rule, in plain words, nothing shared with the engine."""

from __future__ import annotations

import math
from collections.abc import Sequence

from registry.supervision.rules import AlertRule, Level


class _Latch:
    """One level: it turns when everything since its last turn, back to some look long enough ago, asked for it."""

    def __init__(self, level: Level) -> None:
        self.level, self.on = level, False
        self.past: list[tuple[int, float]] = []

    def look(self, at: int, value: float) -> None:
        self.past.append((at, value))
        asking_since = None
        for then, met in reversed(self.past):
            if math.isnan(met) or not (met <= self.level.off if self.on else met >= self.level.on):
                break
            asking_since = then
        needed = self.level.off_for_s if self.on else self.level.on_for_s
        if asking_since is not None and at - asking_since >= needed:
            self.on, self.past = not self.on, []


def slow_events(rule: AlertRule, looks: Sequence[tuple[int, float]]) -> list[tuple[int, str, str, int]]:
    """Return (instant, kind, severity, instant it was raised) of what happens to the alert of one vehicle."""
    latches = [_Latch(level) for level in rule.levels]
    events: list[tuple[int, str, str, int]] = []
    unknown_since: int | None = None
    for at, value in looks:
        top = _top(latches)
        for latch in latches:
            latch.look(at, value)
        blind = math.isnan(value) and _top(latches) > 0
        unknown_since = (at if unknown_since is None else unknown_since) if blind else None
        if unknown_since is not None and at - unknown_since >= rule.lapse_s:
            unknown_since = None
            for latch in latches:
                latch.on = False
        if _top(latches) != top:
            events.append(_event(rule, at, top, _top(latches), events))
    return events


def _top(latches: list[_Latch]) -> int:
    return max((k for k, latch in enumerate(latches, start=1) if latch.on), default=0)


def _event(rule: AlertRule, at: int, was: int, now: int, before: list[tuple[int, str, str, int]]) -> tuple[int, str, str, int]:
    severity = rule.levels[(now or was) - 1].severity
    if was == 0:
        again = bool(before) and at - before[-1][0] <= rule.again_s
        return at, "reopened" if again else "raised", severity, before[-1][3] if again else at
    kind = "cleared" if now == 0 else "worsened" if now > was else "eased"
    return at, kind, severity, before[-1][3]
