"""Actual over expected and the Gini with their intervals, in closed form, by clusters of operators."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Figures = dict[str, Any]

NORMAL_95: Final = 1.959963984540054
LEAST_CLUSTERS: Final = 10


def balance(actual: Floats, expected: Floats, cluster: npt.NDArray[Any]) -> Figures:
    """Return actual over expected with its 95 % interval.

    Parameters
    ----------
    actual, expected
        (n,) outcomes.
    cluster
        (n,) whose they are: rows of one operator are not independent.

    Returns
    -------
    dict
        `ratio`, `interval`, `actual`, `expected`, `n`, `clusters`; None where nothing is expected or there are too few clusters.
    """
    total, known = float(expected.sum()), float(actual.sum())
    codes, groups = codes_of(cluster)
    found: Figures = {"ratio": None, "interval": None, "actual": known, "expected": total, "n": len(actual), "clusters": groups}
    if total <= 0:
        return found
    ratio = known / total
    found["ratio"] = ratio
    if groups >= LEAST_CLUSTERS and known > 0:
        rest = np.bincount(codes, actual - ratio * expected, minlength=groups)
        spread = _half_width(rest) / total
        found["interval"] = [max(ratio - spread, 0.0), ratio + spread]
    return found


def gini(ranking: Floats, weight: Floats, outcome: Floats) -> float | None:
    """Return the Gini of an order: twice the area between the Lorenz curve of outcomes over exposure and the diagonal."""
    total = float(outcome.sum())
    if total <= 0 or weight.sum() <= 0:
        return None
    return float(np.sum(places(ranking, weight) * outcome) / total)


def places(ranking: Floats, weight: Floats) -> Floats:
    """Return (n,) ``2 F - 1``, F the share of exposure below plus half of those that rank alike; an outcome's pull on the Gini."""
    _, level = np.unique(ranking, return_inverse=True)
    mass = np.bincount(level, weight)
    middle = np.cumsum(mass) - mass / 2.0
    pull: Floats = 2.0 * middle[level] / mass.sum() - 1.0
    return pull


def gini_interval(ranking: Floats, weight: Floats, outcome: Floats, cluster: npt.NDArray[Any]) -> list[float] | None:
    """Return the 95 % interval of a Gini by the spread of its influence over operators; None where there are too few."""
    value, (codes, groups) = gini(ranking, weight, outcome), codes_of(cluster)
    if value is None or groups < LEAST_CLUSTERS:
        return None
    pull = np.bincount(codes, (places(ranking, weight) - value) * outcome, minlength=groups)
    spread = _half_width(pull) / float(outcome.sum())
    return [value - spread, value + spread]


def mean_interval(values: Floats, cluster: npt.NDArray[Any]) -> tuple[float, list[float] | None]:
    """Return a mean and its 95 % interval by clusters."""
    mean, (codes, groups) = float(values.mean()), codes_of(cluster)
    if groups < LEAST_CLUSTERS:
        return mean, None
    rest = np.bincount(codes, values - mean, minlength=groups)
    spread = _half_width(rest) / len(values)
    return mean, [mean - spread, mean + spread]


def _half_width(sums: npt.NDArray[Any]) -> float:
    """Return half of the 95 % interval of a total whose part in each cluster is a sum about 0."""
    return NORMAL_95 * float(np.sqrt(np.sum(sums**2) * len(sums) / (len(sums) - 1)))


def codes_of(cluster: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], int]:
    """Return (n,) numbers of clusters and how many there are."""
    import pandas as pd

    codes, names = pd.factorize(cluster)
    return codes.astype(np.intp), len(names)
