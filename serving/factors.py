"""The factor table of a pure premium: multiplicative relativities by feature group, and money per factor.

The logarithm of the pure premium is the sum of the frequency and severity margins, and exact SHAP values split each
margin among features. So per group ``factor = exp(sum of its contributions)``, and the base is what the empty coalition
gives, relative to the reference population's mean. The product of all factors is the relativity.

Amounts follow the additive logarithmic mean Divisia decomposition, which leaves no residual: with premium P and mean M,
``amount of a factor = L(P, M) * ln(factor)``, ``L(P, M) = (P - M) / ln(P / M)``; the sum is P - M.

References
----------
Ang, "The LMDI approach to decomposition analysis: a practical guide", Energy Policy 33 (2005) 867-871.
"""

from __future__ import annotations

import math
from typing import Any, Final

from registry.bundle import Manifest
from registry.feature_spec import GROUPS
from registry.scorer import Explanation

BASE: Final = ("base", "基础", "base")
RULE: Final = {
    "zh": "各因子之积等于相对系数；金额按对数平均迪氏指数法（LMDI）分摊，合计等于纯保费减组合均值",
    "en": "factors multiply to the relativity; amounts follow the logarithmic mean Divisia decomposition and add up "
    "to the pure premium minus the portfolio mean",
}


def factor_table(manifest: Manifest, explanation: Explanation, row: int = 0) -> list[dict[str, Any]]:
    """Return the factors of one row, base first, then groups by strength.

    Each has `group`, `zh`, `en`, `factor`, `frequency_factor`, `severity_factor` and `amount` in the bundle's currency.
    The base's frequency and severity factors are absolute (claims per year, money per claim); the others are relative.
    """
    names = [component.name for component in manifest.components]
    logs: dict[str, dict[str, float]] = {}
    for j, feature in enumerate(manifest.features):
        group = logs.setdefault(feature.group, dict.fromkeys(names, 0.0))
        for k, name in enumerate(names):
            group[name] += float(explanation.component_contributions[row, k, j])
    base = dict(zip(names, explanation.component_base.tolist(), strict=True))
    mean = manifest.reference.mean_answer
    base_log = sum(base.values()) - math.log(mean)
    relativity_log = base_log + sum(sum(group.values()) for group in logs.values())
    scale = mean * logarithmic_mean_to_one(relativity_log)
    ordered = sorted(logs, key=lambda name: -abs(sum(logs[name].values())))
    return [
        _line(BASE, base, base_log, scale),
        *(_line((name, *GROUPS[name]), logs[name], sum(logs[name].values()), scale) for name in ordered),
    ]


def logarithmic_mean_to_one(log_ratio: float) -> float:
    """Return the logarithmic mean of ``exp(log_ratio)`` and 1, by a form that is exact near 1."""
    return math.expm1(log_ratio) / log_ratio if log_ratio else 1.0


def _line(group: tuple[str, str, str], logs: dict[str, float], log_factor: float, scale: float) -> dict[str, Any]:
    line: dict[str, Any] = dict(zip(("group", "zh", "en"), group, strict=True))
    line["factor"] = math.exp(log_factor)
    line |= {f"{name}_factor": math.exp(value) for name, value in logs.items()}
    return {**line, "amount": scale * log_factor}
