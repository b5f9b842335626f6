"""When a figure of quality is worth a warning, and when a source counts as broken. All of them are assumptions [A].

Freshness has its limits with the resource declarations (`registry.resources.schema.FRESHNESS_LIMIT_D`), because scores turn
grey by the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.resources.schema import Cycle


@dataclass(frozen=True)
class Floor:
    """Least shares: below `warn` a figure is worth a look, below `broken` the source should not be relied on [A]."""

    warn: float
    broken: float


COMPLETENESS: Final = Floor(warn=0.90, broken=0.50)
"""Least of: rows against their usual count (at most 1), and the worst column's filled share against its usual one. [A]"""
UNIQUENESS: Final = Floor(warn=0.98, broken=0.80)
"""Share of delivered rows that are neither an exact repetition nor a second row for one key at one event time. [A]"""
VALIDITY: Final = Floor(warn=0.99, broken=0.80)
"""Share of delivered rows that break no rule; a delivery below 0.8 is refused at the door. [A]"""
CONSISTENCY: Final = Floor(warn=0.95, broken=0.60)
"""Least share of rows or keys that hold, over the checks across resources. [A]"""

USUAL_PERIODS: Final = 12
"""The usual count and the usual filled shares are medians over so many earlier periods. [A]"""
MIN_PERIODS: Final = 3
"""With fewer earlier periods nothing is usual yet, and completeness is not judged against it. [A]"""
COUNT_NOISE: Final = 3.0
"""A count is short of the usual one only beyond so many standard deviations of a Poisson count. [A]"""
EXPECTED_WITHIN_D: Final[dict[Cycle, float]] = {"realtime": 1.0, "daily": 2.0, "monthly": 45.0, "yearly": 550.0}
"""Days after which a source is due, by the annex's cycle: one cycle and the usual lag. Later is worth a look; stale only
beyond the freshness limit. [A]"""
