"""How far a prediction may be from the truth of one unit, and how much a fleet's own experience counts.

A unit's true rate is its prediction times a factor theta of mean 1 and variance d, the dispersion that training estimates
between units that are predicted alike. With theta Gamma distributed and counts Poisson, everything has a closed form.

References
----------
Buehlmann and Gisler, "A Course in Credibility Theory and its Applications", 2005, sections 2.4 (Poisson-Gamma) and 4.2.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from registry.errors import DataError

INTERVAL_LEVEL: Final = 0.9


def at_least_one(expected: float, dispersion: float) -> float:
    """Return the probability of at least one event when `expected` events are predicted.

    With dispersion d it is that of the negative binomial, ``1 - (1 + d * expected)**(-1/d)``; its limit for d = 0 is Poisson's.
    """
    if dispersion * expected < 1e-12:
        return -math.expm1(-expected)
    return -math.expm1(-math.log1p(dispersion * expected) / dispersion)


def interval(mean: float, dispersion: float, *, claims: float = 0.0, expected: float = 0.0) -> tuple[float, float]:
    """Return the central interval of `INTERVAL_LEVEL` in which the unit's true rate lies.

    Parameters
    ----------
    mean
        Predicted rate, before own experience.
    dispersion
        Variance of theta.
    claims, expected
        Own experience: observed and predicted claims of the past; without them the interval is that of a new unit.
    """
    if dispersion <= 0.0:
        return mean, mean
    low, high = _central(1.0 / dispersion + claims)
    rate = 1.0 / dispersion + expected
    return mean * low / rate, mean * high / rate


@lru_cache(maxsize=1000)
def _central(shape: float) -> tuple[float, float]:
    # Without own experience a bundle asks for the same one with every answer.
    from scipy.special import gammaincinv

    tail = (1.0 - INTERVAL_LEVEL) / 2.0
    return float(gammaincinv(shape, tail)), float(gammaincinv(shape, 1.0 - tail))


def credibility(expected: float, dispersion: float) -> float:
    """Return the weight Z = n / (n + k) of a unit's own experience, with n expected claims and k = 1 / dispersion.

    Raises
    ------
    DataError
        If the expected claims are negative.
    """
    if expected < 0.0:
        raise DataError(f"expected claims cannot be negative, met {expected}", where="credibility")
    return expected * dispersion / (1.0 + expected * dispersion)


def experience_factor(claims: float, expected: float, dispersion: float) -> float:
    """Return the factor on the prediction after own experience: ``Z * claims / expected + 1 - Z``.

    It belongs where the own claims history is *not* already priced through a no-claims discount.
    """
    if expected <= 0.0:
        return 1.0
    weight = credibility(expected, dispersion)
    return weight * claims / expected + 1.0 - weight
