"""From inputs to the answer: pure, no framework, no clock, no store."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from features.online import OnlineInputs
from registry.answers import answer_of
from registry.bundle import Manifest
from registry.decisions import as_encoded
from registry.encoding import Matrix, Value
from registry.feature_spec import GROUPS
from registry.products import PRODUCTS, ScoreProduct
from registry.row_texts import listed, number_texts
from registry.scale import TIERS, Tier
from registry.scorer import Explanation, Scorer
from serving.answer_schema import Detail
from serving.detail import reduced
from serving.factors import RULE, factor_table, line_tables
from serving.no_score import no_score_of, unknown_inputs
from serving.reasons import reasons_of
from serving.told import told_of

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
    sent, kept
        Fields of the answer as text already, as they leave and as a record has them.
    written
        Fields of the record as text already.
    """

    answer: dict[str, Any]
    encoded: tuple[float | None, ...]
    base: float | None = None
    clamp: float | None = None
    contributions: Mapping[str, float] | None = None
    sent: dict[str, Any] = field(default_factory=dict, compare=False)
    kept: dict[str, Any] = field(default_factory=dict, compare=False)
    written: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def recorded_answer(self) -> dict[str, Any]:
        """The answer without the decomposition, which the recorded points and the bundle give again."""
        return {name: value for name, value in self.answer.items() if name != DECOMPOSITION}

    @property
    def recorded_texts(self) -> dict[str, Any]:
        """Fields of the record that are text already, or hold such."""
        return {**self.written, "answer": self.recorded_answer | self.kept}

    def sendable(self, detail: Detail) -> dict[str, Any]:
        """Return what leaves of the answer, to be encoded at once."""
        return reduced(self.answer, detail) | self.sent


