"""The duty ledger against an oracle that walks through time tick by tick and keeps counters, for whatever was driven."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.duty_ledger import Breach, DutyEntry, duty_ledger
from features.segments import DRIVE, OFFLINE, STOP, Stretches, merged
from registry.duty_rules import DUTY_RULES, DutyRule, rule_named

LOCAL = 8 * 3600
Piece = tuple[int, int, int]
"""State, ticks, standing ticks that an off-line piece can hold."""


def made(pieces: list[Piece], t0: int, tick: int) -> Stretches:
    edges = t0 + tick * np.cumsum([0, *(length for _, length, _ in pieces)])
    state = np.array([state for state, _, _ in pieces], dtype=np.int8)
    spare = np.array([tick * min(spare, length) if what == OFFLINE else 0 for what, length, spare in pieces], dtype=np.int64)
    return merged(Stretches(np.zeros(len(pieces), dtype=np.int64), edges[:-1], edges[1:], state, spare))


class Oracle:
    """Lives through the ticks one after the other."""

    def __init__(self, pieces: list[Piece], rule: DutyRule, t0: int, tick: int, at: int) -> None:
        self.rule, self.tick, self.t0, self.at = rule, tick, t0, at
        self.ticks = (at - t0) // tick
        self.states, self.resets = self._lived(pieces)

    def _lived(self, pieces: list[Piece]) -> tuple[list[int], list[bool]]:
        """Return what each tick was, and whether a rest was complete at its beginning."""
        states: list[int] = []
        resets: list[bool] = []
        for state, length, spare in pieces:
            for _ in range(length):
                states.append(state)
                resets.append(False)
            if state == OFFLINE and min(spare, length) * self.tick >= self.rule.rest_s:
                resets[-1] = True
        states, resets = states[: self.ticks], resets[: self.ticks]
        standing = 0
        for n, state in enumerate(states):
            standing = standing + self.tick if state == STOP else 0
            resets[n] = resets[n] or standing >= self.rule.rest_s
        return states, resets

    def counts(self, n: int) -> bool:
        """Return whether driving in a tick counts for the rule."""
        if self.rule.kind in ("run", "rolling"):
            return True
        hour = (self.t0 + n * self.tick + LOCAL) // 3600 % 24
        from_h, to_h = self.rule.window_h
        return from_h <= hour < to_h if from_h < to_h else hour >= from_h or hour < to_h

    def walk(self) -> tuple[int, list[Breach], int]:
        """Return what is used, the breaches, and when the limit is reached if driving goes on."""
        return self._rolling() if self.rule.kind == "rolling" else self._counter()

    def _counter(self) -> tuple[int, list[Breach], int]:
        used, breaches, current = 0, [], None
        for n, state in enumerate(self.states):
            begins = self.rule.kind == "standstill" and self._window_begins(n)
            if begins:
                used, current = 0, None
            if state == DRIVE and self.counts(n):
                used += self.tick
                if used > self.rule.limit_s:
                    current = (n, n + 1) if current is None else (current[0], n + 1)
                    breaches = [*[b for b in breaches if b[0] != current[0]], current]
            if self.rule.kind != "standstill" and self.resets[n]:
                used, current = 0, None
        n = self.ticks
        now = 0 if self.rule.kind == "standstill" and (not self.counts(n) or self._window_begins(n)) else used
        total = now
        while total < self.rule.limit_s or (self.rule.kind == "standstill" and not self.counts(n)):
            total += self.tick if self.counts(n) else 0
            n += 1
        return now, [Breach(self._time(a), self._time(b)) for a, b in breaches], self._time(n)

    def _window_begins(self, n: int) -> bool:
        return (self._time(n) + LOCAL) % 86400 == self.rule.window_h[0] * 3600

    def _rolling(self) -> tuple[int, list[Breach], int]:
        span, total, history, breaches = self.rule.span_s // self.tick, 0, [], []
        used = [0]
        for n, state in enumerate(self.states):
            history.append(self.tick if state == DRIVE else 0)
            total += history[n] - (history[n - span] if n >= span else 0)
            used.append(total)
            if max(used[n], used[n + 1]) > self.rule.limit_s:
                if breaches and breaches[-1][1] == n:
                    breaches[-1] = (breaches[-1][0], n + 1)
                else:
                    breaches.append((n, n + 1))
        now, n = total, self.ticks
        while total < self.rule.limit_s:
            history.append(self.tick)
            total += self.tick - (history[n - span] if n >= span else 0)
            n += 1
        return now, [Breach(self._time(a), self._time(b)) for a, b in breaches], self._time(n)

    def _time(self, n: int) -> int:
        return self.t0 + n * self.tick


def check(pieces: list[Piece], rule: DutyRule, t0: int, tick: int, at: int) -> None:
    entry: DutyEntry = duty_ledger(made(pieces, t0, tick), [rule], at).entries[0]
    used, breaches, reached = Oracle(pieces, rule, t0, tick, at).walk()
    assert entry.used_s == used
    assert entry.remaining_s == max(rule.limit_s - used, 0)
    assert list(entry.breaches) == breaches
    assert entry.first_breach_s == (breaches[0].start_s if breaches else None)
    assert entry.reached_s == reached


def pieces_of(lengths: st.SearchStrategy[int], most: int) -> st.SearchStrategy[list[Piece]]:
    state = st.sampled_from([DRIVE, DRIVE, OFFLINE, STOP])
    return st.lists(st.tuples(state, lengths, lengths), min_size=2, max_size=most)


def instant(data: st.DataObject, pieces: list[Piece]) -> int:
    """Draw an instant that is as likely inside a piece as at its end."""
    total = sum(length for _, length, _ in pieces)
    ends = np.cumsum([length for _, length, _ in pieces]).tolist()
    anywhere = st.floats(0.0, 1.0).map(lambda share: 1 + int(share * (total - 1)))
    return int(data.draw(st.one_of(st.sampled_from(ends), anywhere)))


SMALL = {
    "run": replace(rule_named("continuous_4h"), limit_s=40, rest_s=12),
    "rolling": replace(rule_named("passenger_24h"), limit_s=30, span_s=60),
}
EVENING = 1_780_012_800 + 11 * 3600
"""19:00 of a local day."""
EDGES = st.sampled_from([5, 10, 19, 20, 30, 60, 110, 120, 180, 240, 300])
"""Minutes at which the rules turn."""


@settings(max_examples=150, deadline=None)
@given(pieces_of(st.integers(1, 25), 20), st.sampled_from(sorted(SMALL)), st.data())
def test_counters_are_exact_to_the_second(pieces: list[Piece], kind: str, data: st.DataObject) -> None:
    t0 = 1_780_000_000
    check(pieces, SMALL[kind], t0, 1, t0 + instant(data, pieces))


@settings(max_examples=20, deadline=None)
@given(
    pieces_of(st.integers(600, 4000), 12), st.sampled_from(["passenger_night_2h", "coach_2_to_5"]),
    st.integers(-10_800, 10_800), st.data(),
)
def test_windows_are_exact_to_the_second(pieces: list[Piece], rule: str, second: int, data: st.DataObject) -> None:
    t0 = EVENING + 7 * 3600 + second
    check(pieces, rule_named(rule), t0, 1, t0 + instant(data, pieces))


@pytest.mark.parametrize("rule", DUTY_RULES, ids=[rule.rule_id for rule in DUTY_RULES])
@settings(max_examples=80, deadline=None)
@given(pieces_of(EDGES, 12), st.integers(0, 60), st.data())
def test_every_rule_at_its_edges(rule: DutyRule, pieces: list[Piece], ten_minutes: int, data: st.DataObject) -> None:
    t0 = EVENING + 600 * ten_minutes
    check(pieces, rule, t0, 60, t0 + 60 * instant(data, pieces))


@settings(max_examples=10, deadline=None)
@given(pieces_of(st.integers(300, 900), 30), st.integers(0, 1439), st.data())
def test_a_week_fills_up_minute_by_minute(pieces: list[Piece], minute: int, data: st.DataObject) -> None:
    t0 = 1_780_012_800 + 60 * minute
    check(pieces, rule_named("passenger_7d"), t0, 60, t0 + 60 * instant(data, pieces))


def test_a_driver_who_rests_19_minutes_is_beyond_four_hours_one_who_rests_20_is_not() -> None:
    start = int(datetime(2026, 3, 2, 0, 0, tzinfo=UTC).timestamp())
    for rest_min, expected in ((19, [Breach(start + 14_400 + 1_140, start + 18_000 + 1_140)]), (20, [])):
        pieces = [(DRIVE, 180, 0), (STOP, rest_min, 0), (DRIVE, 120, 0)]
        entry = duty_ledger(made(pieces, start, 60), [rule_named("continuous_4h")], start + 60 * (300 + rest_min)).entries[0]
        assert list(entry.breaches) == expected


def test_what_was_off_line_is_told_and_not_counted() -> None:
    start = int(datetime(2026, 3, 2, 0, 0, tzinfo=UTC).timestamp())
    pieces = [(DRIVE, 100, 0), (OFFLINE, 60, 5), (DRIVE, 100, 0)]
    entry = duty_ledger(made(pieces, start, 60), [rule_named("continuous_4h")], start + 60 * 260).entries[0]
    assert (entry.used_s, entry.unobserved_s, entry.complete) == (12_000, 3_600, False)


def test_two_vehicles_have_two_ledgers() -> None:
    both = Stretches(np.array([0, 1]), np.array([0, 0]), np.array([5, 5]), np.array([1, 1], dtype=np.int8), np.array([0, 0]))
    with pytest.raises(ValueError, match="one vehicle, met 2"):
        duty_ledger(both, DUTY_RULES, 9)
