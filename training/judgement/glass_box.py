"""Glass boxes beside the score: a generalised linear model and an explainable boosting machine on the same rows and inputs.

They are trained on the development rows alone. What a penalty or an early stop needs to be chosen on is the validation fold or held
out groups of the development rows, never the test period.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.bundle import ManifestFeature, Objective
from registry.encoding import Matrix
from training.matrix import Mask
from training.metrics import mean_deviance

GLM_BINS: Final = 8
GLM_ROWS: Final = 40_000
PENALTIES: Final = (1.0, 0.1, 0.01)
"""L2 penalties that are tried, as shares of the curvature at the mean, strongest first; each starts where the one before ended."""
EBM_BINS: Final = 64
EBM_BAGS: Final = 2
EBM_ROUNDS: Final = 1_000
EBM_RATE: Final = 0.06
EBM_HELD_OUT: Final = 0.15
Rows = npt.NDArray[np.intp]

EBM_OBJECTIVES: Final = {"poisson": "poisson_deviance", "gamma": "gamma_deviance", "binary": "log_loss"}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a glass box is fitted to.

    Parameters
    ----------
    objective, power
        Family.
    matrix, features
        (n, n_features) encoded inputs and their declarations.
    label, weight
        (n,) outcome per unit of weight.
    train, valid
        (n,) rows to fit on and rows to choose on; together the development rows.
    groups
        (n,) group of each row.
    seed
        Of everything random.
    """

    objective: Objective
    power: float
    matrix: Matrix
    features: Sequence[ManifestFeature]
    label: Matrix
    weight: Matrix
    train: Mask
    valid: Mask
    groups: npt.NDArray[Any]
    seed: int


@dataclass(frozen=True)
class Fitted:
    """Predictions of a glass box and what to say about how it was made."""

    prediction: Matrix
    facts: dict[str, Any]


def fit_glm(problem: Problem, *, bins: int = GLM_BINS, max_rows: int = GLM_ROWS) -> Fitted:
    """Fit a generalised linear model with one coefficient per bin of each input, and per missing value.

    Bins are quantiles of the development rows; a category has a bin per code. The L2 penalty is the one with the least deviance
    on the validation rows; with it the model is fitted again on train and valid together.

    Parameters
    ----------
    problem
        What to fit.
    bins
        Bins of a numeric input.
    max_rows
        Rows of development at most, and a third of them to choose the penalty on, drawn at random; the facts say how many.
    """
    levels, counts = _binned(problem, bins)
    scale, searched = _curvature(problem), _capped(problem, np.flatnonzero(problem.train), max_rows // 3)
    start, deviances = None, []
    for penalty in PENALTIES:
        model = _glm(problem, levels, counts, searched, penalty * scale, start)
        start = np.append(model.intercept_, model.coef_)
        valid = np.flatnonzero(problem.valid)
        deviances.append(_deviance(problem, _glm_predict(model, levels, counts, valid), valid))
    best = int(np.argmin(deviances))
    rows = _capped(problem, np.flatnonzero(problem.train | problem.valid), max_rows)
    final = _glm(problem, levels, counts, rows, PENALTIES[best] * scale, start)
    prediction = _positive(problem, _glm_predict(final, levels, counts, np.arange(len(levels))))
    return Fitted(_balanced(problem, prediction), {
        "model": "generalised linear model (glum)", "link": "logit" if problem.objective == "binary" else "log",
        "coefficients": int(sum(counts)), "bins_per_input": bins, "penalty": PENALTIES[best],
        "valid_deviance": dict(zip(map(str, PENALTIES), deviances, strict=True)),
        "rows": len(rows), "rows_available": int((problem.train | problem.valid).sum()), "rows_of_search": len(searched),
    })


def _binned(problem: Problem, bins: int) -> tuple[npt.NDArray[np.int32], list[int]]:
    """Return (n, n_features) levels and the number of levels of each input; a missing value is the last level."""
    matrix, fitted = problem.matrix, problem.train | problem.valid
    levels = np.empty(matrix.shape, dtype=np.int32, order="F")
    counts = []
    for j, feature in enumerate(problem.features):
        column = matrix[:, j]
        if feature.dtype == "category":
            width = len(feature.vocabulary) + 1
            codes = np.nan_to_num(column, nan=width)
        else:
            known = column[fitted & ~np.isnan(column)]
            edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])) if len(known) else np.empty(0)
            width = len(edges) + 1
            codes = np.where(np.isnan(column), width, np.searchsorted(edges, column, side="right"))
        levels[:, j] = codes
        counts.append(width + 1)
    return levels, counts


def _design(levels: npt.NDArray[np.int32], counts: Sequence[int], rows: Rows) -> pd.DataFrame:
    return pd.DataFrame({
        f"input_{j}": pd.Categorical.from_codes(levels[rows, j], categories=pd.RangeIndex(count))
        for j, count in enumerate(counts)
    })


