"""What a chained ledger asks of the database that it lies in; SQLite and PostgreSQL give it.

A store keeps rows durably and one head, a few signed bytes that name the newest row. `LedgerStore.change` is the only way
to write: one transaction at a time among all threads and processes, so that what was checked in it still holds when it
commits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from registry.errors import ConfigurationError

WAIT_S: Final = 10.0
"""How long a writer waits for another one before it gives up."""
PAGE_ROWS: Final = 500
"""Rows that are read, or asked for by name, in one look."""
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

Row = tuple[Any, ...]
Query = Callable[[str, Sequence[object]], list[Row]]
"""Runs a statement with values and returns its rows: of a transaction or of what is committed."""


class Transaction(Protocol):
    """An open transaction. Statements have `?` for values; nothing else may be put into their text."""

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        ...

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each row of values."""
        ...

    def head(self) -> bytes | None:
        """Return the head as it was kept last; None where there is none."""
        ...

    def put_head(self, head: bytes) -> None:
        """Keep a head that an interrupted change left behind."""
        ...


class LedgerStore(Protocol):
    """A database that one ledger lies in."""

    @property
    def where(self) -> str:
        """Words for messages: the file or the server; never a password."""
        ...

    @property
    def head_lag(self) -> int:
        """How many changes the head may be behind the rows after a crash; 0 where both are one transaction."""
        ...

    def prepare(self, statements: Sequence[str], *, append_only: str | None = None) -> None:
        """Make tables and indexes that are missing, in the words of both databases.

        `BLOB`, `INTEGER` and `TEXT` are the types. Of the table `append_only` no row may be changed or removed afterwards.
        """
        ...

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table; none where it does not exist."""
        ...

    def change(self, work: Callable[[Transaction], bytes | None]) -> None:
        """Run `work` alone among threads and processes; when this returns, its writes and the head it returned are durable.

        What `work` raises undoes the transaction and is raised again.

        Raises
        ------
        ServiceUnavailable
            If the database cannot be reached or written, or another writer does not let go of it within `WAIT_S`.
        IntegrityError
            If the database is damaged.
        """
        ...

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query on what is committed; it waits for no writer."""
        ...

    def scrub(self, tables: Sequence[str]) -> None:
        """See to it that rows deleted from these tables can be read from the database's files no more."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


def check_names(names: Iterable[str]) -> None:
    """Refuse what may not stand in a statement as a name.

    Raises
    ------
    ConfigurationError
        If one is no plain name.
    """
    for name in names:
        if not NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} is no ledger name", remedy="Use a-z, 0-9 and underscore.")
