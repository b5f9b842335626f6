"""A chained ledger's store in PostgreSQL: rows and head in one transaction, one writer at a time by a lock on the head's row.

All ledgers lie in the schema `roadrisk_ledger`, made when missing. A connection that broke is opened again with the next
call; a change whose outcome nobody knows, because the connection broke during its commit, is an error, and its rows may be
there.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from registry.errors import ConfigurationError, IntegrityError, ServiceUnavailable
from registry.ledger_store import WAIT_S, Row, Transaction

if TYPE_CHECKING:
    import psycopg

SCHEMA: Final = "roadrisk_ledger"
_TYPES: Final = (("INTEGER", "BIGINT"), ("BLOB", "BYTEA"), (" WITHOUT ROWID", ""))
_MADE: Final = re.compile(r"CREATE (?:TABLE|INDEX) IF NOT EXISTS (\w+)")
_SETUP_LOCK: Final = 0x726F6164
_HEADS: Final = "CREATE TABLE IF NOT EXISTS ledger_heads (ledger TEXT PRIMARY KEY, head BYTEA)"
_REFUSE: Final = (
    "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN RAISE EXCEPTION 'the ledger is append-only'; END$$"
)


class _Connection:
    """The transaction port over the writing connection."""

    def __init__(self, db: psycopg.Connection[Row], ledger: str, head: bytes | None) -> None:
        self._db, self._ledger, self._head = db, ledger, head

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return _rows(self._db, sql, values)

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        with self._db.cursor() as cursor:
            cursor.executemany(_marks(sql), rows)

    def head(self) -> bytes | None:
        return self._head

    def put_head(self, head: bytes) -> None:
        self.execute("UPDATE ledger_heads SET head = ? WHERE ledger = ?", (head, self._ledger))


class PostgresqlStore:
    """The store of one ledger in the database at `url`.

    Parameters
    ----------
    url
        postgresql://USER@HOST/DATABASE; a password comes from PGPASSFILE.
    table
        Name of the ledger.
    wait_s
        Seconds to wait for the server and for another writer.

    Raises
    ------
    ConfigurationError
        If the driver is not installed.
    ServiceUnavailable
        If the server cannot be reached.
    """

    head_lag = 0

    def __init__(self, url: str, table: str, *, wait_s: float = WAIT_S) -> None:
        self._url, self._table, self._wait_s = url, table, wait_s
        self._driver = _driver()
        known = self._driver.conninfo.conninfo_to_dict(url)
        self._where = f"{known.get('host', 'localhost')}:{known.get('port', 5432)}/{known.get('dbname', '')}"
        self._locks = {name: threading.RLock() for name in ("write", "read")}
        self._open: dict[str, psycopg.Connection[Row]] = {}
        with self._connection("write") as db, db.transaction():
            db.execute(f"SELECT pg_advisory_xact_lock({_SETUP_LOCK})")
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            db.execute(_HEADS)

    @property
    def where(self) -> str:
        """Return server and database."""
        return self._where

    def prepare(self, statements: Sequence[str], *, append_only: str | None = None) -> None:
        """Make tables and indexes that are missing."""
        with self._connection("write") as db, db.transaction():
            db.execute(f"SELECT pg_advisory_xact_lock({_SETUP_LOCK})")
            for statement in statements:
                made = _MADE.match(statement)
                # Even where there is nothing to make, making an index would lock the table against a writer of another one.
                if made and _rows(db, "SELECT to_regclass(?)", (made.group(1),)) != [(None,)]:
                    continue
                for ours, theirs in _TYPES:
                    statement = statement.replace(ours, theirs)
                db.execute(statement.encode())
            if append_only:
                db.execute("INSERT INTO ledger_heads (ledger) VALUES (%s) ON CONFLICT DO NOTHING", (append_only,))
            if append_only and not _rows(db, "SELECT 1 FROM pg_trigger WHERE tgname = ?", (f"{append_only}_no_change",)):
                db.execute(_REFUSE)
                for name, event in (("change", "UPDATE OR DELETE"), ("truncate", "TRUNCATE")):
                    each = "ROW" if name == "change" else "STATEMENT"
                    trigger = f"CREATE TRIGGER {append_only}_no_{name} BEFORE {event} ON {append_only}"
                    db.execute(f"{trigger} FOR EACH {each} EXECUTE FUNCTION ledger_refuse()".encode())

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table."""
        query = "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?"
        return [str(row[0]) for row in self.read(query, (SCHEMA, table))]

    def change(self, work: Callable[[Transaction], bytes | None]) -> None:
        """Run `work` in a transaction of its own, with the head that it returns."""
        with self._connection("write") as db, db.transaction():
            (head,) = _rows(db, "SELECT head FROM ledger_heads WHERE ledger = ? FOR UPDATE", (self._table,))
            tx = _Connection(db, self._table, bytes(head[0]) if head[0] is not None else None)
            made = work(tx)
            if made is not None:
                tx.put_head(made)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query."""
        with self._connection("read") as db:
            return _rows(db, sql, values)

    def scrub(self, tables: Sequence[str]) -> None:
        """Let the server reclaim the deleted rows; what its write-ahead log and backups hold is the operator's to expire."""
        with self._connection("write") as db:
            for table in tables:
                db.execute(f"VACUUM {table}".encode())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out that ask for the same, on every machine, while something is read and then appended."""
        with self._connection("read") as db:
            db.execute("SELECT pg_advisory_lock(hashtext(%s))", (self._table,))
            try:
                yield
            finally:
                db.execute("SELECT pg_advisory_unlock(hashtext(%s))", (self._table,))

    def close(self) -> None:
        """Close the connections."""
        for name, lock in self._locks.items():
            with lock:
                if name in self._open:
                    self._open.pop(name).close()

    @contextmanager
    def _connection(self, name: str) -> Iterator[psycopg.Connection[Row]]:
        errors = self._driver
        with self._locks[name]:
            try:
                yield self._usable(name)
            except (errors.OperationalError, errors.InterfaceError) as error:
                raise ServiceUnavailable(
                    f"ledger {self._table} cannot be used: PostgreSQL answers {type(error).__name__}", where=self._where,
                    remedy="Check that the server runs, that its disk has space, and that nothing else locks the ledger.",
                ) from error
            except errors.Error as error:
                raise IntegrityError(
                    f"ledger {self._table} cannot be used as it is: {type(error).__name__}: {_reason(error)}", where=self._where,
                    remedy="Verify the ledger; restore it from a backup if it does not verify.",
                ) from error

    def _usable(self, name: str) -> psycopg.Connection[Row]:
        known = self._open.get(name)
        if known is not None and not self._broken(known):
            return known
        options = f"-c search_path={SCHEMA} -c synchronous_commit=on -c lock_timeout={int(self._wait_s * 1000)}"
        made: psycopg.Connection[Row] = self._driver.connect(
            self._url, autocommit=True, options=options, connect_timeout=max(2, int(self._wait_s)),
            application_name=f"roadrisk ledger {self._table}",
            # A machine that is gone without a word answers nothing: the system would wait a quarter of an hour for what was sent,
            # and two hours for an answer.
            tcp_user_timeout=max(1000, int(self._wait_s * 1000)), keepalives_idle=max(1, int(self._wait_s) // 2),
            keepalives_interval=1, keepalives_count=max(1, int(self._wait_s) // 2),
        )
        self._open[name] = made
        return made

    def _broken(self, db: psycopg.Connection[Row]) -> bool:
        # A server that went away says so by closing its end: the socket is readable though nothing was asked.
        if db.closed or db.broken:
            return True
        import select

        poll = select.poll()
        poll.register(db.fileno(), select.POLLIN | select.POLLHUP)
        if not poll.poll(0):
            return False
        try:
            db.execute("SELECT 1")
        except self._driver.Error:
            db.close()
            return True
        return False


def _driver() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise ConfigurationError(
            "there is no driver for PostgreSQL", where="ROADRISK_LEDGER_URL", remedy="Install roadrisk with its extra `server`."
        ) from error
    return psycopg


def _rows(db: psycopg.Connection[Row], sql: str, values: Sequence[object]) -> list[Row]:
    cursor = db.execute(_marks(sql), values)
    return cursor.fetchall() if cursor.description is not None else []


def _marks(sql: str) -> bytes:
    # Our statements hold no other question mark and no percent sign.
    return sql.replace("?", "%s").encode()


def _reason(error: Any) -> str:
    # The primary line names the rule; the detail line would hold values.
    return str(getattr(getattr(error, "diag", None), "message_primary", None) or "")


def ledgers_in(url: str) -> list[str]:
    """Return the names of the ledgers in a database that hold anything, in order."""
    store = PostgresqlStore(url, "ledger_heads")
    try:
        return [str(row[0]) for row in store.read("SELECT ledger FROM ledger_heads WHERE head IS NOT NULL ORDER BY ledger")]
    finally:
        store.close()
