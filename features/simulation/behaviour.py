"""How vehicles drive on the days that they drive: speed, speeding, alarms, harsh braking, messages.

The speeds of a day are m (1 + a) u^a with u uniform on (0, 1): their mean is m, their percentiles are known, and the raw
messages take exactly these values in some order, so the aggregates of a day need no messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import VEHICLE_CLASSES
from features.simulation.streams import Stream, generator
from features.simulation.trips import HOUR, Float32, Int32
from features.simulation.world import World

_DAYS: Final = 14
P95_RATIO: Final = 1.32
"""95th percentile over mean speed of an ordinary day. [A]"""
DRIFT_OF_LOST: Final = 4
"""Of so many lost positions one arrives, but from a place where no vehicle can be (卫星定位漂移). [A]"""
MAX_EXPONENT: Final = 0.55
"""Above it, too many speeds would fall below the 3 km/h that make driving."""


@dataclass(frozen=True)
class Behaviour:
    """Rates per 100 km and speeds by vehicle, arrays of shape (n_vehicles,).

    Parameters
    ----------
    speeding, braking, collision
        Runs above the cap, harsh brakes, distance alarms per 100 km.
    firmware
        Whose terminal maker changes its fatigue rule.
    p95_kmh
        Usual 95th percentile of speed.
    cap_kmh
        Cap of the vehicle's class.
    """

    world: World
    speeding: Float32
    braking: Float32
    collision: Float32
    firmware: npt.NDArray[np.bool_]
    p95_kmh: Float32
    cap_kmh: Float32


@dataclass(frozen=True)
class DayDriving:
    """What a day's driving was like, arrays of shape (n_rows,).

    Parameters
    ----------
    mean_kmh, exponent
        Speeds below the cap: m and a of the module's formula.
    fast_kmh, fast_runs, fast_ticks
        Speed, runs and ticks above the cap.
    warned
        Speed warnings (bit 13) besides.
    odometer_km
        Kilometres that the odometer ought to show.
    lost
        Messages that got lost or drifted.
    columns
        The declared columns that depend on them.
    """

    mean_kmh: Float32
    exponent: Float32
    fast_kmh: Float32
    fast_runs: Int32
    fast_ticks: Int32
    warned: Int32
    odometer_km: Float32
    lost: Int32
    columns: dict[str, npt.NDArray[Any]]


def behaviour_of(world: World) -> Behaviour:
    """Return the lasting behaviour of a world's vehicles."""
    assumed = world.assumed.activity
    risk, skill = world.vehicle_risk, world.drivers.skill[world.vehicles.driver]
    # Lasting errors of speed, brake and distance alarms by vehicle: routes and sensors, not the driver.
    fast, hard, near = assumed.terminal_bias_sd * generator(world.seed, Stream.ACTIVITY).standard_normal((3, len(risk)))
    caps = np.array([assumed.speed_cap_kmh[kind.business == "hazmat"] for kind in VEHICLE_CLASSES])
    collision = assumed.adas_alarms_per_100km * np.exp(0.25 * risk - 0.20 * skill + near) * world.vehicles.has_adas * 0.12
    return Behaviour(
        world=world,
        speeding=(assumed.speeding_per_100km * np.exp(0.45 * risk + fast - 0.20)).astype(np.float32),
        braking=(assumed.harsh_brakes_per_100km * np.exp(0.35 * risk - 0.30 * skill + hard - 0.20)).astype(np.float32),
        collision=collision.astype(np.float32), firmware=world.vehicles.terminal_maker == 1,
        p95_kmh=(world.class_values("speed_kmh") * P95_RATIO + 2.5 * (risk + 2.0 * fast)).astype(np.float32),
        cap_kmh=caps[world.vehicles.kind].astype(np.float32),
    )


