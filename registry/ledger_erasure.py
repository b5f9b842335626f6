"""Erasing the personal parts of decisions: their data keys go, what the chain holds stays, and the erasure is chained itself.

Beside the chain lie the wrapped data key of each decision, and which entities it is about as keyed tags; both go with an
erasure. So do the answers that are kept for idempotency keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from registry.chain import ChainLedger, Entry
from registry.decision import Decision
from registry.errors import Conflict, Erased, NotFound
from registry.ledger_records import ERASURE, Erasure, erasure_of, erasure_payload
from registry.ledger_sealing import Sealing
from registry.ledger_store import Query, Transaction

TRIES: Final = 5
_SUBJECTS: Final = (
    "tag BLOB NOT NULL, own INTEGER NOT NULL, product TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (tag, own, product, seq)"
)
SIDE_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS {0}_keys (seq INTEGER PRIMARY KEY, wrapped BLOB NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS {{0}}_subjects ({_SUBJECTS}) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS {0}_subjects_by_seq ON {0}_subjects (seq)",
)
"""With the ledger's name to be put in."""


class Eraser:
    """Data keys and subjects of the decisions of a ledger.

    Parameters
    ----------
    chain
        The ledger, with the tables `SIDE_TABLES` beside it.
    sealing
        What makes the tags.
    """

    def __init__(self, chain: ChainLedger, sealing: Sealing) -> None:
        self._chain, self._sealing, self._table = chain, sealing, chain.table

    def subjects(self, decision: Decision, seq: int) -> Iterator[tuple[bytes, int, str, int]]:
        """Yield the rows that say whom a decision is about: the entity itself, and related ones whose features were inputs."""
        if decision.entity_id:
            yield self._sealing.tag(decision.entity_id), 1, decision.product, seq
        for related in {*decision.related.values()} - {decision.entity_id, ""}:
            yield self._sealing.tag(related), 0, decision.product, seq

    def wrapped(self, first: int, last: int) -> dict[int, bytes]:
        """Return position -> wrapped data key of the decisions in a range of positions that were not erased."""
        query = f"SELECT seq, wrapped FROM {self._table}_keys WHERE seq BETWEEN ? AND ?"  # noqa: S608 - checked name
        return {int(seq): bytes(key) for seq, key in self._chain.store.read(query, (first, last))}

    def erased(self, entry: Entry) -> Erased:
        """Return the error that says when and why a decision was erased; never what it held."""
        found = next((one for one in self.erasures() if entry.seq in one.rows), None)
        known = {"erased_at": found.at.isoformat(), "reason": found.reason} if found else {}
        when = f" on {known['erased_at']}" if found else ""
        return Erased(
            f"the personal part of this decision was erased{when}", where="decision ledger",
            remedy="That it was made, when and by which model is still known; its inputs and answer are not.",
            details={**known, "decided_at": entry.at.isoformat(), "product": entry.payload["product"]},
        )

    def erasures(self) -> list[Erasure]:
        """Return what was erased, oldest first."""
        return [erasure_of(entry) for entry in self._chain.find("kind", ERASURE)]

    def erase(self, *, reason: str, by: str, at: datetime, score_id: str | None, entity_id: str | None) -> Erasure:
        """Erase the personal parts of one decision, or of all about an entity. It raises what `DecisionLedger.erase` raises."""
        if (score_id is None) == (entity_id is None):
            raise ValueError("either a score id or an entity is erased")
        for _ in range(TRIES):
            rows = self.rows_of(score_id=score_id, entity_id=entity_id)
            erasure = Erasure(at=at, rows=tuple(rows), reason=reason.strip(), by=by.strip())
            names = {entry.payload.get(name) for entry in self._at(rows) for name in ("score_id", "batch")}
            answered = sorted(name for name in names if name)

            def forget(tx: Transaction, _: int, rows: Sequence[int] = rows, answered: Sequence[str] = answered) -> None:
                if entity_id is not None and rows != self._rows(tx.execute, entity_id):
                    raise Conflict("the entity was scored meanwhile")
                self._forget(tx, rows, answered)

            try:
                self._chain.append(erasure_payload(erasure), at=at, beside=forget)
            except Conflict:
                continue
            return erasure
        raise Conflict("the entity is being scored again and again", where="decision ledger", remedy="Erase again later.")

    def rows_of(self, *, score_id: str | None, entity_id: str | None) -> list[int]:
        """Return the positions of what would be erased.

        Raises
        ------
        NotFound
            If there is nothing; `Erased` if it has been erased.
        """
        if entity_id is not None:
            rows = self._rows(self._chain.store.read, entity_id)
        else:
            entries = self._chain.find("score_id", str(score_id))
            rows = [entry.seq for entry in entries]
            if entries and not self.wrapped(rows[0], rows[0]):
                raise self.erased(entries[0])
        if not rows:
            raise NotFound(
                "there is nothing to erase", where="decision ledger",
                remedy="Check the score id, or the pseudonym: after a rotation of keys decisions hold the earlier one.",
            )
        return rows

    def _rows(self, query: Query, entity_id: str) -> list[int]:
        asked = f"SELECT DISTINCT seq FROM {self._table}_subjects WHERE tag = ? ORDER BY seq"  # noqa: S608 - checked name
        return [int(row[0]) for row in query(asked, (self._sealing.tag(entity_id),))]

    def of_batches(self, batches: Collection[str]) -> dict[str, set[str]]:
        """Return batch -> score ids of its decisions that were erased, for those of some batches that have any."""
        found: dict[str, set[str]] = {}
        for entry in self._at(sorted({row for erasure in self.erasures() for row in erasure.rows})):
            batch = str(entry.payload.get("batch"))
            if batch in batches:
                found.setdefault(batch, set()).add(entry.payload["score_id"])
        return found

    def _at(self, rows: Sequence[int]) -> Iterator[Entry]:
        return (entry for row in rows for entry in self._chain.entries(after=row - 1, limit=1))

    def _forget(self, tx: Transaction, rows: Sequence[int], answered: Sequence[str]) -> None:
        places = [(row,) for row in rows]
        tx.execute_many(f"DELETE FROM {self._table}_keys WHERE seq = ?", places)  # noqa: S608 - checked name
        tx.execute_many(f"DELETE FROM {self._table}_subjects WHERE seq = ?", places)  # noqa: S608 - checked name
        # The answer of a small batch holds those of many decisions; it goes with the first of them.
        tx.execute_many(f"DELETE FROM {self._table}_answers WHERE score_id = ?", [(name,) for name in answered])  # noqa: S608 - checked name
