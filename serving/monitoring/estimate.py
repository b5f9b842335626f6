"""Performance before outcomes are known: what actual over expected and the Gini of a month will be, and how well that was foretold.

The estimate is of the confidence-based kind (CBPE). It takes the newest months that had matured by then and learns by band of
prediction what an expectation was worth (of months that the model learnt from it takes the dispersion alone). The month's own
predictions, each at its band's worth, give the expected outcomes, their sum over the expectations the balance, their order the
Gini. It sees a shift of the population between bands (covariate shift) and a calibration that is off already; it assumes that
**outcomes given the score stay what they were** (no concept drift since the newest matured month) and that exposures are those of
before. Where that fails the estimate fails, so it is tested on every month that has matured since, using only what was known then,
and its interval is widened by how far months have differed and by its own past errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from serving.monitoring.joined import ACTUAL, AT, ENTITY, EXPECTED, GROUP, KNOWN_AT, MONTH, WEIGHT
from serving.monitoring.measures import NORMAL_95, balance, gini, places
from serving.monitoring.rules import PRIOR_EVENTS, REFERENCE_LABELS

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Figures = dict[str, Any]

BANDS: Final = 10
LEAST_ROWS: Final = 200
"""Matured rows below which nothing is learnt. [A]"""
LEAST_PART: Final = 0.5
"""Share of a usual month's rows below which a month is not tested. [A]"""
LEAST_MONTHS: Final = 3


@dataclass(frozen=True)
class Month:
    """The balance of a matured month: since when it is known, its value, and the variance that chance gives it."""

    known_at: datetime
    ratio: float
    chance: float


class Worth:
    """What an expectation was worth, by band of the predicted rate, in the newest months that had matured at an instant.

    Parameters
    ----------
    rows
        Matured rows (`serving.monitoring.joined`), at least one.
    neutral
        Whether every expectation counts as worth itself: of months that the model has learnt from only the dispersion is believed,
        because it ranks them better than it ranks others.
    """

    def __init__(self, rows: pd.DataFrame, *, neutral: bool) -> None:
        expected, actual = (rows[name].to_numpy(dtype=float) for name in (EXPECTED, ACTUAL))
        rate = expected / rows[WEIGHT].to_numpy(dtype=float)
        self._edges = np.unique(np.quantile(rate, np.linspace(0.0, 1.0, BANDS + 1)[1:-1]))
        band = np.searchsorted(self._edges, rate, side="right")
        n = len(self._edges) + 1
        known, told = np.bincount(band, actual, minlength=n), np.bincount(band, expected, minlength=n)
        whole = actual.sum() / expected.sum()
        # Outcomes per event: one of a count, the mean claim of an amount.
        size = float(actual[actual > 0].mean()) if (actual > 0).any() else 1.0
        prior = PRIOR_EVENTS * size
        self.ratios: Floats = np.ones(n) if neutral else (known + prior * whole) / (told + prior)
        fitted = self.ratios[band] * expected
        self.dispersion = float(np.sum((actual - fitted) ** 2) / max(fitted.sum(), 1e-12))
        self._told = told + prior

    def of(self, expected: Floats, weight: Floats) -> tuple[Floats, Floats]:
        """Return (n,) expected outcomes at their worth, and the bands."""
        band = np.searchsorted(self._edges, expected / weight, side="right")
        return self.ratios[band] * expected, band.astype(float)

    def spread(self, outcomes: Floats, expected: Floats, band: Floats) -> float:
        """Return the standard error of the balance: of what will happen, and of what the bands have been worth."""
        total = expected.sum()
        by_band = np.bincount(band.astype(np.intp), expected, minlength=len(self.ratios))
        learnt = np.sum(by_band**2 * self.dispersion * self.ratios / self._told)
        return float(np.sqrt(self.dispersion * outcomes.sum() + learnt) / total)


def worth_at(joined: pd.DataFrame, at: datetime, learnt_until: datetime) -> Worth | None:
    """Return what had been learnt at an instant from the newest matured months; None where too little had matured.

    Parameters
    ----------
    learnt_until
        Until when the model itself has seen outcomes; months behind it are believed whole.
    """
    matured = joined[joined[KNOWN_AT] <= at]
    unseen = matured[matured[AT] > learnt_until]
    neutral = not _enough(unseen)
    rows = _newest(matured if neutral else unseen)
    return Worth(rows, neutral=neutral) if _enough(rows) else None


def _newest(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows[MONTH].isin(sorted(rows[MONTH].unique())[-REFERENCE_LABELS:])]


def _enough(rows: pd.DataFrame) -> bool:
    return len(rows) >= LEAST_ROWS and bool(rows[ACTUAL].sum() > 0)


