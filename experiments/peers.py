"""What stands beside our scores in a study: a GLM, an EBM, a scorecard, and LightGBM as it comes.

Every peer is fitted on all rows that are not test rows, of the same inputs, label and weight as ours, and predicts the mean of
each component. None of them enters a bundle.

References
----------
GLM with binned inputs: Ohlsson and Johansson, "Non-Life Insurance Pricing with Generalized Linear Models", 2010, section 2.
EBM: Lou, Caruana, Gehrke and Hooker, "Accurate Intelligible Models with Pairwise Interactions", KDD 2013.
Scorecard: Navas-Palencia, "Optimal Binning: Mathematical Programming Formulation", 2020; Siddiqi, "Credit Risk
Scorecards", 2006 (weight of evidence and logistic regression).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.bundle import Objective
from registry.encoding import Matrix
from registry.errors import TrainingError
from registry.feature_spec import Feature

GLM_BINS: Final = 12
GLM_ALPHAS: Final = (1e-3, 1e-4, 1e-5, 1e-6)
GLM_FOLDS: Final = 4
EBM_BAGS: Final = 4
EBM_PAIRS: Final = 10
EBM_OBJECTIVES: Final = {
    "binary": "log_loss", "poisson": "poisson_deviance", "gamma": "gamma_deviance",
    "tweedie": "tweedie_deviance:variance_power={power}",
}
SOLVER_LOGGER: Final = "__cvxpy__"
SOLVER_NOTICE: Final = "exception importing solver"


@dataclass(frozen=True)
class Sample:
    """What a peer is fitted on and predicts.

    Parameters
    ----------
    features
        Inputs in the order of the matrix.
    matrix
        (n, n_features) as our own boosters see it, categories as codes.
    label, weight
        (n,) outcome and weight.
    fitted
        (n,) rows to fit on.
    objective, power
        Family of the outcome.
    """

    features: Sequence[Feature]
    matrix: Matrix
    label: Matrix
    weight: Matrix
    fitted: Any
    objective: Objective
    power: float = 1.5


def peer_means(kind: str, sample: Sample, *, seed: int, threads: int) -> Matrix:
    """Return the (n,) means that a peer predicts: glm, ebm, scorecard or untuned.

    Raises
    ------
    TrainingError
        If the peer cannot model such an outcome.
    """
    if kind == "scorecard" and sample.objective != "binary":
        raise TrainingError(
            f"a scorecard is for binary outcomes, met {sample.objective}", where="peers", remedy="Use glm or ebm."
        )
    with warnings.catch_warnings():
        # They speak of each other's coming versions; nothing in them is about these data.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        # The EBM's pictures, which nobody draws here, show no missing values.
        warnings.filterwarnings("ignore", message="Missing values detected", category=UserWarning)
        means: Matrix = np.asarray(PEERS[kind](sample, seed, threads), dtype=np.float64)
    return means


def _glm(sample: Sample, seed: int, threads: int) -> Any:
    from glum import GeneralizedLinearRegressorCV, TweedieDistribution
    from sklearn.model_selection import KFold

    design = _binned(sample)
    family = {"binary": "binomial", "tweedie": TweedieDistribution(sample.power)}.get(sample.objective, sample.objective)
    rows = sample.fitted
    model = GeneralizedLinearRegressorCV(
        family=family, l1_ratio=0.0, alphas=list(GLM_ALPHAS), n_jobs=1,
        cv=KFold(GLM_FOLDS, shuffle=True, random_state=seed), drop_first=False,
    )
    model.fit(design[rows], sample.label[rows], sample_weight=sample.weight[rows])
    return model.predict(design)


def _binned(sample: Sample) -> pd.DataFrame:
    """Return every input as a factor: its categories or values where they are few, else quantile bins; null is a level."""
    columns = {}
    for j, feature in enumerate(sample.features):
        values = sample.matrix[:, j]
        seen = values[sample.fitted & ~np.isnan(values)]
        levels = np.unique(seen)
        if feature.dtype != "category" and len(levels) > GLM_BINS:
            levels = np.unique(np.quantile(seen, np.linspace(0, 1, GLM_BINS + 1))[1:-1])
            values = np.where(np.isnan(values), np.nan, np.searchsorted(levels, values, side="right"))
            levels = np.arange(len(levels) + 1)
        codes = np.searchsorted(levels, values)
        known = (codes < len(levels)) & (levels[np.minimum(codes, len(levels) - 1)] == values)
        columns[feature.name] = pd.Categorical(np.where(known, codes, len(levels)), categories=range(len(levels) + 1))
    return pd.DataFrame(columns)


def _ebm(sample: Sample, seed: int, threads: int) -> Any:
    from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor

    kind = ExplainableBoostingClassifier if sample.objective == "binary" else ExplainableBoostingRegressor
    model = kind(
        feature_names=[feature.name for feature in sample.features], random_state=seed, n_jobs=threads,
        feature_types=["nominal" if feature.dtype == "category" else "continuous" for feature in sample.features],
        objective=EBM_OBJECTIVES[sample.objective].format(power=sample.power), outer_bags=EBM_BAGS,
        interactions=EBM_PAIRS,
    )
    rows = sample.fitted
    model.fit(sample.matrix[rows], sample.label[rows], sample_weight=sample.weight[rows])
    if sample.objective == "binary":
        return model.predict_proba(sample.matrix)[:, 1]
    return model.predict(sample.matrix)


def _scorecard(sample: Sample, seed: int, threads: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    optbinning = import_optbinning()
    names = [feature.name for feature in sample.features]
    frame = pd.DataFrame(sample.matrix, columns=names)
    rows = sample.fitted
    binning = optbinning.BinningProcess(
        names, categorical_variables=[feature.name for feature in sample.features if feature.dtype == "category"],
        n_jobs=1,
    )
    card = optbinning.Scorecard(
        binning_process=binning, estimator=LogisticRegression(C=0.1, max_iter=2000, random_state=seed),
    )
    card.fit(frame[rows], sample.label[rows].astype(int), sample_weight=None, metric_missing="empirical")
    return card.predict_proba(frame)[:, 1]


def _untuned(sample: Sample, seed: int, threads: int) -> Any:
    import lightgbm

    rows = sample.fitted
    settings = {
        "objective": sample.objective, "seed": seed, "deterministic": True, "force_row_wise": True, "verbosity": -1,
        "num_threads": threads,
    }
    categories = [j for j, feature in enumerate(sample.features) if feature.dtype == "category"]
    data = lightgbm.Dataset(
        sample.matrix[rows], sample.label[rows], weight=sample.weight[rows], categorical_feature=categories
    )
    return lightgbm.train(settings, data, num_boost_round=100).predict(sample.matrix)


PEERS: Final = {"glm": _glm, "ebm": _ebm, "scorecard": _scorecard, "untuned": _untuned}


def import_optbinning() -> Any:
    """Return optbinning, without the notice of its optimiser about solvers that it cannot load and we do not use.

    Raises
    ------
    TrainingError
        If it is not installed.
    """
    # The optimiser logs it while it is imported, through a logger that it sets up itself; a filter is what it leaves alone.
    logging.getLogger(SOLVER_LOGGER).addFilter(_is_no_solver_notice)
    try:
        import optbinning
    except ImportError as error:
        raise TrainingError(
            f"no scorecard without optbinning: {error}", where="peers", remedy="Install the project with the extra `studies`."
        ) from error
    return optbinning


def _is_no_solver_notice(record: logging.LogRecord) -> bool:
    return SOLVER_NOTICE not in record.getMessage()
