"""What is said of one vehicle's live score: tier, reasons, forecast, model and age, or why there is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from features.live.documents import iso
from features.live.fatigue import AHEAD_MIN, RANKED_TIERS, WHY_WORDS, FatigueBoard, Why
from serving.answering import tier_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serving.live import LiveScorer

_OF_ANSWER: Final = ("score", "points", "percentile", "answer", "reasons", "groups", "decomposition", "sources", "warnings")


def document_of(
    seen: FatigueBoard, at_s: int, why: Why, model: LiveScorer | None, answer: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the document of one vehicle.

    Parameters
    ----------
    seen
        The vehicle's place of the board as of the instant.
    at_s
        Instant, epoch seconds.
    why
        Why there is no score.
    model
        The live model.
    answer
        Whole answer of the score; None where there is none.
    """
    zh, en = WHY_WORDS[why]
    row_s = int(seen.row_s[0]) if why == Why.SCORED else 0
    tier = RANKED_TIERS[int(seen.tier[0])] if answer is not None else "grey"
    return {
        "tier": tier_words(tier), "why": {"code": why.name.lower(), "zh": zh, "en": en},
        **{name: answer[name] if answer is not None else _ABSENT.get(name) for name in _OF_ANSWER},
        "as_of": iso(row_s) if row_s else None, "age_s": at_s - row_s if row_s else None,
        "forecast": _forecast(seen, at_s),
        "model": None if model is None else {
            "name": model.manifest.product, "version": model.version, "digest": model.scorer.digest,
            "simulated": model.manifest.provenance.simulated,
        },
    }


_ABSENT: Final[dict[str, Any]] = {"reasons": [], "groups": [], "sources": [], "warnings": []}


def _forecast(seen: FatigueBoard, at_s: int) -> dict[str, Any] | None:
    if not seen.ahead_s[0] or math.isnan(seen.orange_min[0]):
        return None
    gone_min = max(at_s - int(seen.ahead_s[0]), 0) / 60.0
    orange, red = (_left(float(values[0]), gone_min) for values in (seen.orange_min, seen.red_min))
    parts = [("橙色", "orange", orange), ("红色", "red", red)]
    return {
        "from": iso(int(seen.ahead_s[0])), "minutes_to_orange": orange, "minutes_to_red": red, "horizon_min": AHEAD_MIN,
        "zh": "若继续驾驶：" + "，".join(_zh(name, left) for name, _, left in parts) + "。",
        "en": "If driving goes on: " + ", ".join(_en(name, left) for _, name, left in parts) + ".",
    }


def _left(minutes: float, gone_min: float) -> int | None:
    """Return whole minutes that are left; None where the tier is not reached within the horizon."""
    return None if math.isinf(minutes) else max(math.floor(minutes - gone_min), 0)


def _zh(name: str, left: int | None) -> str:
    if left is None:
        return f"{AHEAD_MIN // 60}小时内不会达到{name}"
    return f"{left}分钟后达到{name}" if left else f"已达到{name}"


def _en(name: str, left: int | None) -> str:
    if left is None:
        return f"not {name} within {AHEAD_MIN // 60} h"
    return f"{name} in {left} min" if left else f"{name} now"
