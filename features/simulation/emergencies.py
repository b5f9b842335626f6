"""Traffic emergencies (#18): grave accidents as the road network sees them, without plates."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from features.simulation.accidents import FATAL, INJURY, Accidents
from features.simulation.assumptions import VEHICLE_CLASSES
from features.simulation.cities import CITIES
from features.simulation.clock import Month
from features.simulation.deliveries import Batch
from features.simulation.streams import Stream, generator
from features.simulation.world import World

ROADS: Final = ("G60", "G45", "G70", "G56", "G6001", "S38", "G105", "G320")
MINUTE: Final = np.timedelta64(60_000_000, "us")


def emergency_batch(world: World, month: Month, accidents: Accidents) -> Batch:
    """Return the month's accidents that became emergencies."""
    rng = generator(world.seed, Stream.EMERGENCIES, month.index)
    rows = np.flatnonzero(accidents.emergency)
    n, severity = len(rows), accidents.severity[rows]
    business = np.array([kind.business for kind in VEHICLE_CLASSES], dtype=object)[
        world.vehicles.kind[accidents.vehicle[rows]]
    ]
    home = world.vehicle_city[accidents.vehicle[rows]]
    place = np.where(rng.random(n) < 0.6, home, rng.integers(0, len(CITIES), n))
    found = accidents.occurred[rows] + rng.integers(2, 25, n) * MINUTE
    ends = found + rng.integers(30, 300, n) * MINUTE
    stake = np.round(rng.uniform(0.0, 700.0, n), 1)
    deaths = np.where(severity == FATAL, 1 + rng.poisson(0.25, n), 0)
    number = np.array([f"TF{month.label}{serial:05d}" for serial in range(n)], dtype=object)
    hazmat = business == "hazmat"
    columns: dict[str, Any] = {
        "event_id": number, "reason_code": np.where(hazmat & (rng.random(n) < 0.2), "23", "22").astype(object),
        "road_code": rng.choice(np.array(ROADS, dtype=object), n), "start_stake_km": stake,
        "end_stake_km": stake + np.round(rng.exponential(1.5, n), 1), "direction": rng.choice(["1", "2"], n).astype(object),
        "lon_deg": np.round(np.array([city.lon for city in CITIES])[place] + 0.3 * rng.standard_normal(n), 6),
        "lat_deg": np.round(np.array([city.lat for city in CITIES])[place] + 0.2 * rng.standard_normal(n), 6),
        "region_code": np.array([city.code for city in CITIES], dtype=object)[place], "found_time": found,
        "start_time": accidents.occurred[rows], "expected_end": ends, "actual_end": ends, "status": "3",
        "source": rng.choice(["1", "2", "3", "4"], n).astype(object),
        "severity_level": np.where(deaths >= 3, "3", "4").astype(object),
        "accident_form": rng.choice(["1", "2", "3", "4", "5", "9"], n, p=[0.4, 0.2, 0.1, 0.12, 0.12, 0.06]).astype(object),
        "n_vehicles": 1 + rng.poisson(0.8, n), "truck_involved": business == "freight",
        "coach_involved": business == "passenger", "hazmat_involved": hazmat, "deaths": deaths,
        "injured": np.where(severity >= INJURY, 1 + rng.poisson(0.7, n), 0),
        "queue_km": np.round(rng.exponential(2.0, n), 1),
    }
    arrived = found + rng.integers(1, 10, n) * MINUTE
    return Batch("traffic_emergency", columns, row_id=number, arrived=arrived)
