"""The journal and the checkpoint of live positions: what a death may leave behind, and what no death leaves."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.live.checkpoint import FILE, copied, read_checkpoint, restore, write_checkpoint
from features.live.fold import LiveFold
from features.live.journal import JournalLimits, PositionJournal
from features.live.layout import NEWEST
from features.live.positions import POSITION, Records
from registry.errors import ConfigurationError, IntegrityError, ServiceUnavailable
from tests.lib.live import fed, records
from tests.lib.positions import Leg, drive

SMALL = JournalLimits(segment_bytes=500, total_bytes=4_000)


def some(n: int, first: int = 0) -> Records:
    made = np.zeros(n, POSITION)
    made["time_s"] = np.arange(first, first + n)
    return made


def read(folder: Path, after: int = 0) -> list[tuple[int, list[int]]]:
    journal = PositionJournal(folder, SMALL)
    found = [(number, records["time_s"].tolist()) for number, records in journal.after(after)]
    journal.close()
    return found


def written(folder: Path, count: int) -> list[Path]:
    journal = PositionJournal(folder, SMALL)
    for number in range(count):
        assert journal.append(some(3, 10 * number)) == number + 1
    journal.close()
    return sorted(folder.glob("*.log"))


def test_what_was_appended_is_read_in_order_over_all_segments(tmp_path: Path) -> None:
    assert len(written(tmp_path, 10)) > 2
    assert read(tmp_path) == [(n + 1, [10 * n, 10 * n + 1, 10 * n + 2]) for n in range(10)]
    assert [number for number, _ in read(tmp_path, after=7)] == [8, 9, 10]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 400), noise=st.binary(max_size=30))
def test_a_half_written_end_is_cut_off_and_the_next_record_follows(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    last = written(folder, 8)[-1]
    whole = last.stat().st_size
    os.truncate(last, max(whole - cut, 0))
    with last.open("ab") as file:
        file.write(noise)
    journal = PositionJournal(folder, SMALL)
    kept = journal.last
    assert journal.append(some(1, 999)) == kept + 1
    journal.close()
    assert [number for number, _ in read(folder)] == [*range(1, kept + 2)]
    assert read(folder)[-1] == (kept + 1, [999])


def test_damage_that_no_death_leaves_is_said(tmp_path: Path) -> None:
    first = written(tmp_path, 10)[0]
    content = bytearray(first.read_bytes())
    content[60] ^= 1
    first.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged behind record 0"):
        PositionJournal(tmp_path, SMALL)


def test_what_a_checkpoint_holds_is_forgotten_by_segments(tmp_path: Path) -> None:
    before = written(tmp_path, 10)
    journal = PositionJournal(tmp_path, SMALL)
    journal.forget(6)
    journal.close()
    assert len(list(tmp_path.glob("*.log"))) < len(before)
    assert [number for number, _ in read(tmp_path, after=6)] == [7, 8, 9, 10]


def test_a_full_journal_and_a_full_disk_are_told_and_keep_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = PositionJournal(tmp_path, SMALL)
    journal.append(some(2))
    with monkeypatch.context() as full:
        full.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(ServiceUnavailable, match="No space left"):
            journal.append(some(2, 50))
    assert journal.append(some(2, 70)) == 2
    while not journal.full:
        journal.append(some(3))
    journal.close()
    assert read(tmp_path)[:2] == [(1, [0, 1]), (2, [70, 71])]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    journal = PositionJournal(tmp_path)
    with pytest.raises(ConfigurationError, match="another live service"):
        PositionJournal(tmp_path)
    journal.close()


def a_fold(n: int = 3) -> LiveFold:
    fold = LiveFold.empty(n)
    for slot in range(n):
        legs = [Leg("06:00", "09:30", 60.0 + slot), Leg("09:30", "16:00", 0.0), Leg("16:00", "18:00", 70.0)]
        fed(fold, records(drive(legs)), slot=slot)
    return fold


def test_a_checkpoint_gives_the_state_back_also_under_another_roster(tmp_path: Path) -> None:
    fold = a_fold()
    numbers = np.array([10, 20, 30], np.uint64)
    write_checkpoint(tmp_path, copied(fold, 7, numbers, np.zeros(3, np.int64)))
    kept = read_checkpoint(tmp_path)
    assert kept is not None
    assert kept.number == 7
    other = LiveFold.empty(4)
    restore(other, kept, np.array([5, 10, 30, 40], np.uint64))
    assert [other.state.vehicle[slot, NEWEST] == fold.state.vehicle[of, NEWEST] for slot, of in ((1, 0), (2, 2))] == [True, True]
    assert other.state.newest_s[[0, 3]].tolist() == [0, 0]
    more = records(drive([Leg("18:00", "19:00", 50.0)]))
    for of, slot in ((0, 1), (2, 2)):
        fed(fold, more, slot=of)
        fed(other, more, slot=slot)
        assert other.state.vehicle[slot, NEWEST] == fold.state.vehicle[of, NEWEST]
        np.testing.assert_array_equal(other.stretches(slot).start_s, fold.stretches(of).start_s)


@pytest.mark.parametrize("place", [3, 50, -3, -1])
def test_a_damaged_checkpoint_is_not_believed(tmp_path: Path, place: int) -> None:
    write_checkpoint(tmp_path, copied(a_fold(1), 7, np.array([1], np.uint64), np.zeros(1, np.int64)))
    content = bytearray((tmp_path / FILE).read_bytes())
    content[place] ^= 1
    (tmp_path / FILE).write_bytes(content)
    assert read_checkpoint(tmp_path) is None
