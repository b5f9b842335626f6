"""Points and tiers of many vehicles at once, and what a matrix must hold for a score: as `serving.answering` says of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from features.live.fatigue import Why
from registry.products import DRIVER_FATIGUE

if TYPE_CHECKING:
    from registry.encoding import Matrix
    from serving.live import LiveScorer

FloatArray = npt.NDArray[np.float64]
NEAR_POINTS: Final = 1e-6


def on_trip(why: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Return who drives, whether its first hour is full or not."""
    return np.isin(why, (Why.SCORED, Why.SHORT))


def enough(model: LiveScorer, matrix: Matrix) -> npt.NDArray[np.bool_]:
    """Return which rows have what `serving.no_score` asks of inputs: those that are required, and enough of them all."""
    names = model.manifest.feature_names
    place = {name: at for at, name in enumerate(names)}
    required = [place[feature.name] for feature in model.manifest.required]
    absent = np.isnan(matrix[:, [place[name] for name in model.manifest.may_be_unknown]]).sum(axis=1)
    lacking = np.isnan(matrix[:, required]).sum(axis=1)
    found: npt.NDArray[np.bool_] = (lacking == 0) & (1.0 - absent / len(names) >= DRIVER_FATIGUE.min_coverage)
    return found


def points_and_tiers(model: LiveScorer, matrix: Matrix) -> tuple[FloatArray, npt.NDArray[np.int8]]:
    """Return points and rank of the tier."""
    if not len(matrix):
        return np.zeros(0), np.zeros(0, np.int8)
    cuts = np.array(model.manifest.cut_points)
    found = model.scorer.points(matrix)
    near = (np.abs(found[:, None] - cuts) < NEAR_POINTS).any(axis=1)
    if near.any():
        found[near] = model.scorer.explain(matrix[near]).points
    return found, (1 + np.searchsorted(cuts, found, side="right")).astype(np.int8)