def _glm(
    problem: Problem, levels: npt.NDArray[np.int32], counts: Sequence[int], rows: Rows, alpha: float, start: Matrix | None
) -> Any:
    from glum import GeneralizedLinearRegressor, TweedieDistribution

    families = {"binary": "binomial", "tweedie": TweedieDistribution(problem.power)}
    model = GeneralizedLinearRegressor(
        family=families.get(problem.objective, problem.objective), link="logit" if problem.objective == "binary" else "log",
        alpha=alpha, l1_ratio=0.0, solver="irls-ls", max_iter=50, gradient_tol=1e-4, start_params=start,
        force_all_finite=False,
    )
    with warnings.catch_warnings():
        # A penalty under which the last digits have not settled is judged by its deviance like any other.
        warnings.simplefilter("ignore")
        return model.fit(_design(levels, counts, rows), problem.label[rows], sample_weight=problem.weight[rows])


def _glm_predict(model: Any, levels: npt.NDArray[np.int32], counts: Sequence[int], rows: Rows) -> Matrix:
    return np.asarray(model.predict(_design(levels, counts, rows)), dtype=np.float64)


def _curvature(problem: Problem) -> float:
    rows = problem.train
    mean = float(np.average(problem.label[rows], weights=problem.weight[rows]))
    match problem.objective:
        case "binary":
            return mean * (1 - mean)
        case "poisson":
            return mean
        case "gamma":
            return 1.0
        case "tweedie":
            return float(mean ** (2 - problem.power))


def fit_ebm(
    problem: Problem, *, max_rows: int, threads: int = 1, bags: int = EBM_BAGS, rounds: int = EBM_ROUNDS
) -> Fitted:
    """Fit an explainable boosting machine: one additive shape per input, no interactions, exposure as weight.

    Parameters
    ----------
    problem
        What to fit.
    max_rows
        Rows of development at most, drawn at random; the facts say so.
    threads
        Bags fitted at once.
    bags, rounds
        Outer bags, each of which stops early on its own held-out groups, and boosting rounds at most.

    References
    ----------
    Lou, Caruana and Gehrke, "Intelligible models for classification and regression", KDD 2012.
    """
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    rows = _capped(problem, np.flatnonzero(problem.train | problem.valid), max_rows)
    binary = problem.objective == "binary"
    kind = ExplainableBoostingClassifier if binary else ExplainableBoostingRegressor
    objective = EBM_OBJECTIVES.get(problem.objective, f"tweedie_deviance:variance_power={problem.power:g}")
    model = kind(
        objective=objective, interactions=0, max_bins=EBM_BINS, outer_bags=bags, max_rounds=rounds, learning_rate=EBM_RATE,
        feature_names=[feature.name for feature in problem.features], n_jobs=threads, random_state=problem.seed,
        feature_types=["nominal" if f.dtype == "category" else "continuous" for f in problem.features],
    )
    label = problem.label[rows].astype(int) if binary else problem.label[rows]
    with warnings.catch_warnings():
        # It warns of missing values, which it has a bin for, and of a link that it chose itself.
        warnings.simplefilter("ignore")
        model.fit(problem.matrix[rows], label, sample_weight=problem.weight[rows], bags=_bags(problem, rows, bags))
        raw = model.predict_proba(problem.matrix)[:, 1] if binary else model.predict(problem.matrix)
    prediction = _positive(problem, np.asarray(raw, dtype=np.float64))
    return Fitted(_balanced(problem, prediction), {
        "model": "explainable boosting machine (interpret)", "interactions": 0, "outer_bags": bags, "rounds_at_most": rounds,
        "rows": len(rows), "rows_available": int((problem.train | problem.valid).sum()),
    })


def _capped(problem: Problem, rows: Rows, most: int) -> Rows:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(problem.seed).choice(rows, most, replace=False))


def _bags(problem: Problem, rows: Rows, bags: int) -> npt.NDArray[np.int8]:
    """Return (n, bags) +1 to fit on and -1 to stop on: whole groups are held out, others in each bag."""
    codes, names = pd.factorize(problem.groups[rows])
    generator = np.random.default_rng(problem.seed)
    held = generator.random((len(names), bags)) < EBM_HELD_OUT
    held[0], held[-1] = False, True  # neither side is ever empty
    return np.where(held[codes], -1, 1).astype(np.int8)


def _positive(problem: Problem, prediction: Matrix) -> Matrix:
    upper = 1 - 1e-9 if problem.objective == "binary" else np.inf
    return np.clip(prediction, 1e-9, upper)


def _balanced(problem: Problem, prediction: Matrix) -> Matrix:
    """Return predictions of a log link whose total over the development rows is right; a sample's mean need not be."""
    if problem.objective == "binary":
        return prediction
    rows = problem.train | problem.valid
    weight = problem.weight[rows]
    return prediction * (float(weight @ problem.label[rows]) / float(weight @ prediction[rows]))


def _deviance(problem: Problem, predicted: Matrix, rows: Rows) -> float:
    return mean_deviance(problem.objective, problem.label[rows], predicted, problem.weight[rows], power=problem.power)
