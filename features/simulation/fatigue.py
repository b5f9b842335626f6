"""Driving hours of some watched vehicles, and the fatigue events that come of them.

The hours are those of the vehicles' planned shifts, cut by the platform's own rule (`features.driving_hours`). True
sleepiness follows the Three-Process Model on the sleep the driver really had in each stop; the delivered `kss` follows it
on the sleep that observed stops suggest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.driving_hours import DutyHours, hours_from_stretches
from features.fatigue.tpm import UPPER_ASYMPTOTE, s_after_sleep, tpm_kss
from features.segments import DAY_S, DRIVE, HOUR_S, LOCAL_OFFSET_S, OFFLINE, Stretches, stretches_of
from features.simulation.activity import Fleet, fleet_of
from features.simulation.streams import Stream, generator
from features.simulation.trips import BLOCK, TICK_S, Shifts, plan_shifts
from features.simulation.world import World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

LEAD_D: Final = 8
"""Days watched before the first delivered hour: the week that an hour looks back on."""
SETTLE_H: Final = 0.75
"""From the last driving to sleep, and from waking to driving. [A]"""
SLEEP_CAP_H: Final = 8.0
WELL_RESTED: Final = UPPER_ASYMPTOTE - 0.6


@dataclass(frozen=True)
class DrivingHours:
    """Driving hours, arrays of shape (n_hours,), ordered by vehicle and time.

    Parameters
    ----------
    vehicle
        Index of the vehicle.
    start_h
        Local hours since midnight of the first delivered day.
    duty
        Columns of `driving_hour` that the shifts determine; NaN where no long stop was observed.
    speed_cv, lane_departure_n
        What the vehicle did in the hour.
    fatigue_event
        The outcome.
    hazard
        True probability of the outcome.
    """

    vehicle: IntArray
    start_h: FloatArray
    duty: dict[str, npt.NDArray[Any]]
    speed_cv: FloatArray
    lane_departure_n: IntArray
    fatigue_event: BoolArray
    hazard: FloatArray

    def __len__(self) -> int:
        return len(self.vehicle)

    @property
    def cont_drive_h(self) -> FloatArray:
        """Continuous driving before the hour."""
        return self.duty["cont_drive_h"]

    @property
    def kss(self) -> FloatArray:
        """Sleepiness that observed stops suggest."""
        return self.duty["kss"]


@dataclass(frozen=True)
class _Watched:
    """The watched vehicles' shifts, ordered by vehicle and time, and what they did.

    Parameters
    ----------
    vehicle
        Index of the vehicle of each shift, shape (n_shifts,).
    start_s, end_s
        Epoch seconds of each shift.
    stretches
        What positions show.
    """

    vehicle: IntArray
    start_s: IntArray
    end_s: IntArray
    stretches: Stretches


def first_fatigue_day(world: World) -> np.datetime64:
    """Return the first day of the delivered hours."""
    return world.end - np.timedelta64(world.preset.fatigue_days, "D")


def simulate_fatigue(world: World, fleet: Fleet | None = None) -> DrivingHours:
    """Return the driving hours of the watched vehicles and what fatigue did in them."""
    rng = generator(world.seed, Stream.FATIGUE)
    vehicles = _chosen(rng, world)
    watched = _watched(world, fleet or fleet_of(world), vehicles)
    hours = hours_from_stretches(watched.stretches, known_until_s=_epoch_s(world.end))
    kept = np.flatnonzero(hours.start_s >= _epoch_s(first_fatigue_day(world)))
    hours = DutyHours(hours.vehicle[kept], hours.start_s[kept], {name: values[kept] for name, values in hours.columns.items()})
    true_s, true_wake = _true_sleep(rng, watched)
    shift = np.searchsorted(_key(watched.vehicle, watched.start_s), _key(hours.vehicle, hours.start_s), side="right") - 1
    middle = (hours.start_s + LOCAL_OFFSET_S) / HOUR_S + 0.5
    kss = tpm_kss(middle % 24.0, np.maximum(middle - true_wake[shift], 0.0), true_s[shift])
    rested = (hours.columns["cont_drive_h"] == 0.0) & (hours.start_s > watched.start_s[shift])
    return _what_happens(rng, world, hours, kss, rested)


def _what_happens(
    rng: np.random.Generator, world: World, hours: DutyHours, kss: FloatArray, rested: BoolArray
) -> DrivingHours:
    n, driver = len(hours), world.vehicles.driver[hours.vehicle]
    risk, skill = world.drivers.risk_taking[driver], world.drivers.skill[driver]
    hazard = _hazard(world, kss, hours.columns["cont_drive_h"], rested, risk, skill)
    sleepy = np.maximum(kss - 4.0, 0.0)
    return DrivingHours(
        vehicle=hours.vehicle, start_h=(hours.start_s - _epoch_s(first_fatigue_day(world))) / HOUR_S, duty=hours.columns,
        speed_cv=np.exp(-1.7 + 0.08 * sleepy + 0.25 * rng.standard_normal(n)),
        lane_departure_n=rng.poisson(0.10 * np.exp(0.32 * sleepy + 0.25 * risk)),
        fatigue_event=rng.random(n) < hazard, hazard=hazard,
    )


def _epoch_s(day: np.datetime64) -> int:
    return int(day.astype("datetime64[D]").astype(np.int64)) * DAY_S - LOCAL_OFFSET_S


def _key(vehicle: IntArray, instant_s: IntArray) -> IntArray:
    result: IntArray = vehicle.astype(np.int64) * 2**34 + instant_s
    return result


def _chosen(rng: np.random.Generator, world: World) -> IntArray:
    """Return the vehicles to watch: long hauls first."""
    vehicles = world.vehicles
    eligible = np.flatnonzero((vehicles.enters == world.start) & (vehicles.leaves > world.end))
    n = min(world.preset.fatigue_vehicles, len(eligible))
    weights = vehicles.annual_km[eligible] / vehicles.annual_km[eligible].sum()
    result: IntArray = np.sort(rng.choice(eligible, size=n, replace=False, p=weights))
    return result


def _watched(world: World, fleet: Fleet, vehicles: IntArray) -> _Watched:
    first = max(first_fatigue_day(world) - np.timedelta64(LEAD_D, "D"), world.start)
    shifts: list[tuple[IntArray, IntArray, IntArray]] = []
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    for block in np.unique(vehicles // BLOCK).tolist():
        mine = vehicles[vehicles // BLOCK == block] - block * BLOCK
        for day in np.arange(first, world.end):
            planned, speed = plan_shifts(fleet.motion, block, day)
            planned = planned.take(np.flatnonzero(np.isin(planned.vehicle, mine)))
            who, midnight = planned.vehicle.astype(np.int64) + block * BLOCK, _epoch_s(day)
            shifts.append((who, midnight + planned.start[0] * TICK_S, midnight + planned.ends * TICK_S))
            parts += _stretches(planned, who, midnight, speed[planned.vehicle])
    vehicle, start, end = (np.concatenate(column).astype(np.int64) for column in zip(*shifts, strict=True))
    order = np.lexsort((start, vehicle))
    stretches = stretches_of(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return _Watched(vehicle[order], start[order], end[order], stretches)


def _stretches(
    shifts: Shifts, who: IntArray, midnight: int, speed: FloatArray
) -> list[tuple[npt.NDArray[Any], ...]]:
    """Return vehicle, start, end, state and spare time of what shifts did; holes are stops."""
    parts: list[tuple[IntArray, IntArray]] = []
    for run, (start, end) in enumerate(zip(shifts.start, shifts.end, strict=True)):
        holds = shifts.main == run
        before, after = np.where(holds, shifts.gap_from, end), np.where(holds, shifts.gap_to, end)
        parts += [(start, before), (after, end)]
    rows: list[tuple[npt.NDArray[Any], ...]] = [
        (who, midnight + begin * TICK_S, midnight + until * TICK_S, np.full(len(who), DRIVE), np.zeros(len(who)))
        for begin, until in parts
    ]
    gap_s = np.where(shifts.offline, shifts.gap_to - shifts.gap_from, 0) * TICK_S
    gap_start = midnight + shifts.gap_from * TICK_S
    rows.append((who, gap_start, gap_start + gap_s, np.full(len(who), OFFLINE), gap_s * (1.0 - speed / 100.0)))
    return rows


def _true_sleep(rng: np.random.Generator, watched: _Watched) -> tuple[FloatArray, FloatArray]:
    """Return sleep pressure S at the last waking before each shift, and that waking in local hours, shape (n_shifts,).

    People sleep at the end of a stop by night and at its beginning by day, when the morning wakes them early.
    """
    n = len(watched.vehicle)
    start, end = ((moments + LOCAL_OFFSET_S) / HOUR_S for moments in (watched.start_s, watched.end_s))
    first = np.r_[True, watched.vehicle[1:] != watched.vehicle[:-1]]
    stop = np.where(first, 14.0, start - np.r_[0.0, end[:-1]])
    person = np.cumsum(first) - 1
    share = rng.beta(9.0, 3.0, int(person[-1]) + 1)[person]
    available = np.maximum(stop - 2.0 * SETTLE_H, 0.0)
    middle = (start - stop / 2.0) % 24.0
    daytime = (middle > 9.0) & (middle < 20.0)
    slept = np.minimum(available, SLEEP_CAP_H) * (0.45 + 0.5 * share) * rng.uniform(0.65, 1.0, n)
    slept *= np.where(daytime, 0.75, 1.0)
    wake = np.where(daytime, start - stop + SETTLE_H + slept, start - SETTLE_H)
    pressure = np.full(n, WELL_RESTED)
    nth = np.arange(n) - np.maximum.accumulate(np.where(first, np.arange(n), 0))
    for turn in range(1, int(nth.max()) + 1):
        rows = np.flatnonzero(nth == turn)
        awake = np.maximum(wake[rows] - slept[rows] - wake[rows - 1], 0.0)
        rested = slept[rows] > 0.5
        pressure[rows] = np.where(rested, s_after_sleep(pressure[rows - 1], awake, slept[rows]), pressure[rows - 1])
        wake[rows] = np.where(rested, wake[rows], wake[rows - 1])
    return pressure, wake


def _hazard(
    world: World, kss: FloatArray, cont: FloatArray, rested: BoolArray, risk: FloatArray, skill: FloatArray
) -> FloatArray:
    """Return the probability of a fatigue event in the hour (multipliers that fit published points, assumptions)."""
    assumed = world.assumed.fatigue
    curve = np.array(assumed.hours_curve)
    by_hours = curve[np.minimum(cont.astype(np.int64), len(curve) - 1)]
    by_kss = np.exp(assumed.kss_slope * np.maximum(kss - assumed.kss_knee, 0.0))
    by_person = np.exp(assumed.risk_taking * risk - 0.15 * skill)
    after_break = np.where(rested, assumed.after_break, 1.0)
    result: FloatArray = np.minimum(assumed.base_hazard * by_hours * by_kss * by_person * after_break, 0.9)
    return result
