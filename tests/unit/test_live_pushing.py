"""Rows on their way to the store: who waits longest goes first, a refusal loses nothing, and what comes in between is compared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.live import pushing
from features.live.checkpoint import copied, read_checkpoint, restore, write_checkpoint
from features.live.corrections import Corrections
from features.live.duty_rows import COLUMNS
from features.live.fold import LiveFold
from features.live.layout import MESSAGES_S
from features.live.lists import class_of
from features.live.pushing import RowPusher
from registry.errors import ServiceUnavailable
from tests.lib.live import records
from tests.lib.positions import Leg, drive

N = 5


class Store:
    """A store that keeps what it is given, runs something first, or refuses."""

    def __init__(self) -> None:
        self.written: list[list[int]] = []
        self.first: Callable[[], None] = lambda: None
        self.refuses = False

    def write(self, slots: Any, _cutoff: Any, _values: Any, _created: int) -> int:
        self.first()
        if self.refuses:
            raise ServiceUnavailable("full")
        self.written.append(slots.tolist())
        return len(slots)

    def answered(self) -> tuple[Any, Any]:
        return np.zeros(N, np.int64), np.full((N, len(COLUMNS)), np.nan)


@pytest.fixture
def pusher(tmp_path: Path) -> Iterator[RowPusher]:
    fold = LiveFold.empty(N)
    found = records(drive([Leg("06:00", "08:00", 60.0)]))
    for slot in range(N):
        fold.apply(np.full(len(found), slot), found)
    corrections = Corrections(tmp_path, [f"v{slot}" for slot in range(N)])
    yield RowPusher(fold, threading.RLock(), Store(), corrections, lambda: 7, 0.0)  # type: ignore[arg-type]
    corrections.close()


def a_late_message(pusher: RowPusher, slot: int, *, place: int = 200) -> None:
    """Give a vehicle a message that changes the hour that was answered."""
    late = drive([Leg("06:00", "08:00", 60.0)])[place]
    found = records([late | {"gps_time": late["gps_time"] + timedelta(seconds=7), "speed_kmh": 95.0}])
    slots = np.full(1, slot)
    with pusher.lock:
        pusher.fold.apply(slots, found)
        pusher.correct(slots, found["time_s"])
        pusher.note(slots, 9)


def test_who_waits_longest_goes_first_and_no_push_is_larger_than_allowed(pusher: RowPusher, monkeypatch: Any) -> None:
    monkeypatch.setattr(pushing, "MAX_PUSH", 2)
    pusher.note(np.array([3, 4]), 1, ((2, 0.0),))
    pusher.note(np.array([0, 1, 3]), 2, ((3, 0.0),))
    assert pusher.push()
    assert [n for n, _ in pusher.latency_s] == [2]
    assert pusher.push()
    assert pusher.store.written == [[3, 4], [0, 1]]  # type: ignore[union-attr]
    assert [n for n, _ in pusher.latency_s] == [2, 3]
    assert not pusher.waits


def test_what_the_store_refuses_waits_on_as_the_oldest_and_is_told_when_it_is_there(pusher: RowPusher) -> None:
    store: Any = pusher.store
    pusher.note(np.array([2]), 1, ((1, 0.0),))
    store.refuses = True
    store.first = lambda: pusher.note(np.array([0, 2]), 2)
    assert not pusher.push()
    assert pusher.unpushed.tolist() == [0, 2]
    assert pusher.answered_s[2] == 0
    assert not pusher.latency_s
    store.refuses, store.first = False, lambda: None
    assert pusher.push()
    assert store.written == [[0, 2]]
    assert (pusher.failed, pusher.pushed, pusher.waits) == (1, 2, False)


def test_a_row_that_the_store_has_is_not_written_again(pusher: RowPusher) -> None:
    for number in (1, 2):
        pusher.note(np.array([1]), number)
        assert pusher.push()
    assert (pusher.pushed, pusher.unchanged) == (1, 1)


def test_what_comes_while_a_row_is_on_its_way_corrects_it(pusher: RowPusher) -> None:
    store: Any = pusher.store
    store.first = lambda: a_late_message(pusher, 1)
    pusher.note(np.array([1, 2]), 1)
    before = pusher.fold.duty_rows(np.array([1]))[1][0]
    assert pusher.push()
    after = pusher.fold.duty_rows(np.array([1]))[1][0]
    told = {one["feature"]: (one["before"], one["after"]) for one in pusher.corrections.of("v1")}
    wanted = {
        name: (before[place], after[place]) for place, name in enumerate(COLUMNS)
        if before[place] != after[place] and not (np.isnan(before[place]) and np.isnan(after[place]))
    }
    assert told == wanted != {}
    assert pusher.corrections.of("v2") == []
    store.first = lambda: None
    assert pusher.unpushed.tolist() == [1]
    assert pusher.push()
    assert store.written == [[1, 2], [1]]


def test_what_is_corrected_while_its_vehicle_rests_is_pushed_all_the_same(pusher: RowPusher) -> None:
    pusher.note(np.array([1]), 1)
    assert pusher.push()
    cutoff_s, before = int(pusher.answered_s[1]), pusher.answered[1].copy()
    rest = drive([Leg("06:00", "08:00", 60.0), Leg("08:00", "08:35", 0.0)])[241:]
    pusher.fold.apply(np.full(len(rest), 1), records(rest))
    pusher.note(np.array([1]), 2)
    assert pusher.push()
    a_late_message(pusher, 1, place=230)
    assert pusher.fold.duty_rows(np.array([1]))[0].tolist() == [0]
    assert pusher.push()
    assert pusher.store.written == [[1], [], [1]]  # type: ignore[union-attr]
    assert pusher.answered_s[1] == cutoff_s
    assert (pusher.answered[1] != before).any()


def test_what_a_store_refused_on_its_way_is_not_corrected(pusher: RowPusher) -> None:
    store: Any = pusher.store
    store.refuses, store.first = True, lambda: a_late_message(pusher, 1)
    pusher.note(np.array([1]), 1)
    assert not pusher.push()
    assert pusher.corrections.of("v1") == []


def test_a_checkpoint_tells_which_rows_had_not_been_pushed(pusher: RowPusher, tmp_path: Path) -> None:
    pusher.note(np.array([1, 3]), 1)
    numbers = np.arange(N, dtype=np.uint64) + 10
    write_checkpoint(tmp_path, copied(pusher.fold, 7, numbers, pusher.answered_s, pusher.unpushed))
    kept = read_checkpoint(tmp_path)
    assert kept is not None
    assert restore(LiveFold.empty(3), kept, numbers[[0, 3, 4]]).tolist() == [1]


def test_a_pool_laid_anew_says_the_same_and_holds_no_piece_that_nobody_uses(pusher: RowPusher) -> None:
    fold = pusher.fold
    before = [(fold.messages(slot).tolist(), fold.stretches(slot).start_s.tolist()) for slot in range(N)]
    fold.lay()
    assert [(fold.messages(slot).tolist(), fold.stretches(slot).start_s.tolist()) for slot in range(N)] == before
    assert fold.state.tops.tolist() == [fold.state.m_size.sum(), fold.state.t_size.sum()]
    more, straight = records(drive([Leg("08:00", "11:00", 70.0)])), LiveFold.empty(1)
    for found in (records(drive([Leg("06:00", "08:00", 60.0)])), more):
        straight.apply(np.zeros(len(found), np.int64), found)
    fold.apply(np.full(len(more), 2), more)
    np.testing.assert_array_equal(fold.state.vehicle[2], straight.state.vehicle[0])
    kept = min(len(fold.messages(2)), len(straight.messages(0)))  # when a full list forgets depends on its piece
    assert kept * 30 >= MESSAGES_S
    np.testing.assert_array_equal(fold.messages(2)[-kept:], straight.messages(0)[-kept:])


@pytest.mark.parametrize(("count", "size"), [(1, 0), (8, 0), (9, 1), (16, 8), (17, 9), (18, 9), (32, 16), (33, 17), (230, 39)])
def test_pieces_have_eight_sizes_an_octave(count: int, size: int) -> None:
    from features.live.compiled import kernel

    assert kernel(lambda n: class_of(n))(count) == size
