"""Stability: whether small noise in the inputs, as a second measurement would have, leaves the reasons as they are."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from registry.encoding import Matrix
from training.explained.sample import Sample, overlap, top_codes

NOISE: Final = 0.01
"""Relative standard deviation of the noise. [A]"""
DRAWS: Final = 10


def stability(sample: Sample, *, seed: int, draws: int = DRAWS) -> dict[str, Any]:
    """Return how points and reasons move when every measured number is off by about a hundredth.

    Whole numbers are counts and stay, as do zeros, missing values and categories.

    Returns
    -------
    dict
        ``noise``, ``draws``, ``n_rows``; ``points``: median and 95th percentile of the absolute move; ``jaccard`` and
        ``same_first`` of the reasons before and after; ``contribution_move``: mean absolute move of a contribution relative to its
        mean size.
    """
    rng = np.random.default_rng(seed)
    before, points, ours = top_codes(sample.scorer, sample.contributions), sample.points, sample.contributions
    moves, sizes, alike = [], [], []
    for _ in range(draws):
        noisy = with_noise(sample, rng)
        after = sample.scorer.explain(noisy)
        moves.append(np.abs(after.points - points))
        sizes.append(float(np.abs(after.contributions - ours).mean()))
        alike.append(overlap(before, top_codes(sample.scorer, after.contributions)))
    moved = np.concatenate(moves)
    return {
        "noise": NOISE, "draws": draws, "n_rows": len(points),
        "points": {"median": float(np.median(moved)), "p95": float(np.percentile(moved, 95))},
        "contribution_move": float(np.mean(sizes) / np.abs(ours).mean()),
        **{name: float(np.mean([one[name] for one in alike])) for name in ("jaccard", "same_first")},
    }


def with_noise(sample: Sample, rng: np.random.Generator) -> Matrix:
    """Return the rows with noise on what is measured."""
    noisy = sample.matrix.astype(np.float64, copy=True)
    part = noisy[:, sample.columns]
    measured = ~np.isnan(part) & (part != np.round(part))
    part[measured] *= 1.0 + NOISE * rng.standard_normal(int(measured.sum()))
    noisy[:, sample.columns] = part
    return noisy
