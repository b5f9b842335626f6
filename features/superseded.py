"""Rows that a later delivery superseded or took back: what a score may have used and would not use any more.

A version of a row is compared with the newest one. Four things can have become of it:

- ``withdrawn``: it counted and does not any more (taken back, a case revoked or decided without punishment);
- ``restored``: it was known not to count, and does now;
- ``corrected``: it counts, and a value of it changed;
- nothing that matters: the same again, or a case that only went on to its next step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from features.families.enforcement import DECIDED_STATES, REVOKED_STATE
from features.families.enterprise_standing import REVOKED_REASON
from features.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from registry.settings import Settings

Kind = Literal["withdrawn", "restored", "corrected"]
ENTITY_COLUMNS: Final = ("vehicle_id", "enterprise_id", "plate_id", "driver_id", "case_id")
"""Columns by which a changed row leads to vehicles and enterprises."""
_ENVELOPE: Final = frozenset(("row_id", "arrived_at", "delivery_id", "withdrawn"))
_PROGRESS: Final = {"enforcement_case": frozenset(("state", "close_time"))}
"""Columns that change in the ordinary course of a row; no feature reads more of them than whether a case is decided."""
_DECIDED: Final = ", ".join(f"'{state}'" for state in DECIDED_STATES)
_COUNTS: Final = {
    "enforcement_case": f"NOT {{0}}.withdrawn AND {{0}}.state IN ({_DECIDED}) AND NOT {{0}}.not_punish",
    "credit_list": f"NOT {{0}}.withdrawn AND {{0}}.removal_reason IS DISTINCT FROM '{REVOKED_REASON}'",
}
"""Condition under which a version counts; elsewhere that it is not withdrawn."""
_KNOWN_NOT_TO_COUNT: Final = {
    "enforcement_case": f"({{0}}.withdrawn OR {{0}}.state = '{REVOKED_STATE}' OR {{0}}.not_punish)"
}
"""Condition under which it is known that it does not; a case that is merely not decided yet is no such case."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A version of a row that does not stand any more as it did.

    Parameters
    ----------
    resource, row_id
        The row, by the warehouse's row identifier.
    kind
        What became of it.
    fields
        Columns whose values differ.
    old_arrived_at, new_arrived_at
        Arrival of the version and of the newest one.
    event_time
        When it happened, as the version says.
    """

    resource: str
    row_id: str
    kind: Kind
    fields: tuple[str, ...]
    old_arrived_at: datetime
    new_arrived_at: datetime
    event_time: datetime

    def as_record(self) -> dict[str, Any]:
        """Return it as a ledger keeps it: JSON values, instants as ISO text in UTC."""
        times = ("old_arrived_at", "new_arrived_at", "event_time")
        instants = {name: getattr(self, name).astimezone(UTC).isoformat() for name in times}
        return {"resource": self.resource, "row_id": self.row_id, "kind": self.kind, "fields": list(self.fields), **instants}


def changes_since(settings: Settings, resources: Sequence[str], since: datetime) -> list[Change]:
    """Return the versions of rows of these resources that what arrived after an instant superseded, in order of arrival."""
    with engine(settings) as db:
        collect(db, Warehouse(settings.warehouse_dir), resources, since)
        found = db.execute(
            f"SELECT {CHANGE} FROM changes c ORDER BY new_arrived_at, resource, row_id, old_arrived_at"  # noqa: S608 - constant
        )
        return [change_of(row) for (row,) in found.fetchall()]


@contextmanager
def engine(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a DuckDB connection of its own, in UTC, that spills to a folder instead of growing past its limit."""
    import duckdb

    spill = settings.feature_dir / ".spill"
    spill.mkdir(parents=True, exist_ok=True)
    limits = {"threads": settings.threads, "memory_limit": settings.memory_limit, "temp_directory": str(spill)}
    with duckdb.connect(config=limits) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET preserve_insertion_order = false")
        yield db


def collect(db: duckdb.DuckDBPyConnection, warehouse: Warehouse, resources: Sequence[str], since: datetime) -> None:
    """Make the table `changes` of a connection: one row per superseded version, with the pseudonyms it names.

    Only files that received something after `since` are searched for newer versions, and only the rows found there are
    looked up in the older files.
    """
    ids = ", ".join(f"{name}s VARCHAR[]" for name in ENTITY_COLUMNS)
    db.execute("CREATE SEQUENCE change_ids")
    db.execute(
        "CREATE TABLE changes (id BIGINT DEFAULT nextval('change_ids'), resource VARCHAR, row_id VARCHAR, kind VARCHAR, "
        "fields VARCHAR[], old_arrived_at TIMESTAMPTZ, superseded_at TIMESTAMPTZ, new_arrived_at TIMESTAMPTZ, "
        f"old_event TIMESTAMPTZ, new_event TIMESTAMPTZ, {ids})"
    )
    for resource_id in dict.fromkeys(resources):
        fresh = _files_since(warehouse, resource_id, since)
        if fresh:
            _collect_one(db, warehouse, resource_id, fresh, since)


