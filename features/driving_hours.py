"""Driving hours: stretches cut into hours of driving, each with duty, rest and estimated sleepiness when it begins.

Hours follow one another from the first driving after a rest of 20 minutes until the next rest. One function computes them
for the reduction of positions and for the simulation, so that both mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.fatigue.safte import SAFTE, effectiveness, reservoir_asleep, reservoir_awake, sleep_intensity
from features.fatigue.sleep import supposed_sleep
from features.fatigue.tpm import UPPER_ASYMPTOTE, s_after_sleep, tpm_kss
from features.segments import (
    DAY_S,
    DRIVE,
    HOUR_S,
    LOCAL_OFFSET_S,
    OFFLINE,
    REDUCTION_RULES,
    STOP,
    BoolArray,
    IntArray,
    ReductionRules,
    Runs,
    Stretches,
    continuous,
    seconds_in_window,
)

FloatArray = npt.NDArray[np.float64]

MIN_DRIVE_S: Final = 1_800
"""An hour with less driving is no driving hour. [A]"""
MAX_REST_AGE_H: Final = 72.0
MAX_AWAKE_H: Final = 72.0
"""Beyond this nobody can have been awake: another driver or an unseen sleep, so sleepiness is unknown. [A]"""
START_S: Final = UPPER_ASYMPTOTE - 0.6
"""Process S before the first observed sleep: well rested. [A]"""
START_AWAKE_H: Final = 16.0
"""Hours awake before the first observed sleep. [A]"""
START_RESERVOIR: Final = 0.9 * SAFTE.capacity
"""SAFTE reservoir at the first observed sleep. [A]"""
SLEEPINESS: Final = ("hours_awake_proxy_h", "kss", "kss_next_hour", "safte_effectiveness")
WEEK_S: Final = 7 * DAY_S
MIN_SHIFTS: Final = 3
_BIG: Final = 2**34


@dataclass(frozen=True)
class DutyHours:
    """Driving hours, arrays of shape (n,), ordered by vehicle and time.

    Parameters
    ----------
    vehicle, start_s
        Index of the vehicle, epoch seconds of the beginning.
    columns
        Columns of `driving_hour` that stretches determine, by their declared identifiers; NaN for null.
    """

    vehicle: IntArray
    start_s: IntArray
    columns: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.vehicle)


def hours_from_stretches(
    stretches: Stretches, rules: ReductionRules = REDUCTION_RULES, *, known_until_s: int | None = None
) -> DutyHours:
    """Return the driving hours of any vehicles.

    Parameters
    ----------
    stretches
        What the vehicles did, as far back as is known.
    rules
        Thresholds.
    known_until_s
        Nothing after this is known; None where each vehicle's last stretch ends. An hour that is not over by then and
        that no rest has ended is left out.
    """
    runs = continuous(stretches, rules)
    vehicle, start = _hours(stretches, runs, known_until_s)
    duty = _Duty(stretches)
    driven = duty.driven(vehicle, start + HOUR_S) - duty.driven(vehicle, start) >= MIN_DRIVE_S
    return _described(stretches, runs, duty, vehicle[driven], start[driven], rules)


def hours_at(
    stretches: Stretches, vehicle: IntArray, start_s: IntArray, rules: ReductionRules = REDUCTION_RULES
) -> DutyHours:
    """Return what hours say that begin at any instants: what the stream's rows are held against.

    Parameters
    ----------
    stretches
        What the vehicles did, as far back as is known.
    vehicle, start_s
        Vehicle and beginning of each hour, shape (n,), within what is known of the vehicle.
    rules
        Thresholds.
    """
    return _described(stretches, continuous(stretches, rules), _Duty(stretches), vehicle, start_s, rules)


def _described(
    stretches: Stretches, runs: Runs, duty: _Duty, vehicle: IntArray, start: IntArray, rules: ReductionRules
) -> DutyHours:
    columns = _legal(stretches, runs, duty, vehicle, start, rules)
    columns |= _rest(stretches, vehicle, start)
    columns |= _shifts(stretches, vehicle, start, rules)
    columns |= _sleepiness(stretches, vehicle, start, rules)
    columns["clock_hour"] = (start + LOCAL_OFFSET_S) % DAY_S // HOUR_S
    return DutyHours(vehicle, start, columns)


class _Duty:
    """Driving accumulated up to any instant."""

    def __init__(self, stretches: Stretches) -> None:
        rows = stretches.state == DRIVE
        self.vehicle, self.start, self.end = stretches.vehicle[rows], stretches.start_s[rows], stretches.end_s[rows]
        self.key = self.vehicle * _BIG + self.start
        self.before = _exclusive(self.end - self.start)
        self.windows = {
            hours: _exclusive(seconds_in_window(self.start, self.end, *hours)) for hours in ((22, 6), (2, 5))
        }

    def _last(self, vehicle: IntArray, instant: IntArray) -> tuple[IntArray, IntArray]:
        """Return the last driving that began by an instant, and the instant within it."""
        place = np.maximum(np.searchsorted(self.key, vehicle * _BIG + instant, side="right") - 1, 0)
        # Driving of an earlier vehicle ended long ago; driving of a later one has not begun.
        ended = self.vehicle[place] < vehicle
        within = np.where(ended, self.end[place], np.clip(instant, self.start[place], self.end[place]))
        return place, np.where(self.vehicle[place] > vehicle, self.start[place], within)

    def driven(self, vehicle: IntArray, instant: IntArray) -> IntArray:
        if not len(self.key):
            return np.zeros(len(vehicle), dtype=np.int64)
        place, within = self._last(vehicle, instant)
        result: IntArray = self.before[place] + within - self.start[place]
        return result

    def driven_in(self, hours: tuple[int, int], vehicle: IntArray, instant: IntArray) -> IntArray:
        if not len(self.key):
            return np.zeros(len(vehicle), dtype=np.int64)
        place, within = self._last(vehicle, instant)
        result: IntArray = self.windows[hours][place] + seconds_in_window(self.start[place], within, *hours)
        return result


def _exclusive(values: IntArray) -> IntArray:
    result: IntArray = np.cumsum(values) - values
    return result


def _hours(stretches: Stretches, runs: Runs, known_until_s: int | None) -> tuple[IntArray, IntArray]:
    """Return vehicle and start of the hours of every run that are over."""
    n = len(stretches)
    if not n:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    first_of_vehicle = np.r_[True, stretches.vehicle[1:] != stretches.vehicle[:-1]]
    run = np.cumsum(runs.ends | first_of_vehicle) - 1
    rows = np.flatnonzero(stretches.state == DRIVE)
    begins = rows[np.r_[True, run[rows[1:]] != run[rows[:-1]]]] if len(rows) else rows
    last = rows[np.r_[run[rows[1:]] != run[rows[:-1]], True]] if len(rows) else rows
    start, end = stretches.start_s[begins], stretches.end_s[last]
    count = -(-(end - start) // HOUR_S)
    nth = np.arange(count.sum()) - np.repeat(_exclusive(count), count)
    vehicle, hour = np.repeat(stretches.vehicle[begins], count), np.repeat(start, count) + nth * HOUR_S
    kept = np.repeat(_over(stretches, runs, last), count)
    kept |= hour + HOUR_S <= _known_until(stretches, known_until_s)[vehicle]
    return vehicle[kept], hour[kept]


def _over(stretches: Stretches, runs: Runs, last: IntArray) -> BoolArray:
    """Return whether something ends the runs whose last driving is given, before the record of the vehicle ends."""
    n = len(stretches)
    ending = np.r_[np.flatnonzero(runs.ends), n]
    following = ending[np.searchsorted(ending, last)]
    result: BoolArray = np.r_[stretches.vehicle, -1][following] == stretches.vehicle[last]
    return result


def _known_until(stretches: Stretches, known_until_s: int | None) -> IntArray:
    """Return by vehicle the instant until which it is known."""
    until = np.zeros(int(stretches.vehicle[-1]) + 1, dtype=np.int64)
    if known_until_s is None:
        np.maximum.at(until, stretches.vehicle, stretches.end_s)
    else:
        until[:] = known_until_s
    return until


def _legal(
    stretches: Stretches, runs: Runs, duty: _Duty, vehicle: IntArray, start: IntArray, rules: ReductionRules
) -> dict[str, npt.NDArray[Any]]:
    place = _containing(stretches, vehicle, start)
    over = np.flatnonzero(_passes(stretches, runs, rules))
    crossing = stretches.vehicle[over] * _BIG + stretches.start_s[over] + rules.limit_s - runs.cont_s[over]
    crossed = [np.searchsorted(crossing, vehicle * _BIG + at, side="right") for at in (start - WEEK_S, start)]
    now = duty.driven(vehicle, start)
    within = np.where(stretches.state[place] == DRIVE, start - stretches.start_s[place], 0)
    small = duty.driven_in((2, 5), vehicle, start) - duty.driven_in((2, 5), vehicle, start - WEEK_S)
    night = duty.driven_in((22, 6), vehicle, start) - duty.driven_in((22, 6), vehicle, start - DAY_S)
    return {
        "hours_since_rest_h": np.minimum((start - runs.since_s[place]) / HOUR_S, MAX_REST_AGE_H),
        "cont_drive_h": (runs.cont_s[place] + within) / HOUR_S,
        "drive_h_24h": (now - duty.driven(vehicle, start - DAY_S)) / HOUR_S,
        "drive_h_7d": (now - duty.driven(vehicle, start - WEEK_S)) / HOUR_S,
        "night_drive_h_24h": night / HOUR_S,
        "h_2_5_7d": small / HOUR_S,
        "n_over_4h_7d": crossed[1] - crossed[0],
    }


def _passes(stretches: Stretches, runs: Runs, rules: ReductionRules) -> BoolArray:
    """Return the driving stretches in which continuous driving passes the limit."""
    after = runs.cont_s + stretches.end_s - stretches.start_s
    result: BoolArray = (stretches.state == DRIVE) & (runs.cont_s <= rules.limit_s) & (after > rules.limit_s)
    return result


def _containing(stretches: Stretches, vehicle: IntArray, instant: IntArray) -> IntArray:
    """Return the stretch of a vehicle that an instant lies in."""
    key = stretches.vehicle * _BIG + stretches.start_s
    result: IntArray = np.searchsorted(key, vehicle * _BIG + instant, side="right") - 1
    return result


def _rest(stretches: Stretches, vehicle: IntArray, start: IntArray) -> dict[str, npt.NDArray[Any]]:
    """Return the longest stop in the 24 hours before, and days since a stop of 24 hours."""
    stops = stretches.take(stretches.state == STOP)
    key = stops.vehicle * _BIG + stops.end_s
    lower = np.searchsorted(key, vehicle * _BIG + start - DAY_S, side="right")
    upper = np.searchsorted(stops.vehicle * _BIG + stops.start_s, vehicle * _BIG + start, side="left")
    count = np.maximum(upper - lower, 0)
    hour = np.repeat(np.arange(len(vehicle)), count)
    stop = np.arange(count.sum()) - np.repeat(_exclusive(count), count) + lower[hour]
    overlap = np.minimum(stops.end_s[stop], start[hour]) - np.maximum(stops.start_s[stop], start[hour] - DAY_S)
    longest = np.zeros(len(vehicle), dtype=np.int64)
    np.maximum.at(longest, hour, overlap)
    days = stops.take(stops.end_s - stops.start_s >= DAY_S)
    since = _since_last(days.vehicle, days.end_s, vehicle, start)
    return {"longest_rest_24h_h": longest / HOUR_S, "days_without_24h_rest": since / DAY_S}


def _since_last(of: IntArray, instant: IntArray, vehicle: IntArray, now: IntArray) -> FloatArray:
    """Return seconds since a vehicle's last instant, NaN where there is none."""
    if not len(of):
        return np.full(len(vehicle), np.nan)
    place = np.searchsorted(of * _BIG + instant, vehicle * _BIG + now, side="right") - 1
    known = (place >= 0) & (of[np.maximum(place, 0)] == vehicle)
    return np.where(known, now - instant[np.maximum(place, 0)], np.nan)


