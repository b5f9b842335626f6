"""What a trial is judged by: loss and calibration on the validation fold, and what an exact explanation costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from registry.encoding import Matrix
from registry.errors import TrainingError
from training.fitted import FittedComponent
from training.matrix import Mask, TrainingData, evenly_spaced, outcome
from training.metrics import inverse_link, mean_deviance

Objective = Literal["loss", "calibration", "latency"]

OBJECTIVES: Final[Mapping[Objective, str]] = {
    "loss": "mean unit deviance on the validation fold, before calibration",
    "calibration": "expected calibration error on the validation fold over its mean",
    "latency": "milliseconds of exact SHAP values per row, one thread",
}
"""What can be minimised; the same are measured for every trial, whichever the search looks at."""

BLOCK_ROWS: Final = 64
REPEATS: Final = 5
BINS: Final = 10


@dataclass(frozen=True)
class Measures:
    """What a finished trial is known by.

    Parameters
    ----------
    values
        Every measure of `OBJECTIVES`.
    null_loss
        Deviance of the constant mean on the same rows: ``null_loss - loss`` is what the trial gains.
    n_trees, n_leaves
        Size of the booster.
    work
        Sum over trees of leaves times depth squared, to which the cost of exact TreeSHAP is proportional (Lundberg, Erion
        and Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018): a cost without a clock's noise.
    """

    values: Mapping[Objective, float]
    null_loss: float
    n_trees: int
    n_leaves: int
    work: int

    @property
    def flat(self) -> dict[str, float]:
        """Everything by name, as it is kept with a trial."""
        sizes = {"n_trees": self.n_trees, "n_leaves": self.n_leaves, "work": self.work}
        return {**dict(self.values.items()), "null_loss": self.null_loss, **sizes}


def parse_objectives(text: str) -> tuple[Objective, ...]:
    """Return the objectives of a comma-separated list, in the order of `OBJECTIVES`.

    Raises
    ------
    TrainingError
        If one is unknown, or the loss is not among them.
    """
    named = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(named) - set(OBJECTIVES))
    if unknown or "loss" not in named:
        met = f"unknown objectives {unknown}" if unknown else f"objectives {named} without the loss"
        raise TrainingError(met, where="--objectives", remedy=f"Choose loss and any of {', '.join(OBJECTIVES)}.")
    return tuple(objective for objective in OBJECTIVES if objective in named)


def measure(data: TrainingData, fitted: FittedComponent, raw: Matrix, rows: Mask) -> Measures:
    """Return all measures of a fitted component.

    Parameters
    ----------
    data
        What it was fitted on.
    fitted
        The component; its text is what is explained.
    raw
        (n,) raw margins; those of the judged rows come from boosters that were not fitted on them.
    rows
        (n,) whether a row is judged.
    """
    component = fitted.task
    target = outcome(component, data.frame)
    label, weight = target.label[rows], target.weight[rows]
    mean = inverse_link(component.objective, raw[rows])
    constant = np.full_like(label, np.average(label, weights=weight))
    losses = [
        mean_deviance(component.objective, label, predicted, weight, power=component.tweedie_power)
        for predicted in (mean, constant)
    ]
    leaves, depths = tree_sizes(fitted.text)
    values: dict[Objective, float] = {
        "loss": losses[0],
        "calibration": calibration_error(label, mean, weight),
        "latency": explanation_ms(fitted.text, data.matrix, rows),
    }
    return Measures(values, losses[1], len(leaves), int(leaves.sum()), int(leaves @ depths**2))


def calibration_error(observed: Matrix, predicted: Matrix, weight: Matrix) -> float:
    """Return the expected calibration error over the observed mean.

    Rows are put into ten bins of equal weight by prediction; the weighted mean over bins of |predicted - observed| is
    divided by the observed mean, so that it is a share for rates and amounts too. Few events per bin raise it, for every
    trial alike.

    Parameters
    ----------
    observed, predicted, weight
        (n,) each.

    References
    ----------
    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015 (for probabilities).
    """
    order = np.argsort(predicted, kind="stable")
    cumulated = np.cumsum(weight[order])
    bins = np.minimum((BINS * (cumulated - weight[order] / 2) / cumulated[-1]).astype(int), BINS - 1)
    gap = np.bincount(bins, weights=(weight * (predicted - observed))[order], minlength=BINS)
    return float(np.abs(gap).sum() / (weight @ observed))


def explanation_ms(text: str, matrix: Matrix, rows: Mask) -> float:
    """Return the least time of several that exact SHAP values of a fixed block of rows take, per row, in ms."""
    import lightgbm

    booster = lightgbm.Booster(model_str=text)
    places = np.flatnonzero(rows)
    block = np.ascontiguousarray(matrix[places[evenly_spaced(len(places), BLOCK_ROWS)]])
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        booster.predict(block, pred_contrib=True, num_threads=1)
        spent.append(time.perf_counter() - began)
    return 1000.0 * min(spent) / len(block)


def tree_sizes(text: str) -> tuple[Matrix, Matrix]:
    """Return (n_trees,) leaves and (n_trees,) depths of a LightGBM text; a tree that is one leaf has depth 0."""
    leaves, depths = [], []
    for tree in text.split("\nTree=")[1:]:
        fields = dict(line.split("=", 1) for line in tree.partition("\n\n")[0].splitlines() if "=" in line)
        leaves.append(int(fields["num_leaves"]))
        depths.append(_depth(fields) if leaves[-1] > 1 else 0)
    return np.array(leaves, dtype=np.float64), np.array(depths, dtype=np.float64)


def _depth(fields: Mapping[str, str]) -> int:
    children = [[int(child) for child in fields[side].split()] for side in ("left_child", "right_child")]
    level, depth = [0], 0
    while level:
        depth += 1
        # Leaves have negative numbers.
        level = [child for node in level for side in children if (child := side[node]) >= 0]
    return depth
