"""`roadrisk experiment oracle`: how near each live score comes to the best that any score could do.

On the very rows on which a model is judged out of time stand four scores: the model, the ceiling (the best function of the
model's inputs, `experiments.ceiling`, as a lower and an upper estimate), the oracle (the true intensity), and beside them
how each depends on inspection (`experiments.detection`). Everything is simulated: only a simulation knows the truth.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from experiments.calibration_tables import province_of
from experiments.ceiling import FULL, HOW, QUICK, Ceiling, Effort, fit_ceiling, gain
from experiments.detection import inspection_dependence
from experiments.oracle_rows import JUDGES, MAINTENANCE_D, FloatArray, Judged, judged_rows
from experiments.truth_panel import TruthPanel, read_panel
from registry.bundle import Component
from registry.errors import NotFound
from registry.evidence import write_evidence
from registry.output import ProgressCallback
from registry.products import DRIVER_FATIGUE, MAINTENANCE
from registry.promotion import LiveModel, live
from registry.scorer import load_scorer
from registry.settings import Settings
from training import metrics
from training.products import training_frame
from training.splits import FOLD, TEST

STUDY: Final = "oracle"
EVIDENCE: Final = "oracle"
"""Kind of the evidence that is kept beside a version's card."""
AIM: Final = 0.97
"""Share of the ceiling's gain that a score should reach."""
REPLICATES: Final = 200
QUICK_REPLICATES: Final = 50
BEFORE: Final = "roadrisk simulate, ingest, features build, features apply, train <product>, models promote <product>"


