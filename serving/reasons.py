"""Reasons in words: at most four, those that raise the score first, each with the value met and the usual one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from registry.bundle import Manifest, ManifestFeature
from registry.reasons import REASONS, SUPPRESS

MAX_REASONS: Final = SUPPRESS.most_reasons
LEAST_POINTS: Final = SUPPRESS.least_points
BANDS: Final = ((5.0, "slight"), (15.0, "moderate"))
"""Upper limits in points; 50 points double odds or rate, so 5 are 7 %, and 15 are 23 %."""

_UNITS_ZH: Final = {
    "1": "", "%": "%", "d": "天", "h": "小时", "min": "分钟", "s": "秒", "year": "年", "vehicle_year": "车年",
    "km": "公里", "m": "米", "mm": "毫米", "m3": "立方米", "km/h": "公里/小时",
    "1/100km": "次/百公里", "1/vehicle_year": "次/车年",
    "deg": "度", "t": "吨", "kg": "千克", "kW": "千瓦", "cd": "坎德拉", "CNY": "元", "score": "分", "1/year": "次/年",
    "CNY/year": "元/年", "CNY/vehicle_year": "元/车年",
}
_UNITS_EN: Final = {"1": "", "score": "points", "vehicle_year": "vehicle-years", "1/vehicle_year": "per vehicle-year",
    "1/year": "per year", "1/100km": "per 100 km", "CNY/year": "CNY per year", "CNY/vehicle_year": "CNY per vehicle-year",
}


def reasons_of(
    manifest: Manifest, contributions: Sequence[float], values: Mapping[str, float | str | None],
    totals: Sequence[float] | None = None,
) -> list[dict[str, Any]]:
    """Return at most `MAX_REASONS` reasons of one score.

    Features that share a reason code are one reason: its contribution is their sum, its text speaks of the feature that
    contributes most in the same direction.

    Parameters
    ----------
    manifest
        The bundle's manifest.
    contributions
        (n_features,) points.
    values
        Feature name -> observed value.
    totals
        Points of each reason code where they are known (`registry.scorer.Explanation.sums`).
    """
    codes = manifest.reason_codes
    found = zip(codes.sums(contributions) if totals is None else totals, codes.names, codes.members, strict=True)
    strong = [one for one in found if abs(one[0]) >= LEAST_POINTS]
    strong.sort(key=lambda one: (one[0] < 0, -abs(one[0]), one[1]))
    return [_reason(code, total, members, contributions, manifest, values) for total, code, members in strong[:MAX_REASONS]]


def band_of(points: float) -> str:
    """Return the word for the strength of a contribution."""
    return next((word for limit, word in BANDS if abs(points) < limit), "strong")


def _reason(
    code: str, total: float, members: Sequence[int], contributions: Sequence[float], manifest: Manifest,
    values: Mapping[str, float | str | None],
) -> dict[str, Any]:
    # The first of several that contribute alike.
    leading = manifest.features[(max if total > 0 else min)(members, key=contributions.__getitem__)]
    entry, value = REASONS[code], values.get(leading.name)
    median = manifest.reference.medians.get(leading.name)
    zh, en = _texts(leading, value, median)
    reason: dict[str, Any] = {
        "code": code, "direction": "raises" if total > 0 else "lowers", "contribution": total, "band": band_of(total),
        "zh": f"{entry.zh}：{zh}", "en": f"{entry.en}: {en}", "features": [manifest.features[place].name for place in members],
        "value": value, "median": median, "unit": leading.unit, "remedy": None,
    }
    if total > 0 and entry.remedy_zh and _can_improve(leading, value, median):
        reason["remedy"] = {"zh": entry.remedy_zh, "en": entry.remedy_en}
    return reason


def _can_improve(feature: ManifestFeature, value: float | str | None, median: float | None) -> bool:
    """Whether advice fits: the subject can change it, it is known, and it is not on the good side of the usual already."""
    if not feature.actionable or value is None:
        return False
    if isinstance(value, str) or median is None or feature.monotone == 0:
        return True
    return feature.monotone * (value - median) > 0


def _texts(feature: ManifestFeature, value: float | str | None, median: float | None) -> tuple[str, str]:
    if value is None and feature.null_rule == "zero":
        value = 0.0
    if value is None:
        return f"{feature.zh}不详", f"{feature.en} is not known"
    if isinstance(value, str):
        return f"{feature.zh}为{value}", f"{feature.en} is {value}"
    of_zh, of_en = _median_texts(median, feature.unit) if median is not None else ("", "")
    zh, en = _quantity(value, feature.unit)
    return f"{feature.zh}为{zh}{of_zh}", f"{feature.en} is {en}{of_en}"


@lru_cache(maxsize=10_000)
def _median_texts(median: float, unit: str) -> tuple[str, str]:
    # A bundle has one median for each input.
    zh, en = _quantity(median, unit)
    return f"，中位数为{zh}", f", the median is {en}"


def _quantity(value: float, unit: str) -> tuple[str, str]:
    number, word = number_text(value), _UNITS_EN.get(unit, unit)
    return number + _UNITS_ZH.get(unit, unit), f"{number} {'point' if word == 'points' and value == 1 else word}".rstrip()


def number_text(value: float) -> str:
    """Return a number with three significant figures, or whole with thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
