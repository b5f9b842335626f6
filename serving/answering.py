"""From inputs to the answer: pure, no framework, no clock, no store."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from features.online import OnlineInputs, SourceAge
from features.online_inputs import Freshness
from registry.answers import answer_of
from registry.bundle import Manifest
from registry.decisions import as_encoded
from registry.encoding import Matrix, Value
from registry.feature_spec import GROUPS
from registry.products import PRODUCTS, ScoreProduct
from registry.scale import TIERS, Tier
from registry.scorer import Explanation, Scorer
from serving.factors import RULE, factor_table, line_tables
from serving.no_score import no_score_of, source_names, unknown_inputs
from serving.reasons import reasons_of

DECOMPOSITION: Final = "decomposition"
DEGRADED: Final = {
    "code": "degraded", "subject": "feature store", "zh": "特征库暂时不可用，按该主体最近一次评分所用数据评分",
    "en": "the feature store does not answer; scored on the inputs of the entity's last answer",
}


@dataclass(frozen=True)
class Scored:
    """An answer as it is sent, and what the decision ledger keeps beside it.

    Parameters
    ----------
    answer
        The answer, with the decomposition.
    encoded
        The row of the matrix, null for NaN.
    base, clamp, contributions
        The decomposition in points; null and empty where there is no score.
    """

    answer: dict[str, Any]
    encoded: tuple[float | None, ...]
    base: float | None = None
    clamp: float | None = None
    contributions: Mapping[str, float] | None = None

    @property
    def recorded_answer(self) -> dict[str, Any]:
        """The answer without the decomposition, which the recorded points and the bundle give again."""
        return {name: value for name, value in self.answer.items() if name != DECOMPOSITION}


def answer_score(
    scorer: Scorer, version: str, inputs: OnlineInputs, *, score_id: str, product: ScoreProduct | None = None,
    degraded: bool = False, exact: bool = True,
) -> Scored:
    """Return the answer for one entity, or for the inputs of one request.

    Parameters
    ----------
    scorer, version
        The live model.
    inputs
        What is known; it may hold more values than the model needs.
    score_id
        Identifier of the answer.
    product
        The declared product, whose rules decide when there is no score; None for a portfolio.
    degraded
        Whether the inputs are those of an earlier answer, because the store does not answer.
    exact
        Whether the decomposition is asked for; nobody is told it under another detail, and no record keeps it.

    Raises
    ------
    InvalidRequest
        If a declared input is absent or a value is of the wrong kind.
    """
    values = model_inputs(scorer.manifest, inputs)
    matrix, unseen = scorer.encode([values])
    blank = unscored(scorer, version, inputs, values, score_id=score_id, product=product, degraded=degraded)
    if blank["no_score"] is not None:
        blank["warnings"] += unseen_warnings(scorer.manifest, unseen[0])
        return Scored(blank, as_encoded(matrix))
    return fill(blank, scorer.manifest, scorer.explain(matrix), matrix, values, inputs.exposure, unseen[0], exact=exact)


def answer_again(scorer: Scorer, inputs: OnlineInputs, *, scored: bool, engine: str) -> Scored:
    """Return what follows from recorded inputs and a bundle alone; grey where the decision had no score.

    Raises
    ------
    InvalidRequest
        If a declared input is absent or a value is of the wrong kind.
    """
    values = model_inputs(scorer.manifest, inputs)
    matrix, unseen = scorer.encode([values])
    answer = _head(scorer.manifest, "") | {"warnings": []}
    if not scored:
        return Scored(answer | {"tier": tier_words("grey")}, as_encoded(matrix))
    explanation = scorer.explain(matrix, engine=engine)
    return fill(answer, scorer.manifest, explanation, matrix, values, inputs.exposure, unseen[0])


def model_inputs(manifest: Manifest, inputs: OnlineInputs) -> dict[str, Value]:
    """Return the inputs that a model reads, in its order, of those that are known."""
    return {name: inputs.values[name] for name in manifest.feature_names if name in inputs.values}


def unscored(
    scorer: Scorer, version: str, inputs: OnlineInputs, values: Mapping[str, Value], *, score_id: str,
    product: ScoreProduct | None, degraded: bool = False,
) -> dict[str, Any]:
    """Return the answer as far as no model is needed: whose it is, on what it rests, and why there is no score if so."""
    manifest = scorer.manifest
    answer = _head(manifest, score_id) | _provenance(scorer, version, inputs, values, product)
    answer["degraded"] = degraded
    answer["warnings"] = _of_sources(inputs.sources) + ([DEGRADED] if degraded else [])
    answer["no_score"] = no_score_of(manifest, values, inputs.sources, product)
    if answer["no_score"] is not None:
        answer["tier"] = tier_words("grey")
    return answer


def fill(
    answer: dict[str, Any], manifest: Manifest, explanation: Explanation, matrix: Matrix, values: Mapping[str, Value],
    exposure: float | None, unseen: Sequence[str], row: int = 0, *, exact: bool = True,
) -> Scored:
    """Return the answer with its score; `row` is the entity's in explanation and matrix."""
    answer |= _score(manifest, explanation, exposure, values, row)
    answer |= explain_row(manifest, explanation, values, row, exact=exact)
    answer["lines"] = line_tables(manifest, explanation, answer["answer"], row, own=answer["factors"])
    clamp = float(explanation.clamp[row])
    answer["warnings"] += unseen_warnings(manifest, unseen) + _clamped(clamp)
    points = dict(zip(manifest.feature_names, explanation.contributions[row].tolist(), strict=True))
    return Scored(answer, as_encoded(matrix[row : row + 1]), explanation.base, clamp, points)


