"""Record decisions durably, beside SQLite with one commit per record.

Ours is the whole of what a request does before its answer leaves: the personal part sealed under a key of its own, the row
chained by SHA-256 and HMAC, four indexes, a counted use with its limit checked, the answer of an idempotency key, the
write-ahead log synced, the signed head synced. The peer is what a plain audit table does: the same decision as JSON text in
a table with one index, in WAL with full sync, one commit per record. It has no chain, no encryption, no counts and no
idempotency.

With 16 threads ours share transactions; those of the peer take their turns, each on a connection of its own. A decision has
120 inputs with contributions, about 11 KB of JSON. Verifying walks over every row: digest, HMAC, order, head.
"""

from __future__ import annotations

import json
import resource
import secrets
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from registry.decision import Decision
from registry.decisions import DecisionLedger
from tests.lib.ledgers import DECISION, answer, beside, count, decisions, sqlite_at

TITLE: Final = "Decision ledger"
FIGURES: Final = {
    "alone_time_ratio": "one thread: our time per record / SQLite, one commit per record",
    "threads_16_time_ratio": "16 threads: our time per record / SQLite, one commit per record",
    "records_per_s_alone": "our durable records per second from one thread",
    "records_per_s_16_threads": "our durable records per second from 16 threads",
    "records_per_s_batch": "our durable records per second in transactions of 2,000",
    "cpu_ms_per_record": "processor time of one record in a batch, in milliseconds",
    "records_per_transaction": "records that shared a transaction with 16 threads",
    "verified_rows_per_s": "rows per second of `verify`",
    "bytes_per_record": "bytes on disk per record, indexes and keys included",
}
N_ALONE, N_THREADS, N_EACH, N_BATCH, ROUNDS = 150, 16, 40, 2_000, 5
_INPUTS: Final = {f"feature_number_{i}_90d": i / 7 if i % 5 else None for i in range(120)}
_LARGE: Final = replace(
    DECISION, inputs=_INPUTS, encoded=tuple(_INPUTS.values()),
    contributions={name: i * 0.1234567 for i, name in enumerate(_INPUTS)},
    answer={"score": 501.4, "reasons": [{"code": f"R{i}", "zh": "车辆超速次数较多", "points": i / 3} for i in range(4)]},
)


def run() -> dict[str, float]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as folder, closing(decisions(sqlite_at(Path(folder)))) as ledger:
        peer = Path(folder) / "peer.db"
        _make_peer(peer)
        alone, plain, shared, turns = [], [], [], []
        for _ in range(ROUNDS):
            alone.append(_timed(lambda: _ours(ledger, N_ALONE)) / N_ALONE)
            plain.append(_timed(lambda: _peer(peer, N_ALONE)) / N_ALONE)
            before = ledger.chain.group_sizes
            shared.append(_timed(lambda: _together(lambda: _ours(ledger, N_EACH))) / (N_THREADS * N_EACH))
            groups, additions = (now - then for now, then in zip(ledger.chain.group_sizes, before, strict=True))
            turns.append(_timed(lambda: _together(lambda: _peer(peer, N_EACH))) / (N_THREADS * N_EACH))
        batch, cpu = _batch(ledger)
        verify = _timed(lambda: ledger.chain.verify())
        rows = ledger.chain.verify().rows
        size = sum(path.stat().st_size for path in Path(folder).glob("decisions.*"))
    return {
        "alone_time_ratio": _median(alone) / _median(plain),
        "threads_16_time_ratio": _median(shared) / _median(turns),
        "records_per_s_alone": 1 / _median(alone),
        "records_per_s_16_threads": 1 / _median(shared),
        "records_per_s_batch": N_BATCH / batch,
        "cpu_ms_per_record": cpu / N_BATCH * 1000,
        "records_per_transaction": additions / groups,
        "verified_rows_per_s": rows / verify,
        "bytes_per_record": size / rows,
    }


def _one() -> Decision:
    return replace(_LARGE, score_id=secrets.token_hex(16))


def _ours(ledger: DecisionLedger, n: int) -> None:
    for _ in range(n):
        one = _one()
        ledger.record(one, beside=beside(count(limit=10**9), answer=answer(secrets.token_hex(16), score_id=one.score_id)))


def _batch(ledger: DecisionLedger) -> tuple[float, float]:
    """Return the time and the processor time of one batch."""
    some, before = [_one() for _ in range(N_BATCH)], resource.getrusage(resource.RUSAGE_SELF)
    spent = _timed(lambda: ledger.record_many(some, beside=beside(count(N_BATCH, kind="batch"))))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return spent, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _make_peer(path: Path) -> None:
    with closing(_connect(path)) as db:
        db.execute("CREATE TABLE audit (id INTEGER PRIMARY KEY, score_id TEXT UNIQUE, at TEXT, record TEXT)")


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=60)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _peer(path: Path, n: int) -> None:
    with closing(_connect(path)) as db:
        for _ in range(n):
            one = _one()
            record = json.dumps(asdict(one) | {"at": one.at.isoformat(), "as_of": one.as_of.isoformat()}, ensure_ascii=False)
            db.execute("INSERT INTO audit (score_id, at, record) VALUES (?, ?, ?)", (one.score_id, one.at.isoformat(), record))


def _together(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
