"""Minute scores for readers: the newest value of each vehicle, once, from wherever a reader stopped, and nothing queued."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.live.fatigue import FatigueBoard, Why
from registry.errors import QuotaExceeded, ServiceUnavailable
from serving.fatigue.frames import BEGINNING, Mark, ScoreFrames, read_mark
from serving.fatigue.stream import MOST_STREAMS, PAGE, Places, score_stream

N = 5
ALL = np.arange(N)


class Fleet:
    """A board that a test writes on."""

    def __init__(self, n: int = N) -> None:
        self.board, self.named, self.now = FatigueBoard(n), np.full(n, "", dtype=object), 0.0
        self.frames = ScoreFrames([f"v{slot}" for slot in range(n)], self.look, lambda: self.now)
        self.n = n

    def look(self):
        return self.board.seen_at(int(self.board.row_s.max())), self.named.copy()

    def score(self, slot: int, points: float, row_s: int = 1_000, score_id: str = "") -> None:
        self.board.why[slot], self.board.points[slot], self.board.row_s[slot], self.board.tier[slot] = Why.SCORED, points, row_s, 3
        self.named[slot] = score_id

    def seen(self, after: Mark = BEGINNING, slots=None, limit: int = 100):
        self.now += 2.0
        found = self.frames.page(after, np.arange(self.n) if slots is None else slots, limit)
        return [(one.document["vehicle_id"], one.document["points"]) for one in found], found[-1].mark if found else after


def test_a_reader_gets_what_changed_since_it_looked_and_nothing_twice():
    fleet = Fleet()
    assert fleet.seen() == ([], BEGINNING)
    fleet.score(1, 600.0)
    fleet.score(3, 700.0)
    found, mark = fleet.seen()
    assert found == [("v1", 600.0), ("v3", 700.0)]
    assert fleet.seen(mark) == ([], mark)
    fleet.score(3, 710.0)
    assert fleet.seen(mark)[0] == [("v3", 710.0)]
    # Whoever comes back after a while gets the newest value alone.
    fleet.score(3, 720.0)
    fleet.seen()
    fleet.score(3, 730.0)
    assert fleet.seen(mark)[0] == [("v3", 730.0)]


def test_a_page_that_is_cut_goes_on_behind_its_last_vehicle():
    fleet = Fleet()
    for slot in range(N):
        fleet.score(slot, 600.0 + slot)
    first, mark = fleet.seen(limit=2)
    second, mark = fleet.seen(mark, limit=2)
    third, _ = fleet.seen(mark, limit=2)
    assert [name for name, _ in first + second + third] == [f"v{slot}" for slot in range(N)]


def test_only_the_vehicles_of_the_reader_come():
    fleet = Fleet()
    for slot in range(N):
        fleet.score(slot, 600.0)
    assert [name for name, _ in fleet.seen(slots=np.array([1, 4]))[0]] == ["v1", "v4"]


def test_a_mark_of_another_run_begins_anew():
    fleet = Fleet()
    fleet.score(0, 600.0)
    _, mark = fleet.seen()
    assert fleet.seen(mark._replace(run=mark.run + 1))[0] == [("v0", 600.0)]


def test_a_score_that_is_recorded_later_comes_again_with_its_id():
    fleet = Fleet()
    fleet.score(0, 600.0)
    _, mark = fleet.seen()
    fleet.named[0] = "a" * 32
    fleet.now += 2.0
    (again,) = fleet.frames.page(mark, ALL, 10)
    assert again.document["score_id"] == "a" * 32


def test_what_turns_grey_is_said_with_its_reason_and_without_points():
    fleet = Fleet()
    fleet.score(0, 600.0, score_id="a" * 32)
    _, mark = fleet.seen()
    fleet.board.forget(np.array([0]))
    fleet.board.why[0] = Why.RESTING
    fleet.now += 2.0
    (grey,) = fleet.frames.page(mark, ALL, 10)
    document = grey.document
    assert (document["tier"]["code"], document["points"], document["as_of"], document["score_id"]) == ("grey", None, None, None)
    assert document["why"]["code"] == "resting"


def test_the_forecast_is_as_of_its_own_instant():
    fleet = Fleet()
    fleet.score(0, 600.0)
    fleet.board.ahead_s[0], fleet.board.orange_min[0], fleet.board.red_min[0] = 1_000, 12.7, np.inf
    fleet.now += 2.0
    (value,) = fleet.frames.page(BEGINNING, ALL, 10)
    forecast = value.document["forecast"]
    assert (forecast["minutes_to_orange"], forecast["minutes_to_red"]) == (12, None)


def test_frames_are_made_once_a_second_however_many_ask():
    fleet, looked = Fleet(), []
    real = fleet.look
    fleet.frames._look = lambda: looked.append(1) or real()
    for _ in range(50):
        fleet.frames.page(BEGINNING, ALL, 10)
    assert len(looked) == 1


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.3.4", "a.b.c", "1.2.-2", "-1.2.3", "1.2.3 ", "9" * 20 + ".1.1", "1.2.٣"])
def test_what_is_no_mark(text):
    assert read_mark(text) is None


def test_a_mark_comes_back_as_it_went():
    for mark in (Mark(1, 2, 3), Mark(1_790_000_000_000, 0, -1)):
        assert read_mark(mark.text) == mark


@given(st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, 3), st.booleans()), max_size=60), st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_every_reader_ends_with_the_newest_value_of_each_vehicle(steps, limit):
    fleet, held, mark = Fleet(), {}, BEGINNING
    for slot, points, reads in steps:
        fleet.score(slot, float(points))
        if reads:
            found, mark = fleet.seen(mark, limit=limit)
            held.update(found)
    while True:
        found, mark = fleet.seen(mark, limit=limit)
        if not found:
            break
        held.update(found)
    expected = {f"v{slot}": float(fleet.board.points[slot]) for slot in range(N) if fleet.board.why[slot] == Why.SCORED}
    assert held == expected


def read(events, most=1_000):
    async def taken():
        return [part async for part in events][:most]

    return asyncio.run(taken())


def fast(fleet: Fleet):
    """Let frames be made at each look."""
    fleet.frames._clock = lambda: fleet.__setattr__("now", fleet.now + 2.0) or fleet.now
    return fleet.frames


def test_a_page_is_counted_before_it_leaves_and_a_refusal_is_said():
    fleet, counted = Fleet(PAGE + 1), []
    for slot in range(fleet.n):
        fleet.score(slot, 600.0)

    def count():
        counted.append(1)
        if len(counted) == 2:
            raise QuotaExceeded("used up", where="quota")

    parts = read(score_stream(fast(fleet), BEGINNING, np.arange(fleet.n), count, places=Places(), stream_s=5.0))
    assert parts[1].count(b"event: score") == PAGE
    assert b"event: problem" in parts[2]
    assert json.loads(parts[2].split(b"data: ")[1])["status"] == 429
    assert len(parts) == 3


def test_a_stream_ends_and_gives_its_place_back_and_one_too_many_is_told():
    fleet, places = Fleet(), Places(1)
    parts = read(score_stream(fast(fleet), BEGINNING, ALL, lambda: None, places=places, stream_s=0.1))
    assert parts[0].startswith(b"retry: ")
    with places.one():
        told = read(score_stream(fast(fleet), BEGINNING, ALL, lambda: None, places=places, stream_s=0.1))
        assert b"event: problem" in told[0]
        with pytest.raises(ServiceUnavailable), places.one():
            pass
    with places.one():
        assert MOST_STREAMS >= 1
