"""Raw 30-second positions (#1) of a few vehicles over the last days: JT/T 808 messages along straight roads."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.cities import CITIES
from features.simulation.clock import instants
from features.simulation.deliveries import Batch, only_where
from features.simulation.fatigue import DrivingHours, first_fatigue_day
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

INTERVAL_S: Final = 30.0
PER_HOUR: Final = 120
KM_PER_DEG: Final = 111.2
ACC_FIXED_GPS: Final = 0b11 | 1 << 18
"""Status: ignition on, position fixed, GPS in use."""
OVERSPEED: Final = 1 << 1
SPEED_LIMIT_KMH: Final = 92.0
DRIFT_SHARE: Final = 0.002
LOST_SHARE: Final = 0.01


def position_batch(world: World, identities: Identities, hours: DrivingHours) -> Batch:
    """Return the messages of the watched vehicles in their last driving hours."""
    rng = generator(world.seed, Stream.POSITIONS)
    watched = np.unique(hours.vehicle)[: world.preset.location_vehicles]
    since = 24.0 * (world.preset.fatigue_days - world.preset.location_days)
    rows = np.flatnonzero(np.isin(hours.vehicle, watched) & (hours.start_h >= since))
    hour = np.repeat(rows, PER_HOUR)
    tick = np.tile(np.arange(PER_HOUR), len(rows))
    kept = rng.random(len(hour)) >= LOST_SHARE
    hour, tick = hour[kept], tick[kept]
    vehicle = hours.vehicle[hour]
    speed = np.clip(world.class_values("speed_kmh")[vehicle] * 1.1 + 9.0 * rng.standard_normal(len(hour)), 0.0, 118.0)
    travelled = _distance_before(vehicle, speed)
    lon, lat, heading = _on_the_road(world, vehicle, travelled)
    drift = rng.random(len(hour)) < DRIFT_SHARE
    noise = np.where(drift, 0.02, 0.00003)
    sent = instants(np.full(len(hour), first_fatigue_day(world)), hours.start_h[hour] + tick * INTERVAL_S / 3600.0)
    received = sent + rng.integers(1, 6, len(hour)).astype("timedelta64[s]")
    columns: dict[str, Any] = {
        "plate_no": identities.plate_no[vehicle], "plate_color": PLATE_COLOR, "gps_time": sent, "recv_time": received,
        "lon_deg": np.round(lon + noise * rng.standard_normal(len(hour)), 6),
        "lat_deg": np.round(lat + noise * rng.standard_normal(len(hour)), 6), "speed_kmh": np.round(speed, 1),
        "vec2_kmh": np.round(speed * 1.01, 0),
        "odometer_km": np.round(world.vehicles.odometer_km[vehicle] + 2.0 * world.vehicles.annual_km[vehicle] + travelled, 1),
        "heading_deg": np.floor(heading % 360.0), "altitude_m": np.full(len(hour), 85.0),
        "status_bits": np.full(len(hour), ACC_FIXED_GPS), "alarm_bits": np.where(speed > SPEED_LIMIT_KMH, OVERSPEED, 0),
        "warn_type": only_where(speed > SPEED_LIMIT_KMH, "0x0001"), "satellites": rng.integers(8, 20, len(hour)),
    }
    seconds = sent.astype("datetime64[s]").astype(np.int64)
    row_id = np.array([f"WZ{v}-{s}" for v, s in zip(vehicle.tolist(), seconds.tolist(), strict=True)], dtype=object)
    return Batch("vehicle_location", columns, row_id=row_id, arrived=received)


def _distance_before(vehicle: IntArray, speed: FloatArray) -> FloatArray:
    """Return kilometres since each vehicle's first message; rows are ordered by vehicle and time."""
    steps = speed * INTERVAL_S / 3600.0
    total = np.cumsum(steps) - steps
    first = np.r_[True, vehicle[1:] != vehicle[:-1]]
    start = np.maximum.accumulate(np.where(first, np.arange(len(vehicle)), 0))
    result: FloatArray = total - total[start]
    return result


def _on_the_road(
    world: World, vehicle: IntArray, travelled: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return positions on a straight road to and fro between the vehicle's city and another."""
    lon = np.array([city.lon for city in CITIES])
    lat = np.array([city.lat for city in CITIES])
    home = world.vehicle_city[vehicle]
    other = (home + 1 + vehicle % (len(CITIES) - 1)) % len(CITIES)
    east = (lon[other] - lon[home]) * np.cos(np.deg2rad(lat[home]))
    north = lat[other] - lat[home]
    length = np.maximum(np.hypot(east, north) * KM_PER_DEG, 1.0)
    phase = (travelled / length) % 2.0
    share = np.where(phase <= 1.0, phase, 2.0 - phase)
    heading = np.rad2deg(np.arctan2(east, north)) + np.where(phase <= 1.0, 0.0, 180.0)
    return lon[home] + share * (lon[other] - lon[home]), lat[home] + share * north, heading
