"""Elasticity: by how many per cent the mean of a rate rises per per cent of something else, by a log-link regression.

Noise in the regressed rate does not bias a log-link slope, so the slope of a prediction and that of what came of it are comparable,
which rank correlations are not: those of what has much unexplained spread are flattened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

GRID: Final = 64
"""Bands on which the regressions run: the slope of means of bands is that of the rows up to their width."""
NEWTON_STEPS: Final = 25
LEAST: Final = 1e-6
"""What is nothing counts as this much, because it has no logarithm."""


@dataclass(frozen=True)
class Grid:
    """Rows by band of the log of something positive; each function takes (n,) multiplicities of the rows."""

    band: Any
    log_x: FloatArray
    weight: FloatArray
    count: int

    @classmethod
    def of(cls, x: FloatArray, weight: FloatArray) -> Grid:
        """Return the grid of (n,) values and (n,) weights."""
        log_x = np.log(np.maximum(x, LEAST))
        edges = np.unique(np.quantile(log_x, np.linspace(0.0, 1.0, GRID + 1)[1:-1]))
        return cls(np.searchsorted(edges, log_x), log_x, weight, len(edges) + 1)

    def elasticity(self, rate: FloatArray, multiplicity: FloatArray) -> float:
        """Return the slope of log mean rate on the log."""
        weight = self.weight * multiplicity
        mass, total, x = (self._summed(weight * values) for values in (np.ones_like(rate), rate, self.log_x))
        kept = mass > 0
        return _log_slope(x[kept] / mass[kept], total[kept], mass[kept])

    def _summed(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.band, values, minlength=self.count), dtype=np.float64)


def _log_slope(x: FloatArray, total: FloatArray, mass: FloatArray) -> float:
    """Return b of total = mass exp(a + b x) by the Poisson likelihood (quasi-likelihood for a rate that is no count)."""
    centre = float(np.average(x, weights=mass))
    design = np.column_stack([np.ones_like(x), x - centre])
    theta = np.array([np.log(total.sum() / mass.sum()), 0.0])
    for _ in range(NEWTON_STEPS):
        expected = mass * np.exp(design @ theta)
        hessian = (design * expected[:, None]).T @ design
        if np.linalg.cond(hessian) > 1e12:
            return float("nan")
        step = np.linalg.solve(hessian, design.T @ (total - expected))
        theta = theta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    return float(theta[1])
