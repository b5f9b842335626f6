"""The journal of pushes: rows are durable here before their sender is answered, and leave once their delivery is committed.

One SQLite transaction holds the rows of a request, its idempotency key and its answer. A seal names the requests that make one
delivery; it is written before the delivery is made, so a process killed in between makes the same delivery again, which the
warehouse knows by its bytes.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from features.contracts import Violation
from features.door.watermarks import PRIVATE_FILE, PRIVATE_FOLDER
from registry.errors import ConfigurationError, ServiceUnavailable

KEYS_KEPT_D: Final = 7
"""Days for which a repeated request gets its first answer again. [A]"""
_BUSY_TIMEOUT_MS: Final = 5_000
_BATCHES: Final = (
    "CREATE TABLE IF NOT EXISTS batches (seq INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL, key TEXT NOT NULL, "
    "digest TEXT NOT NULL, answer TEXT NOT NULL, lines BLOB, rows INTEGER NOT NULL, refused INTEGER NOT NULL, "
    "violations TEXT NOT NULL, complete_until TEXT NOT NULL, received_at TEXT NOT NULL, seal INTEGER, UNIQUE (resource, key))"
)
_SEALS: Final = "CREATE TABLE IF NOT EXISTS seals (seal INTEGER PRIMARY KEY AUTOINCREMENT, resource TEXT NOT NULL)"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The rows of one request that hold their contract.

    Parameters
    ----------
    resource, key, digest
        Where they go, the sender's idempotency key, and the hash of the body as sent.
    answer
        Body of the answer.
    lines, rows
        The rows as NDJSON, and how many.
    violations, refused
        What the other rows of the request broke, and how many they were.
    complete_until
        Instant that the sender vouches for, or the newest arrival, ISO in UTC.
    received_at
        Aware instant of receipt.
    """

    resource: str
    key: str
    digest: str
    answer: str
    lines: bytes
    rows: int
    violations: tuple[Violation, ...]
    refused: int
    complete_until: str
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """Requests that make one delivery."""

    number: int
    resource: str
    content: bytes
    violations: tuple[Violation, ...]
    refused: int
    complete_until: str


class PushJournal:
    """Reader and writer of a journal; one process at a time.

    Raises
    ------
    ConfigurationError
        If another receiver uses the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._held = (folder / ".lock").open("ab")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.close()
            raise ConfigurationError(
                "another receiver uses this journal", where=str(folder), remedy="Stop it, or set another ROADRISK_HOME.",
            ) from None
        path = folder / "journal.db"
        path.touch(mode=PRIVATE_FILE)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in (f"busy_timeout = {_BUSY_TIMEOUT_MS}", "journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        for table in (_BATCHES, _SEALS):
            self._db.execute(table)

    def answered(self, resource_id: str, key: str) -> tuple[str, str] | None:
        """Return (digest, answer) of an earlier request with this key."""
        with self._lock:
            found: tuple[str, str] | None = self._db.execute(
                "SELECT digest, answer FROM batches WHERE resource = ? AND key = ?", (resource_id, key)
            ).fetchone()
        return found

    def append(self, batch: Batch) -> bool:
        """Keep a batch; when this returns, it survives the loss of the process and of power. False where its key is known."""
        violations = json.dumps([asdict(violation) for violation in batch.violations], ensure_ascii=False)
        with self._changing():
            added = self._db.execute(
                "INSERT OR IGNORE INTO batches (resource, key, digest, answer, lines, rows, refused, violations, complete_until, "
                "received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (batch.resource, batch.key, batch.digest, batch.answer, batch.lines, batch.rows, batch.refused, violations,
                 batch.complete_until, batch.received_at.isoformat()),
            )
            return added.rowcount == 1

    def waiting(self) -> list[tuple[str, int, datetime]]:
        """Return (resource, rows, oldest receipt) of what is not sealed yet."""
        with self._lock:
            found = self._db.execute(
                "SELECT resource, SUM(rows), MIN(received_at) FROM batches WHERE seal IS NULL GROUP BY resource"
            ).fetchall()
        return [(resource, rows, datetime.fromisoformat(oldest)) for resource, rows, oldest in found]

    def seal(self, resource_id: str, *, max_rows: int) -> int | None:
        """Name the oldest requests of a resource as one delivery; return its number, None where there are none."""
        with self._changing():
            waiting = self._db.execute(
                "SELECT seq, rows FROM batches WHERE resource = ? AND seal IS NULL ORDER BY seq", (resource_id,)
            ).fetchall()
            if not waiting:
                return None
            last, total = waiting[0][0], 0
            for seq, rows in waiting:
                if total and total + rows > max_rows:
                    break
                last, total = seq, total + rows
            number = self._db.execute("INSERT INTO seals (resource) VALUES (?)", (resource_id,)).lastrowid
            self._db.execute(
                "UPDATE batches SET seal = ? WHERE resource = ? AND seal IS NULL AND seq <= ?", (number, resource_id, last)
            )
            return number

    def unfinished(self) -> list[int]:
        """Return the seals whose delivery has not been committed as far as the journal knows."""
        with self._lock:
            return [number for (number,) in self._db.execute("SELECT seal FROM seals ORDER BY seal")]

    def sealed(self, number: int) -> Sealed:
        """Return the delivery that a seal names."""
        with self._lock:
            rows = self._db.execute(
                "SELECT resource, lines, violations, refused, complete_until FROM batches WHERE seal = ? ORDER BY seq", (number,)
            ).fetchall()
        return Sealed(
            number=number, resource=rows[0][0], content=b"".join(row[1] for row in rows),
            violations=tuple(_violations([row[2] for row in rows])), refused=sum(row[3] for row in rows),
            complete_until=max(row[4] for row in rows),
        )

    def finish(self, number: int, *, now: datetime) -> None:
        """Remove the rows of a committed delivery; the answers of its requests stay for `KEYS_KEPT_D` days."""
        with self._changing():
            self._db.execute("UPDATE batches SET lines = NULL, violations = '[]' WHERE seal = ?", (number,))
            self._db.execute("DELETE FROM seals WHERE seal = ?", (number,))
            self._db.execute(
                "DELETE FROM batches WHERE lines IS NULL AND received_at < ?",
                ((now - timedelta(days=KEYS_KEPT_D)).isoformat(),),
            )
        # The write-ahead log holds the raw rows too.
        with self._lock:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the database and let another receiver use the folder."""
        with self._lock:
            self._db.close()
        self._held.close()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise ServiceUnavailable(
                    f"the journal of pushes cannot be written: {error}", remedy="Check that the disk has space.",
                ) from error


def _violations(texts: Sequence[str]) -> Iterator[Violation]:
    for text in texts:
        yield from (Violation(**found) for found in json.loads(text))
