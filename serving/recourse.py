"""Recourse: the fewest changes that would bring a subject into a lower tier, each answer scored again before it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from features.online import OnlineInputs
from registry.change_evidence import ChangeEvidence
from registry.products import ScoreProduct
from registry.recourse import MOST_CHANGES, Move, Way, search
from registry.scale import Tier
from serving.answering import answer_score, tier_words
from serving.live import LiveScorer

NEXT_LOWER: Final[Mapping[Tier, Tier]] = {"red": "orange", "orange": "yellow", "yellow": "blue"}
NO_SCORE: Final = ("没有评分，无从降档", "there is no score to be lowered")
LOWEST: Final = ("已处于最低风险档", "the tier is the lowest already")
BELOW: Final = ("分值已低于所求档位的上限", "the points are below that tier's limit already")
TOO_FAR: Final = (
    f"在同业中位水平以内，三项以内的改变不足以降档（最多{MOST_CHANGES}项）",
    f"no {MOST_CHANGES} changes or fewer, none of them beyond the median of the peers, are enough",
)


def limit_of(current: Mapping[str, Any], model: LiveScorer, asked: Tier | None) -> tuple[Tier | None, float | None]:
    """Return the tier that is aimed at and the points that must not be reached for it; None where there is nothing to aim at.

    Parameters
    ----------
    current
        The whole answer.
    asked
        The tier that was asked for; without one the next lower.
    """
    target = asked or NEXT_LOWER.get(current["tier"]["code"])
    if target is None:
        return None, None
    yellow, orange, red = model.manifest.cut_points
    return target, {"orange": red, "yellow": orange, "blue": yellow}[target]


def recourse_of(
    model: LiveScorer, inputs: OnlineInputs, current: Mapping[str, Any], asked: Tier | None = None,
    resources: frozenset[str] | None = None, *, product: ScoreProduct | None = None, evidence: ChangeEvidence | None = None,
) -> dict[str, Any]:
    """Return the ways into a lower tier beside the current score.

    Parameters
    ----------
    inputs
        What is known of the entity.
    current
        Its recorded answer, whole.
    asked
        The tier that was asked for; None for the next lower.
    resources
        Resources of the scenario; an input that rests on another is not moved. None for all.
    product
        The declared product whose rules decide when there is no score; None where that has been decided.
    evidence
        How often entities made such changes; None where it was not counted.
    """
    target, below = limit_of(current, model, asked)
    answer = {
        **{name: current[name] for name in ("score_id", "product", "score", "points", "tier", "model", "as_of")},
        "target": None if target is None else tier_words(target),
        "below_points": below, "ways": [], "reachable_points": None, "n_inputs": 0, "exhaustive": True, "none_because": None,
    }
    if current["points"] is None:
        return answer | {"none_because": _words(NO_SCORE)}
    if target is None or below is None:
        return answer | {"none_because": _words(LOWEST)}
    if current["points"] < below:
        return answer | {"none_because": _words(BELOW)}
    matrix, _ = model.scorer.encode([{name: inputs.values[name] for name in model.manifest.feature_names}])
    found = search(model.scorer, matrix[0], below=below, columns=_movable(model, resources))
    ways = [
        made for way in found.ways
        if (made := _verified(model, inputs, current, way, below, product, evidence)) is not None
    ]
    return answer | {
        "ways": ways, "reachable_points": found.reachable, "n_inputs": found.n_inputs, "exhaustive": found.exhaustive,
        "none_because": None if ways else _words(TOO_FAR),
    }


def _movable(model: LiveScorer, resources: frozenset[str] | None) -> list[int]:
    return [
        column for column, feature in enumerate(model.manifest.features)
        if feature.actionable and feature.monotone and (resources is None or resources.issuperset(feature.resources))
    ]


def _verified(
    model: LiveScorer, inputs: OnlineInputs, current: Mapping[str, Any], way: Way, below: float,
    product: ScoreProduct | None, evidence: ChangeEvidence | None,
) -> dict[str, Any] | None:
    """Return a way as it is answered, after scoring the whole entity with it; None where that score is not low enough."""
    names = model.manifest.feature_names
    assumed = replace(inputs, values={**inputs.values, **{names[move.column]: move.new for move in way.moves}})
    scored = answer_score(model.scorer, model.version, assumed, score_id=current["score_id"], product=product, exact=False).answer
    if scored["points"] is None or scored["points"] >= below:
        return None
    return {
        "changes": [_change(model, move, inputs, evidence) for move in way.moves], "effort": way.effort,
        **{name: scored[name] for name in ("score", "points", "tier", "answer")},
        "points_change": scored["points"] - current["points"],
    }


def _change(model: LiveScorer, move: Move, inputs: OnlineInputs, evidence: ChangeEvidence | None) -> dict[str, Any]:
    feature = model.manifest.features[move.column]
    similar = evidence.similar(feature.name, inputs.values, old=move.old, new=move.new) if evidence else None
    return {
        "similar": similar.as_answer() if similar else None,
        "feature": feature.name, "zh": feature.zh, "en": feature.en, "unit": feature.unit, "old": move.old, "new": move.new,
        "median": model.manifest.reference.medians[feature.name], "share": move.share,
    }


def _words(words: tuple[str, str]) -> dict[str, str]:
    return {"zh": words[0], "en": words[1]}
