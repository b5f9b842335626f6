"""A bucket of vehicles folded step by step from bytes: rows, corrections and counts are those of one fold over all messages."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.live.buckets import Fleet, Step, step
from features.live.corrections import Corrections
from features.live.duty_rows import COLUMNS
from features.live.fold import OUT_OF_ORDER, LiveFold
from features.live.positions import Records
from features.live.pushing import RowPusher
from features.live.road_map import road_map
from registry.errors import IntegrityError
from tests.lib.live import records
from tests.lib.positions import MIDNIGHT, Leg, at, drive

N = 40
NUMBERS = np.arange(2**63 - 20, 2**63 - 20 + N, dtype=np.uint64)
FLEET = Fleet(NUMBERS, np.where(np.arange(N) % 2, 80.0, 100.0), 3)
STRANGER = np.uint64(7)


def rows_of(slot: int) -> list[dict[str, Any]]:
    """A morning with a rest, each vehicle at its own hour, some messages half an hour late, one two hours, one twice."""
    rows = drive([Leg("06:00", "08:30", 60.0 + slot), Leg("08:30", "09:00", 0.0), Leg("09:00", f"1{slot % 3}:10", 70.0)])
    for place in range(100 + slot, 115 + slot):
        rows[place] = rows[place] | {"recv_time": rows[place]["gps_time"] + timedelta(minutes=30), "speed_kmh": 95.0}
    rows[60] = rows[60] | {"recv_time": rows[60]["gps_time"] + timedelta(hours=2)}
    rows.append(rows[200] | {"recv_time": rows[200]["gps_time"] + timedelta(minutes=1)})
    return rows


@pytest.fixture(scope="module")
def sent() -> Records:
    parts = []
    for slot, number in [*enumerate(NUMBERS[::4]), (0, STRANGER)]:
        parts.append(records(rows_of(slot)))
        parts[-1]["vehicle"] = number
    found = np.concatenate(parts)
    return found[np.argsort(found["received_us"], kind="stable")]


def steps_of(sent: Records, cuts: list[int], *, seed: int = 0) -> list[list[Step]]:
    """Take messages in parts through all buckets; each part is mixed, as a shuffle may leave it."""
    kept: dict[int, bytes] = {}
    found = []
    for part in np.split(sent, cuts):
        mixed = part[np.random.default_rng(seed).permutation(len(part))]
        buckets = FLEET.bucket_of(mixed["vehicle"])
        found.append([step(FLEET, int(b), kept.get(int(b)), mixed[buckets == b], road_map()) for b in np.unique(buckets)])
        kept |= {int(b): done.kept for b, done in zip(np.unique(buckets), found[-1], strict=True)}
    return found


def test_buckets_hold_every_vehicle_once() -> None:
    members = [FLEET.members(bucket) for bucket in range(FLEET.n_buckets)]
    assert sorted(np.concatenate(members).tolist()) == list(range(N))
    assert all((FLEET.bucket_of(NUMBERS[places]) == bucket).all() for bucket, places in enumerate(members))


def test_rows_and_corrections_are_those_of_one_fold_that_pushes_as_often(sent: Records, tmp_path: Path) -> None:
    instants = [round(MIDNIGHT.timestamp() + at(clock)) * 1_000_000 for clock in ("07:15", "08:20", "09:05", "10:30")]
    cuts = np.searchsorted(sent["received_us"], instants).tolist()
    fold = LiveFold.empty(N, cap_kmh=FLEET.cap_kmh)
    corrections = Corrections(tmp_path, [str(number) for number in NUMBERS.tolist()])
    pusher = RowPusher(fold, threading.RLock(), None, corrections, lambda: 0, 0.0)
    told: dict[str, int] = {}
    answered: dict[int, tuple[int, Any]] = {}
    corrected = 0
    for number, (part, steps) in enumerate(zip(np.split(sent, cuts), steps_of(sent, cuts), strict=True), 1):
        mine = part[part["vehicle"] != STRANGER]
        slots = np.searchsorted(NUMBERS, mine["vehicle"])
        applied = fold.apply(slots, mine, road_map().classes(mine["lon_e6"] / 1e6, mine["lat_e6"] / 1e6))
        late = applied.said == OUT_OF_ORDER
        pusher.correct(slots[late], mine["time_s"][late])
        pusher.note(applied.changed, number)
        pusher.push()
        for done in steps:
            corrected += len(done.corrected.numbers)
            for name, n in done.counts.items():
                told[name] = told.get(name, 0) + n
            for vehicle, cutoff_s, values in zip(done.rows.numbers.tolist(), done.rows.cutoff_s, done.rows.values, strict=True):
                answered[vehicle] = (cutoff_s, values)
        for slot, vehicle in enumerate(NUMBERS.tolist()):
            cutoff_s, values = answered.get(vehicle, (0, np.full(len(COLUMNS), np.nan)))
            assert pusher.answered_s[slot] == cutoff_s
            np.testing.assert_array_equal(pusher.answered[slot], values)
    assert corrected == corrections.counts()["rows_corrected"] > 5
    assert told.pop("wrong_plate") == (sent["vehicle"] == STRANGER).sum()
    assert told == fold.counts
    assert min(told["late"], told["duplicate"], told["out_of_order"]) >= len(NUMBERS[::4])
    corrections.close()


def test_a_row_that_is_corrected_while_its_vehicle_rests_reaches_the_store() -> None:
    rows = drive([Leg("06:00", "08:00", 60.0), Leg("08:00", "08:35", 0.0)])
    late = rows[230] | {"gps_time": rows[230]["gps_time"] + timedelta(seconds=7), "speed_kmh": 95.0}
    late["recv_time"] = rows[-1]["recv_time"] + timedelta(seconds=1)
    sent = records([*rows, late])
    sent["vehicle"] = NUMBERS[0]
    bucket, kept = int(FLEET.bucket_of(NUMBERS[:1])[0]), None
    found = []
    for part in np.split(sent, [240, len(rows)]):
        found.append(step(FLEET, bucket, kept, part, road_map()))
        kept = found[-1].kept
    driving, resting, corrected = found
    assert len(driving.rows.numbers) == 1
    assert len(resting.rows.numbers) == 0
    assert corrected.rows.cutoff_s.tolist() == driving.rows.cutoff_s.tolist() == corrected.corrected.cutoff_s.tolist()
    assert corrected.rows.made_us[0] == sent["received_us"][-1] > driving.rows.made_us[0]
    np.testing.assert_array_equal(corrected.corrected.before, driving.rows.values)
    np.testing.assert_array_equal(corrected.rows.values, corrected.corrected.values)
    assert (corrected.rows.values != driving.rows.values).any()


def test_the_order_that_a_shuffle_leaves_changes_no_byte(sent: Records) -> None:
    one, other = (steps_of(sent, [len(sent) // 2], seed=seed) for seed in (1, 2))
    assert [[done.kept for done in steps] for steps in one] == [[done.kept for done in steps] for steps in other]


def test_a_damaged_state_is_refused(sent: Records) -> None:
    kept = steps_of(sent, [])[0][0].kept
    with pytest.raises(IntegrityError, match="damaged"):
        step(FLEET, 0, kept[:-9] + b"x" + kept[-8:], sent[:0], road_map())


def test_a_vehicle_that_left_the_roster_is_forgotten_and_a_new_one_begins(sent: Records) -> None:
    kept = steps_of(sent, [len(sent) // 2])[0][0].kept
    fewer = Fleet(NUMBERS[4:], FLEET.cap_kmh[4:], 3)
    rest = sent[len(sent) // 2:]
    rest = rest[FLEET.bucket_of(rest["vehicle"]) == 0]
    assert NUMBERS[0] in rest["vehicle"] or NUMBERS[0] % 3 != 0
    before, after = step(FLEET, 0, kept, rest, road_map()), step(fewer, 0, kept, rest, road_map())
    gone = np.isin(before.rows.numbers, NUMBERS[:4])
    np.testing.assert_array_equal(before.rows.numbers[~gone], after.rows.numbers)
    np.testing.assert_array_equal(before.rows.values[~gone], after.rows.values)
