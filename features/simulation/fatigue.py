"""Shifts hour by hour: sleep, stretches of driving, breaks, and the fatigue events that come of them.

For a sample of vehicles over the last days of the window. True sleepiness follows the Three-Process Model on the sleep
the driver really had; the delivered `kss` follows it on the sleep that observed stops suggest.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.fatigue_physics import UPPER_ASYMPTOTE, s_after_sleep, tpm_kss
from features.simulation.streams import Stream, generator
from features.simulation.world import World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

MAX_HOURS: Final = 15
LONG_REST_H: Final = 5.0
SETTLE_H: Final = 0.75
"""From the last driving to sleep, and from waking to driving. [A]"""
SLEEP_CAP_H: Final = 8.0


@dataclass(frozen=True)
class DrivingHours:
    """Driving hours, arrays of shape (n_hours,), ordered by vehicle and time.

    Parameters
    ----------
    vehicle
        Index of the vehicle.
    start_h
        Local hours since midnight of the first simulated day.
    hours_since_rest_h, cont_drive_h, longest_rest_24h_h, hours_awake_proxy_h, kss, speed_cv
        As declared; NaN where no long stop was observed.
    drive_h_24h, drive_h_7d
        Driving hours before this one.
    lane_departure_n
        Count.
    fatigue_event
        The outcome.
    hazard
        True probability of the outcome.
    """

    vehicle: IntArray
    start_h: FloatArray
    hours_since_rest_h: FloatArray
    cont_drive_h: FloatArray
    longest_rest_24h_h: FloatArray
    hours_awake_proxy_h: FloatArray
    kss: FloatArray
    speed_cv: FloatArray
    drive_h_24h: FloatArray
    drive_h_7d: FloatArray
    lane_departure_n: IntArray
    fatigue_event: BoolArray
    hazard: FloatArray

    def __len__(self) -> int:
        return len(self.vehicle)


@dataclass
class _Drivers:
    """State of the sampled drivers between shifts, arrays of shape (n,)."""

    vehicle: IntArray
    risk: FloatArray
    skill: FloatArray
    night_worker: BoolArray
    start_hour: FloatArray
    sleep_share: FloatArray
    usual_hours: FloatArray
    last_end: FloatArray
    true_s: FloatArray
    true_wake: FloatArray
    seen_s: FloatArray
    seen_wake: FloatArray
    stop_end: FloatArray


def first_fatigue_day(world: World) -> np.datetime64:
    """Return the first day of the sampled period."""
    return world.end - np.timedelta64(world.preset.fatigue_days, "D")


def simulate_fatigue(world: World) -> DrivingHours:
    """Simulate every shift of the sampled vehicles."""
    rng = generator(world.seed, Stream.FATIGUE)
    state = _sampled_drivers(rng, world)
    parts = [
        part for day in range(world.preset.fatigue_days) for part in _shift(rng, world, state, day) if len(part["vehicle"])
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((columns["start_h"], columns["vehicle"]))
    columns = {name: values[order] for name, values in columns.items()}
    columns |= _accumulated(columns["vehicle"], columns["start_h"])
    return DrivingHours(**{item.name: columns[item.name] for item in fields(DrivingHours)})


def _sampled_drivers(rng: np.random.Generator, world: World) -> _Drivers:
    vehicles = world.vehicles
    eligible = np.flatnonzero((vehicles.enters == world.start) & (vehicles.leaves > world.end))
    n = min(world.preset.fatigue_vehicles, len(eligible))
    # Long hauls are watched first.
    weights = vehicles.annual_km[eligible] / vehicles.annual_km[eligible].sum()
    vehicle = np.sort(rng.choice(eligible, size=n, replace=False, p=weights))
    driver = vehicles.driver[vehicle]
    risk = world.drivers.risk_taking[driver]
    night = rng.random(n) < world.assumed.fatigue.night_shift_share
    full = np.full(n, UPPER_ASYMPTOTE - 0.6)
    return _Drivers(
        vehicle=vehicle, risk=risk, skill=world.drivers.skill[driver], night_worker=night,
        start_hour=np.where(night, 20.5, 6.0) + 1.4 * rng.standard_normal(n), sleep_share=rng.beta(9.0, 3.0, n),
        usual_hours=np.clip(8.2 + 1.0 * risk + 1.3 * rng.standard_normal(n), 3.0, 13.0), last_end=np.full(n, np.nan),
        true_s=full.copy(), true_wake=np.full(n, -1.0), seen_s=np.full(n, np.nan), seen_wake=np.full(n, np.nan),
        stop_end=np.full(n, np.nan),
    )


def _shift(
    rng: np.random.Generator, world: World, state: _Drivers, day: int
) -> list[dict[str, npt.NDArray[Any]]]:
    """Simulate one day's shift of everybody who works, hour by hour."""
    n = len(state.vehicle)
    works = rng.random(n) < 0.86
    start = 24.0 * day + state.start_hour + 1.1 * rng.standard_normal(n)
    # Nobody starts before a short rest; the reckless rest least.
    shortest = np.maximum(3.0, 6.0 - 0.8 * state.risk + rng.standard_normal(n))
    start = np.where(np.isnan(state.last_end), start, np.maximum(start, state.last_end + shortest))
    works &= start < 24.0 * (day + 1) + 10.0
    gap = start - state.last_end
    _sleep(rng, state, start, gap, works)
    hours = np.clip(np.rint(state.usual_hours + 1.6 * rng.standard_normal(n)), 1, MAX_HOURS).astype(np.int64)
    until = 24.0 * world.preset.fatigue_days - 1.0
    rows, clock, cont = [], start.copy(), np.zeros(n)
    last_rest_end, longest_break, rested = start.copy(), np.zeros(n), np.zeros(n, dtype=np.bool_)
    for hour in range(MAX_HOURS):
        driving = works & (hour < hours) & (clock < until)
        rows.append(_hour(rng, world, state, driving, clock, cont, last_rest_end, longest_break, gap, start, rested))
        cont = cont + driving
        state.last_end = np.where(driving, clock + 1.0, state.last_end)
        threshold = 3.9 + 0.7 * state.risk
        breaks = driving & (rng.random(n) < 1.0 / (1.0 + np.exp(-1.4 * (cont - threshold))))
        length = 0.34 + rng.gamma(2.0, 0.25, n)
        clock = clock + np.where(breaks, 1.0 + length, 1.0 + 0.15 * rng.random(n))
        cont = np.where(breaks, 0.0, cont)
        last_rest_end = np.where(breaks, clock, last_rest_end)
        longest_break = np.maximum(longest_break, np.where(breaks, length, 0.0))
        rested = breaks
    return rows


