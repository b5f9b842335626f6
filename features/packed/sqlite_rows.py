"""Packed rows in one SQLite file, a table per view.

A load is one transaction over all views: whoever reads meanwhile reads what was published before, and what dies half-way
leaves nothing behind.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from features.packed.layout import STAMP, Layout
from features.packed.rows import UNPUBLISHED, Publication, unavailable
from features.snapshot import FeatureSnapshot

_WHERE: Final = "online store in SQLite"
_WRITER_WAITS_S: Final = 10.0
_CACHE_KIB: Final = 64 * 1024
_GATHERED_PAGES: Final = 8 * 1024
"""A stream touches most pages every few seconds: what it gathers is written over once for many changes of a page."""
_META: Final = """
    CREATE TABLE IF NOT EXISTS packed_layout (project TEXT, digest BLOB, layout TEXT NOT NULL, PRIMARY KEY (project, digest));
    CREATE TABLE IF NOT EXISTS packed_publication (project TEXT PRIMARY KEY, number INTEGER NOT NULL, content TEXT NOT NULL);
"""
_TABLE: Final = "CREATE TABLE IF NOT EXISTS {table} (entity_key BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID"
_UPSERT: Final = """
    INSERT INTO {table} (entity_key, row) VALUES (?, ?) ON CONFLICT (entity_key) DO UPDATE SET row = excluded.row
    WHERE substr(excluded.row, 13, 16) >= substr({table}.row, 13, 16)
