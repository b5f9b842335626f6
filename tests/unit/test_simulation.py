from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from features.contracts import check_delivery
from features.simulation.accidents import accident_model, daily_intensity
from features.simulation.activity import simulate_activity
from features.simulation.assumptions import Assumptions, EnforcementAssumptions
from features.simulation.cities import inspection_intensity
from features.simulation.fatigue import simulate_fatigue
from features.simulation.presets import TINY, preset_named
from features.simulation.province import SimulationSummary, simulate_province
from features.simulation.world import LARGE, World, build_world
from registry.errors import ConfigurationError, InvalidRequest
from registry.resources import RESOURCES
from registry.resources.schema import ENVELOPE

SHORT = replace(TINY, months=3, fatigue_vehicles=12, fatigue_days=21)


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulationSummary]:
    folder = tmp_path_factory.mktemp("province")
    return folder, simulate_province(TINY, seed=11, outbox=folder / "outbox", truth=folder / "truth")


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(replace(TINY, n_operators=1_500, n_trucks=4_000), 5, Assumptions())


def delivered(folder: Path, resource_id: str) -> pd.DataFrame:
    """The newest version of every row, without those taken back."""
    files = sorted((folder / "outbox" / resource_id).glob("*.parquet"))
    rows = pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)
    newest = rows.sort_values("arrived_at", kind="stable").drop_duplicates("row_id", keep="last")
    return newest[~newest.withdrawn]


def planted(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "truth" / "events.parquet")


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*")) if file.is_file()
    }


def test_same_seed_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate_province(SHORT, seed=seed, outbox=tmp_path / name / "outbox", truth=tmp_path / name / "truth")
    first, second, third = (digests(tmp_path / name) for name in "abc")
    assert first == second
    assert first["outbox/claim/claim-202407.parquet"] != third["outbox/claim/claim-202407.parquet"]