def _shifts(
    stretches: Stretches, vehicle: IntArray, start: IntArray, rules: ReductionRules
) -> dict[str, npt.NDArray[Any]]:
    """Return the circular standard deviation of the clock at which the shifts of seven days began."""
    rest = (stretches.state == STOP) & (stretches.end_s - stretches.start_s >= rules.long_rest_s)
    goes_on = np.r_[stretches.vehicle[1:] == stretches.vehicle[:-1], False][: len(stretches)]
    begins = stretches.take(rest & goes_on)
    key = begins.vehicle * _BIG + begins.end_s
    upper = np.searchsorted(key, vehicle * _BIG + start, side="right")
    lower = np.searchsorted(key, vehicle * _BIG + start - WEEK_S, side="right")
    n = upper - lower
    angle = 2.0 * np.pi * ((begins.end_s + LOCAL_OFFSET_S) % DAY_S) / DAY_S
    sums = [np.r_[0.0, np.cumsum(part)] for part in (np.cos(angle), np.sin(angle))]
    east, north = (part[upper] - part[lower] for part in sums)
    length = np.clip(np.hypot(east, north) / np.maximum(n, 1), 1e-6, 1.0)
    spread = np.sqrt(-2.0 * np.log(length)) * 24.0 / (2.0 * np.pi)
    return {"shift_start_sd_h": np.where(n >= MIN_SHIFTS, np.minimum(spread, 24.0), np.nan)}


