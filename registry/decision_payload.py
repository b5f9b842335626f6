"""A decision as its row holds it: what may stay in the clear for ever, and the personal part, which is sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from registry.chain import Entry
from registry.decision import Decision
from registry.ledger_beside import Count
from registry.ledger_sealing import Sealing

CLEAR: Final = (
    "score_id", "request_id", "product", "model_version", "digest", "latency_ms", "supersedes", "n_changes", "epoch",
    "consumer", "scenario", "role", "detail", "key_id", "engine", "degraded", "batch", "traceparent",
)
PERSONAL: Final = (
    "entity_id", "related", "inputs", "encoded", "exposure", "answer", "base", "clamp", "contributions", "changes",
)


def payload_of(
    decision: Decision, sealing: Sealing, counts: tuple[Count, ...] = ()
) -> tuple[dict[str, Any], bytes]:
    """Return the payload of a decision and its wrapped data key."""
    personal = {name: getattr(decision, name) for name in PERSONAL} | dict(decision.written)
    sealed, wrapped = sealing.seal(personal, decision.score_id)
    payload = {name: getattr(decision, name) for name in CLEAR}
    payload |= {"as_of": decision.as_of.isoformat(), "sealed": sealed}
    if counts:
        payload["counted"] = counted(counts)
    return payload, wrapped


def counted(counts: Sequence[Count]) -> list[list[str | int]]:
    """Return counts as a row holds them, so that the table beside the chain can be computed again."""
    return [[*count.limited, count.scenario, count.n] for count in counts]


def decision_of(entry: Entry, sealing: Sealing, wrapped: bytes) -> Decision:
    """Return the decision of a row."""
    clear = {name: entry.payload[name] for name in CLEAR}
    personal = sealing.open(entry.payload["sealed"], wrapped, clear["score_id"])
    personal["encoded"], personal["changes"] = tuple(personal["encoded"]), tuple(personal["changes"])
    return Decision(at=entry.at, as_of=datetime.fromisoformat(entry.payload["as_of"]), **clear, **personal)
