"""What is planned for a vehicle-day, what its messages say, and what the platform makes of them are one and the same."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from features.reduction import reduce_days
from features.simulation.activity import LONG_REST, Fleet, block_days, fleet_of, simulate_activity
from features.simulation.assumptions import ActivityAssumptions, Assumptions
from features.simulation.cli import positions
from features.simulation.identities import PLATE_COLOR, Identities, make_identities
from features.simulation.messages import messages_of, messages_of_many
from features.simulation.on_demand import vehicle_day_messages
from features.simulation.presets import TINY
from features.simulation.trips import DAY, REST, plan_shifts
from features.simulation.world import World, build_world
from registry.errors import InvalidRequest, NotFound

TOLERANCE = {
    "distance_km": 0.2, "p95_speed_kmh": 1.5, "overspeed_min": 0.01,
    **dict.fromkeys(("drive_h", "night_drive_h", "h_2_5", "max_cont_drive_h", "offline_h"), 1.0 / 120.0),
}
"""Everything else is a count and must agree exactly."""
TROUBLED = Assumptions(activity=ActivityAssumptions(stuck_odometer_share=0.08, offline_base=0.15))


@pytest.fixture(scope="module")
def moving() -> tuple[World, Identities, Fleet]:
    world = build_world(TINY, 7, TROUBLED)
    return world, make_identities(world), fleet_of(world)


def planned(fleet: Fleet, first: np.datetime64, end: np.datetime64) -> dict[tuple[int, Any], dict[str, float]]:
    return {
        (int(vehicle), part.day): {name: float(values[row]) for name, values in part.columns.items()}
        for part in block_days(fleet, 0, first, end) for row, vehicle in enumerate(part.vehicle)
    }


@pytest.mark.parametrize("month", ["2024-09-01", "2025-06-01", "2026-01-01"])
def test_reduced_messages_are_the_delivered_vehicle_days(moving: tuple[World, Identities, Fleet], month: str) -> None:
    world, identities, fleet = moving
    rng = np.random.default_rng(int(month[:4]))
    vehicles = np.sort(rng.choice(len(world.vehicles), 45, replace=False))
    # The days before and after tell how long the first one's driving and stops had lasted and would last.
    first = np.datetime64(month) + rng.integers(1, 20)
    table = messages_of_many(world, identities, vehicles, first - 1, first + 5, fleet=fleet)
    caps = {(identities.plate_no[v], PLATE_COLOR): float(fleet.behaviour.cap_kmh[v]) for v in vehicles}
    vehicle_of = {identities.plate_no[v]: int(v) for v in vehicles}
    plan = {key: row for key, row in planned(fleet, first, first + 4).items() if key[0] in set(vehicles.tolist())}
    reduced = {
        (vehicle_of[row["plate_no"]], np.datetime64(row["day"])): row
        for row in reduce_days(table, speed_caps=caps).to_pylist()
        if first <= np.datetime64(row["day"]) < first + 4
    }
    assert set(reduced) == set(plan)
    assert len(plan) > 50
    wrong = [
        (key, name, value, reduced[key][name]) for key, row in plan.items() for name, value in row.items()
        if not math.isclose(value, reduced[key][name] or 0.0, rel_tol=0.0, abs_tol=TOLERANCE.get(name, 0.0) + 1e-6)
        and not (math.isnan(value) and reduced[key][name] is None)
    ]
    assert wrong == []


def test_messages_of_a_day_alone_are_those_of_the_day_among_others(moving: tuple[World, Identities, Fleet]) -> None:
    world, identities, fleet = moving
    day = np.datetime64("2025-03-11")
    busy = int(next(iter(block_days(fleet, 0, day, day + 1))).vehicle[0])
    alone = messages_of(world, identities, busy, day, fleet=fleet)
    among = messages_of_many(world, identities, np.array([busy, busy + 1]), day, day + 1, fleet=fleet)
    mine = [value == identities.plate_no[busy] for value in among["plate_no"].to_pylist()]
    assert len(alone) > 50
    assert alone.to_pylist() == among.filter(np.array(mine)).to_pylist()


def test_raw_messages_hold_what_a_reducer_must_survive(moving: tuple[World, Identities, Fleet]) -> None:
    world, identities, fleet = moving
    first = np.datetime64("2024-10-08")
    table = messages_of_many(world, identities, np.arange(40), first, first + 3, fleet=fleet).to_pandas()
    repeated = table.duplicated(["plate_no", "gps_time"])
    by_time = table.sort_values(["plate_no", "gps_time"])
    jump = by_time.groupby("plate_no").lon_deg.diff().abs()
    assert 0.001 < repeated.mean() < 0.006
    assert not table[~repeated].gps_time.is_monotonic_increasing
    assert (table.recv_time > table.gps_time).all()
    assert (jump > 0.03).sum() > 5
    assert table.odometer_km.groupby(table.plate_no).nunique().min() == 1


def test_shifts_never_meet_and_runs_are_parted_by_legal_rests(moving: tuple[World, Identities, Fleet]) -> None:
    _, _, fleet = moving
    day = np.datetime64("2025-10-10")
    today, _ = plan_shifts(fleet.motion, 0, day)
    tomorrow, _ = plan_shifts(fleet.motion, 0, day + 1)
    both, left, right = np.intersect1d(today.vehicle, tomorrow.vehicle, return_indices=True)
    assert len(both) > 100
    assert np.all(tomorrow.start[0][right] + DAY - today.ends[left] >= 3 * 120)
    real = today.end[1:] > today.start[1:]
    stop = today.start[1:] - today.end[:-1]
    assert stop[real].min() >= REST
    assert stop[real].max() < LONG_REST
    gap = today.gap_to - today.gap_from
    assert np.all((gap < 40) | today.ends_run)


def test_what_lies_behind_midnight_belongs_to_the_next_day(moving: tuple[World, Identities, Fleet]) -> None:
    _, _, fleet = moving
    day = np.datetime64("2025-10-10")
    shifts, _ = plan_shifts(fleet.motion, 0, day)
    rows = planned(fleet, day, day + 2)
    late = shifts.take(np.flatnonzero((shifts.ends > DAY + 60) & (shifts.ends < DAY + 400)))
    assert len(late) > 5
    for vehicle in late.vehicle.tolist():
        assert rows[vehicle, day + 1]["night_drive_h"] > 0.0
        assert rows[vehicle, day + 1]["max_cont_drive_h"] <= rows[vehicle, day + 1]["drive_h"] + 24.0


def test_a_plan_does_not_depend_on_what_else_is_planned(moving: tuple[World, Identities, Fleet]) -> None:
    world, _, fleet = moving
    month = world.months[5]
    whole = simulate_activity(world, month, fleet)
    day = month.first + 17
    alone = next(iter(block_days(fleet, 0, day, day + 1)))
    rows = whole.day == day
    assert np.array_equal(whole.vehicle[rows], alone.vehicle)
    for name, values in alone.columns.items():
        assert np.array_equal(whole.columns[name][rows], values, equal_nan=values.dtype.kind == "f")


def test_nobody_is_heard_on_the_missing_day(moving: tuple[World, Identities, Fleet]) -> None:
    world, identities, fleet = moving
    missing = np.datetime64(world.assumed.activity.missing_day)
    assert planned(fleet, missing, missing + 1) == {}
    assert len(messages_of(world, identities, 3, missing, fleet=fleet)) == 0


def test_long_runs_and_speeding_come_from_a_taste_for_risk() -> None:
    world = build_world(replace(TINY, n_operators=900, n_trucks=2_500), 5, Assumptions())
    activity = simulate_activity(world, world.months[1])
    n = len(world.vehicles)
    days = np.maximum(activity.per_vehicle(np.ones(len(activity.vehicle)), n), 1.0)
    tractors = world.vehicles.kind == 0
    for name in ("max_cont_drive_h", "overspeed_min", "n_harsh_brake"):
        mean = np.log(activity.per_vehicle(activity.columns[name], n) / days + 0.1)
        assert np.corrcoef(mean[tractors], world.vehicle_risk[tractors])[0, 1] > 0.06


def test_the_command_writes_the_messages_of_one_vehicle_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path))
    out = tmp_path / "day.parquet"
    asked = ["--vehicle", "7", "--day", "2025-02-18", "--preset", "tiny", "--seed", "7", "--json"]
    told = CliRunner().invoke(positions, [*asked, "--out", str(out)])
    assert told.exit_code == 0, told.output
    answer = json.loads(told.stdout)
    table = pq.read_table(out)
    assert answer["messages"] == len(table) > 0
    assert answer["vehicle_day"]["drive_h"] > 0
    by_plate = CliRunner().invoke(positions, ["--vehicle", answer["plate_no"], *asked[2:]])
    assert json.loads(by_plate.stdout)["vehicle_day"] == answer["vehicle_day"]


def test_an_unknown_vehicle_or_a_day_outside_is_refused() -> None:
    with pytest.raises(NotFound, match="no vehicle '99999'"):
        vehicle_day_messages("tiny", 7, "99999", np.datetime64("2025-02-18"))
    with pytest.raises(InvalidRequest, match="lies outside"):
        vehicle_day_messages("tiny", 7, "3", np.datetime64("2031-02-18"))
