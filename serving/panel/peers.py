"""Whom an entity is compared with: those of the same size of fleet and the same kind of transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from serving.panel.reader import EntityMonth, PanelMonth

FEWEST: Final = 10
"""Peers below which a wider circle is taken: an aggregate over fewer entities would tell about single ones."""
QUANTILES: Final = (10, 25, 50, 75, 90)

Circle = Literal["size_and_business", "business", "all"]


@dataclass(frozen=True, kw_only=True)
class Peers:
    """An entity among its peers in a month.

    Parameters
    ----------
    circle
        What they have in common with it.
    n
        How many have a score, the entity among them.
    percentile
        Share of them with fewer points, in per cent, ties by half; None where the entity has no score.
    points
        Points at the `QUANTILES`.
    groups
        The same by feature group.
    """

    circle: Circle
    n: int
    percentile: float | None
    points: tuple[float, ...]
    groups: dict[str, tuple[float, ...]]


def peers_of(month: PanelMonth, one: EntityMonth) -> Peers | None:
    """Return an entity among its peers: the narrowest circle of at least `FEWEST`; None where even all are fewer."""
    scored = ~np.isnan(month.points)
    business = scored & (month.businesses == one.business)
    circles: tuple[tuple[Circle, npt.NDArray[np.bool_]], ...] = (
        ("size_and_business", business & (month.size_classes == one.size_class)), ("business", business), ("all", scored),
    )
    for circle, among in circles:
        n = int(among.sum())
        if n >= FEWEST:
            points = month.points[among]
            below = None if one.points is None else _percentile(points, one.points)
            return Peers(
                circle=circle, n=n, percentile=below, points=_quantiles(points),
                groups={name: _quantiles(month.group(name)[among]) for name in month.manifest.groups},
            )
    return None


def _percentile(points: npt.NDArray[np.float64], own: float) -> float:
    return float(100.0 * (np.mean(points < own) + 0.5 * np.mean(points == own)))


def _quantiles(values: npt.NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(np.percentile(values.astype(np.float64), QUANTILES).tolist())
