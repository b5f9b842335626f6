"""Families on random histories beside slow readings of the rule in words: what was known, who bore the plate, what windows hold.

A build of a family takes a second whatever its size. So there are few examples with many rows: versions that arrive late, are
corrected and withdrawn, plates that pass from vehicle to vehicle, cut-offs on the edges of windows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.engine import connect
from features.families import FAMILIES, vehicle_use
from tests.lib.histories import BEGIN, day_of, instant
from tests.lib.made_resources import Row, in_force, opened

PERMIT, DAY, CASE, CASE_VEHICLE = "vehicle_transport_permit", "vehicle_day", "enforcement_case", "case_vehicle"
VEHICLES, PLATES = ("v0", "v1", "v2", "v3"), ("p0", "p1", "p2")
FEW = settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
EVENTS, LAGS = st.integers(0, 110), st.integers(0, 40)
CUTOFFS = st.lists(st.integers(20, 150), min_size=3, max_size=4, unique=True)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = connect(threads=1, memory_limit="512MB", spill_dir=tmp_path_factory.mktemp("spill"))
    yield made
    made.disconnect()


def values_of(
    family_id: str, backend: Any, rows: dict[str, list[Row]], cutoffs: list[int]
) -> dict[tuple[str, float], dict[str, Any]]:
    family = FAMILIES[family_id]
    with tempfile.TemporaryDirectory() as folder:
        known = opened(Path(folder), backend, rows, [float(cutoff) for cutoff in cutoffs])
        found = family.expression(known).to_pyarrow().to_pylist()
    return {(row[family.entity.id_column], day_of(row["cutoff"])): row for row in found}


def versions(values: st.SearchStrategy[dict[str, Any]], n: int, prefix: str) -> st.SearchStrategy[list[Row]]:
    """Rows of at most `n` identities, several versions of each, in the order of delivery."""
    row = st.builds(
        lambda number, event, lag, values, withdrawn: Row(f"{prefix}{number}", event, event + lag, values, withdrawn),
        st.integers(0, n - 1), EVENTS, LAGS, values, st.sampled_from((False, False, False, False, True)),
    )
    return st.lists(row, min_size=n, max_size=3 * n)


def permits(statuses: tuple[str, ...] = ("10", "10", "10", "80")) -> st.SearchStrategy[list[Row]]:
    values = st.fixed_dictionaries({
        "vehicle_id": st.sampled_from(VEHICLES), "plate_id": st.sampled_from(PLATES), "enterprise_id": st.just("e"),
        "op_status": st.sampled_from(statuses), "region_code": st.just("360100"),
    })
    return versions(values, 8, "permit")


KM, HOURS = st.sampled_from((0.0, 0.5, 120.25, 333.333)), st.sampled_from((0.0, 1.5, 4.25, 7.125))
DAYS_DRIVEN = versions(st.fixed_dictionaries({
    "plate_id": st.sampled_from(PLATES), "distance_km": KM, "drive_h": HOURS, "max_cont_drive_h": HOURS,
    "n_cont_over_4h": st.integers(0, 2), "p95_speed_kmh": st.sampled_from((None, 70.5, 92.0)), "night_drive_h": HOURS,
}), 25, "day")


def vehicles_at(rows: list[Row], cutoff: int) -> set[str]:
    """The vehicles whose latest known permit is in operation."""
    latest: dict[str, Row] = {}
    for row in sorted(in_force(rows, cutoff), key=lambda row: (row.event, row.arrival, row.row_id)):
        latest[row.values["vehicle_id"]] = row
    return {vehicle for vehicle, row in latest.items() if row.values["op_status"] == "10"}


def bearer(rows: list[Row], cutoff: int, plate: str, event: float) -> str | None:
    """Who bore a plate when something happened: the last to begin by then, else the first to begin at all."""
    since: dict[str, float] = {}
    for row in in_force(rows, cutoff):
        if row.values["plate_id"] == plate:
            vehicle = row.values["vehicle_id"]
            since[vehicle] = min(since.get(vehicle, row.event), row.event)
    by_then = {vehicle: day for vehicle, day in since.items() if day <= event}
    if by_then:
        return min(by_then, key=lambda vehicle: (-by_then[vehicle], vehicle))
    return min(since, key=lambda vehicle: (since[vehicle], vehicle)) if since else None


def activity_slowly(rows: dict[str, list[Row]], cutoff: int) -> dict[str, dict[str, float | None]]:
    found = {}
    for vehicle in vehicles_at(rows[PERMIT], cutoff):
        days = [
            row for row in in_force(rows[DAY], cutoff)
            if row.event >= cutoff - 90 and bearer(rows[PERMIT], cutoff, row.values["plate_id"], row.event) == vehicle
        ]
        if not days:
            continue
        recent = [row.values for row in days if row.event >= cutoff - 30]
        every = [row.values for row in days]
        hours = sum(day["drive_h"] for day in every)
        speeds = [day["p95_speed_kmh"] for day in every if day["p95_speed_kmh"] is not None]
        found[vehicle] = {
            "distance_km_90d": sum(day["distance_km"] for day in every),
            "distance_km_30d": sum(day["distance_km"] for day in recent) if recent else None,
            "drive_h_30d": sum(day["drive_h"] for day in recent) if recent else None,
            "active_days_30d": float(sum(day["distance_km"] > 0 for day in recent)) if recent else None,
            "max_cont_drive_h_30d": max((day["max_cont_drive_h"] for day in recent), default=None),
            "p95_speed_kmh_90d": sum(speeds) / len(speeds) if speeds else None,
            "night_share_90d": sum(day["night_drive_h"] for day in every) / hours if hours else None,
            "over_4h_per_100h_90d": sum(day["n_cont_over_4h"] for day in every) / hours * 100.0 if hours else None,
        }
    return found


def agree(met: dict[str, Any], expected: dict[str, float | None]) -> None:
    assert {name: met[name] for name in expected} == {
        name: None if value is None else pytest.approx(value, abs=1e-6, rel=1e-9) for name, value in expected.items()
    }


@FEW
@given(permits=permits(), days=DAYS_DRIVEN, cutoffs=CUTOFFS)
def test_driving_is_counted_for_who_bore_the_plate(backend: Any, permits: list[Row], days: list[Row], cutoffs: list[int]) -> None:
    rows = {PERMIT: permits, DAY: days}
    met = values_of("vehicle_activity", backend, rows, cutoffs)
    expected = {
        (vehicle, float(cutoff)): values for cutoff in cutoffs for vehicle, values in activity_slowly(rows, cutoff).items()
    }
    assert met.keys() == expected.keys()
    for key, values in expected.items():
        agree(met[key], values)


CASES = versions(st.fixed_dictionaries({
    "case_reason": st.sampled_from(("C11", "C13", "C09", "C01")), "fine_cny": st.sampled_from((None, 500.0, 2_000.5)),
    "overload_ratio": st.sampled_from((None, 0.2, 1.4)), "not_punish": st.sampled_from((False, False, True)),
    "state": st.sampled_from(("2", "3", "4", "5")),
}), 15, "case")
STANDING = [
    Row(f"permit{n}", 0, 0, {
        "vehicle_id": VEHICLES[n], "plate_id": PLATES[n], "enterprise_id": "e", "op_status": "10", "region_code": "360100",
    })
    for n in range(3)
]


def cases_slowly(rows: dict[str, list[Row]], cutoff: int) -> dict[str, dict[str, float | None]]:
    plates = {row.values["case_id"]: row.values["plate_id"] for row in in_force(rows[CASE_VEHICLE], cutoff)}
    years = min(cutoff - day_of(BEGIN), 365.0) / 365.0
    found: dict[str, dict[str, float | None]] = {}
    for row in STANDING:
        plate, vehicle = row.values["plate_id"], row.values["vehicle_id"]
        own = [
            case for case in in_force(rows[CASE], cutoff)
            if plates.get(case.row_id) == plate and case.event >= cutoff - 365
            and case.values["state"] in ("3", "4") and not case.values["not_punish"]
        ]
        reasons = [case.values["case_reason"] for case in own]
        ratios = [case.values["overload_ratio"] for case in own if case.values["overload_ratio"] is not None]
        found[vehicle] = {
            "vehicle_case_per_year": len(own) / years,
            "vehicle_overload_per_year": sum(reason in ("C11", "C12", "C13") for reason in reasons) / years,
            "vehicle_maintenance_case_per_year": sum(reason in ("C09", "C10", "C15") for reason in reasons) / years,
            "vehicle_fine_cny_per_year": sum(case.values["fine_cny"] or 0.0 for case in own) / years,
            "vehicle_n_case_90d": float(sum(case.event >= cutoff - 90 for case in own)),
            "vehicle_max_overload_ratio_365d": max(ratios, default=None),
            "vehicle_last_case_age_d": cutoff - max(case.event for case in own) if own else None,
        }
    return found


@FEW
@given(cases=CASES, met_at=st.lists(st.integers(0, 2), min_size=15, max_size=15), cutoffs=CUTOFFS)
def test_findings_are_those_decided_and_known(backend: Any, cases: list[Row], met_at: list[int], cutoffs: list[int]) -> None:
    named = [Row(row.row_id, row.event, row.arrival, {**row.values, "case_id": row.row_id}, row.withdrawn) for row in cases]
    vehicles = [
        Row(f"{number}-V1", 0, 1, {"case_id": f"case{number}", "plate_id": PLATES[place]}) for number, place in enumerate(met_at)
    ]
    rows = {PERMIT: STANDING, CASE: named, CASE_VEHICLE: vehicles}
    met = values_of("vehicle_enforcement", backend, rows, cutoffs)
    assert len(met) == 3 * len(cutoffs)
    for cutoff in cutoffs:
        for vehicle, values in cases_slowly(rows, cutoff).items():
            agree(met[vehicle, float(cutoff)], values)


ONE_DAY = {
    "plate_id": "p0", "distance_km": 10.0, "drive_h": 1.0, "max_cont_drive_h": 1.0, "n_cont_over_4h": 0,
    "p95_speed_kmh": None, "night_drive_h": 0.0,
}
TYPES = st.lists(st.sampled_from(("H11", "H12", None)), min_size=len(VEHICLES), max_size=len(VEHICLES))
RELATED = {
    "relative_distance_30d": "distance_km_30d", "relative_distance_90d": "distance_km_90d",
    "relative_drive_30d": "drive_h_30d", "relative_active_days_30d": "active_days_30d",
}


@FEW
@given(permits=permits(), days=DAYS_DRIVEN, cutoffs=CUTOFFS, types=TYPES)
def test_use_is_seen_beside_the_vehicles_of_a_type(
    backend: Any, permits: list[Row], days: list[Row], cutoffs: list[int], types: list[str | None],
) -> None:
    of = dict(zip(VEHICLES, types, strict=True))
    basic = [Row(f"basic-{vehicle}", 0, 0, {"vehicle_id": vehicle, "vehicle_type": kind}) for vehicle, kind in of.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vehicle_use, "LEAST_OF_TYPE", 2)
        met = values_of("vehicle_use", backend, {PERMIT: permits, DAY: days, "vehicle_basic": basic}, cutoffs)
    slowly = {cutoff: activity_slowly({PERMIT: permits, DAY: days}, cutoff) for cutoff in cutoffs}
    assert met.keys() == {(vehicle, float(cutoff)) for cutoff, found in slowly.items() for vehicle in found}
    for (vehicle, cutoff), row in met.items():
        agree(row, {name: beside_slowly(slowly[int(cutoff)], of, vehicle, total) for name, total in RELATED.items()})


def test_a_type_of_few_vehicles_says_nothing(backend: Any) -> None:
    basic = Row("basic0", 0, 0, {"vehicle_id": "v0", "vehicle_type": "H11"})
    rows = {PERMIT: STANDING, DAY: [Row("day0", 40, 41, ONE_DAY)], "vehicle_basic": [basic]}
    few = values_of("vehicle_use", backend, rows, [50])["v0", 50.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vehicle_use, "LEAST_OF_TYPE", 1)
        alone = values_of("vehicle_use", backend, rows, [50])["v0", 50.0]
    assert {few[name] for name in RELATED} == {None}
    assert {alone[name] for name in RELATED} == {1.0}


def beside_slowly(
    found: dict[str, dict[str, float | None]], of: dict[str, str | None], vehicle: str, total: str
) -> float | None:
    """A vehicle's total over the mean of those of its type that have one; nothing where they are fewer than two."""
    values = [totals[total] for other, totals in found.items() if of[vehicle] is not None and of[other] == of[vehicle]]
    known = [value for value in values if value is not None]
    own = found[vehicle][total]
    if own is None or len(known) < 2 or not sum(known):
        return None
    return own / (sum(known) / len(known))


def test_the_slow_reading_tells_a_wrong_family(backend: Any) -> None:
    corrected = [Row("day0", 20, 21, ONE_DAY), Row("day0", 20, 60, {**ONE_DAY, "distance_km": 99.0})]
    rows = {PERMIT: STANDING, DAY: corrected}
    assert values_of("vehicle_activity", backend, rows, [50, 70])["v0", 50.0]["distance_km_90d"] == 10.0
    assert activity_slowly(rows, 50)["v0"]["distance_km_90d"] == 10.0
    assert activity_slowly(rows, 70)["v0"]["distance_km_90d"] == 99.0
    assert activity_slowly({**rows, DAY: corrected[1:]}, 50) == {}
    assert instant(0) > BEGIN
