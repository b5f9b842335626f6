"""Power: how many scored rows, and how many days, until a difference between champion and challenger can be seen.

Every function answers for a two-sided test at level `alpha` that finds a true difference with probability `power`. They are
planning figures: normal approximations on what is known before outcomes have matured. Where outcomes are there, the standard
error that the bootstrap measured replaces the formula (`rows_for_error`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.encoding import Matrix


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is asked of the test.

    Parameters
    ----------
    alpha
        Two-sided level.
    power
        Probability of finding the difference when it is there.
    """

    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0 or not self.alpha < self.power < 1.0:
            raise ValueError(f"level and power must lie in 0..1 with power above level, met {self.alpha} and {self.power}")

    @property
    def factor(self) -> float:
        """Standard errors that the difference must be long: z(1 - alpha/2) + z(power)."""
        normal = NormalDist()
        return normal.inv_cdf(1.0 - self.alpha / 2.0) + normal.inv_cdf(self.power)


def auc_variance(auc: float, event_share: float) -> float:
    """Return the variance of an AUC times the number of rows, for many rows.

    Parameters
    ----------
    auc
        Expected area under the ROC curve.
    event_share
        Share of rows with an event, between 0 and 1.

    References
    ----------
    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology 143, 1982,
    formula 2, with n_A = n * share and n_N = n * (1 - share), leading term in 1/n.
    """
    if not 0.0 < event_share < 1.0 or not 0.0 < auc < 1.0:
        raise ValueError(f"share of events and AUC must lie between 0 and 1, met {event_share} and {auc}")
    q1, q2 = auc / (2.0 - auc), 2.0 * auc**2 / (1.0 + auc)
    # Q1 asks two events and one other row, so that its part falls with the number of the others; Q2 the other way round.
    return (q1 - auc**2) / (1.0 - event_share) + (q2 - auc**2) / event_share


def rows_for_auc(difference: float, *, auc: float, event_share: float, correlation: float, design: Design) -> float:
    """Return the rows until a difference in AUC of two scores on the same rows is seen.

    Parameters
    ----------
    correlation
        Correlation of the two areas, which the scores' own rank correlation stands in for: two scores that order rows alike
        err alike.

    References
    ----------
    Hanley and McNeil, "A method of comparing the areas under ROC curves derived from the same cases", Radiology 148, 1983.
    """
    paired = 2.0 * auc_variance(auc, event_share) * (1.0 - correlation)
    return _rows(paired, difference, design)


def rows_for_gini(difference: float, *, gini: float, event_share: float, correlation: float, design: Design) -> float:
    """Return the rows until a difference in Gini is seen, taking Gini as 2 AUC - 1: right for rare events of equal exposure."""
    return rows_for_auc(
        difference / 2.0, auc=(gini + 1.0) / 2.0, event_share=event_share, correlation=correlation, design=design
    )


def rows_for_poisson_deviance(
    difference: float, *, champion: Matrix, challenger: Matrix, exposure: Matrix, design: Design
) -> float:
    """Return the rows until a difference in mean Poisson deviance is seen, from the two predictions alone.

    With counts y of mean m, a row's deviance changes by ``2 (e (b - a) - y ln(b / a))`` from rate a to rate b. Its variance
    over rows is that of its mean plus ``4 m ln(b / a)^2``; the true mean is taken half-way between the two predictions.

    Parameters
    ----------
    champion, challenger
        (n,) predicted rates per unit of exposure.
    exposure
        (n,) exposure.
    """
    import numpy as np

    ratio = np.log(challenger / champion)
    mean = exposure * (champion + challenger) / 2.0
    change = 2.0 * (exposure * (challenger - champion) - mean * ratio)
    variance = float(np.var(change) + np.average(4.0 * mean * ratio**2))
    return _rows(variance, difference, design)


def rows_for_binary_deviance(difference: float, *, champion: Matrix, challenger: Matrix, design: Design) -> float:
    """Return the rows until a difference in mean binomial deviance is seen, from the two predicted probabilities alone.

    A row's deviance is ``-2 ln p`` with an event and ``-2 ln (1 - p)`` without; the true probability is taken half-way.
    """
    import numpy as np

    with_event, without = -2.0 * np.log(challenger / champion), -2.0 * np.log1p(-challenger) + 2.0 * np.log1p(-champion)
    p = (champion + challenger) / 2.0
    change = p * with_event + (1.0 - p) * without
    variance = float(np.var(change) + np.average(p * (1.0 - p) * (with_event - without) ** 2))
    return _rows(variance, difference, design)


def events_for_ratio(difference: float, *, design: Design) -> float:
    """Return the events until actual over expected is seen to differ from 1 by a share, with Poisson counts.

    The logarithm of a Poisson count over its expectation has variance 1 / events (delta method; Breslow and Day, "Statistical
    Methods in Cancer Research II", IARC 1987, section 2.3).
    """
    if difference <= -1.0 or difference == 0.0:
        raise ValueError(f"a difference of {difference} in actual over expected has no size")
    return (design.factor / math.log1p(difference)) ** 2


def rows_for_error(difference: float, *, standard_error: float, rows: int, design: Design) -> float:
    """Return the rows until a difference is seen when `rows` rows gave a standard error: it falls with the root of the rows."""
    return _rows(standard_error**2 * rows, difference, design)


def detectable(*, variance: float, rows: float, design: Design) -> float:
    """Return the smallest difference that so many rows can show; `variance` is that of the difference times the rows."""
    return design.factor * math.sqrt(variance / rows)


def _rows(variance: float, difference: float, design: Design) -> float:
    if difference == 0.0:
        raise ValueError("a difference of zero is never seen")
    return design.factor**2 * variance / difference**2
