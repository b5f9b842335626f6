"""Which rows of the sources stood behind a decision: what was known of its entity at the cut-off, inside the longest window.

A row is named by the warehouse's row identifier, a pseudonym of the supplier's. Measures of a whole city are not followed to
their rows: every row of the city stands behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from features.affected import AREA, longest_window_d, with_current_pseudonyms
from features.families import FAMILIES
from features.products import PRODUCT_FEATURES
from features.superseded import engine
from features.warehouse import Warehouse
from registry.entities import ENTERPRISE, VEHICLE
from registry.resources import RESOURCES

if TYPE_CHECKING:
    import duckdb

    from registry.decisions import Decision
    from registry.settings import Settings

MOST_ROWS: Final = 20
"""So many rows of a resource are named, the newest ones; the others are counted."""
HOLDERS: Final = "vehicle_transport_permit"
CASES: Final = ("case_vehicle", "enforcement_case")


@dataclass(frozen=True)
class _Subject:
    """Pseudonyms by column that lead to rows of one decision."""

    ids: Mapping[str, tuple[str, ...]]

    def condition(self, columns: Iterable[str]) -> tuple[str, list[list[str]]]:
        """Return the condition on a resource with these columns, and its parameters; empty where none leads to it."""
        named = [(name, ids) for name, ids in self.ids.items() if name in columns and ids]
        return " OR ".join(f"{name} IN (SELECT unnest(?))" for name, _ in named), [list(ids) for _, ids in named]


def rows_behind(settings: Settings, decision: Decision) -> list[dict[str, Any]]:
    """Return, by resource, the rows that a decision's inputs were computed from.

    Returns
    -------
    list of dict
        resource, zh, en, window_d (None for all of the past), n_rows, and `rows`: at most `MOST_ROWS`, newest first, each with
        row_id, event_time, arrived_at, delivery_id. Empty for a row that the caller sent.
    """
    if decision.product not in PRODUCT_FEATURES or not decision.entity_id:
        return []
    (one,) = with_current_pseudonyms(settings, [decision])
    warehouse = Warehouse(settings.warehouse_dir)
    with engine(settings) as db:
        subject = _subject(db, warehouse, one)
        found = [
            _of_resource(db, warehouse, name, window_d, subject, one.as_of)
            for name, window_d in _windows(one.product).items()
        ]
    return [entry for entry in found if entry is not None]


def _windows(product_id: str) -> dict[str, int | None]:
    """Return resource -> days before the cut-off that any family of the product reads of it, None for all of the past."""
    longest: dict[str, int | None] = {}
    for name in PRODUCT_FEATURES[product_id].families:
        family = FAMILIES[name]
        if all(feature.group == AREA for feature in family.features):
            continue
        for resource in family.resources:
            days, known = longest_window_d(family, resource), longest.get(resource, 0)
            longest[resource] = None if days is None or known is None else max(days, known)
    return longest


def _subject(db: duckdb.DuckDBPyConnection, warehouse: Warehouse, decision: Decision) -> _Subject:
    """Return the pseudonyms that lead to a decision's rows: itself, its enterprise, the plates it bore, its cases."""
    of_vehicle = PRODUCT_FEATURES[decision.product].entity.id == VEHICLE.id
    own = VEHICLE.id_column if of_vehicle else ENTERPRISE.id_column
    ids: dict[str, tuple[str, ...]] = {own: (decision.entity_id,)}
    if ENTERPRISE.id in decision.related:
        ids[ENTERPRISE.id_column] = (decision.related[ENTERPRISE.id],)
    held = _known(db, warehouse, HOLDERS, own, (decision.entity_id,), ("plate_id", "vehicle_id"), decision.as_of)
    ids["plate_id"] = held["plate_id"]
    if not of_vehicle:
        ids[VEHICLE.id_column] = held["vehicle_id"]
    cases: set[str] = set()
    for resource, column in zip(CASES, ("plate_id", ENTERPRISE.id_column), strict=True):
        cases |= set(_known(db, warehouse, resource, column, ids.get(column, ()), ("case_id",), decision.as_of)["case_id"])
    return _Subject({**ids, "case_id": tuple(sorted(cases))})


def _known(
    db: duckdb.DuckDBPyConnection, warehouse: Warehouse, resource: str, by: str, ids: tuple[str, ...],
    columns: tuple[str, ...], as_of: datetime,
) -> dict[str, tuple[str, ...]]:
    files = [str(path) for path in warehouse.files(resource)]
    if not files or not ids:
        return dict.fromkeys(columns, ())
    return {
        column: tuple(row[0] for row in db.execute(
            f"SELECT DISTINCT {column} FROM read_parquet(?, hive_partitioning = false) "  # noqa: S608 - names of the contract
            f"WHERE {by} IN (SELECT unnest(?)) AND arrived_at <= ? AND {column} IS NOT NULL ORDER BY 1",
            [files, list(ids), as_of],
        ).fetchall())
        for column in columns
    }


def _of_resource(
    db: duckdb.DuckDBPyConnection, warehouse: Warehouse, resource_id: str, window_d: int | None, subject: _Subject,
    as_of: datetime,
) -> dict[str, Any] | None:
    files = [str(path) for path in warehouse.files(resource_id)]
    if not files:
        return None
    described = db.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [files[:1]]).fetchall()
    condition, ids = subject.condition([row[0] for row in described])
    if not condition:
        return None
    since = as_of - timedelta(days=window_d) if window_d is not None else datetime(1, 1, 2, tzinfo=UTC)
    rows = db.execute(
        f"""
        WITH known AS (
            SELECT row_id, event_time, arrived_at, delivery_id, withdrawn,
                row_number() OVER (PARTITION BY row_id ORDER BY arrived_at DESC, delivery_id DESC) AS newest
            FROM read_parquet(?, hive_partitioning = false) WHERE arrived_at <= ? AND ({condition})
        )
        SELECT row_id, event_time, arrived_at, delivery_id, count(*) OVER () FROM known
        WHERE newest = 1 AND NOT withdrawn AND event_time < ? AND event_time >= ?
        ORDER BY event_time DESC, row_id LIMIT {MOST_ROWS}
        """,  # noqa: S608 - column names of the contract
        [files, as_of, *ids, as_of, since],
    ).fetchall()
    declared = RESOURCES[resource_id]
    return {
        "resource": resource_id, "zh": declared.zh, "en": declared.en, "window_d": window_d,
        "n_rows": rows[0][4] if rows else 0,
        "rows": [
            {
                "row_id": row_id, "event_time": event.astimezone(UTC).isoformat(),
                "arrived_at": arrived.astimezone(UTC).isoformat(), "delivery_id": delivery,
            }
            for row_id, event, arrived, delivery, _ in rows
        ],
    }