def test_running_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for _ in range(2):
        simulate_province(SHORT, seed=3, outbox=tmp_path / "outbox", truth=tmp_path / "truth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["examples.json", "outbox", "truth"]


def test_a_folder_with_foreign_files_is_never_replaced(tmp_path: Path) -> None:
    keep = tmp_path / "outbox" / "thesis.docx"
    keep.parent.mkdir()
    keep.write_text("mine")
    with pytest.raises(ConfigurationError, match=r"thesis\.docx"):
        simulate_province(SHORT, seed=3, outbox=tmp_path / "outbox", truth=tmp_path / "truth")
    assert keep.read_text() == "mine"


def test_every_resource_is_delivered_and_holds_its_contract(province: tuple[Path, SimulationSummary]) -> None:
    folder, summary = province
    assert set(summary.rows) == set(RESOURCES)
    for resource_id, resource in RESOURCES.items():
        tables = [pq.read_table(file) for file in sorted((folder / "outbox" / resource_id).glob("*.parquet"))]
        declared = [column.id for column in (*resource.columns, *ENVELOPE)]
        assert all(table.column_names == declared for table in tables)
        table = pa.concat_tables(tables).unify_dictionaries()
        assert check_delivery(table, resource, where=resource_id).bad_rows == 0


def test_files_hold_the_arrivals_of_their_month(province: tuple[Path, SimulationSummary]) -> None:
    folder, _ = province
    for file in (folder / "outbox").glob("*/*.parquet"):
        local = pc.add(pq.read_table(file, columns=["arrived_at"])["arrived_at"], pa.scalar(8 * 3600 * 10**6, pa.duration("us")))
        assert pc.unique(pc.strftime(local, "%Y%m")).to_pylist() in ([file.stem.rsplit("-", 1)[1]], [])


def test_every_file_vouches_for_its_month_and_the_last_month_has_all_resources(
    province: tuple[Path, SimulationSummary],
) -> None:
    folder, _ = province
    last = {file.parent.name: pq.read_schema(file).metadata for file in (folder / "outbox").glob("*/*-202606.parquet")}
    assert set(last) == set(RESOURCES)
    assert {metadata[b"complete_until"] for metadata in last.values()} == {b"2026-06-30T16:00:00+00:00"}


def test_nothing_arrives_before_it_happened(province: tuple[Path, SimulationSummary]) -> None:
    folder, _ = province
    for resource_id, moment in (("claim", "reported_at"), ("enforcement_case", "case_filing_time"),
                                ("roadside_assistance", "occurred_at"), ("vehicle_location", "gps_time")):
        rows = delivered(folder, resource_id)
        assert (rows.arrived_at >= rows[moment]).all()


def test_rows_are_repeated_corrected_and_taken_back(province: tuple[Path, SimulationSummary]) -> None:
    folder, _ = province
    rows = pd.concat([pd.read_parquet(file) for file in (folder / "outbox" / "vehicle_day").glob("*.parquet")])
    versions = rows[rows.row_id.duplicated(keep=False) & ~rows.withdrawn].groupby("row_id").distance_km.nunique()
    assert 0.0005 < rows.withdrawn.mean() < 0.002
    assert 0.002 < (versions == 1).sum() / len(rows) < 0.005
    assert 0.002 < (versions > 1).sum() / len(rows) < 0.006


def test_magnitudes_lie_in_their_bands(province: tuple[Path, SimulationSummary]) -> None:
    folder, summary = province
    vehicle_years = summary.n_vehicles * 2.0
    days = delivered(folder, "vehicle_day")
    claims = delivered(folder, "claim")
    inspections = delivered(folder, "vehicle_inspection")
    hours = delivered(folder, "driving_hour")
    assert 55_000 < days.distance_km.sum() / vehicle_years < 85_000
    assert 0.25 < (claims.line == "motor").sum() / vehicle_years < 0.55
    assert 0.12 < len(delivered(folder, "enforcement_case")) / vehicle_years < 0.35
    assert 0.05 < (inspections[inspections.inspect_type == "1"].result == "2").mean() < 0.16
    assert 0.5 < len(delivered(folder, "roadside_assistance")) / vehicle_years < 1.6
    assert 0.004 < hours.fatigue_event.mean() < 0.03


def test_the_natural_keys_join(province: tuple[Path, SimulationSummary]) -> None:
    folder, _ = province
    basic = delivered(folder, "vehicle_basic")
    assert basic.vin.is_unique
    assert basic.plate_no.nunique() == len(basic) - (planted(folder).kind == "plate_reuse").sum()
    # One row in a thousand is taken back, so a few keys name nothing, as in any register.
    for resource_id, key, known in (
        ("claim", "policy_no", delivered(folder, "policy").policy_no), ("vehicle_day", "plate_no", basic.plate_no),
        ("vehicle_transport_permit", "uscc", delivered(folder, "operator_basic").uscc),
        ("case_vehicle", "case_id", delivered(folder, "enforcement_case").case_id),
    ):
        assert delivered(folder, resource_id)[key].isin(known).mean() > 0.98
    examples = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    assert {item["vin"] for item in examples["vehicle"]} <= set(basic.vin)
    assert len(examples["enterprise"]) == len(examples["driver"]) == 5


def test_the_truth_is_kept_apart_and_joins(province: tuple[Path, SimulationSummary]) -> None:
    folder, summary = province
    months = pd.read_parquet(folder / "truth" / "vehicle_month.parquet")
    hours = pd.read_parquet(folder / "truth" / "driving_hour.parquet")
    assert len(months) == summary.n_vehicles * TINY.months
    assert set(delivered(folder, "driving_hour").row_id) <= set(hours.row_id)
    assert months.claim_rate_motor.sum() == pytest.approx((delivered(folder, "claim").line == "motor").sum(), rel=0.2)


def test_accidents_rise_with_exposure_and_fall_with_culture(world: World) -> None:
    activity = simulate_activity(world, world.months[0])
    n = len(world.vehicles)
    intensity = activity.per_vehicle(daily_intensity(world, accident_model(world), activity), n)
    km = activity.per_vehicle(activity.columns["distance_km"], n)
    tractors = (world.vehicles.kind == 0) & (km > 0)
    far = km > np.median(km[tractors])
    assert intensity[tractors & far].mean() > 1.3 * intensity[tractors & ~far].mean()
    careful = world.vehicle_culture > 0.0
    assert intensity[careful].mean() < 0.7 * intensity[~careful].mean()


def test_cases_follow_inspection_intensity_and_not_only_violations(province: tuple[Path, SimulationSummary]) -> None:
    folder, _ = province
    months = pd.read_parquet(folder / "truth" / "vehicle_month.parquet")
    cases = delivered(folder, "enforcement_case")
    detection = months.groupby("month").p_detect.mean()
    by_month = cases.groupby(cases.illegal_time.dt.tz_convert("Asia/Shanghai").dt.month).size()
    campaign = list(EnforcementAssumptions().campaign_months)
    assert by_month[campaign].mean() > 1.2 * by_month.drop(campaign).mean()
    assert detection.max() > 1.5 * detection.min()
    assert np.ptp(inspection_intensity(11, EnforcementAssumptions())) > 0.5


def test_large_fleets_are_few_and_careful(world: World) -> None:
    operators = world.operators
    assert (operators.stratum == LARGE).mean() < 0.02
    assert operators.culture[operators.stratum == LARGE].mean() > operators.culture.mean()
    assert operators.size[operators.stratum == LARGE].min() >= 50


def test_driving_hours_are_ordered_and_sleepiness_raises_the_hazard() -> None:
    hours = simulate_fatigue(build_world(TINY, 5, Assumptions()))
    same = hours.vehicle[1:] == hours.vehicle[:-1]
    assert np.all(np.diff(hours.start_h)[same] > 0.33)
    known = ~np.isnan(hours.kss)
    sleepy = known & (hours.kss >= 6.5)
    assert hours.hazard[sleepy].mean() > 1.4 * hours.hazard[known & (hours.kss < 4.0)].mean()
    assert hours.hazard[hours.cont_drive_h >= 5].mean() > hours.hazard[hours.cont_drive_h < 3].mean()
    assert np.all(hours.duty["drive_h_24h"] <= 24.0)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="unknown preset 'huge'"):
        preset_named("huge")
