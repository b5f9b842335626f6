"""How much of an answer leaves: a pure function of the recorded answer and the scenario's detail.

Exact Shapley values let a caller rebuild the inputs behind them, so only a scenario that says so gets them.

References
----------
Luo, Jiang and Xiao, "Feature Inference Attack on Shapley Values", CCS 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from serving.answer_schema import Detail

STEP: Final[Mapping[str, float]] = {"groups": 1.0, "reasons": 5.0}
"""Contributions of single reasons are rounded to so many points."""
QUANTITY_DIGITS: Final = 3
"""Significant digits of rates, probabilities and prices where only reasons leave."""


def reduced(answer: Mapping[str, Any], detail: Detail) -> dict[str, Any]:
    """Return what leaves of a whole answer.

    Parameters
    ----------
    answer
        A whole answer, a past one or an explanation; what it lacks stays lacking.
    detail
        exact: everything. groups: exact points per group, exact factors and prices, but no single input's contribution.
        reasons: score, tier, rounded quantities, and reasons in bands.
    """
    if detail == "exact":
        return {**answer, "detail": detail}
    kept = {**answer, "detail": detail, "reasons": [_coarse(reason, STEP[detail]) for reason in answer["reasons"]]}
    for name in ("decomposition", "verification"):
        if name in kept:
            kept[name] = None
    if detail == "reasons":
        kept |= _banded(answer)
    return kept


def _banded(answer: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"groups": [], "factors": None, "factor_rule": None}
    if "lines" in answer:
        kept["lines"] = []
    if answer["points"] is not None:
        kept |= {"score": float(round(answer["points"])), "points": float(round(answer["points"]))}
    if answer.get("percentile") is not None:
        kept["percentile"] = float(round(answer["percentile"]))
    if answer.get("answer") is not None:
        kept["answer"] = {name: float(f"{value:.{QUANTITY_DIGITS}g}") for name, value in answer["answer"].items()}
    if "revisions" in answer:
        kept["revisions"] = [_coarse_revision(revision) for revision in answer["revisions"]]
    return kept


def _coarse(reason: Mapping[str, Any], step: float) -> dict[str, Any]:
    return {**reason, "contribution": round(reason["contribution"] / step) * step}


def _coarse_revision(revision: Mapping[str, Any]) -> dict[str, Any]:
    kept = {**revision, "groups": [], "base_change": None, "clamp_change": None}
    for side in ("old", "new"):
        points = revision[side]["points"]
        rounded = None if points is None else float(round(points))
        kept[side] = {**revision[side], "score": rounded, "points": rounded}
    if revision["points_change"] is not None:
        kept["points_change"] = kept["new"]["points"] - kept["old"]["points"]
    return kept
