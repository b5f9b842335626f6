"""A Tweedie challenger for a price, fitted on the pure premium at once, and the double lift of two prices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.encoding import Matrix
from training.fit import fit_score
from training.judgement.resampling import Draws, interval, sums_by
from training.judgement.stability import band_of
from training.judgement.subject import Part
from training.matrix import Mask
from training.splits import FOLD
from training.task import ComponentTask, TrainingTask

TWEEDIE_POWER: Final = 1.6
"""Variance power of the challenger, between a count's 1 and an amount's 2. [A]"""
DECILES: Final = 10


def tweedie_task(task: TrainingTask, *, power: float = TWEEDIE_POWER) -> TrainingTask:
    """Return the task of one booster on the amount per exposure, with the inputs of a pure premium's task."""
    component = ComponentTask(
        name="pure_premium", objective="tweedie", target=str(task.amount), exposure=task.exposure, tweedie_power=power
    )
    return replace(task, answer="rate", components=(component,), amount=None)


def fit_tweedie(task: TrainingTask, frame: pd.DataFrame, *, seed: int, threads: int) -> Matrix:
    """Return the challenger's (n,) predicted pure premiums; rows without an exposure take no part in its fit.

    Its total over the development rows is made right, so that the double lift compares order and not level.
    """
    challenger = tweedie_task(task)
    exposure = frame[str(task.exposure)].to_numpy(dtype=np.float64, na_value=np.nan)
    amount = frame[str(task.amount)].to_numpy(dtype=np.float64, na_value=np.nan)
    usable = (exposure > 0) & np.isfinite(amount)
    marked = frame.assign(**{FOLD: frame[FOLD].where(usable, "none")})
    predicted = np.exp(fit_score(challenger, marked, seed=seed, threads=threads).margin)
    rows = usable & frame[FOLD].isin(["train", "valid"]).to_numpy()
    return np.asarray(predicted * (amount[rows].sum() / float(exposure[rows] @ predicted[rows])))


def double_lift(
    part: Part, rival: Matrix, rows: Mask, draws: Draws, *, deciles: int = DECILES
) -> dict[str, Any]:
    """Return actual over expected of two predictions by decile of their ratio.

    Rows are ordered by score / rival: to the right the score asks for more than the rival. The better prediction has
    actual over expected nearer to 1 throughout.

    Parameters
    ----------
    part
        Outcome and the score's prediction.
    rival
        (n,) the other prediction.
    rows
        (n,) rows to judge on, that the part uses.
    draws
        Draws over these rows.
    deciles
        Number of bands of equal weight.

    Returns
    -------
    dict
        `deciles`, each with the ratio's mean and both A/E with intervals; `distance` of both from 1, weighted, on the log scale,
        and the paired difference (rival minus score) with its interval: above zero the score is nearer.

    References
    ----------
    Goldburd, Khare, Tevet and Guller, "Generalized Linear Models for Insurance Rating", CAS Monograph 5, 2nd ed., section 7.2.3.
    """
    y, w = part.label[rows], part.weight[rows]
    predictions = {"score": part.prediction[rows], "rival": rival[rows]}
    # Both are brought to the same total, so that only their order differs.
    predictions = {name: mu * (float(w @ y) / float(w @ mu)) for name, mu in predictions.items()}
    ratio = predictions["score"] / predictions["rival"]
    band = band_of(ratio, w, deciles)
    drawn = {name: draws.totals_by(w * mu, band, deciles) for name, mu in predictions.items()}
    actual = draws.totals_by(w * y, band, deciles)
    now = {name: sums_by(band, w * mu, deciles) for name, mu in predictions.items()}
    observed, mass = sums_by(band, w * y, deciles), sums_by(band, w, deciles)
    shares = {name: observed / expected for name, expected in now.items()}
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may leave a band without a row
        ratios = {name: actual / expected for name, expected in drawn.items()}
    rows_of = [
        {
            "ratio": float(np.average(ratio[band == k], weights=w[band == k])), "weight": float(mass[k]),
            **{name: float(shares[name][k]) for name in shares},
            **{f"{name}_interval": interval(ratios[name][:, k]) for name in shares},
        }
        for k in range(deciles)
    ]
    distance = {name: _distance(observed[None], now[name][None], mass) for name in now}
    paired = _distance(actual, drawn["rival"], mass) - _distance(actual, drawn["score"], mass)
    return {
        "deciles": rows_of, "distance": {name: float(values[0]) for name, values in distance.items()},
        "nearer_by": {"difference": float(distance["rival"][0] - distance["score"][0]), "interval": interval(paired)},
    }


def _distance(actual: Matrix, expected: Matrix, mass: Matrix) -> Matrix:
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.abs(np.log(actual / expected))
    return np.asarray(np.where(np.isfinite(away), away, np.nan) @ mass / mass.sum())
