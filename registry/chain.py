"""An append-only ledger: each row carries a digest over itself and the digest before it, an HMAC, and a signed head lies beside.

The digests (`registry.chain_format`) show anybody changed, removed, inserted and reordered rows. The HMACs show whoever
holds the key that the service wrote a row. Neither can show that the newest rows were cut off, so a head names the last row
and carries an HMAC too. A ledger that was taken back together with its head, or written anew by somebody who has stolen the
key, is found out by heads signed with another key and kept elsewhere (`registry.ledger_anchors`).

A ledger lies in an SQLite file or in PostgreSQL (`registry.ledger_store`). Appends of many threads share a transaction
(`registry.chain_queue`). A process that dies between the rows and the head leaves the head behind, which the next change
repairs; rows behind their head, or further ahead than a crash leaves them, were tampered with.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.chain_format import GENESIS, Head, canonical, instant_text, row_digest, row_hash
from registry.chain_queue import Addition, Beside, CommitQueue
from registry.chain_tail import Tail
from registry.chain_writer import ChainWriter, columns_of
from registry.errors import ConfigurationError, IntegrityError
from registry.ledger_sqlite import SqliteStore
from registry.ledger_store import PAGE_ROWS, LedgerStore, Row, Transaction, check_names

if TYPE_CHECKING:
    from registry.ledger_anchors import Anchor, Anchors

SEQ, AT, PREV, PAYLOAD, DIGEST, HASH, BASE = range(7)


@dataclass(frozen=True)
class Entry:
    """One row: position from 1, instant (aware UTC), payload, and as hex the HMAC that seals it and the digest that chains it."""

    seq: int
    at: datetime
    payload: dict[str, Any]
    hash: str
    digest: str = ""


@dataclass(frozen=True)
class VerifyReport:
    """What a walk over a whole ledger found: rows met, one sentence per problem, and how many anchors were held against it."""

    rows: int
    problems: tuple[str, ...]
    anchors: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


Then = Callable[[BaseException | None], None]
"""Is told None, or why something failed."""


@dataclass(frozen=True)
class Soon:
    """Rows (payload, instant) that enter together or not at all, with what is written beside them.

    Another thread tells `then` None when they are durable, or why they did not enter.
    """

    rows: Sequence[tuple[Mapping[str, Any], datetime]]
    beside: Beside | None
    then: Then


class ChainLedger:
    """A chained table, safe for threads and processes, and after a kill at any moment.

    Parameters
    ----------
    place
        An SQLite file, made with its folder when missing; or a store.
    key
        HMAC key, at least 32 bytes, kept apart from the ledger.
    table
        Name of the table and of the head.
    indexed
        Top-level payload fields that `find` looks up by index: text or null.
    once
        One of them, of which no two rows may have the same value; none by default.
    anchors
        Where signed heads are kept, outside the ledger; none by default.

    Raises
    ------
    ConfigurationError
        If key or a name cannot be used.
    IntegrityError
        If the end of the table does not agree with its head, or an older version wrote the table.
    ServiceUnavailable
        If the database cannot be reached.
    """

    def __init__(
        self, place: Path | LedgerStore, key: bytes, table: str, *, indexed: Sequence[str] = (), once: str | None = None,
        anchors: Anchors | None = None,
    ) -> None:
        if len(key) < 32:
            raise ConfigurationError(f"the ledger key has {len(key)} bytes, at least 32 are needed", where=str(place))
        check_names((table, *indexed))
        self._key, self._table, self._indexed, self._anchors = key, table, tuple(indexed), anchors
        self._store: LedgerStore = SqliteStore(place, table) if isinstance(place, Path) else place
        self._tail = Tail(self._store, key, table)
        self._writer = ChainWriter(self._store, self._tail, key, table, indexed=self._indexed, once=once)
        self._queue = CommitQueue(self._writer.commit)
        try:
            self._prepare()
            self._store.change(self._tail.repair)
        except BaseException:
            self._store.close()
            raise

    @property
    def table(self) -> str:
        """Return the name of the ledger."""
        return self._table

    @property
    def once(self) -> str | None:
        """Return the indexed field of which no two rows may have the same value."""
        return self._writer.once

    @property
    def store(self) -> LedgerStore:
        """Return what the ledger lies in; rows beside the chain are read from it."""
        return self._store

    @property
    def group_sizes(self) -> tuple[int, int]:
        """Return how many transactions this process has made, and how many additions they held."""
        return self._queue.groups, self._queue.additions

    @property
    def waiting(self) -> int:
        """Return how many additions of this process wait for a transaction."""
        return self._queue.waiting

    def append(self, payload: Mapping[str, Any], *, at: datetime, beside: Beside | None = None) -> Entry:
        """Add a row; when this returns, it survives the loss of the process and of power.

        Parameters
        ----------
        payload
            Anything JSON can hold, without NaN.
        at
            When it happened; aware, kept in UTC.
        beside
            Writes what stands beside the row, in the same transaction.
        """
        return self.append_many([(payload, at)], beside=beside)[0]

    def append_many(
        self, rows: Sequence[tuple[Mapping[str, Any], datetime]], *, beside: Beside | None = None
    ) -> list[Entry]:
        """Add rows (payload, instant) that enter together or not at all."""
        addition = self._addition(rows, beside)
        self._queue.submit(addition)
        return self._entered(addition, rows)

    def append_each_soon(self, each: Sequence[Soon]) -> None:
        """Add rows without waiting, in one transaction where they can be; each is taken or refused by itself."""
        additions: list[Addition] = []
        for soon in each:
            try:
                addition = self._addition(soon.rows, soon.beside)
            except Exception as error:  # noqa: BLE001 - what cannot be written is no reason not to keep the others
                soon.then(error)
                continue
            addition.done = partial(self._tell, addition, soon)
            additions.append(addition)
        self._queue.submit_soon(additions)

    def _tell(self, addition: Addition, soon: Soon) -> None:
        error = addition.error
        if error is None:
            try:
                self._entered(addition, soon.rows)
            except Exception as met:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
                error = met
        soon.then(error)

    def entries(self, *, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        """Yield rows in order, those behind position `after`, at most `limit` of them; each row's own HMAC holds."""
        return map(_entry, self._rows(after, limit))

    def texts(self) -> Iterator[tuple[int, str, str, str]]:
        """Yield position, instant, payload and digest of every row, as they were chained."""
        return ((row[SEQ], row[AT], row[PAYLOAD], row[DIGEST]) for row in self._rows(0, None))

    def raw(self, *, after: int = 0, limit: int | None = None) -> Iterator[tuple[int, str, str, str, str]]:
        """Yield position, instant, digest before, payload and digest of rows behind a position, as they were chained."""
        return ((row[SEQ], row[AT], row[PREV], row[PAYLOAD], row[DIGEST]) for row in self._rows(after, limit))

    def last(self) -> Entry | None:
        """Return the newest row."""
        rows = self._select("ORDER BY seq DESC LIMIT 1", ())
        return _entry(self._checked(rows[0])) if rows else None

    def find(self, field: str, value: str) -> list[Entry]:
        """Return the rows whose indexed payload field equals a value, oldest first; each row's own HMAC holds."""
        if field not in self._indexed:
            raise ConfigurationError(f"field {field!r} of ledger {self._table} is not indexed")
        found = self._select(f"WHERE k_{field} = ? ORDER BY seq", (value,))
        return [_entry(self._checked(row)) for row in found]

    def verify(self, anchors: Sequence[Anchor] = ()) -> VerifyReport:
        """Walk the whole ledger and say what was changed, removed, reordered, cut off or written anew.

        Parameters
        ----------
        anchors
            Heads of this ledger whose signatures have been verified; each must still be a row.
        """
        problems: list[str] = []
        ends: list[Head] = []

        def look(tx: Transaction) -> None:
            ends.append(self._tail.last(tx))
            try:
                self._tail.check(tx, ends[0])
            except IntegrityError as error:
                problems.append(error.message)

        self._store.change(look)
        # Appending goes on meanwhile: the walk ends at the row that was the last one.
        (end,), named = ends, _by_seq(anchors)
        rows, seq, previous = 0, 0, GENESIS
        for row in self._walk(end.seq):
            problems.extend(self._problems_of(row, seq, previous))
            problems += [
                f"row {one.seq} is not the one that was anchored at {one.at}: history was written anew"
                for one in named.pop(row[SEQ], ()) if one.digest != row[DIGEST]
            ]
            rows, seq, previous = rows + 1, row[SEQ], row[DIGEST]
        if seq != end.seq:
            problems.append(f"rows {seq + 1} to {end.seq} disappeared during the walk")
        # An anchor made during the walk may name a row behind its end.
        newest = max(end.seq, self._newest_seq())
        problems += [
            f"row {seq}, anchored at {some[0].at}, does not exist: rows were cut off" for seq, some in named.items() if seq > newest
        ]
        return VerifyReport(rows, tuple(problems), len(anchors))

    def close(self) -> None:
        """Close the ledger, leaving a signed head of what was appended through it."""
        self._queue.close()
        if self._anchors is not None:
            self._anchors.at_close()
        self._store.close()

    def __enter__(self) -> ChainLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        table = self._table
        met = self._store.columns(table)
        if met and "digest" not in met:
            raise IntegrityError(
                f"ledger {table} was written by version 0.2 or older, whose format this version does not continue",
                where=self._store.where, remedy="Keep it with the version that wrote it, move it away, and start a new one.",
            )
        keys = "".join(f", k_{name} TEXT" for name in self._indexed)
        columns = (
            "seq INTEGER PRIMARY KEY, at TEXT NOT NULL, prev TEXT NOT NULL, payload TEXT NOT NULL, digest TEXT NOT NULL, "
            f"hash TEXT NOT NULL, base INTEGER NOT NULL{keys}"
        )
        indexes = [
            f"CREATE INDEX IF NOT EXISTS {table}_by_{name} ON {table} (k_{name}) WHERE k_{name} IS NOT NULL"
            for name in self._indexed
        ]
        self._store.prepare([f"CREATE TABLE IF NOT EXISTS {table} ({columns})", *indexes], append_only=table)

    def _addition(self, rows: Sequence[tuple[Mapping[str, Any], datetime]], beside: Beside | None) -> Addition:
        return Addition([(canonical(payload), instant_text(at), self._keys_of(payload)) for payload, at in rows], beside)

    def _entered(self, addition: Addition, rows: Sequence[tuple[Mapping[str, Any], datetime]]) -> list[Entry]:
        entries = [
            Entry(row[SEQ], at, dict(payload), row[HASH], row[DIGEST])
            for row, (payload, at) in zip(addition.written, rows, strict=True)
        ]
        if self._anchors is not None and entries:
            self._anchors.after(entries)
        return entries

    def _keys_of(self, payload: Mapping[str, Any]) -> tuple[str | None, ...]:
        return tuple(payload.get(name) for name in self._indexed)

    def _newest_seq(self) -> int:
        return int(self._store.read(f"SELECT coalesce(max(seq), 0) FROM {self._table}")[0][0])  # noqa: S608 - checked name

    def _rows(self, after: int, limit: int | None) -> Iterator[Row]:
        left = limit
        while left is None or left > 0:
            size = PAGE_ROWS if left is None else min(left, PAGE_ROWS)
            page = self._select("WHERE seq > ? ORDER BY seq LIMIT ?", (after, size))
            yield from map(self._checked, page)
            if len(page) < size:
                return
            after, left = page[-1][SEQ], None if left is None else left - len(page)

    def _select(self, condition: str, values: tuple[object, ...]) -> list[Row]:
        return self._store.read(f"SELECT {self._all} FROM {self._table} {condition}", values)  # noqa: S608 - checked names

    @property
    def _all(self) -> str:
        return columns_of(self._indexed)

    def _walk(self, end: int) -> Iterator[Row]:
        after = 0
        while page := self._select("WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", (after, end, PAGE_ROWS)):
            yield from page
            after = page[-1][SEQ]

    def _problems_of(self, row: Row, seq: int, previous: str) -> Iterator[str]:
        if row[SEQ] != seq + 1:
            yield f"rows {seq + 1} to {row[SEQ] - 1} are missing"
        elif row[PREV] != previous:
            yield f"row {row[SEQ]} does not follow row {seq}"
        if not self._holds(row):
            yield f"row {row[SEQ]} was changed or moved"

    def _holds(self, row: Row) -> bool:
        digest = row_digest(self._table, row[SEQ], row[AT], row[PREV], row[PAYLOAD])
        made = row_hash(self._key, self._table, digest, row[BASE])
        # What is looked up by is no part of the digest, so it is held against the payload that is.
        return (
            hmac.compare_digest(made, str(row[HASH])) and digest == row[DIGEST]
            and (not self._indexed or self._keys_of(json.loads(row[PAYLOAD])) == row[BASE + 1 :])
        )

    def _checked(self, row: Row) -> Row:
        if not self._holds(row):
            raise IntegrityError(
                f"row {row[SEQ]} of ledger {self._table} was changed", where=self._store.where,
                remedy="Verify the ledger and restore it from a backup.",
            )
        return row


def _by_seq(anchors: Sequence[Anchor]) -> dict[int, list[Anchor]]:
    # Of two anchors that name the same row differently one is of a history that was written anew: both are held against the row.
    found: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        found.setdefault(anchor.seq, []).append(anchor)
    return found


def _entry(row: Row) -> Entry:
    return Entry(row[SEQ], datetime.fromisoformat(row[AT]), json.loads(row[PAYLOAD]), row[HASH], row[DIGEST])
