"""Build the features of the tiny province, beside a plain pandas program for one family.

The whole build reads the warehouse, computes every family and label at every cut-off and writes Parquet; each part's
share of its time is given. The family `vehicle_activity` (sums over 30 and 90 days, as known at each cut-off) is then
computed alone by our expression on DuckDB with two threads, and by a loop over cut-offs in pandas; both read the same Parquet
files. Values are compared to a millionth; the bench ends with an error if they differ.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from features.build import build_features
from features.engine import connect
from features.families import FAMILIES
from features.families.vehicle_profile import IN_OPERATION
from features.formulas import FORMULA_FAMILIES
from features.known import open_known
from features.snapshot import FeatureSnapshot
from features.warehouse import Warehouse
from registry.settings import Settings
from tests.lib.provinces import settled, simulate, take_in
from tests.lib.timing import medians

TITLE: Final = "Features"
FIGURES: Final = {
    "build_rows_per_s": "warehouse rows over the seconds of a whole build",
    "output_rows_per_s": "feature and label rows over the seconds of a whole build",
    "family_time_ratio": "`vehicle_activity` alone: our time / pandas",
    "largest_relative_difference": "between the values of the two",
    **{f"share_{name}": f"share of the build's time: {name}" for name in ("open", *FAMILIES, "labels")},
}
FAMILY: Final = FAMILIES["vehicle_activity"]
SUMMED: Final = (
    "distance_km", "drive_h", "night_drive_h", "h_2_5", "n_cont_over_4h", "overspeed_min", "n_alarm_fatigue",
    "n_alarm_speed", "n_alarm_collision", "n_harsh_brake", "offline_h",
)


def run() -> dict[str, float]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settled(Path(folder))
        simulate(settings)
        take_in(settings)
        snapshot, shares, seconds = _timed_build(settings)
        warehouse = Warehouse(settings.warehouse_dir)
        rows = sum(one.rows for path in warehouse.root.iterdir() if path.name[0] != "." for one in warehouse.deliveries(path.name))
        cutoffs = [datetime.fromisoformat(text) for text in snapshot.cutoffs]
        made: dict[str, pd.DataFrame] = {}
        spent = medians({
            "ours": lambda: made.update(ours=_ours(settings, warehouse, cutoffs)),
            "pandas": lambda: made.update(pandas=_naive(warehouse, cutoffs)),
        }, rounds=3)
    return {
        "build_rows_per_s": rows / seconds,
        "output_rows_per_s": sum(n for n, _ in snapshot.tables.values()) / seconds,
        "family_time_ratio": spent["ours"] / spent["pandas"],
        "largest_relative_difference": _difference(made["ours"], made["pandas"]),
        **shares,
    }


def _timed_build(settings: Settings) -> tuple[FeatureSnapshot, dict[str, float], float]:
    marks: list[tuple[str, float]] = [("open", time.perf_counter())]
    snapshot = build_features(
        settings, simulated=True, progress=lambda name, _share: marks.append((name, time.perf_counter()))
    )
    shares: dict[str, float] = {}
    total = marks[-1][1] - marks[0][1]
    for (name, started), (_, ended) in pairwise(marks):
        if name in FORMULA_FAMILIES:
            continue  # what the shares leave of the whole is theirs
        part = "labels" if name.startswith("labels_") else name
        shares[f"share_{part}"] = shares.get(f"share_{part}", 0.0) + (ended - started) / total
    return snapshot, shares, total


def _ours(settings: Settings, warehouse: Warehouse, cutoffs: list[datetime]) -> pd.DataFrame:
    backend = connect(threads=2, memory_limit="2GB", spill_dir=settings.feature_dir / ".spill")
    known = open_known(backend, warehouse, FAMILY.resources, cutoffs, cutoffs[0])
    return FAMILY.expression(known).to_pandas()


def _naive(warehouse: Warehouse, cutoffs: list[datetime]) -> pd.DataFrame:
    """Compute the family as one would without thinking of engines: a loop over cut-offs."""
    days, permits = _versions(warehouse, "vehicle_day"), _versions(warehouse, "vehicle_transport_permit")
    return pd.concat([_at(pd.Timestamp(cutoff), days, permits) for cutoff in cutoffs], ignore_index=True)


def _versions(warehouse: Warehouse, resource_id: str) -> pd.DataFrame:
    rows = pd.concat([pd.read_parquet(path) for path in warehouse.files(resource_id)], ignore_index=True)
    rows = rows.sort_values(["row_id", "arrived_at", "delivery_id"], kind="stable")
    return rows.assign(superseded_at=rows.groupby("row_id")["arrived_at"].shift(-1))


def _at(cutoff: pd.Timestamp, days: pd.DataFrame, permits: pd.DataFrame) -> pd.DataFrame:
    held = _known(permits, cutoff).sort_values(["event_time", "arrived_at", "row_id"]).groupby("vehicle_id").tail(1)
    held = held[held["op_status"] == IN_OPERATION][["vehicle_id", "plate_id"]]
    driven = _known(days, cutoff)
    driven = _borne(driven[driven["event_time"] >= cutoff - pd.Timedelta(days=90)], _known(permits, cutoff))
    recent = driven[driven["event_time"] >= cutoff - pd.Timedelta(days=30)]
    by_90, by_30 = driven.groupby("vehicle_id"), recent.groupby("vehicle_id")
    table = by_90[list(SUMMED)].sum().add_suffix("_90d").assign(p95_speed_kmh_90d=by_90["p95_speed_kmh"].mean())
    table = table.join(by_30[["distance_km", "drive_h"]].sum().add_suffix("_30d"))
    table["active_days_30d"] = recent[recent["distance_km"] > 0].groupby("vehicle_id").size()
    table["active_days_30d"] = table["active_days_30d"].where(table["active_days_30d"].notna() | ~table.index.isin(by_30.groups), 0)
    table["max_cont_drive_h_30d"] = by_30["max_cont_drive_h"].max()
    return held.merge(_rates(table), left_on="vehicle_id", right_index=True).drop(columns="plate_id").assign(cutoff=cutoff)


def _borne(driven: pd.DataFrame, permits: pd.DataFrame) -> pd.DataFrame:
    """Give each day to the vehicle that bore the plate then; before the first permit, to the first bearer."""
    borne = permits.groupby(["plate_id", "vehicle_id"], as_index=False)["event_time"].min()
    since = borne.sort_values(["event_time", "vehicle_id"])
    first = since.drop_duplicates("plate_id").set_index("plate_id")["vehicle_id"]
    named = pd.merge_asof(driven.sort_values("event_time"), since, on="event_time", by="plate_id")
    return named.assign(vehicle_id=named["vehicle_id"].fillna(named["plate_id"].map(first)))


def _known(rows: pd.DataFrame, cutoff: pd.Timestamp) -> pd.DataFrame:
    in_force = rows["superseded_at"].isna() | (rows["superseded_at"] > cutoff)
    return rows[in_force & ~rows["withdrawn"] & (rows["arrived_at"] <= cutoff) & (rows["event_time"] < cutoff)]


def _rates(table: pd.DataFrame) -> pd.DataFrame:
    km, hours = table["distance_km_90d"].replace(0.0, np.nan), table["drive_h_90d"].replace(0.0, np.nan)
    rates: dict[str, Callable[[], Any]] = {
        "night_share_90d": lambda: table["night_drive_h_90d"] / hours,
        "h_2_5_share_90d": lambda: table["h_2_5_90d"] / hours,
        "over_4h_per_100h_90d": lambda: table["n_cont_over_4h_90d"] / hours * 100,
        "overspeed_min_per_100km_90d": lambda: table["overspeed_min_90d"] / km * 100,
        "fatigue_alarm_per_100km_90d": lambda: table["n_alarm_fatigue_90d"] / km * 100,
        "speed_alarm_per_100km_90d": lambda: table["n_alarm_speed_90d"] / km * 100,
        "collision_alarm_per_100km_90d": lambda: table["n_alarm_collision_90d"] / km * 100,
        "harsh_brake_per_100km_90d": lambda: table["n_harsh_brake_90d"] / km * 100,
        "offline_h_per_100h_90d": lambda: table["offline_h_90d"] / hours * 100,
        "distance_trend": lambda: table["distance_km_30d"] * 3 / km,
    }
    kept = table[[name for name in FAMILY.names if name in table.columns]]
    return kept.assign(**{name: make() for name, make in rates.items() if name in FAMILY.names})


def _difference(ours: pd.DataFrame, naive: pd.DataFrame) -> float:
    key, names = ["vehicle_id", "cutoff"], list(FAMILY.names)
    left, right = (frame.sort_values(key).reset_index(drop=True) for frame in (ours, naive))
    assert left[key].astype(str).equals(right[key].astype(str)), "the two do not name the same rows"
    a, b = (frame[names].to_numpy(dtype=float) for frame in (left, right))
    assert (np.isnan(a) == np.isnan(b)).all(), "the two do not agree about nulls"
    largest = float(np.nanmax(np.abs(a - b) / np.maximum(np.abs(b), 1.0)))
    assert largest < 1e-5, f"the two differ by {largest}"
    return largest
