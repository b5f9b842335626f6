"""Geometry of the accumulated local effects: lines in a box of 100 by 100, with what the axes say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EffectChart:
    """One input's effect.

    Parameters
    ----------
    feature
        Its name.
    path
        Points of the line, as SVG takes them, in a box of 100 by 100.
    zero
        Height of no effect in the box.
    low, high
        Ends of the x axis.
    least, most
        Smallest and largest effect in points.
    rows
        Ends of the bands and the effects there.
    """

    feature: str
    path: str
    zero: float
    low: float
    high: float
    least: float
    most: float
    rows: list[tuple[float, float]]


def effect_charts(effects: Sequence[Mapping[str, Any]]) -> list[EffectChart]:
    """Return the charts, all on the same scale of points so that they can be compared."""
    heights = [value for one in effects for value in one["y"]]
    least, most = min([0.0, *heights]), max([0.0, *heights])
    span = (most - least) or 1.0
    return [_chart(one, most, span) for one in effects]


def _chart(one: Mapping[str, Any], most: float, span: float) -> EffectChart:
    x, y = one["x"], one["y"]
    width = (x[-1] - x[0]) or 1.0
    points = [(100 * (at - x[0]) / width, 100 * (most - value) / span) for at, value in zip(x, y, strict=True)]
    return EffectChart(
        feature=one["feature"], path=" ".join(f"{across:.2f},{down:.2f}" for across, down in points), zero=100 * most / span,
        low=x[0], high=x[-1], least=min(y), most=max(y), rows=list(zip(x, y, strict=True)),
    )
