"""The raw messages of a whole day as a platform receives them: in the order of their receipt, the late ones late."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.simulation.activity import fleet_of
from features.simulation.assumptions import Assumptions
from features.simulation.identities import make_identities
from features.simulation.messages import messages_of_many
from features.simulation.presets import preset_named
from features.simulation.world import build_world
from registry.errors import NotFound


def day_of_messages(preset: str, seed: int, day: date, n_vehicles: int, *, days: int = 1) -> pa.Table:
    """Return the messages of the first vehicles of a province, ordered by receipt.

    Parameters
    ----------
    preset, seed
        The simulated province.
    day, days
        First local day, and how many.
    n_vehicles
        So many vehicles; those that do not drive send nothing.

    Raises
    ------
    NotFound
        If the day lies outside the province's window.
    """
    world = build_world(preset_named(preset), seed, Assumptions())
    first = np.datetime64(day)
    if not world.start <= first < world.end:
        raise NotFound(f"the province has no {day}", where=f"{world.start} to {world.end}", remedy="Choose a day within.")
    vehicles = np.arange(min(n_vehicles, len(world.vehicles)))
    identities, fleet = make_identities(world), fleet_of(world)
    found = messages_of_many(world, identities, vehicles, first, min(first + days, world.end), fleet=fleet)
    return found.take(pc.sort_indices(found, [("recv_time", "ascending"), ("plate_no", "ascending")]))


def newest_day(preset: str, seed: int, *, days: int = 1) -> date:
    """Return the first of the last `days` local days of a province."""
    world = build_world(preset_named(preset), seed, Assumptions())
    end: date = world.end.astype("datetime64[D]").item()
    return end - timedelta(days=days)
