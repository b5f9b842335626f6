"""What was known at a cut-off: the bitemporal reading of the warehouse.

A row is known from its arrival until a later arrival with the same `row_id` supersedes it. At a cut-off a feature sees the
rows that are known then, are not withdrawn, and happened before the cut-off: what was known, not what was true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from registry.errors import DataError

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from features.warehouse import Warehouse

CUTOFF = "cutoff"


@dataclass(frozen=True)
class Known:
    """The warehouse's tables with the interval in which each row is known.

    Parameters
    ----------
    backend
        ibis backend that runs the expressions.
    tables
        Resource id -> table with `event_time`, `arrived_at`, `superseded_at` (null: still known) and `withdrawn`.
    cutoffs, cutoff_times
        The cut-offs, as a table with the one column `cutoff` and as aware times.
    history_start
        Instant at which deliveries begin. Counts over a window are divided by the part of it that was observed, so that an
        early cut-off, which saw little, and a late one mean the same.
    """

    backend: ibis.BaseBackend
    tables: Mapping[str, ir.Table]
    cutoffs: ir.Table
    cutoff_times: tuple[datetime, ...]
    history_start: datetime
    _shared: dict[str, ir.Table] = field(default_factory=dict)

    def shared(self, name: str, build: Callable[[Known], ir.Table]) -> ir.Table:
        """Return an intermediate table that several families read, computed once."""
        if name not in self._shared:
            self._shared[name] = build(self).cache()
        return self._shared[name]

    def at_cutoffs(self, resource_id: str, columns: Sequence[str], *, days: int | None = None) -> ir.Table:
        """Return the rows known at each cut-off, once per cut-off, with `cutoff` and `event_time`.

        Parameters
        ----------
        resource_id
            Resource to read.
        columns
            Columns to keep.
        days
            Only rows that happened within so many days before the cut-off; None for all of the past.
        """
        import ibis

        table = self.tables[resource_id]
        rows, cutoffs = table.filter(~table.withdrawn), self.cutoffs
        conditions: list[Any] = []
        if days is not None:
            # An equality on months lets the engine hash; without it every row is compared with every cut-off.
            rows, cutoffs = rows.mutate(month=_month(rows.event_time)), self._months_before(days)
            conditions = [
                rows.month == cutoffs.month, rows.event_time >= cutoffs.cutoff - ibis.interval(days=days)
            ]
        conditions += [
            rows.arrived_at <= cutoffs.cutoff,
            rows.event_time < cutoffs.cutoff,
            rows.superseded_at.isnull() | (rows.superseded_at > cutoffs.cutoff),
        ]
        joined = rows.join(cutoffs, conditions)
        names = list(dict.fromkeys([*columns, "event_time", "arrived_at"]))
        return joined.select(CUTOFF, *names)

    def observed_years(self, cutoff: ir.TimestampValue, *, days: int) -> ir.FloatingValue:
        """Return how much of the window before a cut-off was observed, in years of 365 days."""
        import ibis

        seen_d = (cutoff.epoch_seconds() - int(self.history_start.timestamp())).cast("float64") / 86_400.0
        years: ir.FloatingValue = ibis.least(seen_d, ibis.literal(float(days))) / 365.0
        return years

    def _months_before(self, days: int) -> ir.Table:
        """Return each cut-off with the months that its window touches, as (cutoff, month)."""
        pairs = [
            (cutoff, number)
            for cutoff in self.cutoff_times
            for number in range(_month_number(cutoff - timedelta(days=days)), _month_number(cutoff) + 1)
        ]
        return _cutoff_table([cutoff for cutoff, _ in pairs], month=[number for _, number in pairs])

    def state(self, resource_id: str, key: str, columns: Sequence[str]) -> ir.Table:
        """Return, for each key and cut-off, the latest known row: one row per (key, cut-off).

        The latest is the one that happened last; of several at one instant the one that arrived last.
        """
        import ibis

        rows = self.at_cutoffs(resource_id, [key, *columns, "row_id"])
        # The row's own name decides last, so that the choice is never the engine's.
        latest = [rows.event_time.desc(), rows.arrived_at.desc(), rows.row_id.desc()]
        order = ibis.window(group_by=[rows[key], rows.cutoff], order_by=latest)
        ranked = rows.mutate(rank=ibis.row_number().over(order))
        return ranked.filter(ranked["rank"] == 0).drop("rank", "arrived_at", "row_id")

    def versions(self, resource_id: str) -> ir.Table:
        """Return every delivered row up to the newest cut-off, superseded and withdrawn ones too.

        For a family whose rows become known one by one: it writes each version with its own `created`, and the reader
        takes the newest version that had arrived.
        """
        rows = self.tables[resource_id]
        return rows.filter(rows.arrived_at <= self.cutoffs.cutoff.max().as_scalar())

    def matured(self, resource_id: str) -> ir.Table:
        """Return all rows as they are known at the end of the data: for labels only, never for features."""
        rows = self.tables[resource_id]
        return rows.filter(~rows.withdrawn & rows.superseded_at.isnull())


def open_known(
    backend: ibis.BaseBackend, warehouse: Warehouse, resources: Sequence[str], cutoffs: Sequence[datetime],
    history_start: datetime,
) -> Known:
    """Open resources of the warehouse for reading at cut-offs.

    Raises
    ------
    DataError
        If a resource has never been delivered, or a cut-off has no zone.
    """
    naive = [cutoff for cutoff in cutoffs if cutoff.tzinfo is None]
    if naive:
        raise DataError(f"cut-off {naive[0].isoformat()} has no zone", remedy="Give cut-offs with their offset.")
    tables = {resource_id: _with_known_interval(backend, warehouse, resource_id) for resource_id in resources}
    return Known(backend, tables, _cutoff_table(cutoffs), tuple(cutoffs), history_start)


def _cutoff_table(cutoffs: Sequence[datetime], **columns: Sequence[int]) -> ir.Table:
    """Return cut-offs as a table, in UTC microseconds as the warehouse has its times, with columns beside them."""
    import ibis
    import pandas as pd

    times = pd.Series(list(cutoffs)).dt.tz_convert("UTC").dt.as_unit("us")
    return ibis.memtable(pd.DataFrame({CUTOFF: times, **columns}))


def _with_known_interval(backend: ibis.BaseBackend, warehouse: Warehouse, resource_id: str) -> ir.Table:
    import ibis

    files = [str(path) for path in warehouse.files(resource_id)]
    if not files:
        raise DataError(
            f"nothing of {resource_id} has been delivered", where=str(warehouse.root), remedy="Run `roadrisk ingest`."
        )
    rows = backend.read_parquet(files, table_name=f"raw_{resource_id}", hive_partitioning=False)
    # Few rows are ever delivered twice, and only among those does one supersede another; a window over all of the rows
    # would hold them all in memory, while these joins let the rest stream by.
    repeated = rows.group_by("row_id").aggregate(n=rows.count()).filter(lambda t: t.n > 1).select("row_id").cache()
    window = ibis.window(group_by="row_id", order_by=["arrived_at", "delivery_id"])
    again = rows.semi_join(repeated, "row_id").mutate(superseded_at=ibis._.arrived_at.lead().over(window))
    once = rows.anti_join(repeated, "row_id").mutate(superseded_at=ibis.null(rows.arrived_at.type()))
    return once.union(again)


def _month(time: ir.TimestampValue) -> ir.IntegerValue:
    number: ir.IntegerValue = time.year().cast("int64") * 12 + time.month().cast("int64")
    return number


def _month_number(time: datetime) -> int:
    utc = time.astimezone(UTC)
    return utc.year * 12 + utc.month
