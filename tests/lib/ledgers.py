"""Ledgers on real databases, and decisions to put into them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from registry.chain import ChainLedger
from registry.decision import Decision
from registry.decisions import INDEXED, ONCE, DecisionLedger
from registry.ledger_beside import Beside, Count, StoredAnswer
from registry.ledger_postgresql import PostgresqlStore
from registry.ledger_sqlite import SqliteStore
from registry.ledger_store import LedgerStore

KEY: Final = bytes(range(32))
WRAP: Final = bytes(range(32, 64))
AT: Final = datetime(2026, 7, 4, 8, 0, tzinfo=UTC)
PERSON: Final = "pseudonym-of-somebody"
DECISION: Final = Decision(
    score_id="a" * 32, request_id="r1", at=AT, product="maintenance", entity_id=PERSON, as_of=datetime(2026, 7, 1, tzinfo=UTC),
    model_version="3", digest="d" * 64, inputs={"x": 1 / 3, "y": None, "z": "红"}, encoded=(1 / 3, None, 2.0), exposure=None,
    answer={"score": 501.4, "note": "of-somebody"}, base=500.0, clamp=0.0, contributions={"x": 1.0, "y": 0.4, "z": 0.0},
    latency_ms=4.5, related={"enterprise": "pseudonym-of-an-enterprise"}, consumer="insurer", scenario="s1", role="insurer",
    detail="reasons", key_id="k1",
)
MakeStore = Callable[[str], LedgerStore]


def decision(**changes: Any) -> Decision:
    """Return a decision with a score id of its own."""
    return replace(DECISION, **{"score_id": secrets.token_hex(16)} | changes)


def sqlite_at(folder: Path, *, wait_s: float = 10.0) -> MakeStore:
    """Return what opens the store of a ledger in a folder."""
    return lambda table: SqliteStore(folder / f"{table}.db", table, wait_s=wait_s)


def postgresql_at(address: str, *, wait_s: float = 10.0) -> MakeStore:
    """Return what opens the store of a ledger in a database."""
    return lambda table: PostgresqlStore(address, table, wait_s=wait_s)


def events(make: MakeStore, n: int = 0) -> ChainLedger:
    """Return a ledger of small rows, `n` of them appended."""
    ledger = ChainLedger(make("events"), KEY, "events", indexed=("name",))
    for i in range(n):
        ledger.append({"name": f"n{i}", "value": i / 3, "zh": "红"}, at=AT)
    return ledger


def decisions(make: MakeStore, **options: Any) -> DecisionLedger:
    """Return a decision ledger."""
    return DecisionLedger(ChainLedger(make("decisions"), KEY, "decisions", indexed=INDEXED, once=ONCE), WRAP, **options)


def count(n: int = 1, *, limit: int | None = None, **changes: str) -> Count:
    """Return a count of one product in one month."""
    names = {"consumer": "insurer", "product": "maintenance", "scenario": "s1", "period": "2026-07", "kind": "score"}
    return Count(**names | changes, n=n, limit=limit)


def answer(key: str = "k", body: str = "b", **changes: Any) -> StoredAnswer:
    """Return an answer under an idempotency key."""
    given = StoredAnswer(
        consumer="insurer", key_hash=key, body_hash=body, score_id=None, status=200, body=b'{"of":"somebody"}',
        headers={"content-type": "application/json"}, at=AT,
    )
    return replace(given, **changes)


def beside(*counts: Count, answer: StoredAnswer | None = None) -> Beside:
    """Return what is written with a decision."""
    return Beside(answer=answer, counts=counts)
