"""From a fitted and calibrated score to its bundle: reference population, cut-points, golden rows, provenance."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.answers import expit
from registry.bundle import (
    Component,
    Golden,
    Line,
    Manifest,
    ManifestFeature,
    Provenance,
    Reference,
    ScoreBundle,
    make_bundle,
)
from registry.codes import CODE_LISTS
from registry.encoding import OTHER_CODE, Matrix
from registry.errors import TrainingError
from registry.scale import POINTS_MAX, POINTS_MIN, ScoreScale
from registry.treeshap.engines import engine_for
from training.fitted import FittedComponent, FittedScore
from training.matrix import outcome
from training.splits import TEST, TRAIN, VALID
from training.task import LineTask

GOLDEN_ROWS: Final = 8
LIBRARIES: Final = ("lightgbm", "numpy", "pandas", "scikit-learn")
OBSERVED: Final = (0.01, 0.99)
"""What lies outside of these quantiles of the reference population is no ordinary value. [A]"""
DECIMALS: Final = 9
"""Points and answers of the reference population are kept to this many decimals."""


def assemble(fitted: FittedScore, *, snapshot: str, data_cut: str | None = None) -> ScoreBundle:
    """Return the bundle of a score.

    The reference population is train and valid together: all that the score has seen, so that the test fold stays
    unseen by the scale and the cut-points too.

    Parameters
    ----------
    fitted
        A calibrated score.
    snapshot
        Hash of the data it was trained on.
    data_cut
        Moment at which the data were cut; by default the last cut-off of train and valid.
    """
    manifest = _manifest(fitted, snapshot, data_cut)
    golden = _golden(fitted)
    return make_bundle(manifest, golden, {c.task.name: c.text for c in fitted.components})


def _manifest(fitted: FittedScore, snapshot: str, data_cut: str | None) -> Manifest:
    task = fitted.task
    rows = fitted.data.fitted_rows
    # Out of fold: a booster's margins on rows that it was fitted on are wider spread than those on rows to come.
    margin = fitted.honest_margin[rows]
    reference_margin = float(margin.mean())
    points = _points(margin, reference_margin)
    train_window = _window(fitted, TRAIN)
    return Manifest(
        product=task.id, zh=task.zh, en=task.en, entity=task.entity, answer=task.answer,
        exposure_unit=task.exposure_unit, currency=task.currency, horizon_d=task.horizon_d,
        features=tuple(ManifestFeature.of(feature) for feature in task.features),
        components=tuple(map(_component, fitted.components)),
        cut_points=cut_points(points, task.tier_shares),
        reference=Reference(
            n_rows=int(rows.sum()), mean_margin=reference_margin, mean_answer=_mean_answer(fitted),
            point_quantiles=_ascending(np.quantile(points, np.linspace(0, 1, 101))), medians=_medians(fitted),
            ranges=_ranges(fitted),
        ),
        provenance=_provenance(fitted, snapshot, data_cut or max(train_window[1], _window(fitted, VALID)[1])),
        lines=tuple(_line(fitted, line) for line in task.lines), band=task.band, service=task.service,
        explained_by=engine_for(component.text for component in fitted.components),
    )


def _component(fitted: FittedComponent) -> Component:
    task = fitted.task
    return Component(
        name=task.name, objective=task.objective, weight=task.score_weight, slope=fitted.slope,
        intercept=fitted.intercept, horizon_d=task.horizon_d, n_trees=fitted.n_trees, dispersion=fitted.dispersion,
        line=task.line, cause=task.cause,
    )


def _provenance(fitted: FittedScore, snapshot: str, data_cut: str) -> Provenance:
    return Provenance(
        data_cut=data_cut, train_window=_window(fitted, TRAIN), valid_window=_window(fitted, VALID),
        test_window=_window(fitted, TEST), snapshot=snapshot, seed=fitted.seed, simulated=fitted.task.simulated,
        parameters={c.task.name: {**c.parameters, "members": fitted.task.members} for c in fitted.components},
        libraries={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
    )


def _line(fitted: FittedScore, line: LineTask) -> Line:
    """Return what the reference population says of a line: its mean cost, and what large losses add to it."""
    rows = fitted.data.fitted_rows
    frame = fitted.data.frame.loc[rows]
    exposure, amount, full = (
        frame[name].to_numpy(dtype=np.float64, na_value=0.0) for name in (line.exposure, line.amount, line.amount_full)
    )
    names = [c.task.name for c in fitted.components]
    frequency, severity = names.index(line.frequency), names.index(line.severity)
    predicted = np.exp(fitted.honest_margins[rows][:, [frequency, severity]].sum(axis=1))
    claims = outcome(fitted.components[frequency].task, fitted.data.frame)
    zh, en = CODE_LISTS["insurance_line"].codes[line.id]
    return Line(
        id=line.id, zh=zh, en=en, frequency=line.frequency, severity=line.severity,
        mean_answer=float(np.average(predicted, weights=exposure)), large_loss=line.large_loss,
        large_loss_factor=float(full.sum() / amount.sum()),
        n_claims=round(float((claims.label * claims.weight)[rows].sum())),
    )


def cut_points(points: Matrix, tier_shares: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return points from which a score is yellow, orange, red, so that these shares of the population lie above.

    Parameters
    ----------
    points
        (n,) points of the reference population.
    tier_shares
        Shares that are (red, orange, yellow); the rest is blue.
    """
    red, orange, yellow = np.cumsum(tier_shares)
    if not 0.0 < red <= orange <= yellow < 1.0:
        raise TrainingError(f"tier shares must be positive and leave some rows blue, met {tier_shares}")
    first, second, third = _ascending(np.quantile(points, [1.0 - yellow, 1.0 - orange, 1.0 - red]))
    return first, second, third


