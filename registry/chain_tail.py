"""The end of a chained ledger: its newest row, the head that names it, and whether the two agree.

A process that dies between a change and its head leaves the head behind; how far, the store says (`LedgerStore.head_lag`).
Everything else is the work of somebody else.
"""

from __future__ import annotations

from typing import Final

from registry.chain_format import START, Head, head_bytes, read_head
from registry.errors import IntegrityError
from registry.ledger_store import LedgerStore, Transaction

FIRST_LAG: Final = 2
"""How many changes there may be before there is a head: one whose head was not written yet, and one of another process."""
_RESTORE: Final = "Restore ledger and head from the same backup."


class Tail:
    """The end of the ledger `table` in a store, whose head carries an HMAC by `key`."""

    def __init__(self, store: LedgerStore, key: bytes, table: str) -> None:
        self._store, self._key, self._table = store, key, table
        # Bytes whose HMAC was computed before give the same head again.
        self._known: tuple[bytes | None, Head] = (None, START)

    def last(self, tx: Transaction) -> Head:
        """Return the newest row."""
        rows = tx.execute(f"SELECT seq, digest, hash FROM {self._table} ORDER BY seq DESC LIMIT 1")  # noqa: S608 - checked name
        return Head(*rows[0]) if rows else START

    def repair(self, tx: Transaction) -> None:
        """Bring a head that a crash left behind up to the rows; it raises what `check` raises."""
        self.recover(tx)

    def recover(self, tx: Transaction) -> Head:
        """Return the newest row, after bringing the head up to it; it raises what `check` raises."""
        last = self.last(tx)
        if self.check(tx, last) != last:
            # Before anything is added, so that the rows are never more than one change ahead of a head that could be written.
            tx.put_head(self.bytes_of(last))
        return last

    def check(self, tx: Transaction, last: Head) -> Head:
        """Return the head.

        Raises
        ------
        IntegrityError
            If it does not verify, names another row than is there, or is further behind than a crash leaves it.
        """
        head = self._head(tx)
        if last == head:
            return head
        if last.seq < head.seq:
            raise IntegrityError(
                f"ledger {self._table} ends at row {last.seq}, its head names row {head.seq}: rows were cut off",
                where=self._store.where, remedy="Restore the ledger from a backup.",
            )
        self._check_ahead(tx, last, head)
        rows = tx.execute(f"SELECT digest, hash FROM {self._table} WHERE seq = ?", (head.seq,))  # noqa: S608 - checked name
        if head.seq and rows != [(head.digest, head.hash)]:
            raise IntegrityError(
                f"row {head.seq} of ledger {self._table} is not the one its head names", where=self._store.where, remedy=_RESTORE
            )
        return head

    def _head(self, tx: Transaction) -> Head:
        kept = tx.head()
        if kept is not None and kept == self._known[0]:
            return self._known[1]
        try:
            head = read_head(self._key, self._table, kept)
        except ValueError as error:
            raise IntegrityError(
                f"head of ledger {self._table} cannot be read", where=self._store.where, remedy=_RESTORE
            ) from error
        if head is None:
            raise IntegrityError(f"head of ledger {self._table} does not verify", where=self._store.where, remedy=_RESTORE)
        self._known = kept, head
        return head

    def bytes_of(self, head: Head) -> bytes:
        """Return a head as it is kept, and know it again."""
        made = head_bytes(self._key, self._table, head)
        self._known = made, head
        return made

    def _check_ahead(self, tx: Transaction, last: Head, head: Head) -> None:
        # The first head is synced when it is made, so one that is not there is behind by what any ledger's may be at most.
        lag = self._store.head_lag if head.seq else min(self._store.head_lag, FIRST_LAG)
        bases = tx.execute(
            f"SELECT DISTINCT base FROM {self._table} WHERE seq > ? LIMIT ?", (head.seq, lag + 1)  # noqa: S608 - checked name
        )
        if len(bases) > lag:
            raise IntegrityError(
                f"ledger {self._table} ends at row {last.seq}, its head names row {head.seq}: the head was replaced",
                where=self._store.where, remedy=_RESTORE,
            )
