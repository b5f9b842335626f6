"""Writes that are put off leave what writes at once leave, and whoever reads in between sees the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import ConfigurationError
from registry.ledger_gathered import Gathered
from registry.ledger_sqlite import SqliteStore
from registry.ledger_store import Transaction

TABLES: Final = ("things", "things_used")
ADD: Final = "INSERT INTO {} (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = {}.n * 2 + excluded.n"
TAKE: Final = "DELETE FROM {} WHERE name = ?"
READ: Final = "SELECT name, n FROM {} ORDER BY name"
Step = tuple[str, str, tuple[Any, ...]]

names, numbers = st.sampled_from("abcde"), st.integers(0, 9)
tables = st.sampled_from(TABLES)
steps = st.lists(st.one_of(
    st.tuples(st.just("add"), tables, st.lists(st.tuples(names, numbers), max_size=90).map(tuple)),
    st.tuples(st.just("take"), tables, st.lists(st.tuples(names), max_size=3).map(tuple)),
    st.tuples(st.just("read"), tables, st.just(())),
), max_size=12)


def met(tx: Transaction, asked: Sequence[Step]) -> list[Any]:
    """Return what reads saw."""
    seen: list[Any] = []
    for kind, table, rows in asked:
        if kind == "read":
            seen.append(tx.execute(READ.format(table)))
        else:
            tx.execute_many((ADD if kind == "add" else TAKE).format(table, table), rows)
    return seen


class AtOnce:
    """The slow obvious way: every row by itself, at once."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._tx.execute(sql, values)

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        for row in rows:
            self._tx.execute(sql, row)


@given(steps)
def test_reads_and_what_is_left_are_those_of_writes_at_once(asked: list[Step]) -> None:
    outcomes = []
    for way in (AtOnce, Gathered):
        with TemporaryDirectory() as folder, closing(SqliteStore(Path(folder) / "x.db", "things")) as store:
            store.prepare([f"CREATE TABLE {table} (name TEXT PRIMARY KEY, n INTEGER)" for table in TABLES])
            seen: list[Any] = []

            def work(tx: Transaction, way: Any = way, seen: list[Any] = seen) -> None:
                used = way(tx)
                seen.extend(met(used, asked))
                if isinstance(used, Gathered):
                    used.flush()

            store.change(work)
            outcomes.append((seen, [store.read(READ.format(table)) for table in TABLES]))
    assert outcomes[0] == outcomes[1]


def test_a_statement_that_writes_to_no_table_is_not_put_off() -> None:
    with pytest.raises(ConfigurationError, match="no statement that can be put off"):
        Gathered(None).execute_many("SELECT 1", [()])  # type: ignore[arg-type] - it is refused before
