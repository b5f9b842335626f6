"""What was known at a cut-off: the bitemporal reading of the warehouse.

A row is known from its arrival until a later arrival with the same `row_id` supersedes it. At a cut-off a feature sees the
rows that are known then, are not withdrawn, and happened before the cut-off: what was known, not what was true.

Every reading begins with `Known.spans`, which says for each row at which cut-offs it is seen: from position `first` up to, not
including, position `until`. What follows works on spans for as long as it can, and only then writes them out cut-off by cut-off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from features.cutoffs import CUTOFF, POSITION, Cutoffs
from features.engine import microseconds
from registry.errors import DataError

if TYPE_CHECKING:
    import ibis
    import ibis.expr.types as ir

    from features.warehouse import Warehouse

FIRST, UNTIL = "first", "until"
FOR_EVER_US: Final = 2**62
"""An instant after every cut-off."""
ROWS_PER_PASS: Final = 32_000_000
"""So many row identifiers are compared with each other at a time: some 3 GB."""


@dataclass(frozen=True)
class Known:
    """The warehouse's tables with the interval in which each row is known.

    Parameters
    ----------
    backend
        ibis backend that runs the expressions.
    tables
        Resource id -> table with `event_time`, `arrived_at`, `superseded_at` (null: still known) and `withdrawn`.
    cutoffs
        The cut-offs.
    history_start
        Instant at which deliveries begin. Counts over a window are divided by the part of it that was observed, so that an
        early cut-off, which saw little, and a late one mean the same.
    """

    backend: ibis.BaseBackend
    tables: Mapping[str, ir.Table]
    cutoffs: Cutoffs
    history_start: datetime
    _shared: dict[str, ir.Table] = field(default_factory=dict)

    def shared(self, name: str, build: Callable[[Known], ir.Table]) -> ir.Table:
        """Return an intermediate table that several families read, computed once."""
        if name not in self._shared:
            self._shared[name] = build(self).cache()
        return self._shared[name]

    def spans(self, resource_id: str, columns: Sequence[str], *, windows_d: Sequence[int] = ()) -> ir.Table:
        """Return each row once, with the positions of the cut-offs that see it.

        Parameters
        ----------
        resource_id
            Resource to read.
        columns
            Columns to keep; `event_time` and `arrived_at` come with them.
        windows_d
            Lengths of windows in days, the longest first. For each a column ``until_<days>d``: a row is inside the window
            that ends at a cut-off from `first` until there. Rows outside the longest window are left out.

        Returns
        -------
        ir.Table
            The columns, `first`, `until` and one ``until_<days>d`` per window.
        """
        import ibis

        rows = self.tables[resource_id].filter(lambda table: ~table.withdrawn)
        arrived, event, superseded = (
            microseconds(self.backend, rows[name]) for name in ("arrived_at", "event_time", "superseded_at")
        )
        # Seen from the first cut-off at or after the arrival that lies behind the event.
        first = ibis.greatest(self.cutoffs.before(arrived), self.cutoffs.up_to(event))
        until = self.cutoffs.before(superseded.fill_null(FOR_EVER_US))
        inside = {window_column(days): ibis.least(until, self.cutoffs.up_to(event, plus_d=days)) for days in windows_d}
        names = list(dict.fromkeys([*columns, "event_time", "arrived_at"]))
        seen = rows.select(*names, **{FIRST: first, UNTIL: until, **inside})
        return seen.filter(seen[FIRST] < seen[window_column(windows_d[0]) if windows_d else UNTIL])

    def unfold(self, spans: ir.Table, *, until: str = UNTIL) -> ir.Table:
        """Return spans written out: once per cut-off from `first` to before `until`, with `position` and `cutoff`."""
        return self.dated(positions(spans, until=until))

    def dated(self, rows: ir.Table) -> ir.Table:
        """Return rows that have a `position` with its `cutoff`."""
        return rows.inner_join(self.cutoffs.table(), POSITION)

    def at_cutoffs(self, resource_id: str, columns: Sequence[str], *, days: int | None = None) -> ir.Table:
        """Return the rows known at each cut-off, once per cut-off, with `cutoff`, `event_time` and `arrived_at`.

        Parameters
        ----------
        resource_id
            Resource to read.
        columns
            Columns to keep.
        days
            Only rows that happened within so many days before the cut-off; None for all of the past.
        """
        windows = () if days is None else (days,)
        spans = self.spans(resource_id, columns, windows_d=windows)
        rows = self.unfold(spans, until=UNTIL if days is None else window_column(days))
        return rows.select(CUTOFF, *dict.fromkeys([*columns, "event_time", "arrived_at"]))

    def observed_years(self, cutoff: ir.TimestampValue, *, days: int) -> ir.FloatingValue:
        """Return how much of the window before a cut-off was observed, in years of 365 days."""
        import ibis

        seen_d = (cutoff.epoch_seconds() - int(self.history_start.timestamp())).cast("float64") / 86_400.0
        years: ir.FloatingValue = ibis.least(seen_d, ibis.literal(float(days))) / 365.0
        return years

    def state(self, resource_id: str, key: str, columns: Sequence[str]) -> ir.Table:
        """Return, for each key and cut-off, the latest known row: one row per (key, cut-off).

        The latest is the one that happened last; of several at one instant the one that arrived last; the row's own name
        decides last, so that the choice is never the engine's.
        """
        import ibis

        rows = self.spans(resource_id, [key, *columns, "row_id"])
        latest = [rows.event_time.desc(), rows.arrived_at.desc(), rows.row_id.desc()]
        lasting = rows[UNTIL] == len(self.cutoffs)
        later = ibis.window(group_by=rows[key], order_by=latest, preceding=(None, 1))
        # A row that stays known hides all earlier ones from the cut-off on that first sees it.
        hidden_from = ibis.cases((lasting, rows[FIRST]), else_=ibis.null("int64")).min().over(later)
        whole = ibis.window(group_by=rows[key])
        pruned = rows.mutate(**{
            UNTIL: ibis.least(rows[UNTIL], hidden_from.fill_null(len(self.cutoffs))),
            "certain": (~lasting).cast("int64").max().over(whole) == 0,
        })
        names = [CUTOFF, *dict.fromkeys([key, *columns, "event_time"])]
        # Where every row of a key stays known, one is left per cut-off; elsewhere several may be, and rank decides.
        certain = self.unfold(pruned.filter(pruned.certain)).select(*names)
        others = self.unfold(pruned.filter(~pruned.certain))
        order = ibis.window(
            group_by=[others[key], others[POSITION]],
            order_by=[others.event_time.desc(), others.arrived_at.desc(), others.row_id.desc()],
        )
        ranked = others.mutate(rank=ibis.row_number().over(order))
        return certain.union(ranked.filter(ranked["rank"] == 0).select(*names))

    def versions(self, resource_id: str) -> ir.Table:
        """Return every delivered row up to the newest cut-off, superseded and withdrawn ones too.

        For a family whose rows become known one by one: it writes each version with its own `created`, and the reader
        takes the newest version that had arrived.
        """
        import ibis

        rows = self.tables[resource_id]
        return rows.filter(rows.arrived_at <= ibis.literal(self.cutoffs.times[-1]))

    def matured(self, resource_id: str) -> ir.Table:
        """Return all rows as they are known at the end of the data: for labels only, never for features."""
        rows = self.tables[resource_id]
        return rows.filter(~rows.withdrawn & rows.superseded_at.isnull())


def positions(spans: ir.Table, *, until: str = UNTIL) -> ir.Table:
    """Return spans written out with the `position` of each cut-off alone: for what is added up before it is dated."""
    import ibis

    some = spans.filter(spans[FIRST] < spans[until])
    return some.mutate(**{POSITION: ibis.range(some[FIRST], some[until]).unnest()})


def window_column(days: int) -> str:
    """Return the name of the column that says until which cut-off a row lies inside a window."""
    return f"{UNTIL}_{days}d"


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
    row = Cutoffs.of(cutoffs)
    tables = {resource_id: _with_known_interval(backend, warehouse, resource_id) for resource_id in resources}
    return Known(backend, tables, row, history_start)


def _with_known_interval(backend: ibis.BaseBackend, warehouse: Warehouse, resource_id: str) -> ir.Table:
    import ibis

    files = [str(path) for path in warehouse.files(resource_id)]
    if not files:
        raise DataError(
            f"nothing of {resource_id} has been delivered", where=str(warehouse.root), remedy="Run `roadrisk ingest`."
        )
    rows = _read(backend, files, resource_id)
    n_rows = sum(delivery.rows for delivery in warehouse.deliveries(resource_id))
    # Few rows are ever delivered twice, and only among those does one supersede another; a window over all of the rows
    # would hold them all in memory, while these joins let the rest stream by.
    repeated = _repeated(rows, passes=1 + n_rows // ROWS_PER_PASS)
    window = ibis.window(group_by="row_id", order_by=["arrived_at", "delivery_id"])
    again = rows.semi_join(repeated, "row_id").mutate(superseded_at=ibis._.arrived_at.lead().over(window)).cache()
    once = rows.anti_join(repeated, "row_id").mutate(superseded_at=ibis.null(rows.arrived_at.type()))
    return once.union(again)


def _read(backend: ibis.BaseBackend, files: list[str], resource_id: str) -> ir.Table:
    options = {"hive_partitioning": False} if backend.name == "duckdb" else {}
    return backend.read_parquet(files, table_name=f"raw_{resource_id}", **options)


def _repeated(rows: ir.Table, *, passes: int) -> ir.Table:
    """Return the row identifiers that were delivered more than once, found in passes that each fit into memory."""
    found = []
    for number in range(passes):
        some = rows if passes == 1 else rows.filter(rows.row_id.hash().abs() % passes == number)
        counted = some.group_by("row_id").aggregate(n=some.count())
        found.append(counted.filter(counted.n > 1).select("row_id").cache())
    repeated = found[0]
    for more in found[1:]:
        repeated = repeated.union(more)
    return repeated
