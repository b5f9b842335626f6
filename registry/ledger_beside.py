"""Rows beside the decisions, in their transaction: answers by idempotency key, and counts of use with their limits.

They are no part of the chain: an answer is kept for hours, a count changes. What was counted stands in the chained record
too, so that a count can be computed again (`registry.ledger_agreement`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from registry.chain_format import instant_text
from registry.errors import Conflict, KeyReused, QuotaExceeded
from registry.ledger_sealing import Sealing
from registry.ledger_store import Query, Row, Transaction

_ANSWERS: Final = (
    "consumer TEXT NOT NULL, key_hash TEXT NOT NULL, body_hash TEXT NOT NULL, score_id TEXT, status INTEGER NOT NULL, "
    "body BLOB NOT NULL, headers TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (consumer, key_hash)"
)
_USAGE: Final = (
    "consumer TEXT NOT NULL, product TEXT NOT NULL, period TEXT NOT NULL, kind TEXT NOT NULL, scenario TEXT NOT NULL, "
    "n INTEGER NOT NULL, PRIMARY KEY (consumer, product, period, kind, scenario)"
)
TABLES: Final = (
    f"CREATE TABLE IF NOT EXISTS {{0}}_answers ({_ANSWERS})",
    "CREATE INDEX IF NOT EXISTS {0}_answers_by_at ON {0}_answers (at)",
    "CREATE INDEX IF NOT EXISTS {0}_answers_by_score_id ON {0}_answers (score_id)",
    f"CREATE TABLE IF NOT EXISTS {{0}}_usage ({_USAGE})",
)
"""With the ledger's name to be put in."""


@dataclass(frozen=True, kw_only=True)
class StoredAnswer:
    """An answer that is given again for the same idempotency key.

    Parameters
    ----------
    consumer
        Who asked; keys of different consumers have nothing to do with each other.
    key_hash, body_hash
        Digests of the key and of the request's body.
    score_id
        The decision that it answers, or the batch of several; it is erased with any of them. None where it answers none.
    status, body, headers
        The answer.
    at
        When it was given, aware UTC.
    """

    consumer: str
    key_hash: str
    body_hash: str
    score_id: str | None
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a decision adds to the use that a consumer makes of a product.

    Parameters
    ----------
    consumer, product, scenario, period, kind
        What is counted, such as scores (kind) in a month (period, such as 2026-07).
    n
        How much is added.
    limit
        How much there may be over all scenarios of consumer, product, period and kind; None for no limit.
    """

    consumer: str
    product: str
    scenario: str
    period: str
    kind: str
    n: int = 1
    limit: int | None = None

    @property
    def limited(self) -> tuple[str, str, str, str]:
        """What the limit is about."""
        return self.consumer, self.product, self.period, self.kind


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What is written with a record or not at all."""

    answer: StoredAnswer | None = None
    counts: tuple[Count, ...] = ()


class AlreadyAnswered(Conflict):
    """The same request under the same idempotency key has been answered; `stored` is that answer, to be given again."""

    def __init__(self, stored: StoredAnswer) -> None:
        super().__init__("this idempotency key has been answered", remedy="Give the stored answer again.")
        self.stored = stored


def check_answer(tx: Transaction, ledger: str, sealing: Sealing, answer: StoredAnswer, *, before: datetime) -> None:
    """Refuse a second answer under a key; forget one that was given before an instant.

    Raises
    ------
    AlreadyAnswered
        If the same request was answered.
    KeyReused
        If another one was.
    """
    rows = tx.execute(_find(ledger), (answer.consumer, answer.key_hash))
    if not rows:
        return
    stored = stored_answer(rows[0], sealing)
    if stored.at < before:
        return
    if stored.body_hash != answer.body_hash:
        raise KeyReused(
            "this idempotency key came with another request before", where="Idempotency-Key",
            remedy="Use a new key for each new request.",
        )
    raise AlreadyAnswered(stored)


