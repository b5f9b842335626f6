"""Which recorded decisions used a row that was superseded since.

A decision used a version of a row if a feature family of its product reads the resource for the decision's vehicle or
enterprise, the version was the known one at the decision's cut-off, and it happened inside the longest window that reads it.
Where a family reads a register as a state, any version known then counts, so that a decision may be found whose inputs stay
the same; none is missed. Measures of a whole city are not followed: one case moves them by next to nothing, for everybody there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from features.families import FAMILIES, Family
from features.products import PRODUCT_FEATURES
from features.pseudonyms import forward
from features.superseded import CHANGE, Change, change_of, collect, engine
from features.warehouse import Warehouse
from registry.entities import ENTERPRISE, VEHICLE
from registry.signing import pseudonym_keys

if TYPE_CHECKING:
    import duckdb

    from registry.decisions import Decision
    from registry.settings import Settings

BATCH: Final = 20_000
MAX_CHANGES: Final = 100
"""So many changed rows are named with a decision; the others are only counted."""
OWN_ROWS: Final = frozenset(("duty",))
"""Families whose rows are the events themselves: they speak for their time to live and no longer."""
AREA: Final = "area"
"""Group of features about a whole city."""
STATES: Final = frozenset((
    "vehicle_transport_permit", "vehicle_basic", "operator_basic", "operator_licence", "road_practitioner_rating",
    "road_enterprise_rating", "credit_list",
))
"""Registers, of which the latest version counts however old it is."""
PERMITS: Final = "vehicle_transport_permit"
CASE_VEHICLES: Final = "case_vehicle"


@dataclass(frozen=True, kw_only=True)
class Affected:
    """A decision that used superseded rows.

    Parameters
    ----------
    score_id, product, as_of
        The decision.
    entity_id
        Whom it was about, by today's pseudonym.
    changes
        Rows that changed, at most `MAX_CHANGES`, oldest arrival first.
    n_changes
        How many there are.
    known_at
        Arrival of the newest of them: inputs with this cut-off or a later one hold all of them.
    """

    score_id: str
    product: str
    entity_id: str
    as_of: datetime
    changes: tuple[Change, ...]
    n_changes: int
    known_at: datetime


def affected_decisions(
    settings: Settings, decisions: Iterable[Decision], *, since: datetime | None = None
) -> Iterator[Affected]:
    """Yield the decisions that used a row superseded since, in the order of their cut-offs.

    Parameters
    ----------
    decisions
        The whole ledger, oldest first; it is read once, as a stream. Decisions that a later one supersedes are left out.
    since
        Only rows superseded by what arrived after this instant; by default after the oldest cut-off of a decision.
    """
    with engine(settings) as db:
        oldest = _take_decisions(db, with_current_pseudonyms(settings, decisions))
        if oldest is None:
            return
        warehouse = Warehouse(settings.warehouse_dir)
        uses = _uses(db)
        collect(db, warehouse, uses, since or oldest)
        _touch(db, warehouse)
        found = db.cursor().execute(_AFFECTED)
        while rows := found.fetchmany(1000):
            for score_id, product, entity_id, as_of, some, n_changes, known_at in rows:
                yield Affected(
                    score_id=score_id, product=product, entity_id=entity_id, as_of=as_of.astimezone(UTC),
                    changes=tuple(change_of(row) for row in some), n_changes=n_changes, known_at=known_at.astimezone(UTC),
                )


def with_current_pseudonyms(settings: Settings, decisions: Iterable[Decision]) -> Iterator[Decision]:
    """Yield decisions with the pseudonyms that their entities have today, after every rotation of keys."""
    epoch = settings.pseudonym_epoch
    keys = pseudonym_keys(settings.keys_dir, epoch) if epoch > 1 else ()
    for one in decisions:
        if one.epoch >= epoch or not one.entity_id:
            yield one
            continue
        related = {kind: forward(keys, entity_id, epoch=one.epoch) for kind, entity_id in one.related.items()}
        rows = tuple({**row, "row_id": forward(keys, row["row_id"], epoch=one.epoch)} for row in one.changes)
        entity_id = forward(keys, one.entity_id, epoch=one.epoch)
        yield replace(one, entity_id=entity_id, related=related, changes=rows, epoch=epoch)


def longest_window_d(family: Family, resource_id: str) -> int | None:
    """Return the days before a cut-off that a family reads of a resource; None where it reads all of the past."""
    if family.id in OWN_ROWS and any(resource_id in feature.resources for feature in family.features):
        return family.ttl_d
    if resource_id in STATES:
        return None
    windows = [feature.window_d for feature in family.features if resource_id in feature.resources]
    known = [days for days in windows if days is not None]
    return max(known) if known and len(known) == len(windows) else None


_AFFECTED: Final = f"""
WITH used AS (SELECT DISTINCT d.score_id, c.id
FROM decisions d
JOIN decision_entities e USING (score_id)
JOIN touched t ON t.kind = e.kind AND t.entity_id = e.entity_id
JOIN changes c ON c.id = t.change_id
JOIN uses u ON u.product = d.product AND u.kind = t.kind AND u.resource = c.resource
WHERE c.old_arrived_at <= d.as_of AND d.as_of < c.superseded_at
    AND ((c.old_event < d.as_of AND (u.window_d IS NULL OR c.old_event >= d.as_of - u.window_d * INTERVAL 1 DAY))
        OR (c.new_event < d.as_of AND (u.window_d IS NULL OR c.new_event >= d.as_of - u.window_d * INTERVAL 1 DAY)))
    AND d.score_id NOT IN (SELECT score_id FROM superseded))
