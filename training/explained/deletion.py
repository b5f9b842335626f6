"""Faithfulness: whether taking away the inputs that an explanation names moves the score as the explanation says.

References
----------
Samek et al., "Evaluating the visualization of what a deep neural network has learned", 2017 (deletion of the most relevant first).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from registry.encoding import Matrix
from training.explained.sample import Codes, Sample

DEPTHS: Final = (1, 2, 4, 8)
RANDOM_DRAWS: Final = 10


def deletion(sample: Sample, *, seed: int) -> dict[str, Any]:
    """Return the fall of points when inputs are set to what is typical: the strongest raising ones first, and at random.

    Returns
    -------
    dict
        ``n_rows``; ``steps``: per depth the mean fall with the named inputs, with as many others drawn at random, and with the
        strongest lowering ones (negative: the score rises); ``correlation``: of the contribution of each input and the fall when it
        alone is taken away, over rows and the strongest inputs; ``named_over_random``: ratio of the two falls at the depth of the
        reasons.
    """
    rng = np.random.default_rng(seed)
    ours, points = sample.contributions, sample.points
    order = np.argsort(-ours, axis=1, kind="stable")
    shuffled = [rng.permuted(np.tile(np.arange(ours.shape[1]), (len(ours), 1)), axis=1) for _ in range(RANDOM_DRAWS)]
    steps = []
    for depth in DEPTHS:
        at_random = float(np.mean([_fall(sample, points, one[:, :depth]) for one in shuffled]))
        steps.append({
            "depth": depth, "named": _fall(sample, points, order[:, :depth]), "random": at_random,
            "lowering": _fall(sample, points, order[:, ::-1][:, :depth]),
        })
    four = next(one for one in steps if one["depth"] == 4)
    return {
        "n_rows": len(points), "steps": steps, "correlation": _single(sample, points, order),
        "named_over_random": four["named"] / four["random"] if four["random"] > 0 else None,
    }


def _fall(sample: Sample, points: Matrix, columns: Codes) -> float:
    return float((points - sample.scorer.points(_without(sample, columns))).mean())


def _without(sample: Sample, columns: Codes) -> Matrix:
    rows = sample.matrix.astype(np.float64, copy=True)
    np.put_along_axis(rows, columns, sample.typical[columns], axis=1)
    return rows


def _single(sample: Sample, points: Matrix, order: Codes) -> float:
    """Return the correlation of contribution and fall over the four strongest inputs of either direction."""
    said, fell = [], []
    for place in (0, 1, 2, 3, -4, -3, -2, -1):
        column = order[:, [place]]
        said.append(np.take_along_axis(sample.contributions, column, axis=1)[:, 0])
        fell.append(points - sample.scorer.points(_without(sample, column)))
    return float(np.corrcoef(np.concatenate(said), np.concatenate(fell))[0, 1])
