"""A chained ledger's store in an SQLite file: write-ahead log, full sync, one connection that writes and one that reads.

All writing happens under one file lock, which also keeps two processes from checkpointing the write-ahead log at once
(SQLite before 3.51.3 can then damage the file). The lock has a second file, the turn: who waits holds it, so that a writer
who comes back at once does not overtake who has waited.

The head lies in `<table>.head` beside the database, in two slots that are written in turns: a write that a crash cuts in
half leaves the other slot. The order is: commit the rows durably, then keep the head, so after a crash of the process the
rows can be one change ahead of the head; after a loss of power two, because another process may have appended before the
head was synced. A ledger that is written with every answer syncs its head every so many rows only (decision 0026): a kill
loses nothing by it, a loss of power leaves the head as many rows behind.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Final

from registry.errors import IntegrityError, ServiceUnavailable
from registry.ledger_store import WAIT_S, Row, Transaction

CHECKPOINT_PAGES: Final = 2000
"""Pages in the write-ahead log before they are folded in: a page that many commits touch is then written once. [A]"""
SLOT_BYTES: Final = 512
CACHE_KIB: Final = 16_384
POLL_S: Final = 0.0005
TRUNCATE_TRIES: Final = 20
_VALUES: Final = re.compile(r"VALUES (\(\?(?:, \?)*\))")
_SIZES: Final = (64, 16, 4, 1)
"""Rows of one statement; few sizes, so that each statement is prepared once."""


class _Connection:
    """The transaction port over the writing connection and the head file."""

    def __init__(self, db: sqlite3.Connection, head: _HeadFile) -> None:
        self._db, self._head = db, head

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return self._db.execute(sql, values).fetchall()

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        # A statement of many rows is one call, where `executemany` makes one for each.
        several = _of_many_rows(sql)
        if several is None:
            self._db.executemany(sql, rows)
            return
        left = list(rows)
        for size, statement in several.items():
            while len(left) >= size:
                self._db.execute(statement, [value for row in left[:size] for value in row])
                del left[:size]

    def head(self) -> bytes | None:
        return self._head.read()

    def put_head(self, head: bytes) -> None:
        self._head.write(head, sync=True)


@lru_cache
def _of_many_rows(sql: str) -> dict[int, str] | None:
    """Return a statement for each of `_SIZES` rows, from one for a row; None where it takes no row of values."""
    found = _VALUES.search(sql)
    if found is None:
        return None
    return {size: sql[:found.end()] + f", {found[1]}" * (size - 1) + sql[found.end():] for size in _SIZES}


class SqliteStore:
    """The store of one ledger in the file at `path`; it and its folder are made when missing.

    Parameters
    ----------
    path
        Database file.
    table
        Name of the ledger; its head lies in `<table>.head` beside the file.
    wait_s
        Seconds to wait for another writer.
    head_every
        How many rows may be added before the head is synced.

    Raises
    ------
    ServiceUnavailable
        If the file cannot be opened.
    """

    def __init__(self, path: Path, table: str, *, wait_s: float = WAIT_S, head_every: int = 1) -> None:
        self._path, self._table, self._wait_s = path, table, wait_s
        self.head_lag = 1 + head_every
        self._writing, self._reading = threading.RLock(), threading.Lock()
        self._head = _HeadFile(path.with_name(f"{table}.head"), head_every)
        self._depth = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._locks = [path.with_name(f"{path.name}.{name}").open("ab") for name in ("turn", "lock")]
        self._connections: list[sqlite3.Connection] = []
        try:
            with self._exclusive():
                self._db, self._reader = self._connect(), self._connect()
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA secure_delete = ON")
                self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
                self._reader.execute("PRAGMA query_only = ON")
        except BaseException:
            self._release()
            raise

    @property
    def where(self) -> str:
        """Return the file."""
        return str(self._path)

    def prepare(self, statements: Sequence[str], *, append_only: str | None = None) -> None:
        """Make tables and indexes that are missing."""
        with self._exclusive():
            for statement in statements:
                self._db.execute(statement)
            for action in ("UPDATE", "DELETE") if append_only else ():
                self._db.execute(
                    f"CREATE TRIGGER IF NOT EXISTS {append_only}_no_{action.lower()} BEFORE {action} ON {append_only} "
                    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
                )

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table."""
        return [str(row[1]) for row in self.read(f"PRAGMA table_info({table})")]

    def change(self, work: Callable[[Transaction], bytes | None]) -> None:
        """Run `work` in a transaction of its own and keep the head that it returns."""
        with self._exclusive():
            # What was read of the head before the lock was taken may be another process's by now.
            self._head.forget()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                head = work(_Connection(self._db, self._head))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            if head is not None:
                self._head.write(head)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query."""
        with self._named_errors(), self._reading:
            return self._reader.execute(sql, values).fetchall()

    def scrub(self, tables: Sequence[str]) -> None:
        """Fold the write-ahead log in and empty it: the file itself overwrites what is deleted (`secure_delete`)."""
        del tables
        for _ in range(TRUNCATE_TRIES):
            with self._exclusive():
                (busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            time.sleep(0.05)
        raise ServiceUnavailable(
            f"the write-ahead log of ledger {self._table} is in use", where=self.where,
            remedy="The rows are deleted; erase again while nobody reads, so that the log forgets them too.",
        )

    def close(self) -> None:
        """Close the database; the last one to close it folds the write-ahead log in."""
        with self._exclusive():
            self._head.close()
            self._release(keep_locks=True)
        self._release()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._connections.append(db)
        db.execute(f"PRAGMA busy_timeout = {int(self._wait_s * 1000)}")
        db.execute("PRAGMA journal_mode = WAL")
        return db

    def _release(self, *, keep_locks: bool = False) -> None:
        while self._connections:
            self._connections.pop().close()
        if not keep_locks:
            for file in self._locks:
                file.close()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._named_errors(), self._writing:
            if self._depth == 0:
                _lock(self._locks, self._wait_s, self.where)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    fcntl.flock(self._locks[1], fcntl.LOCK_UN)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ServiceUnavailable(
                f"ledger {self._table} cannot be used: {error}", where=self.where,
                remedy="Check that the disk has space, that the folder may be written, and that no other program locks the file.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise IntegrityError(
                f"ledger {self._table} is damaged: {error}", where=self.where, remedy="Restore the ledger from a backup.",
            ) from error
        except OSError as error:
            raise ServiceUnavailable(
                f"ledger {self._table} cannot be written: {error.strerror}", where=self.where,
                remedy="Check that the disk has space and that the folder may be written.",
            ) from error


class _HeadFile:
    """Two slots of fixed size; the newer content is the head.

    Parameters
    ----------
    path
        The file; it is made by the first write.
    every
        A write is synced where it passes a position that is a multiple of this.
    """

    def __init__(self, path: Path, every: int) -> None:
        self._path, self._every = str(path), every
        self._unsynced = False
        self._met: bytes | None = None

    def forget(self) -> None:
        """Look at the file again before the next write; between a look and a write under one lock nobody else writes."""
        self._met = None

    def read(self) -> bytes | None:
        """Return the newer head that is whole; None without a file."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            # Two slots are the whole file; one byte more would show that it is none of ours.
            content = os.pread(descriptor, 2 * SLOT_BYTES + 1, 0)
        finally:
            os.close(descriptor)
        self._met = content
        # A file that holds no whole slot is returned as it is, so that who reads it says that it cannot be used; an empty one was
        # made by a process that died before it could write.
        return max(_slots(content), key=_place, default=content.strip(b"\0 \n") or None)

    def write(self, head: bytes, *, sync: bool = False) -> None:
        """Put a head into the slot of the older one; durably where it is asked for, or due, or the first."""
        assert len(head) < SLOT_BYTES, "a head fits its slot"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            content = os.pread(descriptor, 2 * SLOT_BYTES, 0) if self._met is None else self._met
            self._met = None
            slots = _slots(content)
            newest = max(slots, key=_place, default=b"")
            older = 1 if slots and content[:SLOT_BYTES].strip() == newest else 0
            os.pwrite(descriptor, head.ljust(SLOT_BYTES - 1) + b"\n", older * SLOT_BYTES)
            # Setting the size first would be a second write; where slot 0 is missing the gap reads as zeros, which is no slot.
            due = sync or not slots or _place(head) // self._every != _place(newest) // self._every
            if due:
                os.fdatasync(descriptor)
            self._unsynced = not due
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Sync what was written."""
        if self._unsynced:
            descriptor = os.open(self._path, os.O_RDWR)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            self._unsynced = False


def _slots(content: bytes) -> list[bytes]:
    pieces = (content[place : place + SLOT_BYTES].strip() for place in (0, SLOT_BYTES))
    return [piece for piece in pieces if piece.startswith(b"{") and piece.endswith(b"}") and _place(piece) >= 0]


def _place(slot: bytes) -> int:
    import orjson

    try:
        return int(orjson.loads(slot)["seq"])
    except (ValueError, KeyError, TypeError):
        return -1


def _lock(files: Sequence[IO[bytes]], wait_s: float, where: str) -> None:
    turn, lock = files
    deadline = time.monotonic() + wait_s
    _poll(turn, deadline, where)
    try:
        _poll(lock, deadline, where)
    finally:
        fcntl.flock(turn, fcntl.LOCK_UN)


def _poll(file: IO[bytes], deadline: float, where: str) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ServiceUnavailable(
                    "another process does not let go of the ledger", where=where,
                    remedy="Try again; if it stays so, find the process that holds the lock file beside the ledger.",
                ) from None
            time.sleep(POLL_S)
        else:
            return
