"""Accumulated local effects: how the score moves with an input among rows that have such values, in points.

References
----------
Apley and Zhu, "Visualizing the effects of predictor variables in black box supervised learning models", JRSS B 82 (2020) 1059-1086.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from registry.encoding import Matrix
from training.explained.sample import Sample

SHOWN: Final = 6
BANDS: Final = 12


def local_effects(sample: Sample) -> list[dict[str, Any]]:
    """Return the accumulated local effects of the numbers that move the score most.

    Returns
    -------
    list of dict
        ``feature``; ``x``: ends of the bands, quantiles of the rows; ``y``: effect in points there, centred over the rows; ``n``:
        rows per band.
    """
    rows = np.vstack([sample.matrix, sample.background]).astype(np.float64)
    order = np.argsort(-np.abs(sample.contributions).mean(axis=0), kind="stable")
    numbers = set(sample.columns.tolist())
    names = sample.scorer.manifest.feature_names
    found = []
    for j in order.tolist():
        made = _effect(sample, rows, j) if j in numbers else None
        if made is not None:
            found.append({"feature": names[j], **made})
        if len(found) == SHOWN:
            break
    return found


def _effect(sample: Sample, rows: Matrix, j: int) -> dict[str, Any] | None:
    known = rows[~np.isnan(rows[:, j])]
    edges = np.unique(np.quantile(known[:, j], np.linspace(0.0, 1.0, BANDS + 1)))
    if len(edges) < 3:
        return None
    band = np.clip(np.searchsorted(edges, known[:, j], side="left"), 1, len(edges) - 1)
    lower, upper = known.copy(), known.copy()
    lower[:, j], upper[:, j] = edges[band - 1], edges[band]
    moved = sample.scorer.points(upper) - sample.scorer.points(lower)
    counts = np.bincount(band, minlength=len(edges))[1:]
    sums = np.bincount(band, weights=moved, minlength=len(edges))[1:]
    steps = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    effect = np.concatenate([[0.0], np.cumsum(steps)])
    centre = float(np.average((effect[:-1] + effect[1:]) / 2, weights=counts))
    return {"x": edges.tolist(), "y": (effect - centre).tolist(), "n": counts.tolist()}
