"""Measures of a score, each on plain arrays: (n,) observed, (n,) predicted, (n,) weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from registry.bundle import Objective
from registry.encoding import Matrix


def inverse_link(objective: Objective, margin: Matrix) -> Matrix:
    """Return means of margins: logistic for binary, exponential for the others."""
    if objective != "binary":
        return np.asarray(np.exp(margin))
    odds = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, odds) / (1.0 + odds)


def mean_deviance(
    objective: Objective, observed: Matrix, predicted: Matrix, weight: Matrix | None = None, *, power: float = 1.5
) -> float:
    """Return the weighted mean unit deviance.

    Parameters
    ----------
    objective
        binary: twice the log loss; poisson, gamma: their deviances; tweedie: at `power`, between 1 and 2.
    observed, predicted, weight
        (n,) arrays; predicted above 0 (and below 1 for binary).

    References
    ----------
    Joergensen, "The Theory of Dispersion Models", 1997, section 4.1.
    """
    unit = unit_deviance(objective, observed, predicted, power=power)
    return float(np.average(unit, weights=weight))


def unit_deviance(objective: Objective, observed: Matrix, predicted: Matrix, *, power: float = 1.5) -> Matrix:
    """Return the (n,) unit deviances of which `mean_deviance` is the mean."""
    y, mu = observed, predicted
    match objective:
        case "binary":
            unit = -2 * (y * np.log(mu) + (1 - y) * np.log1p(-mu))
        case "poisson":
            unit = 2 * (_y_log_y_over(y, mu) - y + mu)
        case "gamma":
            unit = 2 * (np.log(mu / y) + y / mu - 1)
        case "tweedie":
            saturated = np.power(y, 2 - power) / ((1 - power) * (2 - power))
            unit = 2 * (saturated - y * np.power(mu, 1 - power) / (1 - power) + np.power(mu, 2 - power) / (2 - power))
    return np.asarray(unit)


def d2(
    objective: Objective, observed: Matrix, predicted: Matrix, weight: Matrix | None = None, *, power: float = 1.5
) -> float:
    """Return the share of the deviance of the constant mean that the prediction saves; 1 is perfect, 0 useless."""
    constant = np.full_like(observed, np.average(observed, weights=weight))
    null = mean_deviance(objective, observed, constant, weight, power=power)
    return 1.0 - mean_deviance(objective, observed, predicted, weight, power=power) / null


def balance(observed: Matrix, predicted: Matrix, weight: Matrix) -> float:
    """Return predicted total over observed total; 1 is balanced."""
    return _total(weight, predicted) / _total(weight, observed)


def _total(weight: Matrix, values: Matrix) -> float:
    # Not `@`: BLAS shares so short a sum among threads, which waits longer than it adds, and adds in an order of its own.
    return float(np.sum(weight * values))


def _y_log_y_over(y: Matrix, mu: Matrix) -> Matrix:
    positive = y > 0
    ratio = np.divide(y, mu, out=np.ones_like(mu), where=positive)
    return y * np.log(ratio)


def auc(observed: Matrix, predicted: Matrix, weight: Matrix | None = None) -> float:
    """Return the area under the ROC curve: P(event scores above non-event), ties counting one half."""
    positive, negative = _by_score(observed, predicted, weight)
    below = np.cumsum(negative) - negative
    return _total(positive, below + negative / 2) / float(positive.sum() * negative.sum())


def ks(observed: Matrix, predicted: Matrix, weight: Matrix | None = None) -> float:
    """Return the Kolmogorov-Smirnov distance between the scores of events and of non-events."""
    positive, negative = _by_score(observed, predicted, weight)
    return float(np.max(np.abs(np.cumsum(positive) / positive.sum() - np.cumsum(negative) / negative.sum())))


def _by_score(observed: Matrix, predicted: Matrix, weight: Matrix | None) -> tuple[Matrix, Matrix]:
    """Return the weight of events and of non-events per distinct score, ascending."""
    order, ends = _steps(predicted)
    weights = np.ones_like(observed) if weight is None else weight
    positive = np.cumsum((weights * observed)[order])[ends]
    negative = np.cumsum((weights * (1 - observed))[order])[ends]
    return np.diff(positive, prepend=0.0), np.diff(negative, prepend=0.0)


def _steps(predicted: Matrix) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the order from the safest to the riskiest, and in it the last row of each distinct prediction."""
    # Stable sorting is linear on rows that are in order already, as they are under the bootstrap.
    order = np.argsort(predicted, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(predicted[order])), len(order) - 1)


def brier(observed: Matrix, predicted: Matrix, weight: Matrix | None = None) -> float:
    """Return the weighted mean squared error of a probability (Brier 1950)."""
    return float(np.average((observed - predicted) ** 2, weights=weight))


def log_loss(observed: Matrix, predicted: Matrix, weight: Matrix | None = None) -> float:
    """Return the weighted mean negative log-likelihood of a probability, in nats."""
    return mean_deviance("binary", observed, predicted, weight) / 2


