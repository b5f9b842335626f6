"""A transaction that puts off what it writes: rows for one statement go to the database in one call, however many add them.

A call to the database costs more than a row in it, and a thread that makes many gives the interpreter away at each. Whoever reads a
table in the transaction sees what was written to it before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from registry.errors import ConfigurationError
from registry.ledger_store import Row, Transaction

_WRITES: Final = re.compile(r"(?:INSERT INTO|DELETE FROM|UPDATE) (\w+)")
_WORDS: Final = re.compile(r"\w+")


class Gathered:
    """The transaction port over `tx`. Nothing stands between tables, so only writes to one table keep their order.

    Parameters
    ----------
    tx
        An open transaction; it has everything once `flush` returns.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._pending: dict[str, tuple[str, list[Sequence[object]]]] = {}

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement at once, after what it may see of what was put off, and return its rows."""
        if self._pending:
            for table in self._pending.keys() & _words(sql):
                self._write(table)
        return self._tx.execute(sql, values)

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Put one statement off for each row of values.

        Raises
        ------
        ConfigurationError
            If the statement writes to no one table.
        """
        table = _table(sql)
        pending = self._pending.get(table)
        if pending is not None and pending[0] != sql:
            self._write(table)
            pending = None
        if pending is None:
            pending = self._pending[table] = sql, []
        pending[1].extend(rows)

    def head(self) -> bytes | None:
        """Return the head as it was kept last; None where there is none."""
        return self._tx.head()

    def put_head(self, head: bytes) -> None:
        """Keep a head that an interrupted change left behind."""
        self._tx.put_head(head)

    def flush(self) -> None:
        """Write what was put off."""
        for table in list(self._pending):
            self._write(table)

    def _write(self, table: str) -> None:
        sql, rows = self._pending.pop(table)
        if rows:
            self._tx.execute_many(sql, rows)


@lru_cache
def _words(sql: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(sql))


@lru_cache
def _table(sql: str) -> str:
    found = _WRITES.match(sql)
    if found is None:
        raise ConfigurationError(f"{sql[:40]!r} is no statement that can be put off", remedy="Run it with `execute`.")
    return found[1]
