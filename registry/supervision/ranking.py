"""The supervision score: which vehicle to look at first.

A sum of declared points over the alerts of a vehicle that go on (`registry.supervision.rules`), at most 1,000. It is exact by its
form: every point belongs to one alert. It is not the points of the fatigue score, because that speaks of one danger and of vehicles
that drive only, while supervision ranks expired papers, silent terminals and speeding as well; the tier of the fatigue score enters
as an alert of its own. The weights are assumptions [A]; they are no estimate of risk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from registry.supervision.life_cycle import Alert

MOST_POINTS: Final = 1_000.0
TIERS: Final = ((400.0, "red"), (200.0, "orange"), (1.0, "yellow"))
"""Least points of a tier; green below. [A]"""


@dataclass(frozen=True)
class Ranked:
    """A vehicle with its score, tier, and the alerts that make it, those with most points first."""

    vehicle_id: str
    enterprise_id: str
    points: float
    tier: str
    alerts: tuple[Alert, ...]


def ranked(alerts: Iterable[Alert]) -> list[Ranked]:
    """Return the vehicles with points, most first, the same ones always in the same order."""
    by_vehicle: dict[str, list[Alert]] = defaultdict(list)
    for alert in alerts:
        if alert.points():
            by_vehicle[alert.vehicle_id].append(alert)
    found = []
    for vehicle, own in by_vehicle.items():
        ordered = tuple(sorted(own, key=lambda alert: (-alert.points(), alert.rule_id, alert.alert_id)))
        points = min(sum(alert.points() for alert in ordered), MOST_POINTS)
        found.append(Ranked(vehicle, ordered[0].enterprise_id, points, tier_of(points), ordered))
    return sorted(found, key=lambda one: (-one.points, one.vehicle_id))


def tier_of(points: float) -> str:
    """Return the tier of a score."""
    return next((tier for least, tier in TIERS if points >= least), "green")
