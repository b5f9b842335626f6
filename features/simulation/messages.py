"""Raw 30-second messages (#1) of any vehicle-day, expanded from the plan that gave its row of `vehicle_day`.

What is planned is kept exactly: ticks of driving, speeds (in some smooth order), runs above the cap, alarms, harsh brakes,
silences, lost messages. What the plan leaves open (which tick, where on the road) is drawn for the vehicle-day alone. In
each month a vehicle drives to and fro on one of its usual routes and begins at its start; the odometer is read anew then,
so tracks join within a month and not across its edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.contracts import ARROW_TYPES
from features.simulation.activity import BlockDay, Fleet, block_days
from features.simulation.clock import instants
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.packets import Packets, packets_of
from features.simulation.routes import N_USUAL, USUAL_SHARES, all_routes, route_geometry, usual_routes
from features.simulation.streams import Stream, generator
from features.simulation.trips import BLOCK
from features.simulation.world import World
from registry.resources import RESOURCES
from registry.resources.schema import Column

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

FIXED_GPS_BEIDOU: Final = 1 << 1 | 1 << 18 | 1 << 19
LOADED: Final = 0b11 << 8
NOISE_DEG: Final = 0.000_02
DRIFT_DEG: Final = 0.06
DUPLICATED_SHARE: Final = 0.003
LATE_SHARE: Final = 0.004
LATE_MAX_S: Final = 2_400
NO_RECORDER_EVERY: Final = 17
"""One vehicle in so many has no recorder wired and sends 0. [A]"""
_ROUTE_OF_MONTH: Final = 1


@dataclass(frozen=True)
class _Trip:
    """Where a vehicle stands when a day begins."""

    vehicle: int
    day: np.datetime64
    route: int
    travelled_km: float
    odometer_km: float
    stuck: bool


def messages_of(
    world: World, identities: Identities, vehicle: int, day: np.datetime64, *, days: int = 1, fleet: Fleet
) -> pa.Table:
    """Return the messages of a vehicle on a day, or on several days of one month.

    Parameters
    ----------
    vehicle
        Index of the vehicle.
    day
        First local day inside the window.
    days
        Number of days.
    fleet
        `activity.fleet_of(world)`.

    Returns
    -------
    pa.Table
        The declared columns of `vehicle_location`, ordered by reception; empty on days without a message.
    """
    block = vehicle // BLOCK
    return _table(identities, _block_packets(world, fleet, block, np.array([vehicle]), day, day + days))


def messages_of_many(
    world: World, identities: Identities, vehicles: IntArray, first: np.datetime64, end: np.datetime64, *, fleet: Fleet
) -> pa.Table:
    """Return the messages of several vehicles from a day until before another one."""
    found: list[tuple[_Trip, Packets]] = []
    for block in np.unique(vehicles // BLOCK).tolist():
        found += _block_packets(world, fleet, block, vehicles[vehicles // BLOCK == block], first, end)
    return _table(identities, found)


def _block_packets(
    world: World, fleet: Fleet, block: int, vehicles: IntArray, first: np.datetime64, end: np.datetime64
) -> list[tuple[_Trip, Packets]]:
    found: list[tuple[_Trip, Packets]] = []
    usual = usual_routes(world)
    month = first.astype("datetime64[M]").astype("datetime64[D]")
    travelled = dict.fromkeys(vehicles.tolist(), 0.0)
    for part in block_days(fleet, block, max(month, world.start), end):
        if part.day.astype("datetime64[M]") != month.astype("datetime64[M]"):
            month = part.day
            travelled = dict.fromkeys(travelled, 0.0)
        rows = np.searchsorted(part.vehicle, vehicles - block * BLOCK)
        for vehicle, row in zip(vehicles.tolist(), rows.tolist(), strict=True):
            if row == len(part.vehicle) or part.vehicle[row] != vehicle - block * BLOCK:
                continue
            if part.day >= first:
                trip = _trip(world, usual, vehicle, part, row, month, travelled[vehicle])
                rng = generator(world.seed, Stream.MESSAGES, vehicle, int(part.day.astype(np.int64)))
                found.append((trip, _moved(rng, part, row, trip)))
            travelled[vehicle] += float(part.driving.odometer_km[row])
    return found


def _trip(
    world: World, usual: IntArray, vehicle: int, part: BlockDay, row: int, month: np.datetime64, travelled: float
) -> _Trip:
    route = route_of_month(world, usual, vehicle, month)
    years = float((month - world.start).astype(np.float64)) / 365.25
    odometer = float(world.vehicles.odometer_km[vehicle] + years * world.vehicles.annual_km[vehicle])
    return _Trip(vehicle, part.day, route, travelled, odometer, bool(part.stuck[row]))


def route_of_month(world: World, usual: IntArray, vehicle: int, month: np.datetime64) -> int:
    """Return the route that a vehicle drives in a month, one of its usual ones (`usual_routes`)."""
    rng = generator(world.seed, Stream.ROADS, _ROUTE_OF_MONTH, vehicle, int(month.astype("datetime64[M]").astype(np.int64)))
    return int(usual[vehicle, rng.choice(N_USUAL, p=USUAL_SHARES)])


def _moved(rng: np.random.Generator, part: BlockDay, row: int, trip: _Trip) -> Packets:
    """Return a day's packets with their places on the road."""
    packets = packets_of(rng, part, row)
    travelled = trip.travelled_km + packets.columns.pop("travelled_km")
    n = len(travelled)
    points = route_geometry(np.full(n, trip.route), travelled)
    lost = packets.columns.pop("drifted")
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    away = np.where(lost, DRIFT_DEG * (1.0 + rng.random(n)), NOISE_DEG * rng.random(n))
    outward = (travelled % (2.0 * all_routes().length_km[trip.route])) < all_routes().length_km[trip.route]
    shown = np.zeros(n) if trip.stuck else travelled
    packets.columns.update({
        "lon_deg": np.round(points.lon + away * np.cos(angle), 6), "lat_deg": np.round(points.lat + away * np.sin(angle), 6),
        "heading_deg": np.floor(points.heading_deg) % 360.0, "odometer_km": np.round(trip.odometer_km + shown, 1),
        "altitude_m": np.round(95.0 + 45.0 * np.sin(9.0 * points.lon) + 40.0 * np.sin(13.0 * points.lat)),
        "status_bits": packets.columns["status_bits"] | FIXED_GPS_BEIDOU | np.where(outward, LOADED, 0),
        "satellites": rng.integers(8, 20, n),
    })
    speed = packets.columns["speed_kmh"]
    packets.columns["vec2_kmh"] = np.zeros(n) if trip.vehicle % NO_RECORDER_EVERY == 0 else np.round(speed * 1.01)
    delay = rng.integers(1, 6, n) + np.where(rng.random(n) < LATE_SHARE, rng.integers(60, LATE_MAX_S, n), 0)
    return Packets(packets.second, {**packets.columns, "delay_s": delay}).repeated(rng, DUPLICATED_SHARE)


