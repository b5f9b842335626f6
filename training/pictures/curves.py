"""What the pictures of a card show, as plain values: bands with intervals, Lorenz curves, double lift, periods, points.

It is computed once, at training, on the test period (periods also on the validation period), so that a card can be drawn again
in another language or after an evaluation without the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.bundle import ScoreBundle
from registry.encoding import Matrix
from registry.local_time import months_of
from registry.scale import POINTS_MAX, POINTS_MIN
from training import metrics
from training.evaluation import binned_mean
from training.fitted import FittedScore
from training.matrix import Mask, Outcome, TrainingData, outcome
from training.splits import TEST, VALID

Curves = dict[str, Any]
Codes = npt.NDArray[np.intp]

BANDS: Final = 10
CURVE_POINTS: Final = 60
DRAWS: Final = 200
PERIODS: Final = 12
DIGITS: Final = 6


@dataclass(frozen=True)
class Judged:
    """One outcome on all n rows with its prediction; `used` rows count."""

    label: Matrix
    weight: Matrix
    used: Mask
    predicted: Matrix


def curves_of(fitted: FittedScore, bundle: ScoreBundle) -> Curves:
    """Return curves of every component and of the whole score, and the distribution of points on the test period.

    Returns
    -------
    dict
        ``parts -> name -> {bands, lorenz, double_lift, periods}`` and ``points``. A part without an event in the test period is
        left out.
    """
    data = fitted.data
    found = {name: _part(data, judged, fitted.seed) for name, judged in _judged(fitted).items()}
    return {"parts": {name: curves for name, curves in found.items() if curves}, "points": _points(fitted, bundle)}


def band_of(predicted: Matrix, weight: Matrix, *, count: int = BANDS) -> Codes:
    """Return (n,) band of each row, bands of equal weight from the safest to the riskiest, as `training.metrics.bands` has them."""
    order = np.argsort(predicted, kind="stable")
    w = weight[order]
    cumulated = np.cumsum(w)
    found = np.empty(len(order), dtype=np.intp)
    found[order] = np.minimum(((cumulated - w / 2) / cumulated[-1] * count).astype(np.intp), count - 1)
    return found


def ratio_bands(codes: Codes, count: int, judged: Judged, rows: Mask, groups: npt.NDArray[Any], seed: int) -> list[Curves]:
    """Return expected and actual mean of each of `count` sets of rows, and the 95 % interval of their ratio over drawn groups.

    Parameters
    ----------
    codes
        (n_rows,) set of each row that `rows` chooses, 0 to count - 1.
    groups
        (n_rows,) what is drawn whole.
    """
    y, mu, w = judged.label[rows], judged.predicted[rows], judged.weight[rows]
    group, names = pd.factorize(groups)
    cell = group * count + codes
    size = len(names) * count
    actual, expected, mass = (
        np.bincount(cell, values, minlength=size).reshape(len(names), count) for values in (w * y, w * mu, w)
    )
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (draws @ actual) / (draws @ expected)
    found = []
    for k in range(count):
        total = float(mass[:, k].sum())
        if total == 0:
            continue
        low, high = np.nanquantile(ratios[:, k], [0.025, 0.975])
        found.append({
            "index": k, "share": _short(total / mass.sum()), "expected": _short(expected[:, k].sum() / total),
            "actual": _short(actual[:, k].sum() / total), "low": _short(low), "high": _short(high),
        })
    return found


def _judged(fitted: FittedScore) -> dict[str, Judged]:
    data, margins = fitted.data, judged_margins(fitted)
    found = {}
    for k, component in enumerate(data.task.components):
        target = outcome(component, data.frame)
        predicted = metrics.inverse_link(component.objective, margins[:, k])
        found[component.name] = Judged(target.label, target.weight, target.used, predicted)
    if data.task.answer == "pure_premium" and data.task.amount is not None and data.task.exposure is not None:
        exposure = data.frame[data.task.exposure].to_numpy(dtype=np.float64, na_value=np.nan)
        amount = data.frame[data.task.amount].to_numpy(dtype=np.float64, na_value=np.nan)
        used = (exposure > 0) & np.isfinite(amount)
        label = np.divide(amount, exposure, out=np.zeros_like(amount), where=used)
        found["score"] = Judged(label, np.where(used, exposure, 0.0), used, np.exp(margins @ fitted.weights))
    return found


def judged_margins(fitted: FittedScore) -> Matrix:
    """Return (n, n_components) calibrated margins: out of fold on validation rows, of the saved boosters elsewhere."""
    valid = fitted.data.in_fold(VALID)[:, None]
    margins: Matrix = np.where(valid, fitted.honest_margins, fitted.component_margins)
    return margins


def _part(data: TrainingData, judged: Judged, seed: int) -> Curves:
    rows = judged.used & data.in_fold(TEST)
    if not rows.any() or not (judged.label[rows] > 0).any():
        return {}
    y, mu, w = judged.label[rows], judged.predicted[rows], judged.weight[rows]
    groups = data.frame[data.task.group].to_numpy()
    baseline = _baseline(data, judged)
    curves: Curves = {
        "bands": ratio_bands(band_of(mu, w), BANDS, judged, rows, groups[rows], seed),
        "lorenz": {"model": _lorenz(y, mu, w)}, "mean": _short(np.average(y, weights=w)),
    }
    if baseline is not None:
        name, predicted = baseline
        curves["baseline"] = name
        curves["lorenz"]["baseline"] = _lorenz(y, predicted[rows], w)
        curves["double_lift"] = double_lift(y, mu, predicted[rows], w)
    return curves | {"periods": _periods(data, judged, groups, seed)}


def _baseline(data: TrainingData, judged: Judged) -> tuple[str, Matrix] | None:
    name, fitted = data.task.baseline, judged.used & data.fitted_rows
    if name is None or not fitted.any():
        return None
    column = data.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return name, binned_mean(column, Outcome(judged.label, judged.weight, judged.used), fitted)


def double_lift(y: Matrix, ours: Matrix, theirs: Matrix, w: Matrix) -> list[dict[str, float]]:
    """Return, in bands of the ratio of two predictions, the means of both and of the outcome.

    The prediction that follows the outcome where the two disagree most is the better one.

    References
    ----------
    Goldburd, Khare and Tevet, "Generalized Linear Models for Insurance Rating", CAS Monograph 5, 2016, section 7.2.2.
    """
    codes = band_of(ours / theirs, w)
    found = []
    for k in np.unique(codes):
        rows = codes == k
        mean = [_short(np.average(values[rows], weights=w[rows])) for values in (y, ours, theirs)]
        found.append({"actual": mean[0], "ours": mean[1], "theirs": mean[2]})
    return found


def _lorenz(y: Matrix, predicted: Matrix, w: Matrix) -> list[list[float]]:
    x, cumulated = metrics.lorenz(y, predicted, w)
    grid = np.linspace(0, 1, CURVE_POINTS + 1)
    return [[_short(value) for value in grid], [_short(value) for value in np.interp(grid, x, cumulated)]]


def _periods(data: TrainingData, judged: Judged, groups: npt.NDArray[Any], seed: int) -> list[Curves]:
    """Return expected and actual by month of the cut-off, newest `PERIODS` months of validation and test."""
    if data.task.time is None:
        return []
    rows = judged.used & data.in_fold(VALID, TEST)
    months = months_of(data.frame[data.task.time])
    newest = np.unique(months[rows])[-PERIODS:].tolist()
    rows &= np.isin(months, newest)
    codes = np.searchsorted(np.array(newest), months[rows]) if newest else np.empty(0, dtype=np.intp)
    in_test = set(np.unique(months[data.in_fold(TEST)]).tolist())
    found = ratio_bands(codes, len(newest), judged, rows, groups[rows], seed) if newest else []
    return [{"month": newest[one["index"]], "fold": TEST if newest[one["index"]] in in_test else VALID, **one} for one in found]


def _points(fitted: FittedScore, bundle: ScoreBundle) -> Curves:
    scale, rows = bundle.manifest.scale, fitted.data.in_fold(TEST)
    points = np.clip(scale.points(0.0) + scale.slope * fitted.margin, POINTS_MIN, POINTS_MAX)
    edges = np.linspace(POINTS_MIN, POINTS_MAX, 201)
    reference, test = points[fitted.data.fitted_rows], points[rows]
    return {
        "cut_points": list(bundle.manifest.cut_points), "edges": edges.tolist(),
        "reference": np.histogram(reference, edges)[0].tolist(), "test": np.histogram(test, edges)[0].tolist(),
        "tiers": {"reference": _tiers(reference, bundle), "test": _tiers(test, bundle)},
    }


def _tiers(points: Matrix, bundle: ScoreBundle) -> list[float]:
    """Return the shares of blue, yellow, orange and red."""
    tiers = np.searchsorted(np.array(bundle.manifest.cut_points), points, side="right")
    counts = np.bincount(tiers, minlength=4)
    return [_short(count / max(len(points), 1)) for count in counts]


def _short(value: Any) -> float:
    return float(f"{float(value):.{DIGITS}g}")
