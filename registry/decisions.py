"""The decision ledger: every decision, every later look at it, what was done for those it is about, and what was erased.

An answer leaves after its record is durable; what must hold together with it (the answer of an idempotency key, counts of
use) is written in the same transaction. The personal part of a record is sealed (`registry.ledger_sealing`) and can be
erased without breaking the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from registry.chain import ChainLedger, Entry, Soon, Then, VerifyReport
from registry.decision import (
    EXPLANATION_TOLERANCE,
    Decision,
    as_encoded,
    check_recomputed,
    no_such_score,
    recorded_matrix,
)
from registry.decision_payload import counted, decision_of, payload_of
from registry.errors import NotFound
from registry.ledger_agreement import disagreements
from registry.ledger_anchors import Anchor
from registry.ledger_beside import (
    TABLES,
    AlreadyAnswered,
    Beside,
    Count,
    StoredAnswer,
    check_answer,
    check_limits,
    find_answer,
    purge_answers,
    write_beside,
)
from registry.ledger_erasure import SIDE_TABLES, Eraser
from registry.ledger_open import open_ledger
from registry.ledger_records import (
    COUNT,
    DUTY,
    LOOK,
    Duty,
    Erasure,
    Look,
    duty_payload,
    look_of,
    look_payload,
)
from registry.ledger_sealing import Sealing
from registry.ledger_store import PAGE_ROWS, Transaction
from registry.settings import Settings
from registry.signing import LEDGER_KEY, WRAP_KEY, read_secret

__all__ = [
    "EXPLANATION_TOLERANCE", "INDEXED", "LEDGER_FILE", "ONCE", "TABLE", "AlreadyAnswered", "Beside", "Count", "Decision",
    "DecisionLedger", "Duty", "Erasure", "Look", "StoredAnswer", "as_encoded", "check_recomputed", "no_such_score",
    "recorded_matrix",
]

LEDGER_FILE: Final = "decisions.db"
TABLE: Final = "decisions"
INDEXED: Final = ("score_id", "supersedes", "about", "kind")
"""Fields by which rows are looked up; `kind` is absent from decisions, `about` names the decision that another row is about."""
ONCE: Final = "score_id"
ANSWERS_KEPT: Final = timedelta(hours=24)
PURGE_EVERY: Final = timedelta(minutes=10)
SUBJECT: Final = "subject:"
"""Before the tag of a subject, where a look is at no single decision."""
_NEVER: Final = 2**62
"""Behind every ledger position."""


class DecisionLedger:
    """Decisions on a chained ledger, looked up by score id, by what they supersede and by entity.

    Parameters
    ----------
    chain
        A ledger with the indexed fields `INDEXED`, of which `ONCE` names a row.
    wrap_key
        Key that wraps the data keys of the personal parts, at least 32 bytes, kept apart from the ledger.
    answers_kept
        How long the answer of an idempotency key is kept.
    """

    def __init__(self, chain: ChainLedger, wrap_key: bytes, *, answers_kept: timedelta = ANSWERS_KEPT) -> None:
        assert chain.once == ONCE, "a score id names one decision"
        self._chain, self._sealing, self._answers_kept = chain, Sealing(wrap_key), answers_kept
        self._table = chain.table
        self._purged_at: datetime | None = None
        self._eraser = Eraser(chain, self._sealing)
        chain.store.prepare([statement.format(self._table) for statement in (*SIDE_TABLES, *TABLES)])

    @classmethod
    def open(cls, settings: Settings) -> DecisionLedger:
        """Open the ledger where the settings say it lies, making it when missing.

        Raises
        ------
        ConfigurationError
            If a key does not exist.
        IntegrityError
            If the end of the ledger does not agree with its signed head.
        ServiceUnavailable
            If its database cannot be reached.
        """
        _, wrap_key = (read_secret(settings.keys_dir, name) for name in (LEDGER_KEY, WRAP_KEY))
        chain = open_ledger(settings, TABLE, indexed=INDEXED, once=ONCE)
        try:
            return cls(chain, wrap_key, answers_kept=timedelta(hours=settings.idempotency_h))
        except BaseException:
            chain.close()
            raise

    @property
    def chain(self) -> ChainLedger:
        """Return the chained ledger beneath."""
        return self._chain

    def record(self, decision: Decision, *, beside: Beside | None = None) -> Entry:
        """Keep a decision durably, with what stands beside it or not at all.

        Raises
        ------
        ServiceUnavailable
            If it cannot be kept; then there is no answer either.
        AlreadyAnswered, KeyReused
            If the idempotency key has been used, for the same request or for another.
        QuotaExceeded
            If a count would exceed its limit.
        Conflict
            If the score id has been used.
        """
        return self.record_many([decision], beside=beside)[0]

    def record_many(self, decisions: Sequence[Decision], *, beside: Beside | None = None) -> list[Entry]:
        """Keep decisions durably in one transaction, all of them with what stands beside them or none; see `record` for errors."""
        rows, write = self._rows(decisions, beside or Beside())
        return self._chain.append_many(rows, beside=write)

    def record_each_soon(self, each: Sequence[tuple[Decision, Beside | None, Then]]) -> None:
        """Keep decisions without waiting, each with what stands beside it or not at all, in one transaction where they can be.

        The last of each is told None once it is durable, or what `record` raises, by another thread.
        """
        soon: list[Soon] = []
        for decision, beside, then in each:
            try:
                soon.append(Soon(*self._rows([decision], beside or Beside()), then))
            except Exception as error:  # noqa: BLE001 - what cannot be written is no reason not to keep the others
                then(error)
        self._chain.append_each_soon(soon)

    def _rows(
        self, decisions: Sequence[Decision], kept: Beside
    ) -> tuple[list[tuple[dict[str, Any], datetime]], Callable[[Transaction, int], None]]:
        made = [payload_of(one, self._sealing, kept.counts if place == 0 else ()) for place, one in enumerate(decisions)]

        def write(tx: Transaction, first: int) -> None:
            self._check(tx, kept)
            keys = [(first + place, wrapped) for place, (_, wrapped) in enumerate(made)]
            tx.execute_many(f"INSERT INTO {self._table}_keys (seq, wrapped) VALUES (?, ?)", keys)  # noqa: S608 - checked name
            tx.execute_many(
                f"INSERT INTO {self._table}_subjects (tag, own, product, seq) VALUES (?, ?, ?, ?)",  # noqa: S608 - checked name
                [row for place, one in enumerate(decisions) for row in self._eraser.subjects(one, first + place)],
            )
            write_beside(tx, self._table, self._sealing, kept)

        return [(payload, one.at) for (payload, _), one in zip(made, decisions, strict=True)], write

    def keep(self, beside: Beside, *, at: datetime) -> None:
        """Keep an answer or counts that belong to no decision. It raises what `record` raises."""

        def write(tx: Transaction, _: int) -> None:
            self._check(tx, beside)
            write_beside(tx, self._table, self._sealing, beside)

        counts = [({"kind": COUNT, "counted": counted(beside.counts)}, at)] if beside.counts else []
        self._chain.append_many(counts, beside=write)

    def get(self, score_id: str) -> Decision:
        """Return the decision with this score id.

        Raises
        ------
        NotFound
            If there is none.
        Erased
            If its personal part was erased.
        IntegrityError
            If its record was changed.
        """
        entry = self._entry(score_id)
        return decision_of(entry, self._sealing, self._wrapped(entry))

    def known(self, score_id: str) -> Decision | None:
        """Return the decision with this score id; None where there is none, or it was erased."""
        try:
            return self.get(score_id)
        except NotFound:
            return None

    def successor(self, score_id: str) -> Decision | None:
        """Return the decision that took the place of this one; of several the newest that was not erased, None where it stands."""
        for entry in reversed(self._chain.find("supersedes", score_id)):
            if (wrapped := self._eraser.wrapped(entry.seq, entry.seq).get(entry.seq)) is not None:
                return decision_of(entry, self._sealing, wrapped)
        return None

    def latest_for(self, product: str, entity_id: str) -> Decision | None:
        """Return the newest decision of a product about an entity."""
        query = f"SELECT max(seq) FROM {self._table}_subjects WHERE tag = ? AND own = 1 AND product = ?"  # noqa: S608 - checked name
        seq = self._chain.store.read(query, (self._sealing.tag(entity_id), product))[0][0]
        return next(self.decisions(after=seq - 1, limit=1), None) if seq is not None else None

    def about(self, entity_id: str, *, before: int | None = None, limit: int = 50) -> Iterator[tuple[int, Decision]]:
        """Yield the newest decisions that an entity is the subject of or related to, newest first, each with its ledger position.

        Parameters
        ----------
        before
            Ledger position: only decisions before it.
        limit
            How many at most; what was erased is left out.
        """
        query = (
            f"SELECT DISTINCT seq FROM {self._table}_subjects WHERE tag = ? AND seq < ? ORDER BY seq DESC LIMIT ?"  # noqa: S608 - checked name
        )
        rows = self._chain.store.read(query, (self._sealing.tag(entity_id), before or _NEVER, limit))
        for seq in (int(row[0]) for row in rows):
            (entry,) = self._chain.entries(after=seq - 1, limit=1)
            if (wrapped := self._eraser.wrapped(seq, seq).get(seq)) is not None:
                yield seq, decision_of(entry, self._sealing, wrapped)

    def between(self, after: int, until: int) -> Iterator[Decision]:
        """Yield the decisions behind one ledger position up to another; what was erased is left out."""
        entries = list(self._chain.entries(after=after, limit=until - after))
        keys = self._eraser.wrapped(entries[0].seq, entries[-1].seq) if entries else {}
        yield from (decision_of(entry, self._sealing, keys[entry.seq]) for entry in entries if entry.seq in keys)

    def decisions(self, *, after: int = 0, limit: int | None = None) -> Iterator[Decision]:
        """Yield decisions in order, those behind ledger position `after`; what was erased is left out."""
        return islice(self._decisions(after), limit)

    def stored_answer(self, consumer: str, key_hash: str, *, now: datetime | None = None) -> StoredAnswer | None:
        """Return the answer that was given under an idempotency key, unless it is too old at an instant."""
        found = find_answer(self._chain.store.read, self._table, self._sealing, consumer, key_hash)
        return None if found is None or (now is not None and found.at < now - self._answers_kept) else found

    def purge_answers(self, now: datetime) -> int:
        """Forget the answers whose time is over; return how many."""
        gone: list[int] = []

        def write(tx: Transaction, _: int) -> None:
            gone.append(purge_answers(tx, self._table, now - self._answers_kept))

        self._chain.append_many([], beside=write)
        return gone[0]

    def usage(self, *, consumer: str | None = None, period: str | None = None) -> list[Count]:
        """Return what was counted, by consumer, product, period, kind and scenario."""
        asked = {name: value for name, value in (("consumer", consumer), ("period", period)) if value is not None}
        condition = " AND ".join(f"{name} = ?" for name in asked) or "1 = 1"
        rows = self._chain.store.read(
            f"SELECT consumer, product, period, kind, scenario, n FROM {self._table}_usage WHERE {condition} "  # noqa: S608 - own names
            "ORDER BY consumer, product, period, kind, scenario", list(asked.values()),
        )
        return [
            Count(consumer=row[0], product=row[1], period=row[2], kind=row[3], scenario=row[4], n=int(row[5])) for row in rows
        ]

    def record_look(self, look: Look) -> Entry:
        """Keep durably that somebody looked at a decision; what was asked for is handed out after this."""
        return self._chain.append(look_payload(look), at=look.at)

    def record_subject_look(self, entity_id: str, look: Look) -> Entry:
        """Keep durably that somebody looked at everything about a subject; its look names a tag of the subject, no decision."""
        return self.record_look(replace(look, score_id=self._subject_tag(entity_id)))

    def subject_looks(self, entity_id: str) -> list[Look]:
        """Return the looks at everything about a subject, oldest first."""
        return self.looks(self._subject_tag(entity_id))

    def _subject_tag(self, entity_id: str) -> str:
        # Equal for equal subjects and nothing to whoever lacks the key, as in the index of subjects.
        return SUBJECT + self._sealing.tag(entity_id).hex()

    def looks(self, score_id: str) -> list[Look]:
        """Return the looks at a decision, oldest first."""
        return [look_of(entry) for entry in self._about(score_id, LOOK)]

    def record_duty(self, duty: Duty) -> Entry:
        """Keep durably what was asked or done for whom a decision is about.

        Raises
        ------
        NotFound
            If there is no such decision.
        Erased
            If its personal part was erased.
        """
        wrapped = self._wrapped(self._entry(duty.score_id))
        sealed = self._sealing.seal_more(duty.payload or {}, wrapped, duty.score_id)
        return self._chain.append(duty_payload(duty, sealed), at=duty.at)

    def duties(self, score_id: str | None = None) -> list[Duty]:
        """Return what was asked and done about a decision, or about all, oldest first."""
        entries = self._about(score_id, DUTY) if score_id is not None else self._chain.find("kind", DUTY)
        return [self._duty(entry) for entry in entries]

    def erase(
        self, *, reason: str, by: str, at: datetime, score_id: str | None = None, entity_id: str | None = None
    ) -> Erasure:
        """Erase the personal parts of one decision, or of all that an entity is the subject of or a related entity in.

        Parameters
        ----------
        reason, by
            Why and by whom; kept in the chain.
        at
            Now.

        Raises
        ------
        NotFound
            If there is nothing to erase.
        ServiceUnavailable
            If the keys are deleted, but other readers keep the database from forgetting their bytes; then erase again.
        """
        erasure = self._eraser.erase(reason=reason, by=by, at=at, score_id=score_id, entity_id=entity_id)
        self._chain.store.scrub([f"{self._table}_{name}" for name in ("keys", "subjects", "answers")])
        return erasure

    def erasable(self, *, score_id: str | None = None, entity_id: str | None = None) -> tuple[int, ...]:
        """Return the ledger positions of what `erase` would erase. It raises what `erase` raises."""
        return tuple(self._eraser.rows_of(score_id=score_id, entity_id=entity_id))

    def erasures(self) -> list[Erasure]:
        """Return what was erased, oldest first."""
        return self._eraser.erasures()

    def erased_of_batches(self, batches: Collection[str]) -> dict[str, set[str]]:
        """Return batch -> score ids of its decisions that were erased, for those of some batches that have any."""
        return self._eraser.of_batches(batches)

    def check(self) -> None:
        """Read the newest record; raise what stands in the way of reading it."""
        self._chain.last()

    def verify(self, anchors: Sequence[Anchor] = ()) -> VerifyReport:
        """Verify the whole chain, against anchors of it too, and what lies beside it."""
        found = self._chain.verify(anchors)
        # Where the chain does not hold, it is no measure for what lies beside it.
        return replace(found, problems=tuple(disagreements(self._chain, self._eraser))) if found.ok else found

    def close(self) -> None:
        """Close the ledger."""
        self._chain.close()

    def _entry(self, score_id: str) -> Entry:
        found = self._chain.find("score_id", score_id)
        if not found:
            raise no_such_score()
        return found[0]

    def _wrapped(self, entry: Entry) -> bytes:
        wrapped = self._eraser.wrapped(entry.seq, entry.seq).get(entry.seq)
        if wrapped is None:
            raise self._eraser.erased(entry)
        return wrapped

    def _decisions(self, after: int) -> Iterator[Decision]:
        while entries := list(self._chain.entries(after=after, limit=PAGE_ROWS)):
            after = entries[-1].seq
            keys = self._eraser.wrapped(entries[0].seq, after)
            yield from (decision_of(entry, self._sealing, keys[entry.seq]) for entry in entries if entry.seq in keys)

    def _about(self, score_id: str, kind: str) -> list[Entry]:
        return [entry for entry in self._chain.find("about", score_id) if entry.payload["kind"] == kind]

    def _duty(self, entry: Entry) -> Duty:
        found = entry.payload
        decided = self._entry(found["about"])
        wrapped = self._eraser.wrapped(decided.seq, decided.seq).get(decided.seq)
        payload = self._sealing.open_more(found["sealed"], wrapped, found["about"]) if wrapped is not None else None
        return Duty(score_id=found["about"], at=entry.at, duty=found["duty"], by=found["by"], payload=payload)

    def _check(self, tx: Transaction, beside: Beside) -> None:
        if (answer := beside.answer) is not None:
            check_answer(tx, self._table, self._sealing, answer, before=answer.at - self._answers_kept)
            if self._purged_at is None or abs(answer.at - self._purged_at) > PURGE_EVERY:
                self._purged_at = answer.at
                purge_answers(tx, self._table, answer.at - self._answers_kept)
        check_limits(tx, self._table, beside.counts)
