"""The legal duty ledger (驾驶时间台账): of each limit what is used, what is left, and every breach, to the second.

A pure function of stretches: facts beside the score, not a prediction. Everything is a lower bound where the record has
off-line time or begins too late, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from features.segments import (
    DAY_S,
    DRIVE,
    HOUR_S,
    LOCAL_OFFSET_S,
    OFFLINE,
    IntArray,
    ReductionRules,
    Stretches,
    continuous,
    seconds_in_window,
    split,
)
from registry.duty_rules import DutyKind, DutyRule


@dataclass(frozen=True)
class Breach:
    """Driving beyond a limit.

    Parameters
    ----------
    start_s, end_s
        From the instant at which the limit was passed to the last instant beyond it, epoch seconds. For a rolling span it
        lasts as long as the span holds too much; for the others until the last driving before a rest or the window's end.
    """

    start_s: int
    end_s: int


@dataclass(frozen=True)
class DutyEntry:
    """One rule of the ledger.

    Parameters
    ----------
    rule
        The rule.
    used_s, remaining_s
        Driving counted now, and what is left of the limit (0 where it is used up).
    reached_s
        When nothing is left if driving goes on without a rest from now; now where nothing is left already.
    breaches
        All breaches up to now, in order.
    unobserved_s
        Off-line seconds in the time that `used_s` looks at: so much more may have been driven.
    complete
        The record reaches back over the whole time that `used_s` looks at.
    """

    rule: DutyRule
    used_s: int
    remaining_s: int
    reached_s: int
    breaches: tuple[Breach, ...]
    unobserved_s: int
    complete: bool

    @property
    def first_breach_s(self) -> int | None:
        """Instant of the first breach on record."""
        return self.breaches[0].start_s if self.breaches else None


@dataclass(frozen=True)
class DutyLedger:
    """The ledger of one vehicle at an instant.

    Parameters
    ----------
    at_s
        Now, epoch seconds.
    entries
        One per rule, in the order given.
    """

    at_s: int
    entries: tuple[DutyEntry, ...]

    def entry(self, rule_id: str) -> DutyEntry:
        """Return the entry of a rule.

        Raises
        ------
        KeyError
            If the ledger does not hold it.
        """
        for entry in self.entries:
            if entry.rule.rule_id == rule_id:
                return entry
        raise KeyError(f"the ledger has no rule {rule_id}")


def duty_ledger(stretches: Stretches, rules: Iterable[DutyRule], at_s: int) -> DutyLedger:
    """Return the duty ledger of one vehicle.

    Parameters
    ----------
    stretches
        What the vehicle did, in order; what lies after `at_s` is left out, and an off-line time that is not over yet is not
        known to hold a rest.
    rules
        Rules to hold it against (`registry.duty_rules.rules_in_force`).
    at_s
        Now, epoch seconds.

    Raises
    ------
    ValueError
        If the stretches are of several vehicles.
    """
    if len(np.unique(stretches.vehicle)) > 1:
        raise ValueError(f"a duty ledger is of one vehicle, met {len(np.unique(stretches.vehicle))}")
    past = _until(stretches, at_s)
    return DutyLedger(at_s, tuple(_COUNTED[rule.kind](past, rule, at_s) for rule in rules))


def _until(stretches: Stretches, at_s: int) -> Stretches:
    known = stretches.take(stretches.start_s < at_s)
    cut = known.end_s > at_s
    return Stretches(
        known.vehicle, known.start_s, np.minimum(known.end_s, at_s), known.state, np.where(cut, 0, known.spare_s)
    )


def _of_run(past: Stretches, rule: DutyRule, at_s: int) -> DutyEntry:
    """Count driving since the last rest, or its part in the daily window."""
    runs = continuous(past, ReductionRules(rest_s=rule.rest_s))
    counted = _counted(past.start_s, past.end_s, rule)
    counted = np.where(past.state == DRIVE, counted, 0)
    opens = np.r_[True, runs.ends[1:]] if len(past) else runs.ends
    run = np.cumsum(opens) - 1
    total = np.cumsum(counted)
    base = (total - counted)[opens][run] if len(past) else total
    before, after = total - counted - base, total - base
    over = np.flatnonzero(after > rule.limit_s)
    breaches = []
    for number in np.unique(run[over]).tolist():
        rows = over[run[over] == number]
        first = int(rows[0])
        start = _spent(int(past.start_s[first]), rule.limit_s - int(before[first]), rule, breach=True)
        last = int(rows[counted[rows] > 0][-1])
        breaches.append(Breach(start, _last_counted(past, last, rule)))
    used = int(after[-1]) if len(past) else 0
    left = max(rule.limit_s - used, 0)
    mine = run == run[-1] if len(past) else opens
    unseen = int(np.sum((past.end_s - past.start_s)[mine & (past.state == OFFLINE) & ~runs.ends]))
    complete = bool(len(past) and (run[-1] > 0 or runs.ends[0]))
    return DutyEntry(rule, used, left, _spent(at_s, left, rule), tuple(breaches), unseen, complete)


def _counted(start: IntArray, end: IntArray, rule: DutyRule) -> IntArray:
    return end - start if rule.kind == "run" else seconds_in_window(start, end, *rule.window_h)


def _spent(start_s: int, left_s: int, rule: DutyRule, *, breach: bool = False) -> int:
    """Return when some counted seconds are spent if driving goes on from an instant.

    The instant of a breach is where counting goes on beyond them, which at the end of a daily window is the next window.
    """
    if rule.kind == "run" or (left_s == 0 and not breach):
        return start_s + left_s
    here, left = start_s, left_s
    while True:
        begin, end = _window(here, rule)
        begin = max(begin, here)
        if left < end - begin or (left == end - begin and not breach):
            return begin + left
        here, left = end, left - (end - begin)


def _window(instant_s: int, rule: DutyRule) -> tuple[int, int]:
    """Return the daily window that an instant lies in, or the next one."""
    from_h, to_h = rule.window_h
    length = (to_h - from_h) % 24 * HOUR_S
    begin = (instant_s + LOCAL_OFFSET_S - from_h * HOUR_S) // DAY_S * DAY_S + from_h * HOUR_S - LOCAL_OFFSET_S
    if instant_s >= begin + length:
        begin += DAY_S
    return begin, begin + length


def _last_counted(past: Stretches, row: int, rule: DutyRule) -> int:
    """Return the last instant of a driving stretch that counts."""
    end = int(past.end_s[row])
    if rule.kind == "run":
        return end
    begin, close = _window(end - 1, rule)
    return end if begin < end else close - DAY_S


def _rolling(past: Stretches, rule: DutyRule, at_s: int) -> DutyEntry:
    """Count driving in the span before every instant: a piecewise linear curve with whole corners."""
    driving = past.state == DRIVE
    start, end = past.start_s[driving], past.end_s[driving]
    driven = _curve(start, end)
    corners = np.unique(np.r_[start, end, start + rule.span_s, end + rule.span_s, at_s])
    corners = corners[corners <= at_s]
    used = driven(corners) - driven(corners - rule.span_s)
    now = int(used[-1])
    left = max(rule.limit_s - now, 0)
    silent = past.state == OFFLINE
    unseen = np.maximum(past.end_s[silent] - np.maximum(past.start_s[silent], at_s - rule.span_s), 0)
    complete = bool(len(past) and past.start_s[0] <= at_s - rule.span_s)
    reached = at_s if left == 0 else _filled(start, end, rule, at_s)
    breaches = _above(corners, used, rule.limit_s)
    return DutyEntry(rule, now, left, reached, breaches, int(unseen.sum()), complete)


def _curve(start: IntArray, end: IntArray) -> Callable[[IntArray], IntArray]:
    """Return the driving accumulated up to an instant as a function."""
    before = np.r_[0, np.cumsum(end - start)]

    def driven(instant: IntArray) -> IntArray:
        place = np.searchsorted(start, instant, side="right")
        last = np.maximum(place - 1, 0)
        overshoot = np.maximum(end[last] - instant, 0) if len(end) else np.zeros_like(instant)
        result: IntArray = before[place] - np.where(place > 0, overshoot, 0)
        return result

    return driven


def _above(corners: IntArray, used: IntArray, limit_s: int) -> tuple[Breach, ...]:
    """Return where the curve runs above a limit; parts that touch are one."""
    low, high = used[:-1], used[1:]
    some = (low > limit_s) | (high > limit_s)
    begin = (corners[:-1] + np.maximum(limit_s - low, 0))[some].tolist()
    finish = (corners[1:] - np.maximum(limit_s - high, 0))[some].tolist()
    breaches: list[Breach] = []
    for start, end in zip(begin, finish, strict=True):
        if breaches and breaches[-1].end_s == start:
            breaches[-1] = Breach(breaches[-1].start_s, end)
        else:
            breaches.append(Breach(start, end))
    return tuple(breaches)


def _filled(start: IntArray, end: IntArray, rule: DutyRule, at_s: int) -> int:
    """Return when the span holds the limit if driving goes on: it never holds less than before."""
    driven = _curve(start, end)
    shifted = np.r_[start, end] + rule.span_s
    corners = np.unique(np.r_[at_s, shifted[shifted > at_s], at_s + rule.limit_s])
    used = driven(np.minimum(corners, at_s)) + corners - at_s - driven(corners - rule.span_s)
    first = int(np.flatnonzero(used >= rule.limit_s)[0])
    return int(corners[first] - (used[first] - rule.limit_s))


def _standstill(past: Stretches, rule: DutyRule, at_s: int) -> DutyEntry:
    """Count driving in a daily window in which the vehicle must stand."""
    driving = past.state == DRIVE
    _, start, end = split(past.start_s[driving], past.end_s[driving], DAY_S, LOCAL_OFFSET_S - rule.window_h[0] * HOUR_S)
    length = (rule.window_h[1] - rule.window_h[0]) % 24 * HOUR_S
    window = (start + LOCAL_OFFSET_S - rule.window_h[0] * HOUR_S) // DAY_S * DAY_S - LOCAL_OFFSET_S + rule.window_h[0] * HOUR_S
    end = np.minimum(end, window + length)
    inside = end > start
    start, end, window = start[inside], end[inside], window[inside]
    used = np.array([np.sum((end - start)[window == night]) for night in np.unique(window)], dtype=np.int64)
    nights = np.flatnonzero(used > rule.limit_s)
    breaches = tuple(_night(start, end, window == night, rule.limit_s) for night in np.unique(window)[nights])
    begin, close = _window(at_s, rule)
    now = int(np.sum((end - start)[window == begin]))
    left = max(rule.limit_s - now, 0)
    silent = past.state == OFFLINE
    unseen = np.minimum(past.end_s[silent], close) - np.maximum(past.start_s[silent], begin)
    complete = bool(len(past) and past.start_s[0] <= begin)
    return DutyEntry(rule, now, left, max(begin, at_s) + left, breaches, int(np.maximum(unseen, 0).sum()), complete)


def _night(start: IntArray, end: IntArray, rows: np.typing.NDArray[np.bool_], limit_s: int) -> Breach:
    begin, finish = start[rows], end[rows]
    before = np.cumsum(finish - begin) - (finish - begin)
    first = int(np.flatnonzero(before + finish - begin > limit_s)[0])
    return Breach(int(begin[first] + limit_s - before[first]), int(finish[-1]))


_COUNTED: Final[dict[DutyKind, Callable[[Stretches, DutyRule, int], DutyEntry]]] = {
    "run": _of_run, "night_run": _of_run, "rolling": _rolling, "standstill": _standstill,
}