def answer_score(
    scorer: Scorer, version: str, inputs: OnlineInputs, *, score_id: str, product: ScoreProduct | None = None,
    degraded: bool = False, exact: bool = True, written: bool = False,
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
    written
        Whether the answer is only sent and recorded, so that the decomposition may be text.

    Raises
    ------
    InvalidRequest
        If a declared input is absent or a value is of the wrong kind.
    """
    values = model_inputs(scorer.manifest, inputs)
    matrix, unseen = scorer.encode([values])
    blank = unscored(scorer, version, inputs, values, score_id=score_id, product=product, degraded=degraded)
    if blank.answer["no_score"] is not None:
        return grey(blank, scorer.manifest, matrix, unseen[0])
    return fill(
        blank, scorer.manifest, scorer.explain(matrix), matrix, values, inputs.exposure, unseen[0], exact=exact, written=written
    )


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
    return fill(Blank(answer), scorer.manifest, explanation, matrix, values, inputs.exposure, unseen[0])


def model_inputs(manifest: Manifest, inputs: OnlineInputs) -> dict[str, Value]:
    """Return the inputs that a model reads, in its order, of those that are known."""
    known = inputs.values
    try:
        return {name: known[name] for name in manifest.feature_names}
    except KeyError:
        return {name: known[name] for name in manifest.feature_names if name in known}


@dataclass(frozen=True)
class Blank:
    """An answer before its score, and its fields that are text already: as they are sent, as they are kept."""

    answer: dict[str, Any]
    sent: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


def unscored(
    scorer: Scorer, version: str, inputs: OnlineInputs, values: Mapping[str, Value], *, score_id: str,
    product: ScoreProduct | None, degraded: bool = False,
) -> Blank:
    """Return the answer as far as no model is needed: whose it is, on what it rests, and why there is no score if so."""
    manifest = scorer.manifest
    names = manifest.feature_names if len(values) == len(manifest.feature_names) else tuple(values)
    told, unknown, total = told_of(inputs, names, product), unknown_inputs(manifest, values), len(values)
    present = total - len(unknown)
    answer = _head(manifest, score_id) | {
        "as_of": inputs.as_of.isoformat(), "sources": list(told.sources), "freshness": list(told.freshness),
        "coverage": {
            "share": present / total, "present": present, "total": total,
            "minimum": product.min_coverage if product else 0.0,
        },
        "model": {
            "name": manifest.product, "version": version, "digest": scorer.digest,
            "data_cut": manifest.provenance.data_cut, "simulated": manifest.provenance.simulated,
        },
        "warnings": [*told.warnings, DEGRADED] if degraded else list(told.warnings), "degraded": degraded,
    }
    answer["no_score"] = no_score_of(manifest, values, unknown, told.missing, product)
    return Blank(answer, told.sent, told.kept)


def grey(blank: Blank, manifest: Manifest, matrix: Matrix, unseen: Sequence[str], row: int = 0) -> Scored:
    """Return an answer without a score."""
    blank.answer["tier"] = tier_words("grey")
    blank.answer["warnings"] += unseen_warnings(manifest, unseen)
    return Scored(blank.answer, as_encoded(matrix[row : row + 1]), sent=blank.sent, kept=blank.kept)


def fill(
    blank: Blank, manifest: Manifest, explanation: Explanation, matrix: Matrix, values: Mapping[str, Value],
    exposure: float | None, unseen: Sequence[str], row: int = 0, *, exact: bool = True, written: bool = False,
) -> Scored:
    """Return the answer with its score; `row` is the entity's in explanation and matrix."""
    answer, contributions = blank.answer, explanation.contributions[row].tolist()
    answer |= _score(manifest, explanation, exposure, values, row)
    answer |= explain_row(manifest, explanation, values, row, exact=exact and not written)
    answer["lines"] = line_tables(manifest, explanation, answer["answer"], row, own=answer["factors"])
    clamp = float(explanation.clamp[row])
    answer["warnings"] += unseen_warnings(manifest, unseen) + _clamped(clamp)
    texts: dict[str, Any] = {}
    if written:
        cells, of_points = manifest.row_texts.cells(tuple(values.values())), number_texts(contributions)
        texts = {"inputs": manifest.row_texts.named(cells), "contributions": manifest.row_texts.named(of_points)}
        if exact:
            answer[DECOMPOSITION] = manifest.row_texts.decomposition(
                contributions, of_points, cells, base=explanation.base, clamp=clamp, total=answer["points"]
            )
    points = dict(zip(manifest.feature_names, contributions, strict=True))
    encoded = as_encoded(matrix[row : row + 1])
    if written:
        texts["encoded"] = listed(encoded)
    return Scored(answer, encoded, explanation.base, clamp, points, blank.sent, blank.kept, texts)


def explain_row(
    manifest: Manifest, explanation: Explanation, values: Mapping[str, Value], row: int = 0, *, exact: bool = True
) -> dict[str, Any]:
    """Return everything that explains one score: reasons, groups, factors and, where asked for, the exact decomposition."""
    contributions = explanation.contributions[row].tolist()
    priced = manifest.answer == "pure_premium"
    return {
        "reasons": reasons_of(manifest, contributions, values, explanation.sums(manifest.reason_codes)[row]),
        "groups": _groups(manifest, explanation.sums(manifest.groups)[row]),
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
    margins = explanation.component_margins[row]
    used = exposure if manifest.answer == "rate" else None
    return {
        "score": round(points, 1), "points": points, "tier": tier_words(manifest.scale.tier(points)),
        "percentile": round(percentile_of(points, manifest.reference.point_quantiles), 2),
        "answer": answer_of(manifest, margins, exposure=used, inputs=values),
        "exposure": None if used is None else {"value": used, "unit": manifest.exposure_unit},
    }


def tier_words(code: Tier) -> dict[str, str]:
    """Return a tier as it is answered."""
    zh, en = TIERS[code]
    return {"code": code, "zh": zh, "en": en}


def _groups(manifest: Manifest, totals: Sequence[float]) -> list[dict[str, Any]]:
    named = zip(manifest.groups.names, totals, strict=True)
    return [
        {"group": name, "zh": GROUPS[name][0], "en": GROUPS[name][1], "points": points}
        for name, points in sorted(named, key=lambda total: -abs(total[1]))
    ]


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


def _clamped(clamp: float) -> list[dict[str, str]]:
    if not clamp:
        return []
    return [{
        "code": "clamped", "subject": "points", "zh": f"分值按量程修正{clamp:+.1f}分",
        "en": f"points were clamped by {clamp:+.1f} to stay within the scale",
    }]