def check_limits(tx: Transaction, ledger: str, counts: Sequence[Count]) -> None:
    """Refuse what would exceed a limit.

    Raises
    ------
    QuotaExceeded
        If it would; `details` say limit, use and what was asked for.
    """
    asked: dict[tuple[str, str, str, str], int] = {}
    for count in counts:
        asked[count.limited] = asked.get(count.limited, 0) + count.n
    for count in counts:
        if count.limit is None:
            continue
        query = f"SELECT coalesce(sum(n), 0) FROM {ledger}_usage WHERE consumer = ? AND product = ? AND period = ? AND kind = ?"  # noqa: S608 - checked name
        used, more = int(tx.execute(query, count.limited)[0][0]), asked[count.limited]
        if used + more > count.limit:
            raise QuotaExceeded(
                f"the quota of {count.limit} for {count.product} in {count.period} does not allow {more} more after {used}",
                where=f"consumer {count.consumer}", remedy="Wait for the next period, or ask for a larger quota.",
                details={"limit": count.limit, "used": used, "asked": more, "kind": count.kind, "period": count.period},
            )


def write_beside(tx: Transaction, ledger: str, sealing: Sealing, beside: Beside) -> None:
    """Write an answer and counts that were checked in the same transaction."""
    for count in beside.counts:
        tx.execute_many(
            f"INSERT INTO {ledger}_usage (consumer, product, period, kind, scenario, n) VALUES (?, ?, ?, ?, ?, ?) "  # noqa: S608 - checked name
            f"ON CONFLICT (consumer, product, period, kind, scenario) DO UPDATE SET n = {ledger}_usage.n + excluded.n",
            [(*count.limited, count.scenario, count.n)],
        )
    if (answer := beside.answer) is not None:
        # Whatever is there under this key is over its time.
        tx.execute_many(
            f"INSERT INTO {ledger}_answers (consumer, key_hash, body_hash, score_id, status, body, headers, at) "  # noqa: S608 - checked name
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (consumer, key_hash) DO UPDATE SET body_hash = excluded.body_hash, "
            "score_id = excluded.score_id, status = excluded.status, body = excluded.body, headers = excluded.headers, "
            "at = excluded.at",
            [(answer.consumer, answer.key_hash, answer.body_hash, answer.score_id, answer.status,
              sealing.seal_answer(answer.body, f"{answer.consumer}\n{answer.key_hash}"),
              json.dumps(dict(answer.headers), sort_keys=True), instant_text(answer.at))],
        )


def purge_answers(tx: Transaction, ledger: str, before: datetime) -> int:
    """Forget answers given before an instant; return how many."""
    rows = tx.execute(f"DELETE FROM {ledger}_answers WHERE at < ? RETURNING key_hash", (instant_text(before),))  # noqa: S608 - checked name
    return len(rows)


def find_answer(read: Query, ledger: str, sealing: Sealing, consumer: str, key_hash: str) -> StoredAnswer | None:
    """Return the answer under a key, read with a store's `read`."""
    rows = read(_find(ledger), (consumer, key_hash))
    return stored_answer(rows[0], sealing) if rows else None


def stored_answer(row: Row, sealing: Sealing) -> StoredAnswer:
    """Return the answer of a row."""
    consumer, key_hash, body_hash, score_id, status, body, headers, at = row
    return StoredAnswer(
        consumer=consumer, key_hash=key_hash, body_hash=body_hash, score_id=score_id, status=status,
        body=sealing.open_answer(bytes(body), f"{consumer}\n{key_hash}"), headers=json.loads(headers),
        at=datetime.fromisoformat(at),
    )


def _find(ledger: str) -> str:
    return (
        "SELECT consumer, key_hash, body_hash, score_id, status, body, headers, at "  # noqa: S608 - checked name
        f"FROM {ledger}_answers WHERE consumer = ? AND key_hash = ?"
    )
