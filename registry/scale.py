"""The score scale: points are affine on the calibrated margin, so contributions add up to the score.

A margin is a log-odds or a log-rate. Points run from 0 to 1000, higher is riskier; each doubling of odds or rate adds
`POINTS_PER_DOUBLING` and the reference population's mean margin lies at `POINTS_AT_REFERENCE`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

POINTS_PER_DOUBLING: Final = 50.0
POINTS_AT_REFERENCE: Final = 500.0
POINTS_MIN: Final = 0.0
POINTS_MAX: Final = 1000.0

Tier = Literal["red", "orange", "yellow", "blue", "grey"]

TIERS: Final[dict[Tier, tuple[str, str]]] = {
    "red": ("红", "highest risk"),
    "orange": ("橙", "high risk"),
    "yellow": ("黄", "raised risk"),
    "blue": ("蓝", "ordinary risk"),
    "grey": ("灰", "no score"),
}
"""Tier -> (Chinese sign, English meaning). Grey is an answer of its own: there is no score, and it says why."""


@dataclass(frozen=True, kw_only=True)
class ScoreScale:
    """The affine map from margin to points, and the tier cut-points on it.

    Parameters
    ----------
    reference_margin
        Mean calibrated margin of the reference population.
    cut_points
        Points at and above which a score is (yellow, orange, red), ascending.
    """

    reference_margin: float
    cut_points: tuple[float, float, float]

    def __post_init__(self) -> None:
        yellow, orange, red = self.cut_points
        if not yellow <= orange <= red:
            raise ValueError(f"cut-points must ascend yellow, orange, red, met {self.cut_points}")

    @property
    def slope(self) -> float:
        """Points per unit of margin (per e-fold of odds or rate)."""
        return POINTS_PER_DOUBLING / math.log(2.0)

    def points(self, margin: float) -> float:
        """Return unclamped points of a margin."""
        return POINTS_AT_REFERENCE + self.slope * (margin - self.reference_margin)

    def margin(self, points: float) -> float:
        """Return the margin of unclamped points."""
        return self.reference_margin + (points - POINTS_AT_REFERENCE) / self.slope

    def clamp(self, points: float) -> float:
        """Return what must be added to points to bring them into the scale: the explanation's own clamp line."""
        return min(max(points, POINTS_MIN), POINTS_MAX) - points

    def tier(self, points: float) -> Tier:
        """Return the colour tier of clamped points."""
        yellow, orange, red = self.cut_points
        if points >= red:
            return "red"
        if points >= orange:
            return "orange"
        return "yellow" if points >= yellow else "blue"
