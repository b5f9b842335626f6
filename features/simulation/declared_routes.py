"""Routes that hazmat carriers declare for a day (simulated), and which of their vehicles drive another way: the truth of it.

A carrier declares the way that its vehicle drives that month; on a share of the days the vehicle drives it although another way
was declared. Declared lines are coarse, as somebody would draw them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as dt_time
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import Assumptions
from features.simulation.identities import PLATE_COLOR, Identities, make_identities
from features.simulation.messages import route_of_month
from features.simulation.presets import preset_named
from features.simulation.routes import usual_routes, vertices_of
from features.simulation.streams import Stream, generator
from features.simulation.world import HAZMAT, World, build_world
from registry.local_time import SHANGHAI

DEVIATING_SHARE: Final = 0.10
"""Share of vehicle-days that are driven another way than declared. [A]"""
POINT_EVERY: Final = 2
"""Declared lines have every second vertex of the road: one in about 4 km. [A]"""
DECIMALS: Final = 3
"""Of a declared degree: about 0.1 km. [A]"""


@dataclass(frozen=True)
class DeclaredDay:
    """What was declared for a vehicle on a day, and what it drives.

    Parameters
    ----------
    vehicle, day
        Which.
    declared, driven
        Routes (`features.simulation.routes`).
    line
        The declared line.
    """

    vehicle: int
    day: date
    declared: int
    driven: int
    line: list[list[float]]

    @property
    def deviates(self) -> bool:
        """Return whether another way is driven than was declared."""
        return self.declared != self.driven


def hazmat_vehicles(world: World) -> npt.NDArray[np.int64]:
    """Return the hazmat vehicles."""
    return np.flatnonzero(world.operators.business[world.vehicles.operator] == HAZMAT)


def declared_days(world: World, first: date, days: int) -> list[DeclaredDay]:
    """Return what was declared for every hazmat vehicle on some days."""
    usual, found = usual_routes(world), []
    for vehicle in hazmat_vehicles(world).tolist():
        for day in (first + timedelta(days=number) for number in range(days)):
            driven = route_of_month(world, usual, vehicle, np.datetime64(day, "M"))
            rng = generator(world.seed, Stream.DECLARED_ROUTES, vehicle, day.toordinal())
            others = [route for route in usual[vehicle].tolist() if route != driven]
            declared = int(rng.choice(others)) if rng.random() < DEVIATING_SHARE else driven
            found.append(DeclaredDay(vehicle, day, declared, driven, _line(declared)))
    return found


def declared_lines(identities: Identities, found: list[DeclaredDay]) -> Iterator[dict[str, Any]]:
    """Yield declarations as `features.supervision.route_lines` reads them."""
    for one in found:
        begin = datetime.combine(one.day, dt_time(), SHANGHAI)
        yield {
            "plate_no": str(identities.plate_no[one.vehicle]), "plate_color": PLATE_COLOR, "from": begin.isoformat(),
            "until": (begin + timedelta(days=1)).isoformat(), "line": one.line,
        }


def lines_of_province(preset: str, seed: int, first: date, days: int) -> list[dict[str, Any]]:
    """Return what the hazmat carriers of a simulated province declare for some days, without what is driven."""
    world = build_world(preset_named(preset), seed, Assumptions())
    return [*declared_lines(make_identities(world), declared_days(world, first, days))]


def _line(route: int) -> list[list[float]]:
    points = vertices_of(route)
    kept = points[np.unique(np.r_[np.arange(0, len(points), POINT_EVERY), len(points) - 1])]
    return [[round(lon, DECIMALS), round(lat, DECIMALS)] for lon, lat in kept.tolist()]