def explain_row(
    manifest: Manifest, explanation: Explanation, values: Mapping[str, Value], row: int = 0, *, exact: bool = True
) -> dict[str, Any]:
    """Return everything that explains one score: reasons, groups, factors and, where asked for, the exact decomposition."""
    contributions = explanation.contributions[row].tolist()
    priced = manifest.answer == "pure_premium"
    return {
        "reasons": reasons_of(manifest, contributions, values),
        "groups": _groups(manifest, contributions),
        "factors": factor_table(manifest, explanation, row) if priced else None,
        "factor_rule": RULE if priced else None,
        "currency": manifest.currency,
        DECOMPOSITION: decomposition(
            manifest, contributions, values, base=explanation.base, clamp=float(explanation.clamp[row]),
            total=float(explanation.points[row]),
        ) if exact else None,
    }


def decomposition(
    manifest: Manifest, contributions: Sequence[float], values: Mapping[str, Value], *, base: float, clamp: float | None,
    total: float,
) -> dict[str, Any]:
    """Return the exact decomposition of one score as it is answered, the strongest features first.

    `contributions` are (n_features,) points; base plus their sum plus clamp is the total.
    """
    strongest = sorted(zip(manifest.labels, contributions, strict=True), key=lambda pair: -abs(pair[1]))
    lines = [
        {"feature": name, "zh": zh, "en": en, "value": values[name], "unit": unit, "points": points, "group": group}
        for (name, zh, en, unit, group), points in strongest
    ]
    return {"base": base, "contributions": lines, "clamp": clamp, "total": total}


def percentile_of(points: float, quantiles: Sequence[float]) -> float:
    """Return the percentage of the reference population at or below a score, the middle of the range on a tie.

    `quantiles` are the points at the 0th, 1st, .. 100th percentile, ascending.
    """
    last = len(quantiles) - 1
    low, high = bisect_left(quantiles, points), bisect_right(quantiles, points)
    if low < high:
        return 100.0 * (low + high - 1) / 2 / last
    if low == 0 or high > last:
        return 0.0 if low == 0 else 100.0
    share = (points - quantiles[low - 1]) / (quantiles[low] - quantiles[low - 1])
    return 100.0 * (low - 1 + share) / last


def _head(manifest: Manifest, score_id: str) -> dict[str, Any]:
    declared = PRODUCTS.get(manifest.product)
    return {
        "score_id": score_id, "detail": "exact", "product": manifest.product,
        "product_name": {"zh": manifest.zh, "en": manifest.en},
        "outcome": {"zh": declared.outcome_zh, "en": declared.outcome_en} if declared else None,
        "score": None, "points": None, "tier": None, "percentile": None, "answer": None, "exposure": None,
        "no_score": None, "reasons": [], "groups": [], "factors": None, "factor_rule": None, "currency": None,
        "lines": [], DECOMPOSITION: None,
    }


