"""When the score will reach a tier if driving goes on: rows of later hours scored on a grid, and each minute before it is reached.

Trees step, so nothing is read off between two points: of the first step of the grid at whose end the tier is reached every minute
is scored. No monotone course is supposed; a spell that begins and ends between two points of the grid is not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from features.live.fatigue import AHEAD_MIN, STEP_MIN

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Points = Callable[[IntArray, IntArray], FloatArray]
"""(vehicles (m,), minutes ahead (m, k)) -> points (m, k), not-a-number where there is no score."""

GRID_MIN: Final = np.arange(0, AHEAD_MIN + 1, STEP_MIN)


def forecast(vehicles: IntArray, points: Points, cuts: tuple[float, ...]) -> FloatArray:
    """Return the minutes until each cut-point is reached, shape (n, n_cuts): infinite where none is, not-a-number without a score.

    Parameters
    ----------
    vehicles
        Vehicles, shape (n,).
    points
        Scores vehicles at minutes ahead.
    cuts
        Points at and above which a tier is reached.
    """
    on_grid = points(vehicles, np.tile(GRID_MIN, (len(vehicles), 1)))
    found = np.full((len(vehicles), len(cuts)), np.nan)
    for place, cut in enumerate(cuts):
        found[:, place] = _reached(vehicles, on_grid, points, cut)
    return found


def _reached(vehicles: IntArray, on_grid: FloatArray, points: Points, cut: float) -> FloatArray:
    with np.errstate(invalid="ignore"):
        above = on_grid >= cut
    first = above.argmax(axis=1)
    minutes = np.where(above.any(axis=1), GRID_MIN[first].astype(np.float64), np.inf)
    minutes[np.isnan(on_grid).all(axis=1)] = np.nan
    inside = np.flatnonzero(above.any(axis=1) & (first > 0))
    if len(inside):
        each = GRID_MIN[first[inside], None] - np.arange(STEP_MIN - 1, 0, -1)
        with np.errstate(invalid="ignore"):
            within = points(vehicles[inside], each) >= cut
        sooner = within.any(axis=1)
        minutes[inside[sooner]] = each[sooner, within[sooner].argmax(axis=1)]
    return minutes
