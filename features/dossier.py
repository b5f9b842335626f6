"""What the sources tell about each subject, gathered for reading: events with their rows, upkeep, hours of driving, places.

A page about one enterprise, vehicle or driver must not search a warehouse. This is the same rows, newest versions that were not
withdrawn, sorted by subject; each names the row that it comes from. Nothing here is a feature and no model reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from features.superseded import engine
from features.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb

    from registry.settings import Settings

EVENTS, VEHICLES, DRIVERS, HOURS, PLACES = "events", "vehicles", "drivers", "hours", "places"
HOURS_KEPT_D: Final = 8
"""Days of driving that are kept: a week, and the day in which it began."""
_SORTED_BY: Final = {
    EVENTS: "subject_id, event_time DESC, resource, row_id", VEHICLES: "vehicle_id", DRIVERS: "driver_id",
    HOURS: "vehicle_id, hour_start", PLACES: "road_code, stake_km, facility_code",
}
_READ: Final = (
    "vehicle_transport_permit", "vehicle_basic", "vehicle_inspection", "vehicle_annual_review", "enforcement_case", "case_vehicle",
    "case_party", "credit_list", "road_practitioner_rating", "road_enterprise_rating", "roadside_assistance", "driving_hour",
    "service_area", "highway_rest_stop", "parking_area", "toll_station",
)
_ROW: Final = "{0}.row_id, {0}.event_time, {0}.arrived_at, {0}.versions"


@dataclass(frozen=True)
class DossierTable:
    """One table of the dossier: its file, and how many rows it has."""

    name: str
    path: Path
    rows: int


def build_dossier(
    settings: Settings, folder: Path, as_of: datetime, *, progress: Callable[[str, float], None] | None = None
) -> list[DossierTable]:
    """Write the dossier of everybody as known at an instant; each table replaces the one before it.

    Parameters
    ----------
    folder
        Where the tables go.
    as_of
        Nothing that arrived later is in them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    warehouse, made = Warehouse(settings.warehouse_dir), []
    with engine(settings) as db:
        # DuckDB draws its own bar into the output of whoever calls.
        db.execute("SET enable_progress_bar = false")
        for resource in _READ:
            _known(db, warehouse, resource, as_of)
        db.execute(_HOLDERS)
        for place, (name, query) in enumerate(_TABLES.items()):
            if progress is not None:
                progress(name, place / len(_TABLES))
            made.append(_write(db, name, query, folder, as_of))
    return made


def _known(db: duckdb.DuckDBPyConnection, warehouse: Warehouse, resource: str, as_of: datetime) -> None:
    """Make a view of the newest versions that were known and not withdrawn, with the number of versions of each row."""
    files = [str(path) for path in warehouse.files(resource)]
    columns = _COLUMNS[resource]
    if not files:
        typed = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
        db.execute(f"CREATE TEMP TABLE {resource} AS SELECT {typed}, CAST(NULL AS BIGINT) AS versions WHERE false")
        return
    picked = ", ".join(columns)
    db.execute(
        f"""
        CREATE TEMP TABLE {resource} AS
        SELECT {picked}, versions FROM (
            SELECT {picked}, withdrawn,
                row_number() OVER (PARTITION BY row_id ORDER BY arrived_at DESC, delivery_id DESC) AS newest,
                count(*) OVER (PARTITION BY row_id) AS versions
            FROM read_parquet(?, hive_partitioning = false) WHERE arrived_at <= ?
        ) WHERE newest = 1 AND NOT withdrawn
        """,  # noqa: S608 - own names
        [files, as_of],
    )


def _write(db: duckdb.DuckDBPyConnection, name: str, query: str, folder: Path, as_of: datetime) -> DossierTable:
    target, draft = folder / f"{name}.parquet", folder / f".{name}.parquet"
    parameters: list[Any] = [as_of] * query.count("?")
    db.execute(
        f"COPY (SELECT * FROM ({query}) ORDER BY {_SORTED_BY[name]}) TO '{_quoted(draft)}' "  # noqa: S608 - own names and path
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192)",
        parameters,
    )
    draft.replace(target)
    import pyarrow.parquet as pq

    return DossierTable(name, target, pq.ParquetFile(target).metadata.num_rows)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _newest(table: str, subject: str) -> str:
    return (
        f"(SELECT * FROM {table} WHERE {subject} IS NOT NULL "  # noqa: S608 - own names
        f"QUALIFY row_number() OVER (PARTITION BY {subject} ORDER BY event_time DESC, row_id) = 1)"
    )