def oracle(
    settings: Settings, *, products: Sequence[str] = (), quick: bool = False, keep: bool = True,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Compare the live scores of a home with ceiling and truth of its simulated province.

    Parameters
    ----------
    settings
        A home with a simulated province and a live score.
    products
        Only these; by default all that are live.
    quick
        A smaller ceiling and fewer bootstrap draws, for a demonstration.
    keep
        Whether what is found is kept as evidence beside each version's card.
    progress
        Told about each step.

    Returns
    -------
    dict
        ``products``: product -> rows, events, ``metrics``, ``headline``, ``inspection``, version and digest.

    Raises
    ------
    NotFound
        If the home has no truth, or no product is live.
    """
    began = time.monotonic()
    tell = progress or (lambda _label, _share: None)
    tell("truth", 0.0)
    panel, models = read_panel(settings), live(settings)
    wanted = [product for product in JUDGES if product in models and (not products or product in products)]
    if not wanted:
        raise NotFound("no score is live in this home", where=str(settings.home), remedy=f"First: {BEFORE}.")
    found = {}
    for index, product in enumerate(wanted):
        within = _within(tell, product, index, len(wanted))
        found[product] = _product(settings, panel, models[product], quick=quick, progress=within)
        if keep:
            _keep(settings, product, found[product], quick)
    return {
        "study": STUDY, "simulated": True, "quick": quick, "province": province_of(settings), "aim": AIM, "how": dict(HOW),
        "products": found, "seconds": round(time.monotonic() - began, 1),
    }


def _product(
    settings: Settings, panel: TruthPanel, model: LiveModel, *, quick: bool, progress: ProgressCallback
) -> dict[str, Any]:
    scorer = load_scorer(model.folder, settings.keys_dir, digest=model.digest)
    progress("rows", 0.0)
    frame, _ = training_frame(model.product, settings)
    rows = judged_rows(model.product, settings, frame, panel)
    known = rows.known
    rows, frame = rows.take(known), frame[known].reset_index(drop=True)
    matrix, test = scorer.encode_frame(frame), (frame[FOLD] == TEST).to_numpy()
    effort = QUICK if quick else FULL
    categories = [j for j, feature in enumerate(scorer.manifest.features) if feature.dtype == "category"]
    ceiling = fit_ceiling(
        rows, matrix, test, categories=categories, effort=effort, seed=settings.seed, threads=settings.threads,
        progress=lambda label, share: progress(label, 0.1 + 0.7 * share),
    )
    progress("intervals", 0.8)
    predicted = predicted_rate(model.product, scorer.manifest.components, scorer.component_margins(matrix[test]))
    replicates = QUICK_REPLICATES if quick else REPLICATES
    return {
        "version": model.version, "digest": model.digest,
        **compare(rows.take(test), predicted, ceiling, replicates=replicates, seed=settings.seed),
        "ceiling": _described(ceiling, effort, matrix),
    }


def predicted_rate(product: str, components: Sequence[Component], margins: FloatArray) -> FloatArray:
    """Return the rate or probability that is judged: motor frequency of a price, 30 days of a hazard.

    Parameters
    ----------
    components
        Of the bundle, those of the score first.
    margins
        (n, n_components) calibrated margins.
    """
    if product == MAINTENANCE.id:
        within = [k for k, one in enumerate(components) if one.horizon_d is not None and one.horizon_d <= MAINTENANCE_D]
        hazard = 1.0 / (1.0 + np.exp(-margins[:, within]))
        missed: FloatArray = 1.0 - np.prod(1.0 - hazard, axis=1)
        return missed
    if product == DRIVER_FATIGUE.id:
        probability: FloatArray = 1.0 / (1.0 + np.exp(-margins[:, 0]))
        return probability
    names = [component.name for component in components]
    rate: FloatArray = np.exp(margins[:, names.index("frequency") if "frequency" in names else 0])
    return rate


def compare(
    rows: Judged, model: FloatArray, ceiling: Ceiling, *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Any]:
    """Return metrics of model, ceiling and oracle on the same rows, their ratios with intervals, and the inspection test.

    Parameters
    ----------
    rows
        n test rows.
    model
        (n,) predicted rates or probabilities.
    ceiling
        Of the same rows.

    Returns
    -------
    dict
        ``metrics``: name -> model, ceiling_low, ceiling_high, oracle, ratio_to_ceiling (to the lower estimate) with
        ``interval``, ratio_to_ceiling_high, ratio_to_oracle. Names are `gini` or `auc` on outcomes, the same with
        ``_expected`` on true expectations, and `d2`. AUC ratios are those of AUC above one half.
    """
    name, chance = ("auc", 0.5) if rows.kind == "binary" else ("gini", 0.0)
    statistics = _Statistics(rows, model, ceiling.before)
    intervals = metrics.bootstrap_intervals(statistics.ratios, rows.group, replicates=replicates, seed=seed)
    _, high_expected = ceiling.bounds(rows, rows.truth)
    low_expected = statistics.gains(rows.truth)[1]
    found = {}
    # Extrapolating a metric of noisy outcomes would extrapolate their noise: the factor is that of the expected outcomes.
    factor = high_expected / low_expected if low_expected > 0 else 1.0
    for suffix, observed, interval in zip(("", "_expected"), (rows.observed, rows.truth), intervals, strict=False):
        ours, low, best = statistics.gains(observed)
        found[name + suffix] = _entry(ours, low, low * factor, best, interval, chance)
    d2 = [metrics.d2(_objective(rows), rows.observed, _inside(rows, s), rows.weight) for s in (model, ceiling.before, rows.truth)]
    found["d2"] = _entry(d2[0], d2[1], None, d2[2], intervals[2], 0.0)
    headline = found[f"{name}_expected"]
    return {
        "rows": len(rows), "events": float(rows.observed @ rows.weight), "expected_events": float(rows.truth @ rows.weight),
        "enterprises": len(np.unique(rows.group)), "metrics": found,
        "headline": {
            "metric": f"{name}_expected", "aim": AIM, "met": bool((headline["ratio_to_ceiling"] or 0.0) >= AIM),
            "met_against_high": bool((headline["ratio_to_ceiling_high"] or 0.0) >= AIM),
        },
        "agreement": {"model": _agreement(model, rows.truth), "ceiling": _agreement(ceiling.before, rows.truth)},
        "inspection": inspection_dependence(rows, model, ceiling.before, replicates=replicates, seed=seed),
    }


class _Statistics:
    """Gains of model, ceiling and oracle on rows that are sorted once by each score."""

    def __init__(self, rows: Judged, model: FloatArray, ceiling: FloatArray) -> None:
        self._rows, self._scores = rows, (model, ceiling, rows.truth)
        self._orders = [np.argsort(score, kind="stable") for score in self._scores]

    def gains(self, observed: FloatArray, weight: FloatArray | None = None) -> list[float]:
        weights = self._rows.weight if weight is None else weight
        return [
            gain(self._rows.kind, observed[order], score[order], weights[order])
            for score, order in zip(self._scores, self._orders, strict=True)
        ]

    def ratios(self, multiplicity: FloatArray) -> list[float]:
        """Return model over ceiling: on outcomes, on expected outcomes, and of the deviance explained."""
        rows, weight = self._rows, self._rows.weight * multiplicity
        pairs = [self.gains(observed, weight)[:2] for observed in (rows.observed, rows.truth)]
        kept = weight > 0
        pairs.append([
            metrics.d2(_objective(rows), rows.observed[kept], _inside(rows, score)[kept], weight[kept])
            for score in self._scores[:2]
        ])
        return [ours / best if best > 0 else float("nan") for ours, best in pairs]


def _entry(
    ours: float, low: float, high: float | None, best: float, interval: tuple[float, float], chance: float
) -> dict[str, Any]:
    return {
        "model": ours + chance, "ceiling_low": low + chance, "ceiling_high": None if high is None else high + chance,
        "oracle": best + chance, "ratio_to_ceiling": _ratio(ours, low), "interval": [_finite(end) for end in interval],
        "ratio_to_ceiling_high": None if high is None else _ratio(ours, high), "ratio_to_oracle": _ratio(ours, best),
    }


def _objective(rows: Judged) -> Any:
    return rows.kind


def _inside(rows: Judged, score: FloatArray) -> FloatArray:
    floored: FloatArray = np.clip(score, 1e-9, 1.0 - 1e-9) if rows.kind == "binary" else np.maximum(score, 1e-9)
    return floored


def _ratio(ours: float, best: float) -> float | None:
    return ours / best if best > 0 else None


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _agreement(score: FloatArray, truth: FloatArray) -> float:
    """Return the correlation of log score and log truth."""
    logs = [np.log(np.maximum(values, 1e-12)) for values in (score, truth)]
    return float(pd.Series(logs[0]).corr(pd.Series(logs[1])))


def _described(ceiling: Ceiling, effort: Effort, matrix: FloatArray) -> dict[str, Any]:
    return {
        "enterprises": round(ceiling.n_groups), "inputs": matrix.shape[1], "folds": effort.folds, "max_rows": effort.max_rows,
        "trees": round(ceiling.trees),
    }


def _keep(settings: Settings, product: str, found: Mapping[str, Any], quick: bool) -> None:
    document = {
        "simulated": True, "quick": quick, "province": province_of(settings),
        "how": " ".join(f"{name}: {text}" for name, text in HOW.items()),
        **{key: value for key, value in found.items() if key != "digest"},
    }
    write_evidence(settings, product, found["digest"], EVIDENCE, document)


def _within(tell: ProgressCallback, product: str, index: int, count: int) -> ProgressCallback:
    return lambda label, share: tell(f"{product}: {label}", (index + share) / count)
