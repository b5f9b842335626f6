"""Intervals of remaining life that cover at a stated rate: conformal by unit, within bands of the prediction.

A unit's cycles are not exchangeable with each other, units are: each unit counts once, however many cycles it has. The width
depends on the band that the prediction lies in, because remaining life is known far better near its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.cmapss_data import CAP

FloatArray = npt.NDArray[np.floating[Any]]

BANDS: Final = (0.0, 25.0, 50.0, 75.0, 100.0, CAP)
RATE: Final = 0.9


@dataclass(frozen=True)
class UnitConformal:
    """Half widths by band of the prediction.

    Parameters
    ----------
    rate
        Stated rate of coverage.
    edges
        Ascending edges of the bands; a prediction beyond the last belongs to the last band.
    half_width
        Shape (n_bands,); infinite where too few units were in the band for the rate.
    units
        Units that calibrated each band.
    """

    rate: float
    edges: tuple[float, ...]
    half_width: FloatArray
    units: npt.NDArray[np.int64]

    def interval(self, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the intervals, within 0 and the cap."""
        half = self.half_width[band_of(predicted, self.edges)]
        return np.clip(predicted - half, 0.0, CAP), np.clip(predicted + half, 0.0, CAP)


def band_of(predicted: FloatArray, edges: tuple[float, ...]) -> npt.NDArray[np.int64]:
    """Return the band of each prediction."""
    inner = np.array(edges[1:-1])
    return np.searchsorted(inner, predicted, side="right").astype(np.int64)


def conformal_by_unit(
    predicted: FloatArray, observed: FloatArray, unit: npt.NDArray[Any], *, rate: float = RATE, edges: tuple[float, ...] = BANDS
) -> UnitConformal:
    """Calibrate on predictions made without the unit that they are about.

    Parameters
    ----------
    predicted, observed
        Out-of-fold prediction and outcome, shape (n,).
    unit
        Unit of each row, shape (n,).
    rate
        Rate to cover at, between 0 and 1.
    edges
        Bands of the prediction.

    References
    ----------
    Lee, Barber and Willett, "Distribution-free inference with hierarchical data", arXiv 2306.06342, 2023 (each unit's scores share
    the weight ``1 / (units + 1)``, the rest lies at infinity); Vovk, Lindsay, Nouretdinov and Gammerman, "Mondrian confidence
    machine", 2003 (calibration within bands). The boosters are those of cross-fitting and not one held-out model, so the guarantee
    is that of the cross-conformal method: approximate, and checked on the test.
    """
    error, band = np.abs(observed - predicted), band_of(predicted, edges)
    widths, counts = [], []
    for k in range(len(edges) - 1):
        rows = band == k
        widths.append(unit_quantile(error[rows], unit[rows], rate))
        counts.append(len(np.unique(unit[rows])))
    return UnitConformal(rate, edges, np.array(widths), np.array(counts, dtype=np.int64))


def unit_quantile(score: FloatArray, unit: npt.NDArray[Any], rate: float) -> float:
    """Return the score below which a share `rate` lies when every unit weighs ``1 / (units + 1)`` and one more is infinite."""
    if not len(score):
        return float("inf")
    _, codes, counts = np.unique(unit, return_inverse=True, return_counts=True)
    order = np.argsort(score, kind="stable")
    reached = np.cumsum(1.0 / counts[codes[order]]) / (len(counts) + 1)
    # A sum of thirds that should be one falls short by rounding.
    place = int(np.searchsorted(reached, rate - 1e-9, side="left"))
    return float(score[order[place]]) if place < len(score) else float("inf")


def judged(conformal: UnitConformal, predicted: FloatArray, observed: FloatArray, unit: npt.NDArray[Any]) -> dict[str, Any]:
    """Return realised coverage and mean width, every unit counted once."""
    low, high = conformal.interval(predicted)
    _, codes, counts = np.unique(unit, return_inverse=True, return_counts=True)
    weight = 1.0 / counts[codes]
    inside = (low <= observed) & (observed <= high)
    return {
        "coverage": float(np.average(inside, weights=weight)), "mean_width": float(np.average(high - low, weights=weight)),
        "units": len(counts),
    }


def exact_range(covered: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a rate of which `covered` of `n` were seen (Clopper and Pearson, Biometrika 26, 1934)."""
    from scipy.stats import beta

    tail = (1.0 - level) / 2.0
    low = float(beta.ppf(tail, covered, n - covered + 1)) if covered else 0.0
    high = float(beta.ppf(1.0 - tail, covered + 1, n - covered)) if covered < n else 1.0
    return low, high