_ENVELOPE: Final = {"row_id": "VARCHAR", "event_time": "TIMESTAMPTZ", "arrived_at": "TIMESTAMPTZ"}
_FACILITY: Final = {
    "facility_code": "VARCHAR", "name": "VARCHAR", "road_code": "VARCHAR", "road_name": "VARCHAR", "stake_km": "DOUBLE",
    "region_code": "VARCHAR", "lon_deg": "DOUBLE", "lat_deg": "DOUBLE", "status": "VARCHAR",
}
_COLUMNS: Final[dict[str, dict[str, str]]] = {
    resource: {**_ENVELOPE, **own} for resource, own in {
        "vehicle_transport_permit": {
            "vehicle_id": "VARCHAR", "plate_id": "VARCHAR", "enterprise_id": "VARCHAR", "op_status": "VARCHAR",
            "region_code": "VARCHAR", "industry_type": "VARCHAR", "valid_to": "DATE", "second_maint_date": "DATE",
            "next_second_maint_date": "DATE", "second_maint_cycle_d": "DOUBLE", "second_maint_interval_km": "DOUBLE",
            "tank_exam_date": "DATE", "carrier_liability_valid_to": "DATE", "business_scope": "VARCHAR",
        },
        "vehicle_basic": {
            "vehicle_id": "VARCHAR", "vehicle_type": "VARCHAR", "fuel_type": "VARCHAR", "registered_date": "DATE",
            "scrap_date": "DATE", "gross_mass_t": "DOUBLE",
        },
        "vehicle_inspection": {
            "vehicle_id": "VARCHAR", "inspect_type": "VARCHAR", "result": "VARCHAR", "next_due": "DATE",
            "odometer_km": "DOUBLE", "n_fail_items": "DOUBLE",
        },
        "vehicle_annual_review": {"vehicle_id": "VARCHAR", "result": "VARCHAR", "valid_to": "DATE"},
        "enforcement_case": {
            "case_id": "VARCHAR", "enterprise_id": "VARCHAR", "case_reason": "VARCHAR", "state": "VARCHAR", "source": "VARCHAR",
            "fine_cny": "DOUBLE", "not_punish": "BOOLEAN",
        },
        "case_vehicle": {"case_id": "VARCHAR", "plate_id": "VARCHAR", "driver_id": "VARCHAR"},
        "case_party": {"case_id": "VARCHAR", "enterprise_id": "VARCHAR", "driver_id": "VARCHAR"},
        "credit_list": {
            "enterprise_id": "VARCHAR", "driver_id": "VARCHAR", "list_type": "VARCHAR", "reason": "VARCHAR",
            "expires_at": "DATE", "removed_at": "DATE",
        },
        "road_practitioner_rating": {
            "driver_id": "VARCHAR", "enterprise_id": "VARCHAR", "assess_year": "INTEGER", "grade": "VARCHAR",
            "score_points": "DOUBLE", "qualification_category": "VARCHAR", "drive_class": "VARCHAR",
            "valid_to": "DATE", "cert_status": "VARCHAR",
            "practice_status": "VARCHAR", "accident_count": "INTEGER", "training_count": "INTEGER",
            "continuing_education_done": "BOOLEAN", "enforcement_status": "VARCHAR", "blacklisted": "BOOLEAN",
        },
        "road_enterprise_rating": {"enterprise_id": "VARCHAR", "grade": "VARCHAR", "total_score": "DOUBLE"},
        "roadside_assistance": {"vehicle_id": "VARCHAR", "component": "VARCHAR", "odometer_km": "DOUBLE"},
        "driving_hour": {
            "plate_id": "VARCHAR", "hour_start": "TIMESTAMPTZ", "cont_drive_h": "DOUBLE", "drive_h_24h": "DOUBLE",
            "drive_h_7d": "DOUBLE", "kss": "DOUBLE", "safte_effectiveness": "DOUBLE", "fatigue_event": "BOOLEAN",
            "hours_since_rest_h": "DOUBLE",
        },
        "service_area": {**_FACILITY, "has_repair": "BOOLEAN", "has_fuel": "BOOLEAN", "truck_spaces": "DOUBLE"},
        "highway_rest_stop": {**_FACILITY, "truck_spaces": "DOUBLE"},
        "parking_area": {**_FACILITY, "truck_spaces": "DOUBLE"},
        "toll_station": {
            "station_code": "VARCHAR", **{name: kind for name, kind in _FACILITY.items() if name != "facility_code"},
        },
    }.items()
}

# Which vehicle bore a plate, and who operated it, from each permit on.
_HOLDERS: Final = """
CREATE TEMP TABLE holders AS
SELECT plate_id, vehicle_id, enterprise_id, event_time AS since FROM vehicle_transport_permit WHERE plate_id IS NOT NULL
"""

