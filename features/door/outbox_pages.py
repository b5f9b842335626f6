"""Pages over the simulated outbox, in the order of arrival, without holding more than a window of it in memory."""

from __future__ import annotations

import base64
import binascii
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.errors import InvalidRequest, NotFound
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL

if TYPE_CHECKING:
    import duckdb

WINDOW_ROWS: Final = 200_000
"""Rows read at once: dozens of pages are cut from one read."""
WINDOWS: Final = 4
BEGIN: Final = datetime(1900, 1, 1, tzinfo=UTC)
END: Final = datetime(2200, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Position:
    """Behind the first `taken` rows that arrived at an instant, in the order of their identifiers.

    A cursor says no row identifier, because suppliers make those of credit codes and plates.
    """

    at: datetime
    taken: int

    def cursor(self) -> str:
        """Return the position as an opaque text."""
        text = f"{(self.at - _EPOCH) // _TICK}.{self.taken}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True)
class _File:
    path: Path
    first: datetime
    last: datetime


@dataclass(frozen=True)
class _Window:
    """Rows from a position up to `end`, sorted; `whole` where none of that stretch is missing."""

    start: Position
    end: datetime
    whole: bool
    rows: pa.Table
    arrivals: npt.NDArray[np.int64]

    def behind(self, place: int) -> Position:
        """Return the position behind the first `place` rows."""
        if place == len(self.arrivals) and self.whole and self.end >= self.start.at:
            return Position(self.end + _TICK, 0)
        if place == 0:
            return self.start
        last = int(self.arrivals[place - 1])
        at = _EPOCH + last * _TICK
        same = place - int(np.searchsorted(self.arrivals, last, "left"))
        return Position(at, same + (self.start.taken if at == self.start.at else 0))


@dataclass(frozen=True)
class OutboxPage:
    """Rows of a page, the position behind it, whether there is more, and until when nothing is missing."""

    rows: pa.Table
    next: Position
    more: bool
    complete_until: datetime | None


class OutboxPages:
    """Reads pages of a simulated outbox as of an instant.

    Parameters
    ----------
    outbox
        Folder with a folder of Parquet files per resource.
    as_of
        Aware instant: nothing that arrives later exists yet. None: everything has arrived.
    """

    def __init__(self, outbox: Path, *, as_of: datetime | None = None, memory_limit: str = "1GB") -> None:
        self._outbox, self._as_of, self._memory_limit = outbox, as_of, memory_limit
        self._lock = threading.Lock()
        self._files: dict[str, tuple[tuple[_File, ...], datetime | None]] = {}
        self._windows: OrderedDict[tuple[str, Position, datetime], tuple[_Window, int]] = OrderedDict()
        self._db: duckdb.DuckDBPyConnection | None = None

    def page(self, resource_id: str, after: str, *, limit: int, until: datetime | None = None) -> OutboxPage:
        """Return the page behind a cursor; an empty one is the beginning.

        Raises
        ------
        NotFound
            If there is no such resource.
        InvalidRequest
            If the cursor is none.
        """
        position = _position(after)
        with self._lock:
            files, known_until = self._listed(resource_id)
            edge = min(instant for instant in (self._as_of, until, known_until, END) if instant)
            window, place = self._window(resource_id, files, position, edge)
            end = min(place + limit, len(window.rows))
            behind = window.behind(end)
            more = end < len(window.rows) or not window.whole or window.end < edge
            self._remember(resource_id, behind, edge, window, end)
        told = None if known_until is None else edge
        return OutboxPage(window.rows.slice(place, end - place), behind, more, min(behind.at, edge) if more else told)

    def _listed(self, resource_id: str) -> tuple[tuple[_File, ...], datetime | None]:
        if resource_id not in RESOURCES:
            raise NotFound(f"no resource {resource_id[:40]!r}")
        if resource_id not in self._files:
            found = [_described(path) for path in sorted((self._outbox / resource_id).glob("*.parquet"))]
            told = [instant for _, instant in found if instant]
            files = sorted((file for file, _ in found if file), key=lambda file: (file.first, file.path))
            self._files[resource_id] = tuple(files), max(told, default=None)
        return self._files[resource_id]

    def _window(
        self, resource_id: str, files: tuple[_File, ...], position: Position, edge: datetime
    ) -> tuple[_Window, int]:
        remembered = self._windows.pop((resource_id, position, edge), None)
        if remembered is not None and remembered[1] < len(remembered[0].rows):
            return remembered
        start = position
        while True:
            ahead = [file for file in files if file.last >= start.at and file.first <= edge]
            end = min(min((file.last for file in ahead), default=edge), edge)
            window = self._read([file.path for file in ahead if file.first <= end], start, end)
            # Where a file ends and nothing lies before the next one begins, the next one is read.
            if len(window.rows) or not window.whole or window.end >= edge:
                return window, 0
            start = Position(end + _TICK, 0)

    def _read(self, paths: list[Path], start: Position, end: datetime) -> _Window:
        wanted = WINDOW_ROWS + start.taken
        if not paths or end < start.at:
            return _Window(start, end, True, pa.table({}), np.array([], dtype=np.int64))
        rows = self._connection().sql(
            "SELECT * FROM read_parquet($paths) WHERE arrived_at >= $start AND arrived_at <= $end "
            "ORDER BY arrived_at, row_id LIMIT $wanted",
            params={"paths": [str(path) for path in paths], "start": start.at, "end": end, "wanted": wanted},
        ).to_arrow_table()
        whole = len(rows) < wanted
        rows = rows.slice(start.taken)
        arrivals = rows["arrived_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        return _Window(start, end, whole, rows, arrivals)

    def _remember(self, resource_id: str, behind: Position, edge: datetime, window: _Window, place: int) -> None:
        self._windows[resource_id, behind, edge] = window, place
        while len(self._windows) > WINDOWS:
            self._windows.popitem(last=False)

    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._db is None:
            import duckdb

            self._db = duckdb.connect()
            self._db.execute("SET TimeZone = 'UTC'")
            self._db.execute("SET memory_limit = $limit", {"limit": self._memory_limit})
        return self._db


def json_rows(rows: pa.Table) -> list[bytes]:
    """Return each row as a JSON object, times in ISO 8601 with their zone."""
    import polars as pl

    if not len(rows):
        return []
    for place, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            texts = pc.binary_join_element_wise(pc.strftime(rows[field.name], "%Y-%m-%dT%H:%M:%S"), "Z", "")
            rows = rows.set_column(place, field.name, texts)
        elif pa.types.is_date(field.type):
            rows = rows.set_column(place, field.name, rows[field.name].cast(pa.string()))
    return pl.DataFrame(rows).write_ndjson().encode().splitlines()


def _position(cursor: str) -> Position:
    if not cursor:
        return Position(BEGIN, 0)
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        at, _, taken = text.partition(".")
        position = Position(_EPOCH + int(at) * _TICK, int(taken))
    except (ValueError, binascii.Error, OverflowError):
        raise InvalidRequest("the cursor is none of this server", remedy="Send `next` of a page as it was.") from None
    if position.taken < 0:
        raise InvalidRequest("the cursor is none of this server", remedy="Send `next` of a page as it was.")
    return position


def _described(path: Path) -> tuple[_File | None, datetime | None]:
    """Return the stretch of arrivals of a file, None where it has no rows, and the instant that it vouches for."""
    with pq.ParquetFile(path) as file:
        told = (file.schema_arrow.metadata or {}).get(COMPLETE_UNTIL.encode(), b"").decode()
        place = file.schema_arrow.names.index("arrived_at")
        groups = [file.metadata.row_group(number).column(place).statistics for number in range(file.num_row_groups)]
    edges = [edge for group in groups if group is not None and group.has_min_max for edge in (group.min, group.max)]
    instant = datetime.fromisoformat(told).astimezone(UTC) if told else None
    return (_File(path, min(edges), max(edges)) if edges else None), instant
