"""Whether recent scores are distributed as the reference population's: the population stability index, per product.

A worker keeps the points of its last answers; an index needs `LEAST` of them. The reference is the bundle's own quantiles, so each
of the ten bins expects a tenth.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Final

KEPT: Final = 1000
LEAST: Final = 200
BINS: Final = 10
FLOOR: Final = 0.5
"""Half an answer stands in for an empty bin, whose logarithm is infinite."""


def stability_index(points: Sequence[float], quantiles: Sequence[float]) -> float:
    """Return the population stability index of points against reference quantiles at the 0th, 1st, .. 100th percentile."""
    step = (len(quantiles) - 1) // BINS
    edges = [quantiles[step * k] for k in range(1, BINS)]
    counts = [0.0] * BINS
    for value in points:
        counts[bisect_right(edges, value)] += 1.0
    expected = 1.0 / BINS
    shares = [max(count, FLOOR) / len(points) for count in counts]
    return sum((share - expected) * math.log(share / expected) for share in shares)


class RecentScores:
    """Points of the last answers by product and bundle; a new bundle begins anew."""

    def __init__(self) -> None:
        self._points: dict[str, tuple[str, deque[float]]] = {}

    def add(self, product: str, digest: str, points: float) -> None:
        """Take the points of one answer."""
        held = self._points.get(product)
        if held is None or held[0] != digest:
            held = self._points[product] = (digest, deque(maxlen=KEPT))
        held[1].append(points)

    def index(self, product: str, digest: str, quantiles: Sequence[float]) -> float | None:
        """Return the index of a product's live bundle; None where there are too few answers."""
        held = self._points.get(product)
        if held is None or held[0] != digest or len(held[1]) < LEAST:
            return None
        return stability_index(list(held[1]), quantiles)