"""
"""The sixteen bytes are the instants of a row, see `features.packed.layout`."""

_Reader = tuple[tuple[int, int], sqlite3.Connection]


class SqliteRows:
    """The place `PackedRows` in an SQLite file.

    Parameters
    ----------
    path
        The file.
    timeout_s
        How long a reader waits for a file that another process keeps to itself.
    project
        Feast's name of the project.
    """

    def __init__(self, path: Path, *, timeout_s: float, project: str) -> None:
        self._path, self._timeout_s, self._project = path, timeout_s, project
        self._idle: deque[_Reader] = deque()
        self._writer: sqlite3.Connection | None = None
        self._writing = threading.RLock()

    def fetch(self, views: Sequence[str], keys: Sequence[bytes]) -> tuple[int, list[list[bytes | None]]]:
        """Return the number of the publication and the rows, view by view."""
        statement = _statement(self._project, tuple(views))
        with self._reading() as connection:
            if len(keys) == 1:
                # One statement sees one state.
                number, *rows = connection.execute(statement, (self._project, *(keys[0],) * len(views))).fetchone()
                return number, [[row] for row in rows]
            # In the order in which they lie, so that a page is read once for all its rows.
            places = sorted(range(len(keys)), key=keys.__getitem__)
            found: list[tuple[Any, ...]] = [()] * len(keys)
            connection.execute("BEGIN")
            try:
                for place in places:
                    found[place] = connection.execute(statement, (self._project, *(keys[place],) * len(views))).fetchone()
            finally:
                connection.execute("COMMIT")
        numbers, *rows = zip(*found, strict=True)
        return numbers[0], [list(of_view) for of_view in rows]

    def layouts(self) -> Mapping[bytes, Layout]:
        """Return the layouts that rows were ever written under."""
        with self._reading() as connection:
            found = connection.execute("SELECT digest, layout FROM packed_layout WHERE project = ?", (self._project,))
            return {digest: Layout.from_json(text) for digest, text in found}

    def published(self) -> Publication | None:
        """Return the publication; None where there is none, and no file either."""
        if not self._path.exists():
            return None
        with self._reading() as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'packed_publication'").fetchone():
                return None
            found = connection.execute("SELECT content FROM packed_publication WHERE project = ?", (self._project,)).fetchone()
        return Publication.from_json(found[0]) if found else None

    def prepare(self, layout: Layout) -> None:
        """Make the table of a view, and note its layout."""
        with self._changing() as connection:
            connection.execute(_TABLE.format(table=self._table(layout.view)))
            connection.execute(
                "INSERT OR IGNORE INTO packed_layout VALUES (?, ?, ?)", (self._project, layout.digest, layout.to_json())
            )

    def held(self, view: str, keys: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the stamp of each row of the view."""
        with self._changing() as connection:
            sql = f"SELECT entity_key, substr(row, {STAMP.start + 1}, {STAMP.stop - STAMP.start}) FROM {self._table(view)}"  # noqa: S608 - a name of ours
            return dict(connection.execute(sql))

    def write(self, view: str, keys: Sequence[bytes], rows: Sequence[bytes]) -> None:
        """Write rows where no later ones lie.

        Outside a load, as of a stream that pushes every second, the file takes them over when some megabytes have gathered.
        """
        with self._changing(gathers=True) as connection:
            connection.executemany(_UPSERT.format(table=self._table(view)), zip(keys, rows, strict=True))

    def begin(self) -> None:
        """Begin the transaction of a load."""
        with self._writing, _told():
            connection = self._connected()
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")

    def publish(self, snapshot: FeatureSnapshot, definitions: str) -> None:
        """Commit what was loaded, together with what it is of."""
        with self._changing(ends=True) as connection:
            held = connection.execute("SELECT content FROM packed_publication WHERE project = ?", (self._project,)).fetchone()
            made = Publication.after(Publication.from_json(held[0]) if held else None, snapshot, definitions)
            connection.execute(
                "INSERT OR REPLACE INTO packed_publication VALUES (?, ?, ?)", (self._project, made.number, made.to_json())
            )

    def abandon(self) -> None:
        """Roll the load back."""
        with self._writing, suppress(sqlite3.Error):
            if self._writer is not None and self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def drop(self, view: str) -> None:
        """Drop the table of a view."""
        with self._changing() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {self._table(view)}")

    def teardown(self) -> None:
        """Remove the file."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close all connections that nobody uses at the moment."""
        self.abandon()
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        while self._idle:
            self._idle.pop()[1].close()

    def _table(self, view: str) -> str:
        return _quoted(self._project, view)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that only reads, to the file that has the name now."""
        reader: _Reader | None = None
        try:
            reader = self._reader()
            yield reader[1]
        except (sqlite3.Error, OSError) as error:
            if reader is not None:
                reader[1].close()
            raise unavailable(error, _WHERE) from error
        self._idle.append(reader)

    def _reader(self) -> _Reader:
        at = os.stat(self._path)  # noqa: PTH116 - half the time of Path.stat, on every read
        file = (at.st_dev, at.st_ino)
        while self._idle:
            try:
                reader = self._idle.pop()
            except IndexError:
                break
            if reader[0] == file:
                return reader
            # Another file was put in its place; the old one would be read for ever.
            reader[1].close()
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=self._timeout_s, isolation_level=None,
            check_same_thread=False,
        )
        return file, connection

    @contextmanager
    def _changing(self, *, ends: bool = False, gathers: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend the connection that writes; outside a load, or where it `ends`, what was done is durable afterwards.

        What `gathers` is seen by readers as soon, and outlives the process; a loss of power may take the last of it.
        """
        with self._writing, _told():
            connection = self._connected()
            inside = connection.in_transaction
            if not inside:
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if not inside:
                    connection.execute("ROLLBACK")
                raise
            if ends or not inside:
                connection.execute("COMMIT")
                if ends or not gathers:
                    # So that the file alone is the store again, for whoever copies it.
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connected(self) -> sqlite3.Connection:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            made = sqlite3.connect(self._path, timeout=_WRITER_WAITS_S, isolation_level=None, check_same_thread=False)
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("PRAGMA synchronous=NORMAL")
            made.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            made.execute(f"PRAGMA wal_autocheckpoint={_GATHERED_PAGES}")
            made.executescript(_META)
            self._writer = made
        return self._writer


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise unavailable(error, _WHERE) from error


@cache
def _statement(project: str, views: tuple[str, ...]) -> str:
    """Return the statement that gives the number of the publication and the row of one entity in each view."""
    rows = [f"(SELECT row FROM {_quoted(project, view)} WHERE entity_key = ?)" for view in views]  # noqa: S608 - names of ours
    number = f"ifnull((SELECT number FROM packed_publication WHERE project = ?), {UNPUBLISHED})"  # noqa: S608
    return f"SELECT {', '.join([number, *rows])}"


def _quoted(project: str, view: str) -> str:
    return '"' + f"{project}_{view}".replace('"', '""') + '"'
