"""Decisions about one subject beside each other, and how much of their difference is data and how much is model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from registry.errors import RoadRiskError
from serving.authorised import request_id

if TYPE_CHECKING:
    from fastapi import Request

    from registry.access.grants import Grant
    from registry.decisions import Decision
    from serving.console.parts import Console

MOST: Final = 5
_SCAN: Final = 60


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Another decision about the same subject.

    Parameters
    ----------
    decision, answer
        The record, and what of it the visitor may see.
    total
        Its points minus those of the decision that is shown; None where one of them has no score.
    data, model
        Parts of it, which add up to it; None where it cannot be split.
    """

    decision: Decision
    answer: Mapping[str, Any]
    total: float | None
    data: float | None
    model: float | None


def beside(console: Console, request: Request, shown: Decision, grant: Grant) -> list[Beside]:
    """Return the newest other decisions of the product about the same subject that the visitor may see; each is a look."""
    if not shown.entity_id:
        return []
    found: list[Beside] = []
    for _, one in console.desk.decisions.about(shown.entity_id, limit=_SCAN):
        own = one.entity_id == shown.entity_id and one.product == shown.product and one.score_id != shown.score_id
        if not own or not grant.may_see(one.consumer, (one.entity_id, *one.related.values())):
            continue
        answer = console.past.listed(one, grant, request_id=request_id(request))
        total, data, model = _split(console, shown, one)
        found.append(Beside(decision=one, answer=answer, total=total, data=data, model=model))
        if len(found) == MOST:
            break
    return found


def _split(console: Console, shown: Decision, other: Decision) -> tuple[float | None, float | None, float | None]:
    here, there = shown.answer["points"], other.answer["points"]
    if here is None or there is None:
        return None, None, None
    total = there - here
    if shown.digest == other.digest:
        return total, total, 0.0
    earlier, later = sorted((shown, other), key=lambda one: one.at)
    between = _by_model_of(console, earlier, later)
    if between is None:
        return total, None, None
    sign = 1.0 if later is other else -1.0
    return total, sign * (between - earlier.answer["points"]), sign * (later.answer["points"] - between)


def _by_model_of(console: Console, earlier: Decision, later: Decision) -> float | None:
    """Return the points that the earlier decision's model gives to the later one's inputs; None where it cannot."""
    try:
        scorer = console.desk.live.current.with_digest(earlier.product, earlier.digest)
        values = {name: later.inputs[name] for name in scorer.manifest.feature_names}
        matrix, _ = scorer.encode([values])
    except (RoadRiskError, KeyError):
        # Its bundle is gone, or it reads an input that the later model does not.
        return None
    return float(scorer.points(matrix)[0])
