"""Feature tables in Parquet files: which of their rows concern a spine, and the features of chosen rows.

Keys and instants are read first, whole columns of few bytes a row; features are then read a batch at a time, and only of
the rows that some question was answered with. So memory follows the spine, not the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.pit.entities import Entities
from features.pit.newest import BEFORE_ALL, NOBODY, Ints, Rows
from registry.errors import DataError, NotFound

_KEY_BATCH: Final = 1 << 17
_FEATURE_BATCH: Final = 1 << 16
_STREAMED: Final[dict[str, Any]] = {"pre_buffer": False, "buffer_size": 1 << 18}
"""How files are read: piece by piece, never a whole row group of every column at once."""


@dataclass(frozen=True)
class FeatureTable:
    """A feature table as its source declares it.

    Parameters
    ----------
    path
        A Parquet file, or a folder of them.
    keys
        Key columns.
    event, created
        Columns of the instants; the second may be None.
    features
        Name in the answer -> column.
    """

    path: Path
    keys: tuple[str, ...]
    event: str
    created: str | None
    features: dict[str, str]

    def files(self) -> list[Path]:
        """Return its files in order of name.

        Raises
        ------
        NotFound
            If there is none.
        """
        files = sorted(self.path.rglob("*.parquet")) if self.path.is_dir() else [self.path]
        if not files or not files[0].is_file():
            raise NotFound("no such feature table", where=str(self.path), remedy="Run `roadrisk features build`.")
        return files

    def finer_than_microseconds(self) -> bool:
        """Whether an instant is stored in nanoseconds."""
        schema = pq.read_schema(self.files()[0])
        _require(schema, [*self.keys, self.event, *filter(None, [self.created]), *self.features.values()], self.path)
        types = [schema.field(name).type for name in (self.event, self.created) if name]
        return any(pa.types.is_timestamp(kind) and kind.unit == "ns" for kind in types)

    def rows_of(self, entities: Entities, unit: str) -> Rows:
        """Return the rows of the entities of a spine that have an event time."""
        parts: dict[str, list[Ints]] = {name: [] for name in ("entity", "event", "created", "number")}
        start = 0
        for path in self.files():
            for batch in _key_batches(path, [*self.keys, self.event, *filter(None, [self.created])], self.keys):
                rows = self._concerned(batch, entities, unit, start)
                start += batch.num_rows
                for name, pieces in parts.items():
                    pieces.append(getattr(rows, name))
        # Each column's pieces go before the next column is put together: rows are never held twice.
        entity, event = np.concatenate(parts.pop("entity")), np.concatenate(parts.pop("event"))
        created = parts.pop("created")
        return Rows(
            entity, event, None if self.created is None else np.concatenate(created), np.concatenate(parts.pop("number"))
        )

    def _concerned(self, batch: Any, entities: Entities, unit: str, start: int) -> Rows:
        codes = entities.code([batch.column(name) for name in self.keys], self.keys)
        event = instants(batch.column(self.event), unit, self.event)
        number = np.arange(start, start + batch.num_rows, dtype=np.int64)
        created = None if self.created is None else instants(batch.column(self.created), unit, self.created)
        return Rows(codes, event, created, number).at((codes != NOBODY) & (event != BEFORE_ALL))

    def take(self, numbers: Ints) -> dict[str, Any]:
        """Return the features of rows by their numbers, null for `NOBODY`."""
        met = np.zeros(int(numbers.max(initial=NOBODY)) + 1, dtype=bool)
        met[numbers[numbers != NOBODY]] = True
        wanted = np.flatnonzero(met)
        # Where each row stands among those that are wanted; the appended zero is that of `NOBODY`.
        place = np.append(np.cumsum(met, dtype=np.int64), 0)[numbers] - 1
        compact = pa.Table.from_batches(list(self._batches(wanted)), schema=self._schema())
        index = pa.array(place, mask=place < 0)
        columns = dict(zip(self.features, compact.itercolumns(), strict=True))
        return {name: column.combine_chunks().take(index) for name, column in columns.items()}

    def _schema(self) -> Any:
        schema = pq.read_schema(self.files()[0])
        return pa.schema([schema.field(column) for column in self.features.values()])

    def _batches(self, wanted: Ints) -> Iterator[Any]:
        start, columns, schema = 0, list(self.features.values()), self._schema()
        for path in self.files():
            file = pq.ParquetFile(path, **_STREAMED)
            for group in range(file.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                inside = wanted[np.searchsorted(wanted, start):np.searchsorted(wanted, end)]
                for batch in file.iter_batches(_FEATURE_BATCH, [group], columns) if len(inside) else ():
                    stop = np.searchsorted(inside, start + batch.num_rows)
                    yield batch.select(columns).take(pa.array(inside[:stop] - start)).cast(schema)
                    inside, start = inside[stop:], start + batch.num_rows
                start = end


def instants(column: Any, unit: str, name: str) -> Ints:
    """Return instants as integers of a unit, `BEFORE_ALL` where one is missing; times without a zone are in UTC.

    Raises
    ------
    DataError
        If the column holds no times.
    """
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise DataError(f"column {name!r} is {column.type}, not a time", where="point-in-time join")
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    whole = column.cast(pa.timestamp(unit, tz=zone)).cast(pa.int64()).fill_null(BEFORE_ALL)
    found: Ints = whole.to_numpy(zero_copy_only=False)
    return found


def _key_batches(path: Path, columns: Sequence[str], keys: Sequence[str]) -> Iterator[Any]:
    schema = pq.read_schema(path)
    # Text keys stay the dictionaries that they are on disk: each distinct one is looked up once.
    texts = [name for name in keys if pa.types.is_string(schema.field(name).type)]
    file = pq.ParquetFile(path, read_dictionary=texts, **_STREAMED)
    yield from file.iter_batches(_KEY_BATCH, columns=list(columns))
    if not file.metadata.num_rows:
        yield pa.RecordBatch.from_pylist([], schema=pa.schema([schema.field(name) for name in columns]))


def _require(schema: Any, columns: Sequence[str], path: Path) -> None:
    absent = [name for name in columns if name not in schema.names]
    if absent:
        raise DataError(
            f"feature table has no column {absent[0]!r}, it has {sorted(schema.names)}", where=str(path),
            remedy="Build the features and register the views again.",
        )
