"""Fit a claim frequency with our trainer, beside XGBoost and scikit-learn's histogram boosting on the same rows.

100,000 made-up rows with 20 numbers and a known true rate; each grows 200 trees of at most 31 leaves and depth 7 at a learning
rate of 0.05, on two threads. Ours is the whole of `fit_score`: checks, matrix, boosting, and raw margins on every row. The
peers are `xgboost.train` (`tree_method="hist"`, leaf-wise) and `HistGradientBoostingRegressor(loss="poisson")` on a matrix
that is ready made, with claims per exposure weighted by exposure, which is the same likelihood. Deviance is the mean Poisson
deviance per exposure on rows that none has seen.

At equal quality: the level is the worst of the three best deviances on validation rows, and each library is timed again with
the fewest trees at which it reaches that level, so that all three are stopped at the same validation deviance.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.encoding import Matrix
from tests.lib.portfolios import NUMBERS, portfolio, portfolio_task
from tests.lib.timing import medians
from training.fit import fit_score
from training.metrics import mean_deviance
from training.splits import FOLD, TEST, TRAIN, VALID

TITLE: Final = "Training"
PEERS: Final = {"xgboost": "XGBoost hist", "scikit_learn": "scikit-learn"}
FIGURES: Final = {
    **{f"fit_time_{peer}_ratio": f"our time / {words}'s, 200 trees" for peer, words in PEERS.items()},
    **{f"deviance_{peer}_ratio": f"our deviance / {words}'s, 200 trees, unseen rows" for peer, words in PEERS.items()},
    **{f"equal_time_{peer}_ratio": f"our time / {words}'s at equal quality" for peer, words in PEERS.items()},
    **{f"equal_deviance_{peer}_ratio": f"our deviance / {words}'s at equal quality, unseen rows" for peer, words in PEERS.items()},
    **{
        f"equal_trees_{name}": f"trees at which {words} reaches the level"
        for name, words in {"ours": "our trainer", **PEERS}.items()
    },
    "equal_level": "the level: mean Poisson deviance on validation rows",
    "deviance_ours": "mean Poisson deviance of ours, unseen rows",
    **{f"deviance_{peer}": f"mean Poisson deviance of {words}, unseen rows" for peer, words in PEERS.items()},
    "deviance_truth": "mean Poisson deviance of the true rate: no model can be expected to go below",
    "fit_ours_s": "our time in seconds",
}
ROWS: Final = 100_000
TREES: Final = 200
STEP: Final = 5
Fit = Callable[[pd.DataFrame, int], Any]
Staged = Callable[[Any, pd.DataFrame, int], Matrix]
"""A fitted model, rows, and a number of trees, to the rates that the first so many trees predict."""


def run() -> dict[str, float]:
    """Return the figures."""
    frame = portfolio(ROWS)
    unseen, valid = frame[frame[FOLD] == TEST], frame[frame[FOLD] == VALID]
    for library in ("lightgbm", "xgboost", "sklearn.ensemble"):
        import_module(library)  # its import is no part of a fit
    full = dict.fromkeys(WAYS, TREES)
    spent, made = _timed(frame, full)
    deviance = {name: _deviance(unseen, WAYS[name][1](made[name], unseen, TREES)) for name in WAYS}
    curves = {name: _curve(name, made[name], valid) for name in WAYS}
    level = max(min(curve.values()) for curve in curves.values())
    trees = {name: next(n for n, value in curve.items() if value <= level) for name, curve in curves.items()}
    equal_spent, equal = _timed(frame, trees)
    equal_deviance = {name: _deviance(unseen, WAYS[name][1](equal[name], unseen, trees[name])) for name in WAYS}
    return {
        **{f"fit_time_{peer}_ratio": spent["ours"] / spent[peer] for peer in PEERS},
        **{f"deviance_{peer}_ratio": deviance["ours"] / deviance[peer] for peer in PEERS},
        **{f"equal_time_{peer}_ratio": equal_spent["ours"] / equal_spent[peer] for peer in PEERS},
        **{f"equal_deviance_{peer}_ratio": equal_deviance["ours"] / equal_deviance[peer] for peer in PEERS},
        **{f"equal_trees_{name}": float(n) for name, n in trees.items()},
        "equal_level": level,
        **{f"deviance_{name}": value for name, value in deviance.items()},
        "deviance_truth": _deviance(unseen, unseen["rate"].to_numpy()),
        "fit_ours_s": spent["ours"],
    }


def _timed(frame: pd.DataFrame, trees: dict[str, int]) -> tuple[dict[str, float], dict[str, Any]]:
    ready = _ready(frame)
    made: dict[str, Any] = {}

    def turn(name: str) -> Callable[[], None]:
        rows = frame if name == "ours" else ready
        return lambda: made.update({name: WAYS[name][0](rows, trees[name])})

    return medians({name: turn(name) for name in WAYS}, rounds=3, warm=False), made


def _ready(frame: pd.DataFrame) -> Any:
    """Return what the peers are given: matrix, rate and exposure of the training rows."""
    train = frame[frame[FOLD] == TRAIN]
    exposure = train["exposure"].to_numpy()
    return train[list(NUMBERS)].to_numpy(), train["claims"].to_numpy() / exposure, exposure


def _ours(frame: pd.DataFrame, trees: int) -> Any:
    import lightgbm

    fitted = fit_score(portfolio_task(), frame, seed=1, threads=2, parameters={"n_trees": trees, "patience": 0})
    return lightgbm.Booster(model_str=fitted.components[0].text)


def _ours_staged(model: Any, rows: pd.DataFrame, trees: int) -> Matrix:
    rates: Matrix = model.predict(rows[list(NUMBERS)].to_numpy(), num_iteration=trees)
    return rates


def _xgboost(ready: Any, trees: int) -> Any:
    import xgboost

    matrix, rate, exposure = ready
    settings = {
        "objective": "count:poisson", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 31, "max_depth": 7,
        "eta": 0.05, "max_bin": 255, "lambda": 1.0, "colsample_bytree": 0.8, "nthread": 2, "seed": 1,
        # Fifty rows in a leaf, said in the only unit that it knows: the sum of their hessians.
        "min_child_weight": 50 * float((rate * exposure).mean()),
    }
    return xgboost.train(settings, xgboost.QuantileDMatrix(matrix, rate, weight=exposure, max_bin=255), num_boost_round=trees)


def _xgboost_staged(model: Any, rows: pd.DataFrame, trees: int) -> Matrix:
    import xgboost

    rates: Matrix = model.predict(xgboost.DMatrix(rows[list(NUMBERS)].to_numpy()), iteration_range=(0, trees))
    return rates.astype(np.float64)


def _scikit_learn(ready: Any, trees: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    matrix, rate, exposure = ready
    model = HistGradientBoostingRegressor(
        loss="poisson", max_iter=trees, learning_rate=0.05, max_leaf_nodes=31, max_depth=7, min_samples_leaf=50,
        l2_regularization=1.0, max_features=0.8, early_stopping=False, random_state=1,
    )
    return model.fit(matrix, rate, sample_weight=exposure)


def _scikit_learn_staged(model: Any, rows: pd.DataFrame, trees: int) -> Matrix:
    stages = model.staged_predict(rows[list(NUMBERS)].to_numpy())
    rates: Matrix = next(stage for n, stage in enumerate(stages, start=1) if n == trees)
    return rates


WAYS: Final[dict[str, tuple[Callable[[Any, int], Any], Staged]]] = {
    "ours": (_ours, _ours_staged),
    "xgboost": (_xgboost, _xgboost_staged),
    "scikit_learn": (_scikit_learn, _scikit_learn_staged),
}


def _curve(name: str, model: Any, rows: pd.DataFrame) -> dict[int, float]:
    """Return the deviance on these rows by number of trees."""
    return {n: _deviance(rows, WAYS[name][1](model, rows, n)) for n in range(STEP, TREES + 1, STEP)}


def _deviance(rows: pd.DataFrame, rate: Any) -> float:
    exposure = rows["exposure"].to_numpy()
    return mean_deviance("poisson", rows["claims"].to_numpy() / exposure, rate, exposure)
