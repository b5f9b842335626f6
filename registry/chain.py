"""An append-only ledger: every row carries an HMAC over itself and the row before it, and a signed head lies beside.

A chain of HMACs shows changed, removed, inserted and reordered rows to whoever holds the key. It cannot show that the
newest rows were cut off, so `<table>.head`, a file beside the database, names the last row and is signed too.

The order of an append is: commit the row durably, then replace the head. A process that dies in between leaves the
database one row ahead of the head, which the next opening repairs; after a loss of power it can be two rows, because
the head's rename is durable only with the next append's sync. A database behind its head, or further ahead, was
tampered with. All of it happens under one file lock, which also keeps two processes from checkpointing the
write-ahead log at once (SQLite before 3.51.3 can then damage the file).
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from registry.errors import ConfigurationError, IntegrityError, ServiceUnavailable

GENESIS: Final = "0" * 64
BUSY_TIMEOUT_MS: Final = 10_000
PAGE_ROWS: Final = 500
MAX_AHEAD: Final = 2
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Entry:
    """One row: position from 1, instant (aware UTC), payload, and the HMAC-SHA256 that chains it, as hex."""

    seq: int
    at: datetime
    payload: dict[str, Any]
    hash: str


@dataclass(frozen=True)
class VerifyReport:
    """What a walk over a whole ledger found: rows met, and one sentence per problem."""

    rows: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


@dataclass(frozen=True)
class _Head:
    seq: int
    hash: str


_Row = tuple[int, str, str, str, str]


class ChainLedger:
    """A chained table in a SQLite file, safe for threads and processes, and after a kill at any moment.

    Parameters
    ----------
    path
        The database file; it and its folder are made when missing.
    key
        HMAC key, at least 32 bytes, kept apart from the ledger.
    table
        Name of the table and of the head file beside the database.
    indexed
        Top-level payload fields that `find` looks up by index.

    Raises
    ------
    ConfigurationError
        If key or a name cannot be used.
    IntegrityError
        If the end of the table does not agree with its head.
    ServiceUnavailable
        If the file cannot be opened.
    """

    def __init__(self, path: Path, key: bytes, table: str, *, indexed: Sequence[str] = ()) -> None:
        if len(key) < 32:
            raise ConfigurationError(f"the ledger key has {len(key)} bytes, at least 32 are needed", where=str(path))
        for name in (table, *indexed):
            if not _NAME.fullmatch(name):
                raise ConfigurationError(f"{name!r} is no ledger name", remedy="Use a-z, 0-9 and underscore.")
        self._path, self._key, self._table, self._indexed = path, key, table, tuple(indexed)
        self._head_path = path.with_name(f"{table}.head")
        self._thread_lock, self._depth = threading.RLock(), 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = path.with_name(f"{path.name}.lock").open("ab")
        try:
            with self._exclusive():
                self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
                self._prepare()
                self._recover()
        except BaseException:
            if hasattr(self, "_db"):
                self._db.close()
            self._lock_file.close()
            raise

    def append(self, payload: Mapping[str, Any], *, at: datetime) -> Entry:
        """Add a row; when this returns, it survives the loss of the process and of power.

        Parameters
        ----------
        payload
            Anything JSON can hold, without NaN.
        at
            When it happened; aware, kept in UTC.
        """
        text, instant = _canonical(payload), _instant(at)
        with self._exclusive():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                last = self._last()
                self._check_tail(last, self._read_head())
                seq = last.seq + 1
                digest = self._mac(seq, instant, last.hash, text)
                self._db.execute(
                    f"INSERT INTO {self._table} (seq, at, prev, payload, hash) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - checked name
                    (seq, instant, last.hash, text, digest),
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._write_head(_Head(seq, digest))
        return Entry(seq, datetime.fromisoformat(instant), json.loads(text), digest)

    def entries(self, *, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Yield rows in order, those behind position `after`, at most `limit` of them; each row's own HMAC holds."""
        left = limit
        while left is None or left > 0:
            size = PAGE_ROWS if left is None else min(left, PAGE_ROWS)
            page = self._select("WHERE seq > ? ORDER BY seq LIMIT ?", (after, size))
            yield from (self._checked(row) for row in page)
            if len(page) < size:
                return
            after, left = page[-1][0], None if left is None else left - len(page)

    def last(self) -> Entry | None:
        """Return the newest row."""
        rows = self._select("ORDER BY seq DESC LIMIT 1", ())
        return self._checked(rows[0]) if rows else None

    def find(self, field: str, value: str) -> list[Entry]:
        """Return the rows whose indexed payload field equals a value, oldest first; each row's own HMAC holds."""
        if field not in self._indexed:
            raise ConfigurationError(f"field {field!r} of ledger {self._table} is not indexed")
        condition = f"WHERE json_extract(payload, '$.{field}') = ? ORDER BY seq"
        return [self._checked(row) for row in self._select(condition, (value,))]

    def verify(self) -> VerifyReport:
        """Walk the whole ledger and say what was changed, removed, reordered or cut off."""
        problems: list[str] = []
        with self._exclusive():
            end = self._last()
            try:
                self._check_tail(end, self._read_head())
            except IntegrityError as error:
                problems.append(error.message)
        # Appending goes on meanwhile: the walk ends at the row that was the last one.
        rows, seq, previous = 0, 0, GENESIS
        for row in self._walk(end.seq):
            problems.extend(self._problems_of(row, seq, previous))
            rows, seq, previous = rows + 1, row[0], row[4]
        if seq != end.seq:
            problems.append(f"rows {seq + 1} to {end.seq} disappeared during the walk")
        return VerifyReport(rows, tuple(problems))

    def close(self) -> None:
        """Close the database; the last one to close it folds the write-ahead log in."""
        with self._exclusive():
            self._db.close()
        self._lock_file.close()

    def __enter__(self) -> ChainLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._thread_lock:
            self._depth += 1
            if self._depth == 1:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            except sqlite3.OperationalError as error:
                raise ServiceUnavailable(
                    f"ledger {self._table} cannot be used: {error}", where=str(self._path),
                    remedy="Check that the disk has space and that the folder may be written.",
                ) from error
            except sqlite3.DatabaseError as error:
                raise IntegrityError(f"ledger {self._table} is damaged: {error}", where=str(self._path)) from error
            except OSError as error:
                raise ServiceUnavailable(f"ledger {self._table} cannot be written: {error}") from error
            finally:
                self._depth -= 1
                if self._depth == 0:
                    fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _prepare(self) -> None:
        db = self._db
        db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, prev TEXT NOT NULL, "
            "payload TEXT NOT NULL, hash TEXT NOT NULL)"
        )
        for action in ("UPDATE", "DELETE"):
            db.execute(
                f"CREATE TRIGGER IF NOT EXISTS {self._table}_no_{action.lower()} BEFORE {action} ON {self._table} "
                "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            )
        for field in self._indexed:
            # The index is on the payload itself, so it cannot name another row than the chained text does.
            db.execute(
                f"CREATE INDEX IF NOT EXISTS {self._table}_by_{field} "
                f"ON {self._table} (json_extract(payload, '$.{field}'))"
            )

    def _recover(self) -> None:
        last, head = self._last(), self._read_head()
        self._check_tail(last, head)
        if last.seq != head.seq:
            self._write_head(last)

    def _last(self) -> _Head:
        row = self._db.execute(f"SELECT seq, hash FROM {self._table} ORDER BY seq DESC LIMIT 1").fetchone()  # noqa: S608 - checked name
        return _Head(*row) if row else _Head(0, GENESIS)

    def _check_tail(self, last: _Head, head: _Head) -> None:
        if last.seq < head.seq:
            raise IntegrityError(
                f"ledger {self._table} ends at row {last.seq}, its head names row {head.seq}: rows were cut off",
                where=str(self._path), remedy="Restore the ledger from a backup.",
            )
        if last.seq > head.seq + MAX_AHEAD:
            raise IntegrityError(
                f"ledger {self._table} ends at row {last.seq}, its head names row {head.seq}: the head was replaced",
                where=str(self._head_path), remedy="Restore ledger and head from the same backup.",
            )
        if head.seq and (not (rows := self._select("WHERE seq = ?", (head.seq,))) or rows[0][4] != head.hash):
            raise IntegrityError(
                f"row {head.seq} of ledger {self._table} is not the one its head names", where=str(self._path),
                remedy="Restore ledger and head from the same backup.",
            )

    def _select(self, condition: str, values: tuple[object, ...]) -> list[_Row]:
        with self._exclusive():
            query = f"SELECT seq, at, prev, payload, hash FROM {self._table} {condition}"  # noqa: S608 - checked name
            return self._db.execute(query, values).fetchall()

    def _walk(self, end: int) -> Iterator[_Row]:
        after = 0
        while page := self._select("WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", (after, end, PAGE_ROWS)):
            yield from page
            after = page[-1][0]

    def _problems_of(self, row: _Row, seq: int, previous: str) -> Iterator[str]:
        if row[0] != seq + 1:
            yield f"rows {seq + 1} to {row[0] - 1} are missing"
        elif row[2] != previous:
            yield f"row {row[0]} does not follow row {seq}"
        if not self._holds(row):
            yield f"row {row[0]} was changed or moved"

    def _holds(self, row: _Row) -> bool:
        return hmac.compare_digest(self._mac(row[0], row[1], row[2], row[3]), str(row[4]))

    def _checked(self, row: _Row) -> Entry:
        if not self._holds(row):
            raise IntegrityError(
                f"row {row[0]} of ledger {self._table} was changed", where=str(self._path),
                remedy="Verify the ledger and restore it from a backup.",
            )
        return Entry(row[0], datetime.fromisoformat(row[1]), json.loads(row[3]), row[4])

    def _mac(self, *parts: object) -> str:
        # JSON of a list keeps the parts apart: no two lists of parts give the same text.
        text = json.dumps([self._table, *parts], ensure_ascii=False, default=repr)
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _read_head(self) -> _Head:
        try:
            claim = json.loads(self._head_path.read_bytes())
            head, mac = _Head(int(claim["seq"]), str(claim["hash"])), str(claim["mac"])
        except FileNotFoundError:
            return _Head(0, GENESIS)
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"head of ledger {self._table} cannot be read", where=str(self._head_path)) from error
        if not hmac.compare_digest(self._mac("head", head.seq, head.hash), mac):
            raise IntegrityError(f"head of ledger {self._table} does not verify", where=str(self._head_path))
        return head

    def _write_head(self, head: _Head) -> None:
        claim = {"seq": head.seq, "hash": head.hash, "mac": self._mac("head", head.seq, head.hash)}
        staging = self._head_path.with_name(f"{self._head_path.name}.new")
        with staging.open("wb") as file:
            file.write(json.dumps(claim).encode())
            file.flush()
            os.fsync(file.fileno())
        staging.replace(self._head_path)


def _canonical(payload: Mapping[str, Any]) -> str:
    return json.dumps(dict(payload), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _instant(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError(f"instant {at.isoformat()} has no time zone; ledgers keep aware UTC")
    return at.astimezone(UTC).isoformat(timespec="microseconds")
