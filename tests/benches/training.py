"""Fit a claim frequency with our trainer, beside scikit-learn's histogram boosting on the same rows.

30,000 made-up rows with 20 numbers and a known true rate; both grow 200 trees of at most 31 leaves and depth 7 at a
learning rate of 0.05, on two threads. Ours is the whole of `fit_score`: checks, matrix, boosting, and raw margins on every
row. The peer is `HistGradientBoostingRegressor(loss="poisson")` on a matrix that is ready made, with claims per exposure
weighted by exposure, which is the same likelihood. Deviance is the mean Poisson deviance per exposure on rows that neither
has seen.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import numpy as np
import pandas as pd

from tests.lib.portfolios import NUMBERS, portfolio, portfolio_task
from tests.lib.timing import medians
from training.fit import FittedScore, fit_score
from training.metrics import mean_deviance
from training.splits import FOLD, TEST, TRAIN

TITLE: Final = "Training"
FIGURES: Final = {
    "fit_time_ratio": "our time / scikit-learn's",
    "deviance_ratio": "our deviance / scikit-learn's, unseen rows",
    "deviance_ours": "mean Poisson deviance of ours, unseen rows",
    "deviance_scikit_learn": "mean Poisson deviance of scikit-learn, unseen rows",
    "deviance_truth": "mean Poisson deviance of the true rate: no model can be expected to go below",
    "fit_ours_s": "our time in seconds",
}
TREES: Final = 200


def run() -> dict[str, float]:
    """Return the figures."""
    frame = portfolio(30_000)
    unseen = frame[frame[FOLD] == TEST]
    made: dict[str, Any] = {}
    for library in ("lightgbm", "sklearn.ensemble"):
        import_module(library)  # its import is no part of a fit
    spent = medians({
        "ours": lambda: made.update(ours=_ours(frame)), "peer": lambda: made.update(peer=_peer(frame)),
    }, rounds=3, warm=False)
    ours = np.exp(made["ours"].raw[(frame[FOLD] == TEST).to_numpy(), 0])
    deviance = {
        "ours": _deviance(unseen, ours),
        "peer": _deviance(unseen, made["peer"].predict(unseen[list(NUMBERS)].to_numpy())),
        "truth": _deviance(unseen, unseen["rate"].to_numpy()),
    }
    return {
        "fit_time_ratio": spent["ours"] / spent["peer"],
        "deviance_ratio": deviance["ours"] / deviance["peer"],
        "deviance_ours": deviance["ours"],
        "deviance_scikit_learn": deviance["peer"],
        "deviance_truth": deviance["truth"],
        "fit_ours_s": spent["ours"],
    }


def _ours(frame: pd.DataFrame) -> FittedScore:
    return fit_score(portfolio_task(), frame, seed=1, threads=2, parameters={"n_trees": TREES, "patience": 0})


def _peer(frame: pd.DataFrame) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    train = frame[frame[FOLD] == TRAIN]
    exposure = train["exposure"].to_numpy()
    model = HistGradientBoostingRegressor(
        loss="poisson", max_iter=TREES, learning_rate=0.05, max_leaf_nodes=31, max_depth=7, min_samples_leaf=50,
        l2_regularization=1.0, early_stopping=False, random_state=1,
    )
    return model.fit(train[list(NUMBERS)].to_numpy(), train["claims"].to_numpy() / exposure, sample_weight=exposure)


def _deviance(rows: pd.DataFrame, rate: Any) -> float:
    exposure = rows["exposure"].to_numpy()
    return mean_deviance("poisson", rows["claims"].to_numpy() / exposure, rate, exposure)