def _points(margin: Matrix, reference_margin: float) -> Matrix:
    scale = ScoreScale(reference_margin=reference_margin, cut_points=(0.0, 0.0, 0.0))
    points: Matrix = np.clip(np.array([scale.points(m) for m in margin.tolist()]), POINTS_MIN, POINTS_MAX)
    return points


def _ascending(values: Matrix) -> tuple[float, ...]:
    # Quantiles interpolate, and rounding of an interpolation may step back by one unit in the last place.
    return tuple(np.maximum.accumulate(np.round(values, DECIMALS)).tolist())


def _mean_answer(fitted: FittedScore) -> float:
    """Return the exposure-weighted mean answer of the reference population."""
    task, rows = fitted.task, fitted.data.fitted_rows
    margins = fitted.honest_margins[rows][:, fitted.weights != 0]
    match task.answer:
        case "rate" | "pure_premium":
            answers = np.exp(margins.sum(axis=1))
        case "probability":
            answers = np.array([expit(m) for m in margins.sum(axis=1).tolist()])
        case "hazard":
            answers = 1.0 - np.prod(1.0 / (1.0 + np.exp(np.clip(margins, -700, 700))), axis=1)
    weight = None
    if task.exposure is not None:
        exposure = fitted.data.frame[task.exposure].to_numpy(dtype=np.float64, na_value=np.nan)[rows]
        weight = np.where(np.isnan(exposure), 0.0, exposure)
    return float(np.average(answers, weights=weight))


def _medians(fitted: FittedScore) -> dict[str, float | None]:
    rows, medians = fitted.data.fitted_rows, {}
    for j, feature in enumerate(fitted.task.features):
        if feature.dtype == "float":
            column = fitted.data.matrix[rows, j].astype(np.float64, copy=False)
            known = column[~np.isnan(column)]
            medians[feature.name] = float(np.median(known)) if len(known) else None
    return medians


def _ranges(fitted: FittedScore) -> dict[str, tuple[float, float]]:
    rows, ranges = fitted.data.fitted_rows, {}
    for j, feature in enumerate(fitted.task.features):
        if feature.dtype == "float":
            column = fitted.data.matrix[rows, j].astype(np.float64, copy=False)
            known = column[~np.isnan(column)]
            if len(known):
                low, high = np.quantile(known, OBSERVED).tolist()
                ranges[feature.name] = (low, high)
    return ranges


def _window(fitted: FittedScore, fold: str) -> tuple[str, str]:
    """Return first and last cut-off of a fold, empty texts where the data have no time or the fold no row."""
    time, rows = fitted.task.time, fitted.data.in_fold(fold)
    if time is None or not rows.any():
        return "", ""
    moments = fitted.data.frame.loc[rows, time]
    first, last = moments.min(), moments.max()
    return _text(first), _text(last)


def _text(moment: Any) -> str:
    text: str = pd.Timestamp(moment).tz_convert("UTC").isoformat()
    return text


def _golden(fitted: FittedScore) -> Golden:
    """Return rows across the range of scores, and among them one all missing and one with every category unseen.

    The raw margins come from the saved texts on one thread, as a reader will compute them.
    """
    import lightgbm

    matrix = fitted.data.matrix
    candidates = np.flatnonzero(fitted.data.fitted_rows)
    order = candidates[np.argsort(fitted.margin[candidates], kind="stable")]
    chosen = order[np.linspace(0, len(order) - 1, GOLDEN_ROWS - 2).astype(int)]
    categories = [feature.dtype == "category" for feature in fitted.task.features]
    middle = matrix[order[len(order) // 2]]
    filled = {"missing": np.nan, "zero": 0.0}
    missing = np.array([
        filled.get(feature.null_rule, float(known))
        for feature, known in zip(fitted.task.features, middle, strict=True)
    ])
    other = np.where(categories, OTHER_CODE, middle)
    rows = np.vstack([matrix[chosen], missing, other])
    raw = np.column_stack([
        lightgbm.Booster(model_str=c.text).predict(rows, raw_score=True, num_threads=1) for c in fitted.components
    ])
    return Golden(
        rows=tuple(tuple(None if np.isnan(v) else float(v) for v in row) for row in rows),
        raw=tuple(tuple(row) for row in raw.tolist()),
    )