SELECT d.score_id, any_value(d.product), any_value(d.entity_id), any_value(d.as_of),
    list({CHANGE} ORDER BY c.new_arrived_at, c.resource, c.row_id, c.old_arrived_at)[1:{MAX_CHANGES}],
    count(*), max(c.new_arrived_at)
FROM used JOIN decisions d USING (score_id) JOIN changes c USING (id)
GROUP BY d.score_id ORDER BY any_value(d.as_of), d.score_id
"""  # noqa: S608 - constants


def _take_decisions(db: duckdb.DuckDBPyConnection, decisions: Iterable[Decision]) -> datetime | None:
    """Make the tables of decisions and of those superseded; return the oldest cut-off."""
    db.execute("CREATE TABLE decisions (score_id VARCHAR, product VARCHAR, entity_id VARCHAR, as_of TIMESTAMPTZ)")
    db.execute("CREATE TABLE decision_entities (score_id VARCHAR, kind VARCHAR, entity_id VARCHAR)")
    db.execute("CREATE TABLE superseded (score_id VARCHAR)")
    stream = iter(decisions)
    while some := list(islice(stream, BATCH)):
        scored = [one for one in some if one.entity_id and one.product in PRODUCT_FEATURES]
        _insert(db, "decisions", [(one.score_id, one.product, one.entity_id, one.as_of) for one in scored])
        entities = [(one.score_id, PRODUCT_FEATURES[one.product].entity.id, one.entity_id) for one in scored]
        entities += [(one.score_id, kind, entity_id) for one in scored for kind, entity_id in one.related.items()]
        _insert(db, "decision_entities", entities)
        _insert(db, "superseded", [(one.supersedes,) for one in some if one.supersedes])
    row = db.execute("SELECT min(as_of) FROM decisions WHERE score_id NOT IN (SELECT score_id FROM superseded)").fetchone()
    return row[0].astimezone(UTC) if row and row[0] else None


def _uses(db: duckdb.DuckDBPyConnection) -> list[str]:
    """Make the table of what products read; return the resources."""
    rows = [
        (product.id, FAMILIES[name].entity.id, resource, longest_window_d(FAMILIES[name], resource))
        for product in PRODUCT_FEATURES.values()
        for name in product.families
        if any(feature.group != AREA for feature in FAMILIES[name].features)
        for resource in FAMILIES[name].resources
    ]
    db.execute("CREATE TABLE uses (product VARCHAR, kind VARCHAR, resource VARCHAR, window_d INTEGER)")
    # Of several windows over one resource the longest finds all.
    longest: dict[tuple[str, str, str], int | None] = {}
    for product, kind, resource, days in rows:
        known = longest.get((product, kind, resource), 0)
        longest[product, kind, resource] = None if days is None or known is None else max(days, known)
    _insert(db, "uses", [(*key, days) for key, days in longest.items()])
    return sorted({resource for _, _, resource in longest})


def _touch(db: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    """Make the table of the vehicles and enterprises that each change touches.

    A plate or vehicle leads to every vehicle and enterprise that a permit ever named with it, because a holder may have
    changed between event and cut-off; a driver leads to the plates of the cases that name him.
    """
    holders = [str(path) for path in warehouse.files(PERMITS)]
    db.execute("CREATE TABLE holders (plate_id VARCHAR, vehicle_id VARCHAR, enterprise_id VARCHAR)")
    if holders:
        db.execute(
            "INSERT INTO holders SELECT DISTINCT plate_id, vehicle_id, enterprise_id "
            "FROM read_parquet(?, hive_partitioning = false)", [holders],
        )
    _related_of_old_records(db)
    db.execute("CREATE TABLE of_cases (case_id VARCHAR, plate_id VARCHAR, enterprise_id VARCHAR)")
    for resource, plate, enterprise in ((CASE_VEHICLES, "plate_id", "NULL"), ("enforcement_case", "NULL", "enterprise_id")):
        if files := [str(path) for path in warehouse.files(resource)]:
            db.execute(
                f"INSERT INTO of_cases SELECT DISTINCT case_id, {plate}, {enterprise} "  # noqa: S608 - constants
                "FROM read_parquet(?, hive_partitioning = false) "
                "WHERE case_id IN (SELECT unnest(case_ids) FROM changes)", [files],
            )
    db.execute("CREATE TABLE met_drivers (driver_id VARCHAR, plate_id VARCHAR)")
    if files := [str(path) for path in warehouse.files(CASE_VEHICLES)]:
        db.execute(
            "INSERT INTO met_drivers SELECT DISTINCT driver_id, plate_id FROM read_parquet(?, hive_partitioning = false) "
            "WHERE driver_id IN (SELECT unnest(driver_ids) FROM changes)", [files],
        )
    db.execute(_TOUCHED, {"vehicle": VEHICLE.id, "enterprise": ENTERPRISE.id})


_TOUCHED: Final = """
CREATE TABLE touched AS
WITH cases AS (SELECT c.id, o.plate_id, o.enterprise_id
    FROM (SELECT id, unnest(case_ids) AS case_id FROM changes) c JOIN of_cases o USING (case_id)),
