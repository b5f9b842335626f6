"""What if: the score that an entity would have with other values of what it can change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from features.online import OnlineInputs
from registry.bundle import ManifestFeature
from registry.encoding import Value
from registry.errors import InvalidRequest
from registry.products import ScoreProduct
from serving.answering import answer_score
from serving.detail import reduced
from serving.live import LiveScorer
from serving.schemas import json_type

COMPARED: Final = ("score", "points", "tier", "percentile", "answer", "factors", "groups", "reasons", "warnings")


def check_changes(model: LiveScorer, changes: Mapping[str, Any], resources: frozenset[str] | None) -> dict[str, Value]:
    """Return the changes of a what-if question, with numbers as floats.

    Raises
    ------
    InvalidRequest
        If one names no input of the model, none that the subject can change, one outside the scenario, or a value that it cannot
        have; the details list all of them.
    """
    declared = {feature.name: feature for feature in model.manifest.features}
    errors, checked = [], dict[str, Value]()
    for name, value in changes.items():
        problem = _problem(declared.get(name), value, resources)
        if problem:
            errors.append({"field": f"changes.{name[:64]}", "problem": problem, "met": json_type(value)})
        else:
            checked[name] = value if isinstance(value, str) else float(value)
    if errors:
        raise InvalidRequest(
            "; ".join(f"{error['field']} {error['problem']}" for error in errors[:5]),
            remedy="Change only inputs that GET /v1/models marks as actionable.", details={"errors": errors},
        )
    return checked


def _problem(feature: ManifestFeature | None, value: object, resources: frozenset[str] | None) -> str:
    if feature is None:
        return "is no input of this model"
    if not feature.actionable:
        return "is nothing that the subject can change"
    if resources is not None and not resources.issuperset(feature.resources):
        return "rests on a resource outside the scenario"
    if feature.dtype == "category":
        known = isinstance(value, str) and value in feature.vocabulary
        return "" if known else f"must be one of {', '.join(feature.vocabulary)}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "must be a finite number"
    return ""


def compared(
    model: LiveScorer, inputs: OnlineInputs, current: Mapping[str, Any], changes: Mapping[str, Value],
    *, product: ScoreProduct, detail: Any,
) -> dict[str, Any]:
    """Return the score with the changes beside the current one, at the detail of the scenario.

    Parameters
    ----------
    inputs
        What is known of the entity.
    current
        Its recorded answer, whole.
    changes
        Checked values by feature name.
    """
    changed = with_changes(model, inputs, current, changes, product=product)
    sides = {name: reduced(answer, detail) for name, answer in (("current", current), ("assumed", changed))}
    points = [side["points"] for side in sides.values()]
    return {
        "score_id": current["score_id"], "detail": detail, "product": current["product"], "changes": dict(changes),
        **{name: {part: side[part] for part in COMPARED} for name, side in sides.items()},
        "points_change": None if None in points else points[1] - points[0],
        "model": current["model"], "as_of": current["as_of"],
    }


def with_changes(
    model: LiveScorer, inputs: OnlineInputs, current: Mapping[str, Any], changes: Mapping[str, Value],
    *, product: ScoreProduct | None,
) -> dict[str, Any]:
    """Return the whole answer as it would be with the changes.

    Parameters
    ----------
    inputs, current, changes
        As for `compared`.
    product
        The declared product whose rules decide when there is no score; None where that has been decided.
    """
    assumed = replace(inputs, values={**inputs.values, **changes})
    return answer_score(model.scorer, model.version, assumed, score_id=current["score_id"], product=product).answer
