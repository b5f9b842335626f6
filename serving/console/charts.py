"""Geometry of the pictures: percentages along an axis, drawn by templates as SVG, with the numbers in a table beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

STRONGEST: Final = 14
"""So many features have a bar of their own; the others share one, and a table beneath holds all of them."""
_BINS: Final = 60
_ROUND: Final = 10.0

Kind = Literal["base", "up", "down", "rest", "clamp", "total"]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One step of a waterfall.

    Parameters
    ----------
    kind
        What it is.
    item
        The contribution behind it; None for base, rest, clamp and total.
    n
        How many features share it.
    points
        Its own points; for base and total the height itself.
    running
        Points reached after it.
    x, width
        Where it lies, in per cent of the axis.
    """

    kind: Kind
    item: Mapping[str, Any] | None
    n: int
    points: float
    running: float
    x: float
    width: float


def waterfall(decomposition: Mapping[str, Any], *, strongest: int = STRONGEST) -> list[Bar]:
    """Return the bars from base to total; each begins where the one before it ends."""
    items = list(decomposition["contributions"])
    own, rest = items[:strongest], items[strongest:]
    steps: list[tuple[Kind, Mapping[str, Any] | None, int, float]] = [
        ("up" if item["points"] > 0 else "down", item, 1, item["points"]) for item in own
    ]
    if rest:
        steps.append(("rest", None, len(rest), math.fsum(item["points"] for item in rest)))
    if decomposition["clamp"]:
        steps.append(("clamp", None, 1, decomposition["clamp"]))
    heights = [decomposition["base"]]
    for *_, points in steps:
        heights.append(heights[-1] + points)
    axis = _Axis.over(heights)
    base, total = decomposition["base"], decomposition["total"]
    bars = [Bar(kind="base", item=None, n=1, points=base, running=base, x=axis.at(base), width=0.0)]
    for (kind, item, n, points), before, after in zip(steps, heights, heights[1:], strict=False):
        left, right = sorted((axis.at(before), axis.at(after)))
        bars.append(Bar(kind=kind, item=item, n=n, points=points, running=after, x=left, width=round(right - left, 3)))
    return [*bars, Bar(kind="total", item=None, n=1, points=total, running=total, x=axis.at(total), width=0.0)]


@dataclass(frozen=True, kw_only=True)
class Band:
    """One tier on the scale: from and to in points, and in per cent of the axis."""

    tier: str
    low: float
    high: float
    x: float
    width: float
    n_reference: float


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The scale of a score with its tiers, the reference population, and where the score lies.

    Parameters
    ----------
    bands
        Tiers from left to right, each with the share of the reference population in it.
    population
        Bars of the reference population: x, width and height in per cent.
    marker
        Where the score lies; None without one.
    low, high
        Ends of the axis in points.
    """

    bands: tuple[Band, ...]
    population: tuple[tuple[float, float, float], ...]
    marker: float | None
    low: float
    high: float


def scale(points: float | None, cut_points: Sequence[float], quantiles: Sequence[float]) -> Scale:
    """Return the scale around a score, its cut-points and the reference population.

    Parameters
    ----------
    points
        The score; None where there is none.
    cut_points
        Points from which a score is yellow, orange, red.
    quantiles
        Points at the 0th, 1st, .. 100th percentile of the reference population.
    """
    axis = _Axis.over([*cut_points, quantiles[0], quantiles[-1], *([] if points is None else [points])])
    edges = [axis.low, *cut_points, axis.high]
    bands = [
        Band(
            tier=tier, low=low, high=high, x=axis.at(low), width=round(max(axis.at(high) - axis.at(low), 0.0), 3),
            n_reference=_share_below(quantiles, high) - _share_below(quantiles, low),
        )
        for tier, low, high in zip(("blue", "yellow", "orange", "red"), edges, edges[1:], strict=False)
    ]
    step = (axis.high - axis.low) / _BINS
    bins = [axis.low + number * step for number in range(_BINS + 1)]
    shares = [_share_below(quantiles, high) - _share_below(quantiles, low) for low, high in pairwise(bins)]
    most = max(shares) or 1.0
    population = tuple(
        (axis.at(low), round(100 / _BINS, 3), round(100 * share / most, 2))
        for low, share in zip(bins, shares, strict=False) if share > 0
    )
    marker = None if points is None else axis.at(points)
    return Scale(bands=tuple(bands), population=population, marker=marker, low=axis.low, high=axis.high)


def diverging(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return x and width of bars to both sides of the middle, in per cent; the longest fills its side."""
    most = max((abs(value) for value in values), default=0.0) or 1.0
    lengths = [50 * abs(value) / most for value in values]
    return [
        (round(50 - length if value < 0 else 50, 3), round(length, 3)) for value, length in zip(values, lengths, strict=True)
    ]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Axis:
        low, high = min(values), max(values)
        room = max((high - low) * 0.04, 1.0)
        return cls(math.floor((low - room) / _ROUND) * _ROUND, math.ceil((high + room) / _ROUND) * _ROUND)

    def at(self, value: float) -> float:
        """Return the place of a value in per cent."""
        return round(100 * (value - self.low) / (self.high - self.low), 3)


def _share_below(quantiles: Sequence[float], value: float) -> float:
    """Return the share of a population below a value, linear between its percentiles."""
    if value <= quantiles[0]:
        return 0.0
    last = len(quantiles) - 1
    for place, (low, high) in enumerate(pairwise(quantiles)):
        if value <= high:
            return (place + ((value - low) / (high - low) if high > low else 1.0)) / last
    return 1.0