def lorenz(observed: Matrix, predicted: Matrix, exposure: Matrix) -> tuple[Matrix, Matrix]:
    """Return the ordered Lorenz curve: cumulated shares of exposure and of outcome, from the safest to the riskiest.

    Rows of equal prediction are one step, so that the curve does not depend on the order of rows.

    Parameters
    ----------
    observed
        (n,) outcome per unit of exposure.
    predicted, exposure
        (n,) predicted rate, which only orders, and exposure.

    References
    ----------
    Frees, Meyers and Cummings, "Summarizing Insurance Scores Using a Gini Index", JASA 106(495), 2011.
    """
    order, ends = _steps(predicted)
    share_exposure = np.concatenate([[0.0], np.cumsum(exposure[order])[ends]])
    share_outcome = np.concatenate([[0.0], np.cumsum((observed * exposure)[order])[ends]])
    return share_exposure / share_exposure[-1], share_outcome / share_outcome[-1]


def gini(observed: Matrix, predicted: Matrix, exposure: Matrix) -> float:
    """Return one minus twice the area under the ordered Lorenz curve on an exposure axis."""
    x, y = lorenz(observed, predicted, exposure)
    return 1.0 - float(np.sum(np.diff(x) * (y[1:] + y[:-1])))


@dataclass(frozen=True)
class Band:
    """One band of rows ordered by prediction: means per unit of weight, and actual over expected."""

    share: float
    expected: float
    actual: float

    @property
    def actual_to_expected(self) -> float:
        """Ratio of observed to predicted; 1 is calibrated."""
        return self.actual / self.expected


def bands(observed: Matrix, predicted: Matrix, weight: Matrix, *, count: int = 10) -> tuple[Band, ...]:
    """Return bands of equal weight from the safest to the riskiest; empty bands are left out."""
    order, position = _band_order(predicted, weight, count)
    w = weight[order]
    mass = np.bincount(position, w, minlength=count)
    actual = np.bincount(position, w * observed[order], minlength=count)
    expected = np.bincount(position, w * predicted[order], minlength=count)
    total = float(np.cumsum(w)[-1])
    return tuple(
        Band(float(m / total), float(e / m), float(a / m))
        for m, a, e in zip(mass, actual, expected, strict=True)
        if m > 0
    )


def ece(observed: Matrix, predicted: Matrix, weight: Matrix, *, count: int = 10) -> float:
    """Return the expected calibration error: mean distance of actual and expected over bands of equal weight."""
    found = bands(observed, predicted, weight, count=count)
    return sum(band.share * abs(band.actual - band.expected) for band in found)


def ece_by_chance(observed: Matrix, predicted: Matrix, weight: Matrix, *, count: int = 10) -> float:
    """Return about what the calibration error of a calibrated prediction would be: bands of few rows miss by chance.

    The mean of a band has the standard error s = sqrt(sum of w^2 (y - mu)^2) / sum of w; a normal error of that size is
    sqrt(2 / pi) s away from 0 on average.
    """
    order, position = _band_order(predicted, weight, count)
    w = weight[order]
    mass = np.bincount(position, w, minlength=count)
    spread = np.bincount(position, (w * (observed[order] - predicted[order])) ** 2, minlength=count)
    return float(np.sqrt(2.0 / np.pi) * np.sqrt(spread[mass > 0]).sum() / mass.sum())


def _band_order(predicted: Matrix, weight: Matrix, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return (n,) rows from the safest to the riskiest and (n,) the band of each of them."""
    order = np.argsort(predicted, kind="stable")
    w = weight[order]
    cumulated = np.cumsum(w)
    # The middle of a row's weight decides its band, so that a heavy row cannot fall off the end.
    return order, np.minimum(((cumulated - w / 2) / cumulated[-1] * count).astype(np.intp), count - 1)


def bootstrap_intervals(
    statistics: Callable[[Matrix], Sequence[float]], groups: npt.NDArray[Any], *, replicates: int, seed: int,
    level: float = 0.95,
) -> list[tuple[float, float]]:
    """Return the percentile interval of each statistic when groups are drawn with replacement.

    Parameters
    ----------
    statistics
        Takes (n,) multiplicities of the rows, to be multiplied with their weights, and returns k numbers.
    groups
        (n,) group of each row; rows of one group are drawn together.
    replicates, seed, level
        Number of draws, their seed, and the interval's level.

    Returns
    -------
    list
        k pairs; NaN where a statistic was never finite.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, sections 8.3 and 13.3.
    """
    _, index = np.unique(groups, return_inverse=True)
    n_groups = int(index.max()) + 1
    generator = np.random.default_rng(seed)
    draws = []
    for _ in range(replicates):
        drawn = np.bincount(generator.integers(0, n_groups, n_groups), minlength=n_groups)
        draws.append(statistics(drawn[index].astype(np.float64)))
    return [_percentiles(column, level) for column in np.array(draws).T]


def _percentiles(values: Matrix, level: float) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
