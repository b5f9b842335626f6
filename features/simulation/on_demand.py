"""Any vehicle-day of a preset by plate or number: its planned row and its raw messages, without simulating the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.simulation.activity import Fleet, block_days, fleet_of
from features.simulation.assumptions import Assumptions
from features.simulation.identities import Identities, make_identities
from features.simulation.messages import messages_of
from features.simulation.presets import preset_named
from features.simulation.trips import BLOCK
from features.simulation.world import World, build_world
from registry.errors import InvalidRequest, NotFound


@dataclass(frozen=True)
class VehicleDay:
    """One vehicle-day.

    Parameters
    ----------
    vehicle, plate_no
        Who.
    messages
        Rows of `vehicle_location`.
    planned
        The measured columns of its row of `vehicle_day`; None on a day without a message.
    """

    vehicle: int
    plate_no: str
    messages: pa.Table
    planned: dict[str, float | int | None] | None


def vehicle_day_messages(
    preset: str, seed: int, vehicle: str, day: np.datetime64, assumptions: Assumptions | None = None
) -> VehicleDay:
    """Return the messages of one vehicle-day of a province with default assumptions.

    Raises
    ------
    NotFound
        If the province has no such vehicle.
    InvalidRequest
        If the day lies outside the province's window.
    """
    world = build_world(preset_named(preset), seed, assumptions or Assumptions())
    identities, fleet = make_identities(world), fleet_of(world)
    if not world.start <= day < world.end:
        raise InvalidRequest(f"{day} lies outside {world.start} to {world.end - 1}", remedy="Name a day of the simulated window.")
    index = _index(world, identities, vehicle, day)
    return VehicleDay(
        vehicle=index, plate_no=str(identities.plate_no[index]),
        messages=messages_of(world, identities, index, day, fleet=fleet), planned=_planned(fleet, index, day),
    )


def _index(world: World, identities: Identities, vehicle: str, day: np.datetime64) -> int:
    if vehicle.isascii() and vehicle.isdigit():
        index: int | None = int(vehicle) if int(vehicle) < len(world.vehicles) else None
    else:
        index = identities.holder_on(world.vehicles, vehicle, day)
    if index is None:
        raise NotFound(
            f"no vehicle {vehicle!r} on {day}",
            remedy="Name a plate of vehicle_basic that is in service on that day, or a vehicle's number.",
        )
    return index


def _planned(fleet: Fleet, vehicle: int, day: np.datetime64) -> dict[str, float | int | None] | None:
    block = vehicle // BLOCK
    part = next(iter(block_days(fleet, block, day, day + 1)))
    row = int(np.searchsorted(part.vehicle, vehicle - block * BLOCK))
    if row == len(part.vehicle) or part.vehicle[row] != vehicle - block * BLOCK:
        return None
    values = {name: column[row].item() for name, column in part.columns.items()}
    return {name: None if isinstance(value, float) and math.isnan(value) else _rounded(value) for name, value in values.items()}


def _rounded(value: float) -> float:
    return round(value, 3) if isinstance(value, float) else value