CHANGE: Final = (
    "{'resource': c.resource, 'row_id': c.row_id, 'kind': c.kind, 'fields': c.fields, 'old_arrived_at': c.old_arrived_at, "
    "'new_arrived_at': c.new_arrived_at, 'event_time': c.old_event}"
)
"""A row `c` of the table `changes` as one value, for `change_of`."""


def change_of(row: Mapping[str, Any]) -> Change:
    """Return a change from what `CHANGE` selects."""
    times = {name: row[name].astimezone(UTC) for name in ("old_arrived_at", "new_arrived_at", "event_time")}
    return Change(
        resource=row["resource"], row_id=row["row_id"], kind=row["kind"], fields=tuple(row["fields"]), **times
    )


def _files_since(warehouse: Warehouse, resource_id: str, since: datetime) -> list[str]:
    named = {path.stem: str(path) for path in warehouse.files(resource_id)}
    return [
        named[delivery.delivery_id]
        for delivery in warehouse.deliveries(resource_id)
        if delivery.rows and datetime.fromisoformat(delivery.last_arrival) > since
    ]


def _collect_one(
    db: duckdb.DuckDBPyConnection, warehouse: Warehouse, resource_id: str, fresh: Sequence[str], since: datetime
) -> None:
    files = [str(path) for path in warehouse.files(resource_id)]
    described = db.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [files[:1]]).fetchall()
    columns = [row[0] for row in described]
    db.execute(
        "CREATE OR REPLACE TEMP TABLE fresh AS SELECT DISTINCT row_id FROM read_parquet(?, hive_partitioning = false) "
        "WHERE arrived_at > ?", [list(fresh), since],
    )
    counts = _COUNTS.get(resource_id, "NOT {0}.withdrawn")
    not_counting = _KNOWN_NOT_TO_COUNT.get(resource_id, f"NOT ({counts})")
    db.execute(
        f"""
        INSERT INTO changes BY NAME
        WITH versions AS (
            SELECT *, lead(arrived_at) OVER (PARTITION BY row_id ORDER BY arrived_at, delivery_id) AS superseded_at
            FROM read_parquet(?, hive_partitioning = false) SEMI JOIN fresh USING (row_id)
        ), pairs AS (
            SELECT o.row_id, {_fields(resource_id, columns)} AS fields, ({counts.format("o")}) AS counted,
                ({counts.format("n")}) AS counts, {not_counting.format("o")} AS did_not_count,
                o.arrived_at AS old_arrived_at, o.superseded_at, n.arrived_at AS new_arrived_at,
                o.event_time AS old_event, n.event_time AS new_event, {_ids(columns)}
            FROM versions o JOIN versions n USING (row_id)
            WHERE o.superseded_at IS NOT NULL AND n.superseded_at IS NULL AND n.arrived_at > ?
        )
        SELECT ? AS resource, * EXCLUDE (counted, counts, did_not_count), CASE
            WHEN counted AND NOT counts THEN 'withdrawn' WHEN did_not_count AND counts THEN 'restored'
            WHEN counted AND len(fields) > 0 THEN 'corrected' END AS kind
        FROM pairs WHERE kind IS NOT NULL ORDER BY row_id, old_arrived_at
        """,  # noqa: S608 - column names of the contract
        [files, since, resource_id],
    )


def _fields(resource_id: str, columns: Sequence[str]) -> str:
    compared = [name for name in columns if name not in _ENVELOPE | _PROGRESS.get(resource_id, frozenset())]
    cases = ", ".join(f"CASE WHEN o.{name} IS DISTINCT FROM n.{name} THEN '{name}' END" for name in compared)
    return f"list_filter([{cases}], lambda name: name IS NOT NULL)"


def _ids(columns: Sequence[str]) -> str:
    def both(name: str) -> str:
        if name not in columns:
            return f"[]::VARCHAR[] AS {name}s"
        return f"list_filter(list_distinct([o.{name}, n.{name}]), lambda id: id IS NOT NULL) AS {name}s"

    return ", ".join(map(both, ENTITY_COLUMNS))
