"""The population stability index (群体稳定性指数, PSI): how far a distribution has moved, for evaluation and monitoring alike."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS: Final = 10
FLOOR: Final = 1e-4
"""Least share of a bin, so that an empty bin counts as very few rows and not as infinitely much. [A]"""


def stability_index(reference: Floats, observed: Floats) -> float:
    """Return the population stability index of two rows of bin counts: sum of (q - p) ln(q / p) over their shares.

    References
    ----------
    Siddiqi, "Credit Risk Scorecards", 2006, chapter 8. It is the symmetric Kullback-Leibler divergence (Jeffreys 1946).
    """
    p, q = (np.maximum(counts / counts.sum(), FLOOR) for counts in (reference, observed))
    return float(np.sum((q - p) * np.log(q / p)))


def psi(reference: Floats, observed: Floats, *, count: int = BINS) -> float:
    """Return the stability index of values against a reference's deciles; missing values are a bin of their own."""
    known = reference[~np.isnan(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, count + 1)[1:-1])) if len(known) else np.empty(0)
    return stability_index(*(_counts(values, edges) for values in (reference, observed)))


def _counts(values: Floats, edges: Floats) -> Floats:
    missing = np.isnan(values)
    inside = np.bincount(np.searchsorted(edges, values[~missing], side="right"), minlength=len(edges) + 1)
    return np.append(inside, missing.sum()).astype(np.float64)
