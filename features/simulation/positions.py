"""Raw 30-second positions (#1) of a few watched vehicles over the last days, as the simulation delivers them."""

from __future__ import annotations

import numpy as np

from features.simulation.activity import Fleet
from features.simulation.deliveries import Batch
from features.simulation.fatigue import DrivingHours
from features.simulation.identities import Identities
from features.simulation.messages import IntArray, messages_of_many
from features.simulation.world import World


def located_vehicles(world: World, hours: DrivingHours) -> IntArray:
    """Return the watched vehicles that also deliver raw positions."""
    chosen: IntArray = np.unique(hours.vehicle)[: world.preset.location_vehicles]
    return chosen


def position_batch(world: World, identities: Identities, hours: DrivingHours, fleet: Fleet) -> Batch:
    """Return the messages of the located vehicles over the last days of the window."""
    since = world.end - np.timedelta64(world.preset.location_days, "D")
    table = messages_of_many(world, identities, located_vehicles(world, hours), since, world.end, fleet=fleet)
    plate = {number: index for index, number in enumerate(identities.plate_no.tolist())}
    vehicle = [plate[number] for number in table["plate_no"].to_pylist()]
    sent = table["gps_time"].to_numpy().astype("datetime64[s]").astype(np.int64)
    row_id = np.array([f"WZ{v}-{s}" for v, s in zip(vehicle, sent.tolist(), strict=True)], dtype=object)
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    return Batch("vehicle_location", columns, row_id=row_id, arrived=table["recv_time"].to_numpy().astype("datetime64[us]"))
