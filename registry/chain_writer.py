"""Puts a group of additions into a chained ledger: one transaction for all of them, each row over the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from registry.chain_format import Head, row_digest, row_hash
from registry.chain_queue import Addition
from registry.chain_tail import Tail
from registry.errors import Conflict, RoadRiskError
from registry.ledger_gathered import Gathered
from registry.ledger_store import PAGE_ROWS, LedgerStore, Row, Transaction


def columns_of(indexed: Sequence[str]) -> str:
    """Return the columns of a ledger's table as a statement names them: those of every row, then one per indexed field."""
    return "seq, at, prev, payload, digest, hash, base" + "".join(f", k_{name}" for name in indexed)


class ChainWriter:
    """Writes the rows of the ledger `table` in a store, sealed with `key`.

    Parameters
    ----------
    store, tail
        Where the ledger lies, and its end.
    indexed
        Fields of which each row keeps the value in a column.
    once
        One of them, of which no two rows may have the same value.
    """

    def __init__(
        self, store: LedgerStore, tail: Tail, key: bytes, table: str, *, indexed: Sequence[str], once: str | None
    ) -> None:
        self._store, self._tail, self._key, self._table, self.once = store, tail, key, table, once
        self._place = None if once is None else indexed.index(once)
        marks = ", ".join("?" * (7 + len(indexed)))
        self._insert = f"INSERT INTO {table} ({columns_of(indexed)}) VALUES ({marks})"  # noqa: S608 - checked names

    def commit(self, take: Callable[[], list[Addition]]) -> None:
        """Write those additions that nothing speaks against; the others are told what does.

        Parameters
        ----------
        take
            Returns the additions; it is called when nobody else can write any more.
        """

        def work(tx: Transaction) -> bytes | None:
            last = self._tail.recover(tx)
            group, end, additions = Gathered(tx), last, take()
            used = self._used(tx, additions)
            for addition in additions:
                end = self._add(group, addition, end, used, base=last.seq)
            group.flush()
            return self._tail.bytes_of(end) if end != last else None

        self._store.change(work)

    def _used(self, tx: Transaction, additions: Sequence[Addition]) -> set[str]:
        """Return the values of `once` in some additions that rows have already."""
        wanted = list(dict.fromkeys(value for one in additions for value in self._names(one)))
        found: set[str] = set()
        for start in range(0, len(wanted), PAGE_ROWS):
            some = wanted[start : start + PAGE_ROWS]
            field, marks = f"k_{self.once}", ", ".join("?" * len(some))
            query = f"SELECT {field} FROM {self._table} WHERE {field} IN ({marks})"  # noqa: S608 - checked names
            found |= {str(row[0]) for row in tx.execute(query, some)}
        return found

    def _names(self, addition: Addition) -> list[str]:
        if self._place is None:
            return []
        return [name for name in (keys[self._place] for _, _, keys in addition.rows) if name is not None]

    def _add(self, tx: Transaction, addition: Addition, end: Head, used: set[str], *, base: int) -> Head:
        names = self._names(addition)
        try:
            if len(set(names)) < len(names) or not used.isdisjoint(names):
                name = str(self.once).replace("_", " ")
                raise Conflict(f"a {name} has been used before", where=f"ledger {self._table}", remedy="Make a new one.")
            if addition.beside is not None:
                addition.beside(tx, end.seq + 1)
        except RoadRiskError as error:
            addition.error = error
            return end
        used.update(names)
        rows: list[Row] = []
        for text, at, keys in addition.rows:
            seq, prev = end.seq + 1, end.digest
            digest = row_digest(self._table, seq, at, prev, text)
            end = Head(seq, digest, row_hash(self._key, self._table, digest, base))
            rows.append((seq, at, prev, text, digest, end.hash, base, *keys))
        tx.execute_many(self._insert, rows)
        addition.written = rows
        return end
