"""A decision computed again, from nothing but its record and its bundle, and compared byte by byte."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from features.online import OnlineInputs
from registry.canonical_json import canonical_json
from registry.decisions import Decision
from registry.errors import InvalidRequest
from registry.scorer import Scorer
from serving.answering import answer_again

RECOMPUTED: Final = (
    "score", "points", "tier", "percentile", "answer", "exposure", "reasons", "groups", "factors", "lines", "currency",
)
"""Parts of an answer that follow from inputs and bundle; the others are facts of the day, which the record alone holds."""


def replay_of(decision: Decision, scorer: Scorer, *, at: datetime) -> dict[str, Any]:
    """Return whether a decision comes out again, and what differs where it does not.

    Parameters
    ----------
    decision
        The record.
    scorer
        The recorded bundle, verified.
    at
        When the replay is made.
    """
    different = _differences(decision, scorer)
    return {
        "score_id": decision.score_id, "product": decision.product, "decided_at": decision.at.isoformat(),
        "replayed_at": at.isoformat(), "digest": scorer.digest, "engine": decision.engine, "equal": not different,
        "compared": [*_PARTS, *RECOMPUTED], "differences": different,
    }


_PARTS: Final = ("encoded", "base", "clamp", "contributions")


def recorded_inputs(decision: Decision) -> OnlineInputs:
    """Return what was known when a decision was made; how old its sources were is no input of the model."""
    return OnlineInputs(
        entity_id=decision.entity_id, related=decision.related, values=decision.inputs, as_of=decision.as_of, sources=(),
        exposure=decision.exposure,
    )


def _differences(decision: Decision, scorer: Scorer) -> list[dict[str, Any]]:
    try:
        again = answer_again(scorer, recorded_inputs(decision), scored=decision.base is not None, engine=decision.engine)
    except InvalidRequest as error:
        return [{"part": "inputs", "recorded": "inputs of the record", "recomputed": error.message}]
    recorded: dict[str, Any] = {
        "encoded": decision.encoded, "base": decision.base, "clamp": decision.clamp, "contributions": decision.contributions,
        **{name: decision.answer.get(name) for name in RECOMPUTED},
    }
    recomputed: dict[str, Any] = {
        "encoded": again.encoded, "base": again.base, "clamp": again.clamp, "contributions": dict(again.contributions or {}),
        **{name: again.answer.get(name) for name in RECOMPUTED},
    }
    return list(_unequal(recorded, recomputed))


def _unequal(recorded: Mapping[str, Any], recomputed: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"part": name, "recorded": recorded[name], "recomputed": recomputed[name]}
        for name in recorded
        if canonical_json(recorded[name]) != canonical_json(recomputed[name])
    ]


