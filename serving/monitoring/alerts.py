"""What is held against its limit, with what to do: the newest figures of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.monitoring.rules import LEAST_SHARE, LIMITS, PSI_ACT, Limit

Figures = dict[str, Any]


def alerts(report: Mapping[str, Any], limits: Sequence[Limit] = LIMITS) -> list[Figures]:
    """Return every limit with its value and state, the worst first; a value that is not known says so."""
    values = _values(report)
    order = {"act": 0, "watch": 1, "unknown": 3, "good": 2}
    found = [
        {
            "id": limit.id, "zh": limit.zh, "en": limit.en, "value": values.get(limit.id),
            "state": limit.state(values.get(limit.id)),
            "watch": limit.watch, "act": limit.act, "centre": limit.centre, "replaced": limit.replaced,
            "todo_zh": limit.todo_zh, "todo_en": limit.todo_en,
        }
        for limit in limits
    ]
    return sorted(found, key=lambda one: order[one["state"]])


def _values(report: Mapping[str, Any]) -> dict[str, float | None]:
    months, features, groups = report["months"], report["features"], report["explanation"]
    newest = months[-1] if months else {}
    known = [one["psi"] for one in features if one["psi"] is not None]
    reference = [one for one in months if one["month"] in report["reference"]]
    counted = [one["psi"] for one in groups if one["psi"] is not None and one["share"] >= LEAST_SHARE]
    calibration = report["calibration"] or {}
    tested, real = (report["test"] or {}).get("gini"), calibration.get("newest_gini")
    ahead = report["estimate"]["ahead"][-1:] if report["estimate"] else []
    return {
        "score_psi": newest.get("psi"),
        "features_moved": sum(one >= PSI_ACT for one in known) / len(known) if known else None,
        "explanation_psi": max(counted, default=None),
        "grey_rise": newest["grey_share"] - _mean(reference, "grey_share") if reference else None,
        "coverage_drop": _mean(reference, "coverage") - newest["coverage"] if reference else None,
        "balance": calibration.get("newest_ratio"),
        "gini_drop": tested - real if tested is not None and real is not None else None,
        "estimated_balance": ahead[0]["balance"] if ahead else None,
    }


def _mean(months: Sequence[Figures], name: str) -> float:
    return float(sum(one[name] for one in months) / len(months))