def _sleepiness(
    stretches: Stretches, vehicle: IntArray, start: IntArray, rules: ReductionRules
) -> dict[str, npt.NDArray[Any]]:
    """Return the estimates of both models in the middle of each hour, and KSS in the middle of the next; NaN without a sleep.

    The next hour is that of a driver who stays awake: his sleepiness then is known now, and it is what he is asked about.
    """
    rests = _sleep_chances(stretches, rules)
    if not len(rests.vehicle):
        return {name: np.full(len(vehicle), np.nan) for name in SLEEPINESS}
    place = np.searchsorted(rests.vehicle * _BIG + rests.stop_end_s, vehicle * _BIG + start, side="right") - 1
    known = (place >= 0) & (rests.vehicle[np.maximum(place, 0)] == vehicle)
    place = np.maximum(place, 0)
    middle = start + HOUR_S // 2
    stop_h = (start - rests.stop_end_s[place]) / HOUR_S
    known &= rests.seen[place] & (stop_h <= MAX_AWAKE_H)
    awake_h = np.where(known, (middle - rests.wake_s[place]) / HOUR_S, 0.0)
    clock_h = ((middle + LOCAL_OFFSET_S) % DAY_S) / HOUR_S
    kss, later = (tpm_kss((clock_h + ahead) % 24.0, awake_h + ahead, rests.s_at_wake[place]) for ahead in (0.0, 1.0))
    level = reservoir_awake(rests.reservoir[place], awake_h * 60.0)
    safte = effectiveness(level, clock_h, awake_h * 60.0, rests.intensity[place])
    values = (stop_h, kss, later, safte)
    return {name: np.where(known, value, np.nan) for name, value in zip(SLEEPINESS, values, strict=True)}


