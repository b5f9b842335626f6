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
from collections.abc import Mapping, Sequence
from typing import Any, Final

from registry.bundle import Manifest
from registry.feature_spec import GROUPS
from registry.scorer import Explanation

BASE: Final = ("base", "基础", "base")
OWN: Final = ("frequency", "severity")
"""Components of the score's own line."""
RULE: Final = {
    "zh": "各因子之积等于相对系数；金额按对数平均迪氏指数法（LMDI）分摊，合计等于纯保费减组合均值",
    "en": "factors multiply to the relativity; amounts follow the logarithmic mean Divisia decomposition and add up "
    "to the pure premium minus the portfolio mean",
}


def factor_table(manifest: Manifest, explanation: Explanation, row: int = 0) -> list[dict[str, Any]]:
    """Return the factors of one row in the score's own line, base first, then groups by strength.

    Each has `group`, `zh`, `en`, `factor`, `frequency_factor`, `severity_factor` and `amount` in the bundle's currency.
    The base's frequency and severity factors are absolute (claims per year, money per claim); the others are relative.
    """
    return _table(manifest, explanation, row, OWN, manifest.reference.mean_answer)


def line_tables(
    manifest: Manifest, explanation: Explanation, quantities: Mapping[str, float], row: int = 0, *,
    own: list[dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Return every insurance line with its price and its factors; empty for a bundle that prices one line without a name.

    Parameters
    ----------
    quantities
        The answer by name, as `registry.answers.answer_of` gives it.
    own
        The factors of the score's own line where they are known (`factor_table`); it is one of the lines.
    """
    tables = []
    for line in manifest.lines:
        ending = "" if line.frequency == "frequency" else f"_{line.id}"
        names_of = (line.frequency, line.severity)
        known = own if names_of == OWN and line.mean_answer == manifest.reference.mean_answer else None
        names = ("frequency", "severity", "pure_premium", "relativity", "large_losses")
        tables.append({
            "line": line.id, "zh": line.zh, "en": line.en, "n_claims": line.n_claims,
            **{name: quantities[name + ending] for name in names},
            "factors": known or _table(manifest, explanation, row, names_of, line.mean_answer),
        })
    return tables


def _table(
    manifest: Manifest, explanation: Explanation, row: int, names: tuple[str, str], mean: float
) -> list[dict[str, Any]]:
    positions = [manifest.component_places[name] for name in names]
    groups = manifest.groups
    of_components = explanation.component_sums(groups)[row]
    parts = [of_components[k] for k in positions]
    logs = dict(zip(groups.names, zip(*parts, strict=True), strict=True))
    base = [float(explanation.component_base[k]) for k in positions]
    base_log = sum(base) - math.log(mean)
    totals = {name: sum(pair) for name, pair in logs.items()}
    scale = mean * logarithmic_mean_to_one(base_log + sum(totals.values()))
    ordered = sorted(logs, key=lambda name: -abs(totals[name]))
    return [
        _line(BASE, base, base_log, scale),
        *(_line((name, *GROUPS[name]), logs[name], totals[name], scale) for name in ordered),
    ]


def logarithmic_mean_to_one(log_ratio: float) -> float:
    """Return the logarithmic mean of ``exp(log_ratio)`` and 1, by a form that is exact near 1."""
    return math.expm1(log_ratio) / log_ratio if log_ratio else 1.0


def _line(group: tuple[str, str, str], logs: Sequence[float], log_factor: float, scale: float) -> dict[str, Any]:
    (name, zh, en), (frequency, severity) = group, logs
    return {
        "group": name, "zh": zh, "en": en, "factor": math.exp(log_factor), "frequency_factor": math.exp(frequency),
        "severity_factor": math.exp(severity), "amount": scale * log_factor,
    }
