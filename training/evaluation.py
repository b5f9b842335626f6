"""How good a score is: measures per component and fold, against trivial baselines and within exposure quintiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.encoding import Matrix
from training import metrics
from training.matrix import Mask, Outcome, TrainingData, outcome
from training.splits import TEST, TRAIN, VALID
from training.task import ComponentTask

REPLICATES: Final = 200
PREMIUM_POWER: Final = 1.9
"""Power at which pure premiums are judged, that of the published French study."""

Figures = dict[str, Any]
Statistic = Callable[[Matrix, Matrix, Matrix], float]


def evaluate(data: TrainingData, component_margins: Matrix, *, seed: int, replicates: int = REPLICATES) -> Figures:
    """Return measures of calibrated margins, as plain JSON values.

    Parameters
    ----------
    data
        Frame with folds.
    component_margins
        (n, n_components) calibrated margins of every row, of a fitted score or of a scorer alike.
    seed, replicates
        Of the bootstrap over groups; only the test fold gets intervals.

    Returns
    -------
    dict
        ``components -> name -> fold -> measure -> value``, and for a pure premium ``score -> fold -> measure``. A fold
        without a usable row is left out.
    """
    components = {
        component.name: _component(data, component, component_margins[:, k], seed, replicates)
        for k, component in enumerate(data.task.components)
    }
    figures: Figures = {"components": components}
    if data.task.answer == "pure_premium" and data.task.amount is not None:
        # Components of other lines have no weight in the score.
        weights = np.array([component.score_weight for component in data.task.components])
        figures["score"] = _premium(data, component_margins @ weights, seed, replicates)
    return figures


def _component(
    data: TrainingData, component: ComponentTask, margin: Matrix, seed: int, replicates: int
) -> Figures:
    target = outcome(component, data.frame)
    predicted = metrics.inverse_link(component.objective, margin)
    measures = _measures(component)
    figures: Figures = {}
    for fold in (TRAIN, VALID, TEST):
        rows = target.used & data.in_fold(fold)
        # A rate without an event has neither a deviance nor a curve.
        if not rows.any() or not (target.label[rows] > 0).any():
            continue
        y, mu, w = target.label[rows], predicted[rows], target.weight[rows]
        figures[fold] = {"n_rows": len(y), "weight": float(w.sum()), "observed": float(w @ y)} | {
            name: statistic(y, mu, w) for name, statistic in measures.items()
        }
        figures[fold]["bands"] = _bands(y, mu, w)
        if fold == TEST:
            figures[fold]["ece_by_chance"] = metrics.ece_by_chance(y, mu, w)
            groups = data.frame[data.task.group].to_numpy()[rows]
            figures[fold]["intervals"] = _intervals(measures, y, mu, w, groups, seed, replicates)
            figures[fold]["baselines"] = _baselines(data, component, target, rows, mu)
            if component.exposure is not None:
                figures[fold]["exposure_quintiles"] = _within_quintiles(y, mu, w)
    return figures


def _measures(component: ComponentTask) -> dict[str, Statistic]:
    objective, power = component.objective, component.tweedie_power
    common: dict[str, Statistic] = {
        "deviance": lambda y, mu, w: metrics.mean_deviance(objective, y, mu, w, power=power),
        "d2": lambda y, mu, w: metrics.d2(objective, y, mu, w, power=power),
        "balance": metrics.balance,
        "ece": metrics.ece,
    }
    if objective == "binary":
        return common | {
            "auc": metrics.auc, "ks": metrics.ks, "brier": metrics.brier, "log_loss": metrics.log_loss,
        }
    return common | {"gini": metrics.gini}


def _premium(data: TrainingData, margin: Matrix, seed: int, replicates: int) -> Figures:
    task = data.task
    exposure = data.frame[task.exposure].to_numpy(dtype=np.float64)
    amount = data.frame[task.amount].to_numpy(dtype=np.float64)
    predicted = np.exp(margin)
    measures: dict[str, Statistic] = {
        "d2": lambda y, mu, w: metrics.d2("tweedie", y, mu, w, power=PREMIUM_POWER),
        "gini": metrics.gini, "balance": metrics.balance,
    }
    figures: Figures = {}
    for fold in (TRAIN, VALID, TEST):
        rows = data.in_fold(fold) & (exposure > 0)
        if not rows.any() or not (amount[rows] > 0).any():
            continue
        w = exposure[rows]
        y = amount[rows] / w
        figures[fold] = {name: statistic(y, predicted[rows], w) for name, statistic in measures.items()}
        figures[fold]["bands"] = _bands(y, predicted[rows], w)
        if fold == TEST:
            groups = data.frame[task.group].to_numpy()[rows]
            figures[fold]["intervals"] = _intervals(measures, y, predicted[rows], w, groups, seed, replicates)
    return figures


def _intervals(
    measures: dict[str, Statistic], y: Matrix, mu: Matrix, w: Matrix, groups: Any, seed: int, replicates: int
) -> dict[str, list[float] | None]:
    if replicates == 0:
        return {}
    codes, _ = pd.factorize(groups)
    order = np.argsort(mu, kind="stable")
    y, mu, w, codes = y[order], mu[order], w[order], codes[order]
    names = list(measures)

    def all_measures(times: Matrix) -> list[float]:
        drawn = times > 0
        observed, predicted, weight = y[drawn], mu[drawn], w[drawn] * times[drawn]
        if not (observed > 0).any():
            return [float("nan")] * len(names)
        return [measures[name](observed, predicted, weight) for name in names]

    intervals = metrics.bootstrap_intervals(all_measures, codes, replicates=replicates, seed=seed)
    return {
        name: None if np.isnan(low) else [low, high] for name, (low, high) in zip(names, intervals, strict=True)
    }


def _bands(y: Matrix, mu: Matrix, w: Matrix) -> list[dict[str, float]]:
    return [
        {"share": b.share, "expected": b.expected, "actual": b.actual, "actual_to_expected": b.actual_to_expected}
        for b in metrics.bands(y, mu, w)
    ]


def _baselines(
    data: TrainingData, component: ComponentTask, target: Outcome, rows: Mask, mu: Matrix
) -> dict[str, dict[str, float]]:
    """Return deviance of the trivial predictions on test, and the share of it that the score saves."""
    fitted = target.used & data.fitted_rows
    mean = np.average(target.label[fitted], weights=target.weight[fitted])
    predictions = {"constant": np.full(int(rows.sum()), mean)}
    if data.task.baseline is not None:
        column = data.frame[data.task.baseline].to_numpy(dtype=np.float64, na_value=np.nan)
        predictions[data.task.baseline] = binned_mean(column, target, fitted)[rows]
    y, w, power = target.label[rows], target.weight[rows], component.tweedie_power
    ours = metrics.mean_deviance(component.objective, y, mu, w, power=power)
    figures = {}
    for name, prediction in predictions.items():
        theirs = metrics.mean_deviance(component.objective, y, prediction, w, power=power)
        figures[name] = {"deviance": theirs, "saved_by_score": 1.0 - ours / theirs}
        if component.objective == "binary":
            figures[name]["auc"] = metrics.auc(y, prediction, w)
        else:
            figures[name]["gini"] = metrics.gini(y, prediction, w)
    return figures


def binned_mean(column: Matrix, target: Outcome, fitted: Mask, *, bins: int = 10) -> Matrix:
    """Return the (n,) average outcome of each row's quantile bin of one column; missing values are a bin of their own.

    Each bin is shrunk towards the overall mean by one per cent of the data's weight, so that none predicts zero.
    """
    label, weight = target.label[fitted], target.weight[fitted]
    known = column[fitted][~np.isnan(column[fitted])]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.array([])
    position = np.where(np.isnan(column), len(edges) + 1, np.searchsorted(edges, column, side="right"))
    overall, prior = float(np.average(label, weights=weight)), 0.01 * float(weight.sum())
    total = np.bincount(position[fitted], weight * label, minlength=len(edges) + 2)
    mass = np.bincount(position[fitted], weight, minlength=len(edges) + 2)
    means: Matrix = (total + prior * overall) / (mass + prior)
    return means[position]


def _within_quintiles(y: Matrix, mu: Matrix, w: Matrix) -> list[dict[str, float]]:
    """Return lift within quintiles of exposure, so that a score cannot shine by having learned exposure alone."""
    edges = np.unique(np.quantile(w, [0.2, 0.4, 0.6, 0.8]))
    position = np.searchsorted(edges, w, side="right")
    figures = []
    for quintile in range(len(edges) + 1):
        rows = position == quintile
        if not rows.any() or not (y[rows] > 0).any():
            continue
        top = metrics.bands(y[rows], mu[rows], w[rows])[-1]
        mean = float(np.average(y[rows], weights=w[rows]))
        figures.append({
            "exposure_from": float(w[rows].min()), "exposure_to": float(w[rows].max()), "rate": mean,
            "lift_top_decile": top.actual / mean, "gini": metrics.gini(y[rows], mu[rows], w[rows]),
        })
    return figures


def headline(figures: Figures) -> dict[str, float]:
    """Return the flat numbers that are logged and shown in tables: ``<component>_<fold>_<measure>``."""
    flat: dict[str, float] = {}
    parts = dict(figures["components"]) | ({"score": figures["score"]} if "score" in figures else {})
    for part, folds in parts.items():
        for fold, values in folds.items():
            flat |= {f"{part}_{fold}_{name}": v for name, v in values.items() if isinstance(v, float)}
    return flat