def _sleep(rng: np.random.Generator, state: _Drivers, start: FloatArray, gap: FloatArray, works: BoolArray) -> None:
    """Update sleep pressure for those who start a shift after a stop of `gap` hours.

    People sleep at the end of a stop by night and at its beginning by day, when the morning wakes them early.
    """
    n = len(gap)
    known = works & ~np.isnan(gap)
    stop = np.nan_to_num(gap, nan=14.0)
    available = np.maximum(stop - 2.0 * SETTLE_H, 0.0)
    middle = (start - stop / 2.0) % 24.0
    daytime = (middle > 9.0) & (middle < 20.0)
    night_sleep = np.minimum(available, SLEEP_CAP_H) * (0.45 + 0.5 * state.sleep_share) * rng.uniform(0.65, 1.0, n)
    slept = night_sleep * np.where(daytime, 0.75, 1.0)
    wake = np.where(daytime, start - stop + SETTLE_H + slept, start - SETTLE_H)
    awake_before = np.maximum(wake - slept - state.true_wake, 0.0)
    state.true_s = np.where(known & (slept > 0.5), s_after_sleep(state.true_s, awake_before, slept), state.true_s)
    state.true_wake = np.where(works & (slept > 0.5), wake, state.true_wake)
    # What positions allow to suppose: the whole stop but its edges, at most a night.
    long_stop = known & (gap >= LONG_REST_H)
    supposed = np.minimum(available, SLEEP_CAP_H)
    seen_wake = np.where(daytime, start - stop + SETTLE_H + supposed, start - SETTLE_H)
    seen_awake = np.nan_to_num(np.clip(seen_wake - supposed - state.seen_wake, 0.0, 48.0), nan=16.0)
    before = np.where(np.isnan(state.seen_s), UPPER_ASYMPTOTE - 0.6, state.seen_s)
    state.seen_s = np.where(long_stop, s_after_sleep(before, seen_awake, supposed), state.seen_s)
    state.seen_wake = np.where(long_stop, seen_wake, state.seen_wake)
    state.stop_end = np.where(long_stop, start, state.stop_end)


def _hour(
    rng: np.random.Generator, world: World, state: _Drivers, driving: BoolArray, clock: FloatArray, cont: FloatArray,
    last_rest_end: FloatArray, longest_break: FloatArray, gap: FloatArray, start: FloatArray, rested: BoolArray,
) -> dict[str, npt.NDArray[Any]]:
    """Return the rows of those who drive this hour."""
    middle = clock + 0.5
    kss = tpm_kss(middle % 24.0, np.maximum(middle - state.true_wake, 0.0), state.true_s)
    hazard = _hazard(world, kss, cont, rested, state.risk, state.skill)
    n = len(clock)
    event = rng.random(n) < hazard
    sleepy = np.maximum(kss - 4.0, 0.0)
    departures = rng.poisson(0.10 * np.exp(0.32 * sleepy + 0.25 * state.risk))
    speed_cv = np.exp(-1.7 + 0.08 * sleepy + 0.25 * rng.standard_normal(n))
    window_rest = np.clip(24.0 - (clock - start), 0.0, np.nan_to_num(gap, nan=8.0))
    seen_kss = tpm_kss(middle % 24.0, np.maximum(middle - state.seen_wake, 0.0), state.seen_s)
    rows = {
        "vehicle": state.vehicle, "start_h": clock, "hours_since_rest_h": clock - last_rest_end, "cont_drive_h": cont,
        "longest_rest_24h_h": np.maximum(window_rest, longest_break),
        "hours_awake_proxy_h": clock - state.stop_end, "kss": seen_kss, "speed_cv": speed_cv,
        "lane_departure_n": departures, "fatigue_event": event, "hazard": hazard,
    }
    return {name: values[driving] for name, values in rows.items()}


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


def _accumulated(vehicle: IntArray, start_h: FloatArray) -> dict[str, FloatArray]:
    """Return driving hours in the 24 hours and 7 days before each row; rows are ordered by vehicle and time."""
    stride = 1e5
    key = vehicle * stride + start_h
    position = np.arange(len(key))
    counts = {
        name: position - np.searchsorted(key, key - hours, side="right")
        for name, hours in (("drive_h_24h", 24.0), ("drive_h_7d", 168.0))
    }
    return {name: np.minimum(count, 24.0 if name.endswith("24h") else 168.0) for name, count in counts.items()}
