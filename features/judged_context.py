"""What rows are judged by and are not fed with: owner, fleet, class, age and city, beside the inputs of a training frame.

Attributes come from the feature tables as they were known at the row's instant, the city from the registers as they are known
now. None of them enters a score here.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from features.build import CREATED, TIMESTAMP
from features.warehouse import Warehouse
from registry.entities import ENTERPRISE, VEHICLE
from registry.settings import Settings

ATTRIBUTES: Final = {
    ENTERPRISE.id_column: ("enterprise_profile", ("is_individual", "fleet_size", "mean_vehicle_age_year")),
    VEHICLE.id_column: ("vehicle_profile", ("vehicle_type", "vehicle_age_year")),
}
"""Id column -> feature table and its columns."""
HOMES: Final = (
    (VEHICLE.id_column, "vehicle_transport_permit"),
    (ENTERPRISE.id_column, "operator_basic"),
)
"""Id column and the register that holds its division code; the first that a frame has the id of counts."""
REGION: Final = "region_code"
CITY: Final = "city_code"


def with_context(frame: pd.DataFrame, settings: Settings) -> tuple[pd.DataFrame, list[str]]:
    """Return the frame with the attributes and the city that it lacks, and why any of them could not be added."""
    missing: list[str] = []
    for key, (table, columns) in ATTRIBUTES.items():
        wanted = [name for name in columns if name not in frame]
        path = settings.feature_dir / f"{table}.parquet"
        if key not in frame or not wanted:
            continue
        if not path.is_file():
            missing.append(f"{', '.join(wanted)}: no table {path.name}")
            continue
        frame = _as_of(frame, pd.read_parquet(path, columns=[key, TIMESTAMP, CREATED, *wanted]), key)
    return _with_city(frame, settings, missing), missing


def _as_of(frame: pd.DataFrame, table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Join the newest row of each key that had been created by the row's instant."""
    table = table.sort_values([CREATED, TIMESTAMP], kind="stable").drop(columns=TIMESTAMP)
    rows = frame[[key, TIMESTAMP]].reset_index(names="row").sort_values(TIMESTAMP, kind="stable")
    # Instants of two units compare to nothing in an as-of join.
    table = table.assign(**{CREATED: table[CREATED].astype(rows[TIMESTAMP].dtype)})
    joined = pd.merge_asof(rows, table, left_on=TIMESTAMP, right_on=CREATED, by=key)
    found = joined.set_index("row").drop(columns=[key, TIMESTAMP, CREATED])
    return frame.join(found)


def _with_city(frame: pd.DataFrame, settings: Settings, missing: list[str]) -> pd.DataFrame:
    if CITY in frame:
        return frame
    for key, resource in HOMES:
        if key not in frame:
            continue
        files = Warehouse(settings.warehouse_dir).files(resource)
        if not files:
            missing.append(f"{CITY}: the warehouse holds nothing of {resource}")
            return frame
        rows = pd.concat([
            pd.read_parquet(path, columns=[key, REGION, "event_time", "arrived_at", "withdrawn"]) for path in files
        ])
        rows = rows[~rows["withdrawn"].astype(bool) & rows[REGION].notna()]
        newest = rows.sort_values(["event_time", "arrived_at"], kind="stable").drop_duplicates(key, keep="last")
        codes = newest.set_index(key)[REGION].astype(str).str[:4]
        return frame.assign(**{CITY: frame[key].map(codes)})
    return frame