_CASE: Final = """
    'enforcement_case' AS resource, c.row_id, c.event_time, c.arrived_at, c.versions, 'case' AS kind, c.case_reason AS code,
    c.state AS result, c.fine_cny AS amount
"""
_EVENTS: Final = f"""
SELECT c.enterprise_id AS subject_id, NULL AS vehicle_id, {_CASE}
FROM enforcement_case c WHERE c.enterprise_id IS NOT NULL AND NOT c.not_punish
UNION
SELECT p.enterprise_id, NULL, {_CASE}
FROM case_party p JOIN enforcement_case c USING (case_id) WHERE p.enterprise_id IS NOT NULL AND NOT c.not_punish
UNION
SELECT coalesce(p.driver_id, v.driver_id), NULL, {_CASE}
FROM enforcement_case c LEFT JOIN case_party p USING (case_id) LEFT JOIN case_vehicle v USING (case_id)
WHERE coalesce(p.driver_id, v.driver_id) IS NOT NULL AND NOT c.not_punish
UNION
SELECT h.vehicle_id, h.vehicle_id, {_CASE}
FROM case_vehicle v JOIN enforcement_case c USING (case_id)
ASOF JOIN holders h ON v.plate_id = h.plate_id AND c.event_time >= h.since WHERE NOT c.not_punish
UNION ALL
SELECT i.vehicle_id, i.vehicle_id, 'vehicle_inspection', {_ROW.format("i")}, 'inspection', i.inspect_type, i.result, i.odometer_km
FROM vehicle_inspection i WHERE i.vehicle_id IS NOT NULL
UNION ALL
SELECT r.vehicle_id, r.vehicle_id, 'vehicle_annual_review', {_ROW.format("r")}, 'review', NULL, r.result, NULL
FROM vehicle_annual_review r WHERE r.vehicle_id IS NOT NULL
UNION ALL
SELECT a.vehicle_id, a.vehicle_id, 'roadside_assistance', {_ROW.format("a")}, 'assistance', a.component, NULL, a.odometer_km
FROM roadside_assistance a WHERE a.vehicle_id IS NOT NULL
UNION ALL
SELECT coalesce(l.enterprise_id, l.driver_id), NULL, 'credit_list', {_ROW.format("l")}, 'list', l.reason, l.list_type, NULL
FROM credit_list l WHERE coalesce(l.enterprise_id, l.driver_id) IS NOT NULL
UNION ALL
SELECT e.enterprise_id, NULL, 'road_enterprise_rating', {_ROW.format("e")}, 'rating', NULL, e.grade, e.total_score
FROM road_enterprise_rating e WHERE e.enterprise_id IS NOT NULL
UNION ALL
SELECT d.driver_id, NULL, 'road_practitioner_rating', {_ROW.format("d")}, 'rating', d.qualification_category, d.grade,
    d.score_points
FROM road_practitioner_rating d WHERE d.driver_id IS NOT NULL
"""  # noqa: S608 - own names

_VEHICLES: Final = f"""
SELECT p.vehicle_id, p.enterprise_id, p.plate_id, p.op_status, p.region_code, p.industry_type, p.business_scope,
    p.valid_to AS permit_valid_to, p.second_maint_date, p.next_second_maint_date, p.second_maint_cycle_d,
    p.second_maint_interval_km, p.tank_exam_date, p.carrier_liability_valid_to, {_ROW.format("p")},
    b.vehicle_type, b.fuel_type, b.registered_date, b.scrap_date, b.gross_mass_t,
    i.next_due AS inspection_due, i.odometer_km, i.event_time AS odometer_at, r.valid_to AS review_valid_to
FROM {_newest("vehicle_transport_permit", "vehicle_id")} p
LEFT JOIN {_newest("vehicle_basic", "vehicle_id")} b
    USING (vehicle_id)
LEFT JOIN {_newest("vehicle_inspection", "vehicle_id")} i
    USING (vehicle_id)
LEFT JOIN {_newest("vehicle_annual_review", "vehicle_id")} r
    USING (vehicle_id)
"""  # noqa: S608 - own names

_DRIVERS: Final = _newest("road_practitioner_rating", "driver_id")

_HOURS: Final = f"""
SELECT h.vehicle_id, d.* EXCLUDE (plate_id, event_time) FROM driving_hour d
ASOF JOIN holders h ON d.plate_id = h.plate_id AND d.event_time >= h.since
WHERE d.hour_start >= CAST(? AS TIMESTAMPTZ) - INTERVAL {HOURS_KEPT_D} DAY AND h.vehicle_id IS NOT NULL
"""  # noqa: S608 - own names

_PLACE: Final = ", ".join(name for name in _FACILITY if name != "facility_code")
_PLACES: Final = f"""
SELECT 'service_area' AS resource, facility_code, {_PLACE}, has_repair, has_fuel, truck_spaces, row_id FROM service_area
UNION ALL SELECT 'highway_rest_stop', facility_code, {_PLACE}, NULL, NULL, truck_spaces, row_id FROM highway_rest_stop
UNION ALL SELECT 'parking_area', facility_code, {_PLACE}, NULL, NULL, truck_spaces, row_id FROM parking_area
UNION ALL SELECT 'toll_station', station_code, {_PLACE}, NULL, NULL, NULL, row_id FROM toll_station
"""  # noqa: S608 - own names

_TABLES: Final = {EVENTS: _EVENTS, VEHICLES: _VEHICLES, DRIVERS: _DRIVERS, HOURS: _HOURS, PLACES: _PLACES}