drivers AS (SELECT id, unnest(driver_ids) AS driver_id FROM changes),
plates AS (SELECT id, unnest(plate_ids) AS plate_id FROM changes UNION SELECT id, plate_id FROM cases WHERE plate_id IS NOT NULL
    UNION SELECT d.id, m.plate_id FROM drivers d JOIN met_drivers m USING (driver_id)),
vehicles AS (SELECT id, unnest(vehicle_ids) AS vehicle_id FROM changes
    UNION SELECT p.id, h.vehicle_id FROM plates p JOIN holders h USING (plate_id)),
enterprises AS (SELECT id, unnest(enterprise_ids) AS enterprise_id FROM changes
    UNION SELECT id, enterprise_id FROM cases
    UNION SELECT p.id, h.enterprise_id FROM plates p JOIN holders h USING (plate_id)
    UNION SELECT v.id, h.enterprise_id FROM vehicles v JOIN holders h USING (vehicle_id))
SELECT id AS change_id, $vehicle AS kind, vehicle_id AS entity_id FROM vehicles WHERE vehicle_id IS NOT NULL
UNION SELECT id, $enterprise, enterprise_id FROM enterprises WHERE enterprise_id IS NOT NULL
"""


def _related_of_old_records(db: duckdb.DuckDBPyConnection) -> None:
    """Give vehicles whose record names no enterprise, as early records did not, those that their permits name."""
    db.execute(
        "INSERT INTO decision_entities SELECT DISTINCT e.score_id, $enterprise, h.enterprise_id "
        "FROM decision_entities e JOIN holders h ON h.vehicle_id = e.entity_id "
        "WHERE e.kind = $vehicle AND h.enterprise_id IS NOT NULL "
        "AND e.score_id NOT IN (SELECT score_id FROM decision_entities WHERE kind = $enterprise)",
        {"vehicle": VEHICLE.id, "enterprise": ENTERPRISE.id},
    )


def _insert(db: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    import pyarrow as pa

    if not rows:
        return
    columns = [row[0] for row in db.execute(f"DESCRIBE {table}").fetchall()]
    batch = pa.table({name: pa.array(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)})
    db.register("incoming", batch)
    db.execute(f"INSERT INTO {table} SELECT * FROM incoming")  # noqa: S608 - our own table names
    db.unregister("incoming")