def estimate(worth: Worth, expected: Floats, weight: Floats, *, extra: float = 0.0) -> Figures:
    """Return the estimated balance and Gini of a month with their intervals.

    Parameters
    ----------
    extra
        Variance of past errors beyond what the intervals told of, added to the balance's own.
    """
    outcomes, band = worth.of(expected, weight)
    ratio = float(outcomes.sum() / expected.sum())
    chance = worth.spread(outcomes, expected, band) ** 2
    spread = NORMAL_95 * float(np.sqrt(chance + extra))
    rank = expected / weight
    value = gini(rank, weight, outcomes)
    found: Figures = {"balance": ratio, "balance_interval": [max(ratio - spread, 0.0), ratio + spread], "gini": value,
                      "gini_interval": None, "n": len(expected), "own_variance": chance}
    if value is not None:
        pull = places(rank, weight) - value
        wide = NORMAL_95 * float(np.sqrt(worth.dispersion * np.sum(pull**2 * outcomes))) / float(outcomes.sum())
        found["gini_interval"] = [value - wide, value + wide]
    return found


def foretold(joined: pd.DataFrame, learnt_until: datetime) -> list[Figures]:
    """Return the test of the estimate on the matured months that the model had not seen.

    For each: what would have been foretold when its first window began, from what was known then, and what came.
    """
    found: list[Figures] = []
    past, unseen = matured_months(joined), joined[joined[AT] > learnt_until]
    usual = joined.groupby(MONTH).size().median()
    for month, rows in unseen.groupby(MONTH, sort=True):
        if len(rows) < LEAST_PART * usual:
            # Of a month that the model saw in part, or that has matured in part, little can be said.
            continue
        at = rows[AT].min().to_pydatetime()
        worth = worth_at(joined, at, learnt_until)
        expected, weight, actual = (rows[name].to_numpy(dtype=float) for name in (EXPECTED, WEIGHT, ACTUAL))
        if worth is None or expected.sum() <= 0:
            continue
        told = estimate(worth, expected, weight, extra=extra_variance(found, past, at))
        came = float(actual.sum() / expected.sum())
        low, high = told["balance_interval"]
        real = gini(expected / weight, weight, actual)
        found.append({
            **told, "month": str(month), "came": came, "inside": low <= came <= high, "came_gini": real,
            "gini_inside": None if real is None or told["gini_interval"] is None
            else told["gini_interval"][0] <= real <= told["gini_interval"][1],
            "known_at": rows[KNOWN_AT].max().to_pydatetime(),
        })
    return found


def matured_months(joined: pd.DataFrame) -> list[Month]:
    """Return the balance of every matured month with the variance that chance gives it."""
    found = []
    for _, rows in joined.groupby(MONTH, sort=True):
        told = balance(rows[ACTUAL].to_numpy(dtype=float), rows[EXPECTED].to_numpy(dtype=float), rows[GROUP].to_numpy())
        if told["interval"] is not None:
            half = told["interval"][1] - told["ratio"]
            found.append(Month(rows[KNOWN_AT].max().to_pydatetime(), told["ratio"], float((half / NORMAL_95) ** 2)))
    return found


def extra_variance(tested: list[Figures], months: list[Month], at: datetime) -> float:
    """Return how far months differ beyond chance, known at an instant: among themselves, or from what was foretold of them.

    The larger of the two; of fewer than three months nothing is said.
    """
    known = [one for one in months if one.known_at <= at]
    errors = [one for one in tested if one["known_at"] <= at]
    between = missed = 0.0
    if len(known) >= LEAST_MONTHS:
        between = float(np.var([one.ratio for one in known], ddof=1) - np.mean([one.chance for one in known]))
    if len(errors) >= LEAST_MONTHS:
        missed = float(np.mean([(one["came"] - one["balance"]) ** 2 - one["own_variance"] for one in errors]))
    return max(between, missed, 0.0)


def summary(tested: list[Figures]) -> Figures:
    """Return how well months were foretold: mean absolute errors, share inside the interval, and the error of saying 1."""
    if not tested:
        return {"months": 0}
    errors = [abs(one["came"] - one["balance"]) for one in tested]
    ginis = [abs(one["came_gini"] - one["gini"]) for one in tested if one["came_gini"] is not None and one["gini"] is not None]
    return {
        "months": len(tested), "error": float(np.mean(errors)),
        "error_of_one": float(np.mean([abs(one["came"] - 1.0) for one in tested])),
        "inside": float(np.mean([one["inside"] for one in tested])), "gini_error": float(np.mean(ginis)) if ginis else None,
    }


def newest_weights(joined: pd.DataFrame) -> pd.Series:
    """Return the exposure of every entity in its newest matured window: what stands in for one that is not known yet."""
    return joined.sort_values([AT, ENTITY], kind="stable").drop_duplicates(ENTITY, keep="last").set_index(ENTITY)[WEIGHT]