def drive_days(
    behaviour: Behaviour, members: slice, block: int, day: np.datetime64, vehicle: Int32, speed: Float32, stuck: Any,
    counts: dict[str, Int32],
) -> DayDriving:
    """Draw how the vehicles of a block drive on a day.

    Parameters
    ----------
    vehicle
        Index within the block of each row, shape (n_rows,).
    speed
        Mean moving speed of each row.
    stuck
        Whose odometer stands still, by row.
    counts
        Ticks by row: ``drive``, ``offline``, ``small`` (2 to 5 o'clock), ``cont`` and ``heard``.
    """
    world, assumed = behaviour.world, behaviour.world.assumed.activity
    rng = generator(world.seed, Stream.ACTIVITY, _DAYS, block, int((day - world.start).astype(np.int64)) + 1)
    n, drive = len(vehicle), counts["drive"]
    cap = behaviour.cap_kmh[members][vehicle]
    mean = np.minimum(speed, np.float32(0.9) * cap)
    hundreds = (drive + counts["offline"]) * mean / np.float32(100 * HOUR)
    extra, excess, place, warns = rng.random((4, n), dtype=np.float32)
    runs = np.minimum(rng.poisson(behaviour.speeding[members][vehicle] * hundreds), drive // 60).astype(np.int32)
    ticks = 2 * runs + (np.float32(1.8) * runs * extra).astype(np.int32)
    fast = np.round(cap + 2.0 + 12.0 * excess * excess, 1).astype(np.float32)
    wanted = behaviour.p95_kmh[members][vehicle] + np.float32(4.0) * rng.standard_normal(n, dtype=np.float32)
    exponent = np.clip((wanted / mean - 1.0) * np.float32(1.07), 0.03, np.minimum((cap - 1.0) / mean - 1.0, MAX_EXPONENT))
    km = ((drive - ticks + counts["offline"]) * mean + ticks * fast) / np.float32(HOUR)
    warned = ((warns < 0.25 * hundreds / (1.0 + hundreds)) & (drive >= 60)).astype(np.int32)
    changed = behaviour.firmware[members][vehicle] & (day >= np.datetime64(assumed.firmware_day))
    tired = 0.6 + 0.9 * (counts["cont"] > 4 * HOUR) + counts["small"] / np.float32(2.0 * HOUR)
    fatigue = assumed.fatigue_alarms_per_100km * hundreds * tired * np.where(changed, assumed.firmware_factor, 1.0)
    brakes = _counted(rng, behaviour.braking[members][vehicle] * hundreds, drive // 40)
    lost = np.where(stuck, 0, np.minimum((assumed.lost_message_share * drive + place).astype(np.int32), drive // 40))
    columns = {
        "distance_km": np.round(np.where(stuck & (km < 5.0), np.float32(0.0), km), 1),
        "overspeed_min": ticks / np.float32(2.0),
        "p95_speed_kmh": _p95(drive - ticks - lost + brakes + (counts["offline"] > 0), ticks, mean, exponent, fast),
        "n_alarm_fatigue": _counted(rng, fatigue, drive // 60), "n_alarm_speed": runs + warned,
        "n_alarm_collision": _counted(rng, behaviour.collision[members][vehicle] * hundreds, drive // 40),
        "n_harsh_brake": brakes, "n_messages": (counts["heard"] + brakes - lost + lost // DRIFT_OF_LOST).astype(np.int32),
    }
    return DayDriving(mean, exponent.astype(np.float32), fast, runs, ticks, warned, km, lost.astype(np.int32), columns)


def _counted(rng: np.random.Generator, rate: npt.NDArray[Any], most: Int32) -> Int32:
    """Draw counts that find room among the day's ticks."""
    return np.minimum(rng.poisson(rate), most).astype(np.int32)


def _p95(slow: Int32, fast_ticks: Int32, mean: Float32, exponent: Float32, fast: Float32) -> Float32:
    """Return the nearest-rank percentile of the speeds of some slow and fast messages; NaN without any."""
    n = slow + fast_ticks
    rank = (95 * n + 99) // 100
    share = np.minimum((rank - np.float32(0.5)) / np.maximum(slow, 1), np.float32(1.0))
    value = np.where(rank > slow, fast, mean * (1.0 + exponent) * np.maximum(share, 0.0) ** exponent)
    return np.where(n > 0, np.round(value, 1), np.nan).astype(np.float32)