@dataclass(frozen=True)
class _SleepChances:
    """Long stops that ended, with the sleep they suggest; off-line times that could hide one are not `seen`."""

    vehicle: IntArray
    stop_end_s: IntArray
    wake_s: IntArray
    seen: BoolArray
    s_at_wake: FloatArray
    reservoir: FloatArray
    intensity: FloatArray


def _sleep_chances(stretches: Stretches, rules: ReductionRules) -> _SleepChances:
    goes_on = np.r_[stretches.vehicle[1:] == stretches.vehicle[:-1], False][: len(stretches)]
    long_stop = (stretches.state == STOP) & (stretches.end_s - stretches.start_s >= rules.long_rest_s)
    hidden = (stretches.state == OFFLINE) & (stretches.spare_s >= rules.long_rest_s)
    rests = stretches.take((long_stop | hidden) & goes_on)
    seen = rests.state == STOP
    asleep, wake = supposed_sleep(rests.start_s + LOCAL_OFFSET_S, rests.end_s + LOCAL_OFFSET_S)
    asleep, wake = asleep - LOCAL_OFFSET_S, wake - LOCAL_OFFSET_S
    n = len(rests)
    s, reservoir, intensity = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    first = np.r_[True, rests.vehicle[1:] != rests.vehicle[:-1]][:n]
    nth = np.arange(n) - np.maximum.accumulate(np.where(first, np.arange(n), 0))
    for turn in range(int(nth.max(initial=-1)) + 1):
        rows = np.flatnonzero((nth == turn) & seen)
        before = np.maximum(rows - 1, 0)
        chained = (turn > 0) & seen[before]
        awake_h = np.where(chained, (asleep[rows] - wake[before]) / HOUR_S, START_AWAKE_H)
        asleep_h = (wake[rows] - asleep[rows]) / HOUR_S
        s[rows] = s_after_sleep(np.where(chained, s[before], START_S), awake_h, asleep_h)
        bed_h = (asleep[rows] + LOCAL_OFFSET_S) % DAY_S / HOUR_S
        level = np.where(chained, reservoir_awake(reservoir[before], awake_h * 60.0), START_RESERVOIR)
        reservoir[rows] = reservoir_asleep(level, bed_h, (wake[rows] - asleep[rows]) // 60)
        intensity[rows] = sleep_intensity(reservoir[rows], bed_h + asleep_h)
    return _SleepChances(rests.vehicle, rests.end_s, wake, seen, s, reservoir, intensity)
