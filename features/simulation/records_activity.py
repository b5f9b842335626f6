"""Rows of what vehicles did: vehicle-days and driving hours, as the platform's reduction delivers them."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.simulation.activity import ActivityMonth
from features.simulation.clock import instants
from features.simulation.deliveries import Batch, next_morning, spoil_columns
from features.simulation.fatigue import DrivingHours, IntArray, first_fatigue_day
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import World

ADDITIVE = ("distance_km", "drive_h", "night_drive_h", "h_2_5", "n_alarm_speed", "n_harsh_brake", "n_messages")
"""What a day whose last packets came late shows too little of."""


_DELIVERED: Final = 15
COUNTS: Final = frozenset(("n_over_4h_7d",))


def vehicle_day_batch(world: World, identities: Identities, activity: ActivityMonth, part: int = 0) -> Batch:
    """Return the vehicle-days of a month, or of its part."""
    rng = generator(world.seed, Stream.ACTIVITY, _DELIVERED, activity.month.index, part + 1)
    dates = activity.day.astype("datetime64[D]")
    yyyymmdd = _yyyymmdd(activity)
    return Batch(
        "vehicle_day",
        {**_plates(identities, activity.vehicle), "day": pa.array(dates, pa.date32()), **activity.columns},
        row_id=_row_ids("vd", activity.vehicle.astype(np.int64) * 10**8 + yyyymmdd),
        arrived=next_morning(rng, dates), spoil=spoil_columns(*ADDITIVE),
    )


def driving_hour_batch(world: World, identities: Identities, hours: DrivingHours) -> Batch:
    """Return the driving hours of the sampled vehicles."""
    rng = generator(world.seed, Stream.FATIGUE, 1)
    first = first_fatigue_day(world)
    start = instants(np.full(len(hours), first), hours.start_h)
    # The stream reduces an hour as it ends: its row is there within a minute or two, before most next hours begin.
    arrived = start + np.rint(3600.0 + rng.uniform(15.0, 120.0, len(hours))).astype("timedelta64[s]")
    duty = {
        name: values.astype(np.int64) if name in COUNTS else np.maximum(np.round(values.astype(np.float64), 3), 0.0)
        for name, values in hours.duty.items() if name != "clock_hour"
    }
    columns = {
        **_plates(identities, hours.vehicle), "hour_start": start, **duty,
        "clock_hour": hours.duty["clock_hour"].astype(np.int64), "speed_cv": np.round(hours.speed_cv, 3),
        "lane_departure_n": hours.lane_departure_n, "fatigue_event": hours.fatigue_event,
    }
    return Batch("driving_hour", columns, row_id=driving_hour_row_ids(hours), arrived=arrived)


def driving_hour_row_ids(hours: DrivingHours) -> pa.Array:
    """Return the row identifiers of driving hours: the truth is kept under the same."""
    return _row_ids("dh", hours.vehicle * 10**8 + np.rint(hours.start_h * 3600.0).astype(np.int64))


def _plates(identities: Identities, vehicle: IntArray) -> dict[str, pa.Array]:
    first = int(vehicle.min(initial=identities.n_vehicles))
    # A plate that passed to another vehicle is one entry of the dictionary: with two, the bytes written would vary.
    known = pa.array(identities.plate_no[first : int(vehicle.max(initial=-1)) + 1], pa.string()).dictionary_encode()
    return {
        "plate_no": known.take(pa.array(vehicle - first)),
        "plate_color": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(vehicle), dtype=np.int32)), pa.array([PLATE_COLOR])
        ),
    }


def _yyyymmdd(activity: ActivityMonth) -> IntArray:
    day_of_month = (activity.day - activity.month.first).astype(np.int64) + 1
    return int(activity.month.label) * 100 + day_of_month


def _row_ids(prefix: str, numbers: IntArray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "-")
