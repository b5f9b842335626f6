"""Checks across resources, declared as data and run by DuckDB on the pseudonymised warehouse.

A reference check asks which share of the distinct keys of the last months is known to the resource that registers them; they
follow from the `references` of the resource declarations. An agreement check compares rows of two resources. Large resources
are read for a sample of their vehicles, by the first digits of the pseudonym, which are as good as random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from features.quality.store import CheckResult
from features.warehouse import Warehouse
from registry.resources import RESOURCES
from registry.resources.schema import Resource

if TYPE_CHECKING:
    import duckdb

RECENT_D: Final = 92
"""References are checked on what was delivered complete within so many days before the instant. [A]"""
SAMPLE_ROWS: Final = 4_000_000
"""A resource with more rows is read for a share of its vehicles that keeps about so many. [A]"""
ODOMETER_TOLERANCE: Final = 0.15
ODOMETER_SLACK_KM: Final = 500.0
"""An odometer agrees with the summed days within this share and distance: off-line hours are driven unseen. [A]"""
MOVED_KM: Final = 5.0
"""A vehicle that went farther on a day was driven, not towed or moved in the yard. [A]"""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Keys of one resource that another one must know.

    Parameters
    ----------
    resource, column
        Where the key occurs, and its column in the warehouse.
    target, target_column
        Resource that registers it, and its column there.
    """

    resource: str
    column: str
    target: str
    target_column: str

    @property
    def id(self) -> str:
        """Identifier of the check."""
        return f"{self.resource}.{self.column} in {self.target}"

    @property
    def resources(self) -> tuple[str, ...]:
        """Resources that the check reads; the first is the one it speaks about."""
        return (self.resource, self.target)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Rows of several resources that must agree.

    Parameters
    ----------
    id, en
        Identifier, and what is compared in words.
    resources
        Resources that are read, each a table of that name in the query; the first is the one the check speaks about.
    query
        SQL that gives one row (compared, held). Parameter `at` is the instant, `recent` the instant `RECENT_D` before it.
    """

    id: str
    en: str
    resources: tuple[str, ...]
    query: str


def references() -> tuple[Reference, ...]:
    """Return the reference checks of all declared resources."""
    return tuple(
        Reference(resource=resource.id, column=_warehouse_column(resource, column), target=target,
                  target_column=_registered(resource, column, RESOURCES[target]))
        for resource in RESOURCES.values()
        for column, target in resource.references.items()
    )


def _warehouse_column(resource: Resource, column: str) -> str:
    return next(iter(_pseudonyms(resource, column)), (column, ""))[0]


def _registered(resource: Resource, column: str, target: Resource) -> str:
    namespaces = {namespace for _, namespace in _pseudonyms(resource, column)}
    return next((entry.id for entry in target.pseudonyms if entry.namespace in namespaces), column)


def _pseudonyms(resource: Resource, column: str) -> Iterator[tuple[str, str]]:
    return ((entry.id, entry.namespace) for entry in resource.pseudonyms if column in entry.inputs)


_ODOMETER: Final = f"""
WITH readings AS (
    SELECT plate_id, inspect_date, odometer_km,
           lag(inspect_date) OVER earlier AS before, lag(odometer_km) OVER earlier AS odometer_before
    FROM vehicle_inspection WHERE odometer_km IS NOT NULL
    WINDOW earlier AS (PARTITION BY vehicle_id ORDER BY inspect_date, arrived_at)
), pairs AS (
    SELECT * FROM readings WHERE inspect_date >= before + 30 AND before >= (SELECT min(day) FROM vehicle_day)
), driven AS (
    SELECT p.plate_id, p.inspect_date, any_value(p.odometer_km - p.odometer_before) AS read_km, sum(d.distance_km) AS sum_km
    FROM pairs p JOIN vehicle_day d ON d.plate_id = p.plate_id AND d.day >= p.before AND d.day < p.inspect_date
    GROUP BY ALL
)
SELECT count(*), count(*) FILTER (
    abs(read_km - sum_km) <= {ODOMETER_TOLERANCE} * greatest(read_km, sum_km) + {ODOMETER_SLACK_KM}
) FROM driven
"""  # noqa: S608 - our own numbers
_IN_SERVICE: Final = f"""
WITH moved AS (
    SELECT plate_id, event_time FROM vehicle_day WHERE distance_km > {MOVED_KM} AND event_time >= $recent
)
SELECT count(*), count(*) FILTER (op_status IN ('10', '35', '90'))
FROM moved ASOF JOIN vehicle_transport_permit USING (plate_id, event_time)
"""  # noqa: S608 - our own numbers
_WITHIN_TERM: Final = """
SELECT count(*), count(*) FILTER (
    CAST(c.event_time AT TIME ZONE 'Asia/Shanghai' AS DATE) >= p.start_date
    AND CAST(c.event_time AT TIME ZONE 'Asia/Shanghai' AS DATE) < p.end_date
) FROM claim c JOIN policy p USING (policy_no) WHERE c.event_time >= $recent
"""

AGREEMENTS: Final = (
    Agreement(
        id="odometer", en="distance between two inspections by odometer and by summed days",
        resources=("vehicle_inspection", "vehicle_day"), query=_ODOMETER,
    ),
    Agreement(
        id="driven in service", en="vehicles that moved while their certificate said in service",
        resources=("vehicle_day", "vehicle_transport_permit"), query=_IN_SERVICE,
    ),
    Agreement(
        id="claim within term", en="claims that occurred within the term of their policy",
        resources=("claim", "policy"), query=_WITHIN_TERM,
    ),
)
CHECKS: Final[tuple[Reference | Agreement, ...]] = (*references(), *AGREEMENTS)


def run_checks(
    warehouse: Warehouse, at: datetime, *, threads: int, memory_limit: str, spill_dir: Path,
    checks: tuple[Reference | Agreement, ...] = CHECKS,
) -> list[CheckResult]:
    """Run checks on what had arrived at an instant; one whose resources were never delivered compares nothing."""
    import duckdb

    spill_dir.mkdir(parents=True, exist_ok=True)
    settings = {"threads": threads, "memory_limit": memory_limit, "temp_directory": str(spill_dir)}
    with duckdb.connect(config=settings) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        reader = _Reader(engine, warehouse, at)
        return [CheckResult(check=check.id, compared=compared, held=held)
                for check in checks for compared, held in [reader.run(check)]]


class _Reader:
    def __init__(self, engine: duckdb.DuckDBPyConnection, warehouse: Warehouse, at: datetime) -> None:
        self._engine, self._at, self._recent = engine, at, at - timedelta(days=RECENT_D)
        names = {name for check in CHECKS for name in check.resources}
        self._files = {name: [str(path) for path in warehouse.files(name)] for name in names}
        self._rows = {name: sum(one.rows for one in warehouse.deliveries(name)) for name in names if self._files[name]}

    def run(self, check: Reference | Agreement) -> tuple[int, int]:
        if any(not self._files[name] for name in check.resources):
            return 0, 0
        query, parameters = self._refers(check) if isinstance(check, Reference) else self._agrees(check)
        found = self._engine.execute(query, parameters).fetchone()
        assert found is not None, f"{check.id} gave no row"
        return int(found[0]), int(found[1])

    def _refers(self, check: Reference) -> tuple[str, dict[str, object]]:
        source = self._arrived(check.resource, f"event_time >= $recent AND {check.column} IS NOT NULL", check.column)
        target = self._arrived(check.target, "TRUE")
        query = (
            f"WITH named AS (SELECT DISTINCT {check.column} AS key FROM {source}), "  # noqa: S608 - names are declared
            f"known AS (SELECT DISTINCT {check.target_column} AS key FROM {target}) "
            "SELECT count(*), count(known.key) FROM named LEFT JOIN known USING (key)"
        )
        return query, {"at": self._at, "recent": self._recent}

    def _agrees(self, check: Agreement) -> tuple[str, dict[str, object]]:
        tables = ", ".join(f"{name} AS (SELECT * FROM {self._latest(name)})" for name in check.resources)  # noqa: S608 - declared
        query = check.query.strip()
        inner = query.removeprefix("WITH ") if query.startswith("WITH ") else ""
        joined = f"WITH {tables}, {inner}" if inner else f"WITH {tables} {query}"
        used: dict[str, object] = {"at": self._at, "recent": self._recent}
        return joined, {name: value for name, value in used.items() if f"${name}" in joined}

    def _arrived(self, resource: str, condition: str, key: str = "") -> str:
        sample = f" AND {self._sampled(resource, key)}" if key else ""
        return f"(FROM {self._scan(resource)} WHERE arrived_at <= $at AND NOT withdrawn AND {condition}{sample})"

    def _latest(self, resource: str) -> str:
        """Return the rows as they were known at the instant, of the sampled vehicles."""
        large = "plate_id" in {entry.id for entry in RESOURCES[resource].pseudonyms}
        sample = self._sampled("vehicle_day", "plate_id") if large else "TRUE"
        return (
            f"(FROM (FROM {self._scan(resource)} WHERE arrived_at <= $at AND {sample} "
            "QUALIFY row_number() OVER (PARTITION BY row_id ORDER BY arrived_at DESC, delivery_id DESC) = 1) "
            "WHERE NOT withdrawn)"
        )

    def _sampled(self, resource: str, key: str) -> str:
        share = SAMPLE_ROWS / max(self._rows.get(resource, 0), 1)
        return "TRUE" if share >= 1 else f"{key} < '{int(share * 16**8):08x}'"

    def _scan(self, resource: str) -> str:
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in self._files[resource])
        return f"read_parquet([{listed}], hive_partitioning = false)"