def _score(
    manifest: Manifest, explanation: Explanation, exposure: float | None, values: Mapping[str, Value], row: int
) -> dict[str, Any]:
    points = float(explanation.points[row])
    margins = explanation.component_base + explanation.component_contributions[row].sum(axis=1)
    used = exposure if manifest.answer == "rate" else None
    return {
        "score": round(points, 1), "points": points, "tier": tier_words(manifest.scale.tier(points)),
        "percentile": round(percentile_of(points, manifest.reference.point_quantiles), 2),
        "answer": answer_of(manifest, margins.tolist(), exposure=used, inputs=values),
        "exposure": None if used is None else {"value": used, "unit": manifest.exposure_unit},
    }


def tier_words(code: Tier) -> dict[str, str]:
    """Return a tier as it is answered."""
    zh, en = TIERS[code]
    return {"code": code, "zh": zh, "en": en}


def _groups(manifest: Manifest, contributions: Sequence[float]) -> list[dict[str, Any]]:
    totals = zip(manifest.groups.names, manifest.groups.sums(contributions), strict=True)
    return [
        {"group": name, "zh": GROUPS[name][0], "en": GROUPS[name][1], "points": points}
        for name, points in sorted(totals, key=lambda total: -abs(total[1]))
    ]


def _provenance(
    scorer: Scorer, version: str, inputs: OnlineInputs, values: Mapping[str, Value], product: ScoreProduct | None
) -> dict[str, Any]:
    total = len(values)
    present = total - len(unknown_inputs(scorer.manifest, values))
    return {
        "as_of": inputs.as_of.isoformat(),
        "sources": list(_sources(inputs.sources)),
        "freshness": _fresh(values, inputs.freshness),
        "coverage": {
            "share": present / total, "present": present, "total": total,
            "minimum": product.min_coverage if product else 0.0,
        },
        "model": {
            "name": scorer.manifest.product, "version": version, "digest": scorer.digest,
            "data_cut": scorer.manifest.provenance.data_cut, "simulated": scorer.manifest.provenance.simulated,
        },
        "warnings": [],
    }


@lru_cache(maxsize=256)
def _sources(ages: tuple[SourceAge, ...]) -> tuple[dict[str, Any], ...]:
    # The ages of a publication are the same for every entity; nobody changes what is answered.
    return tuple(map(_source, ages))


def _source(age: SourceAge) -> dict[str, Any]:
    zh, en = source_names(age.resource)
    return {
        "resource": age.resource, "zh": zh, "en": en, "age_d": age.age_d, "limit_d": age.limit_d, "stale": age.stale,
        "authorised": age.authorised,
        "complete_until": age.complete_until.isoformat() if age.complete_until else None,
    }


def _fresh(names: Iterable[str], freshness: Freshness) -> list[dict[str, Any]]:
    if not freshness:
        return []
    asked = tuple(names)
    lines = freshness.told.get(asked)
    if lines is None:
        # Nobody changes what is answered.
        lines = freshness.told[asked] = tuple(
            {
                "features": features, "event_timestamp": age.event_timestamp.isoformat() if age.event_timestamp else None,
                "age_d": age.age_d, "source": age.source,
            }
            for age, features in freshness.alike(asked).items()
        )
    return list(lines)


def unseen_warnings(manifest: Manifest, names: Sequence[str]) -> list[dict[str, str]]:
    """Return a warning for each input whose category was never seen in training."""
    if not names:
        return []
    named = {feature.name: feature for feature in manifest.features}
    return [
        {
            "code": "unseen-category", "subject": name, "zh": f"{named[name].zh}的取值未见于训练数据，按“其他”处理",
            "en": f"the value of {named[name].en} was not seen in training and counts as other",
        }
        for name in names
    ]


def _of_sources(sources: Sequence[SourceAge]) -> list[dict[str, str]]:
    warnings = []
    for age in sources:
        if age.stale:
            zh, en = source_names(age.resource)
            code, state_zh, state_en = _state(age)
            warnings.append({
                "code": code, "subject": age.resource, "zh": f"数据资源“{zh}”{state_zh}",
                "en": f"data resource {en!r} is {state_en}",
            })
    return warnings


def _state(age: SourceAge) -> tuple[str, str, str]:
    if not age.authorised:
        return "source-not-authorised", "不在授权场景范围内，未读取", "outside the scenario and was not read"
    return ("stale-source", "无数据", "absent") if age.age_d is None else ("stale-source", "过期", "stale")


def _clamped(clamp: float) -> list[dict[str, str]]:
    if not clamp:
        return []
    return [{
        "code": "clamped", "subject": "points", "zh": f"分值按量程修正{clamp:+.1f}分",
        "en": f"points were clamped by {clamp:+.1f} to stay within the scale",
    }]