def _table(identities: Identities, found: list[tuple[_Trip, Packets]]) -> pa.Table:
    declared = RESOURCES["vehicle_location"].columns
    if not found:
        return pa.table({column.id: pa.nulls(0, ARROW_TYPES[column.dtype]) for column in declared})
    sizes = [len(packets.second) for _, packets in found]
    day = np.repeat(np.array([trip.day for trip, _ in found]), sizes)
    vehicle = np.repeat([trip.vehicle for trip, _ in found], sizes)
    second = np.concatenate([packets.second for _, packets in found])
    columns = {name: np.concatenate([packets.columns[name] for _, packets in found]) for name in found[0][1].columns}
    sent = instants(day, second / 3600.0)
    columns |= {
        "plate_no": identities.plate_no[vehicle], "plate_color": np.full(len(vehicle), PLATE_COLOR, dtype=object),
        "gps_time": sent, "recv_time": sent + columns.pop("delay_s").astype("timedelta64[s]"),
    }
    order = np.lexsort((columns["recv_time"], vehicle))
    return pa.table({column.id: _array(columns[column.id][order], column) for column in declared})


def _array(values: npt.NDArray[Any], column: Column) -> pa.Array:
    target = ARROW_TYPES[column.dtype]
    if column.dtype == "timestamp":
        return pa.array(values, pa.timestamp("us")).cast(target)
    return pa.array(values, from_pandas=True).cast(target)
