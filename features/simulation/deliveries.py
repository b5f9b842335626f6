"""What arrives: rows with their arrival, some late, twice, first wrong, or taken back, as files by month of arrival.

Layout: ``<outbox>/<resource>/<resource>-<YYYYMM>.parquet`` with raw identifiers, as a supplier would send it. A month that is
too large to hold comes as ``<resource>-<YYYYMM>-<part>.parquet``; the last part says until when it is complete.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.contracts import ARROW_TYPES
from features.simulation.assumptions import DeliveryAssumptions
from features.simulation.clock import Days, Instants, Month, instants, local_days
from features.simulation.streams import Stream, generator
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL, ENVELOPE, Column, Resource

Spoil = Callable[[pa.Table, np.random.Generator], pa.Table]

DAY: Final = np.timedelta64(86_400, "s")


@dataclass(frozen=True)
class Batch:
    """Rows of one resource that one month of the simulation made.

    Parameters
    ----------
    resource_id
        Resource.
    columns
        Declared column -> values, all of one length n; a declared column that is left out is null throughout.
    row_id
        Stable row identifiers, shape (n,).
    arrived
        UTC instants, shape (n,).
    spoil
        Makes the wrong first version of rows that are corrected later; None where corrections are modelled by the
        process itself.
    versions
        True where the batch holds its own later versions of rows: then nothing is withdrawn at random.
    withdrawn
        True where these versions take their rows back.
    """

    resource_id: str
    columns: Mapping[str, Any]
    row_id: Any
    arrived: Instants
    spoil: Spoil | None = None
    versions: bool = False
    withdrawn: bool = False


def only_where(condition: npt.NDArray[np.bool_], values: Any) -> npt.NDArray[np.object_]:
    """Return values where a condition holds and nulls elsewhere, shape (n,)."""
    result = np.full(len(condition), None, dtype=object)
    result[condition] = np.broadcast_to(np.asarray(values, dtype=object), condition.shape)[condition]
    return result


def next_morning(rng: np.random.Generator, days: Days) -> Instants:
    """Return arrivals in the small hours after each day, as nightly batches do."""
    return instants(days + 1, rng.uniform(1.0, 6.0, len(days)))


def next_month(rng: np.random.Generator, days: Days) -> Instants:
    """Return arrivals on the 3rd to 9th of the month after each day, as monthly reports do."""
    first = (days.astype("datetime64[M]") + 1).astype("datetime64[D]")
    return instants(first + rng.integers(2, 9, len(days)).astype("timedelta64[D]"), rng.uniform(1.0, 6.0, len(days)))


@dataclass
class Outbox:
    """Collects batches and writes them as files of their month of arrival.

    Parameters
    ----------
    folder
        Where the files go.
    months
        The window; what arrives after its end has not been delivered yet and is dropped.
    seed, assumed
        For the disturbances.
    """

    folder: Path
    months: tuple[Month, ...]
    seed: int
    assumed: DeliveryAssumptions
    rows: Counter[str] = field(default_factory=Counter)
    _parts: Counter[str] = field(default_factory=Counter)
    _written: Counter[str] = field(default_factory=Counter)
    _held: dict[int, dict[str, list[pa.Table]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def put(self, batch: Batch) -> None:
        """Take a batch, disturb it, and hold its rows until their month of arrival is flushed; ignore an empty one."""
        if len(batch.arrived):
            self._hold(batch.resource_id, self._disturbed(batch))

    def put_part(self, batch: Batch, month: Month) -> None:
        """Take a part of a month that is written in parts: what arrives in the month is written at once, the rest held."""
        table = self._disturbed(batch)
        now = pa.array(self._arrival_month(table) <= month.index)
        self._hold(batch.resource_id, table.filter(pc.invert(now)))
        name = f"{batch.resource_id}-{month.label}"
        self._write(batch.resource_id, f"{name}-{self._written[name]:03d}", table.filter(now), {})
        self._written[name] += 1

    def _disturbed(self, batch: Batch) -> pa.Table:
        resource = RESOURCES[batch.resource_id]
        self._parts[resource.id] += 1
        rng = generator(self.seed, Stream.DELIVERY, zlib.crc32(resource.id.encode()), self._parts[resource.id])
        return disturbed(rng, arrow_table(resource, batch), batch, self.assumed)

    def flush(self, month: Month) -> None:
        """Write what arrived in a month; call it once the month's and all earlier batches were put.

        Every file says until when it is complete. In the last month a resource without news is delivered empty, because
        no news is news: nothing else tells a quiet source from a broken one.
        """
        held = self._held.pop(month.index, {})
        names = RESOURCES if month.index == len(self.months) - 1 else held
        for resource_id in sorted(names):
            table = pa.concat_tables(held.get(resource_id) or [_empty(RESOURCES[resource_id])])
            name = f"{resource_id}-{month.label}"
            # Sorts behind the parts, so that it lands last.
            suffix = f"-{self._written[name]:03d}" if self._written[name] else ""
            self._write(resource_id, name + suffix, table, {COMPLETE_UNTIL: month_end(month)})

    def _write(self, resource_id: str, name: str, table: pa.Table, metadata: Mapping[str, str]) -> None:
        folder = self.folder / resource_id
        folder.mkdir(parents=True, exist_ok=True)
        self.rows[resource_id] += len(table)
        pq.write_table(
            table.replace_schema_metadata(dict(metadata)), folder / f"{name}.parquet", compression="zstd",
            compression_level=1, write_page_checksum=True, coerce_timestamps="us", use_dictionary=_repetitive(table),
        )

    def _arrival_month(self, table: pa.Table) -> npt.NDArray[np.int64]:
        arrived = local_days(table["arrived_at"].to_numpy()).astype("datetime64[M]").astype(np.int64)
        index: npt.NDArray[np.int64] = np.maximum(arrived - int(self.months[0].first.astype("datetime64[M]").astype(np.int64)), 0)
        return index

    def _hold(self, resource_id: str, table: pa.Table) -> None:
        index = self._arrival_month(table)
        for month_index in np.unique(index).tolist():
            if month_index < len(self.months):
                whole = bool((index == month_index).all())
                part = table if whole else table.filter(pa.array(index == month_index))
                self._held[month_index][resource_id].append(part)


def month_end(month: Month) -> str:
    """Return the first instant after a month, ISO in UTC."""
    return f"{instants(np.array([month.end]), np.zeros(1))[0].astype('datetime64[s]')}+00:00"


def _empty(resource: Resource) -> pa.Table:
    return pa.table({column.id: pa.nulls(0, ARROW_TYPES[column.dtype]) for column in (*resource.columns, *ENVELOPE)})


def arrow_table(resource: Resource, batch: Batch) -> pa.Table:
    """Return a batch as a table with exactly the declared columns and the envelope."""
    n = len(batch.arrived)
    unknown = set(batch.columns) - {column.id for column in resource.columns}
    if unknown:
        raise KeyError(f"resource {resource.id} does not declare {sorted(unknown)}")
    arrays = {column.id: _arrow(batch.columns.get(column.id), column, n) for column in resource.columns}
    row_id = batch.row_id if isinstance(batch.row_id, pa.Array) else pa.array(batch.row_id, pa.string())
    return pa.table({
        **arrays, "row_id": row_id, "arrived_at": _moments(batch.arrived),
        "withdrawn": pa.array(np.full(n, batch.withdrawn, dtype=np.bool_)),
    })


def _arrow(values: Any, column: Column, n: int) -> pa.Array:
    target = ARROW_TYPES[column.dtype]
    if values is None:
        return pa.nulls(n, target)
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, str):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), pa.array([values])).cast(target)
    if column.dtype == "timestamp":
        return _moments(np.asarray(values, dtype="datetime64[us]"))
    if column.dtype == "float":
        values = np.asarray(values)
        # float32 is how it was drawn; what is sent has the decimals of its unit, not those of the cast.
        if values.dtype == np.float32:
            values = np.round(values.astype(np.float64), 3)
    return pa.array(values, target, from_pandas=True)


def _moments(values: Instants) -> pa.Array:
    return pa.array(values.astype("datetime64[us]"), pa.timestamp("us"), from_pandas=True).cast(
        ARROW_TYPES["timestamp"]
    )


def disturbed(rng: np.random.Generator, table: pa.Table, batch: Batch, assumed: DeliveryAssumptions) -> pa.Table:
    """Return a table with late, repeated, first-wrong and withdrawn rows."""
    n = len(table)
    arrived = batch.arrived.astype("datetime64[us]").copy()
    late = rng.random(n) < assumed.late_share
    # A late or repeated version must not overtake its own successor.
    latest, repeat_d = (1.0, 1.0) if batch.versions else (60.0, 6.0)
    arrived[late] += _days(np.minimum(rng.exponential(assumed.late_mean_d, int(late.sum())), latest))
    table = _with(table, "arrived_at", _moments(arrived))
    fate = rng.random(n)
    repeated = np.flatnonzero(fate < assumed.duplicated_share)
    extra = [_later(rng, table, repeated, arrived, 0.2, repeat_d)]
    edge = assumed.duplicated_share + assumed.withdrawn_share
    if not batch.versions:
        gone = np.flatnonzero((fate >= assumed.duplicated_share) & (fate < edge))
        taken_back = _later(rng, table, gone, arrived, 2.0, 20.0)
        extra.append(_with(taken_back, "withdrawn", pa.array(np.ones(len(gone), dtype=np.bool_))))
    if batch.spoil is not None:
        wrong = (fate >= edge) & (fate < edge + assumed.corrected_share)
        rows = np.flatnonzero(wrong)
        extra += [batch.spoil(table.take(pa.array(rows)), rng), _later(rng, table, rows, arrived, 1.5, 14.0)]
        table = table.filter(pa.array(~wrong))
    return pa.concat_tables([table, *(part for part in extra if len(part))])


def _later(
    rng: np.random.Generator, table: pa.Table, rows: npt.NDArray[np.int64], arrived: Instants, low_d: float, high_d: float
) -> pa.Table:
    moved = arrived[rows] + _days(rng.uniform(low_d, high_d, len(rows)))
    return _with(table.take(pa.array(rows)), "arrived_at", _moments(moved))


def _days(values: npt.NDArray[np.float64]) -> npt.NDArray[np.timedelta64]:
    return np.rint(values * 86_400.0).astype("timedelta64[s]").astype("timedelta64[us]")


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _repetitive(table: pa.Table) -> list[str]:
    """Return the columns for which a dictionary pays: all but row identifiers and arrivals."""
    return [name for name in table.column_names if name not in ("row_id", "arrived_at")]


def spoil_columns(*names: str, factor: float = 0.6) -> Spoil:
    """Return a spoiler that delivers part of some quantities first, as late packets do."""

    def spoil(table: pa.Table, _rng: np.random.Generator) -> pa.Table:
        for name in names:
            values = table[name].to_numpy(zero_copy_only=False)
            part = np.floor(values * factor) if pa.types.is_integer(table[name].type) else np.round(values * factor, 3)
            table = _with(table, name, pa.array(part, from_pandas=True).cast(table[name].type))
        return table

    return spoil
