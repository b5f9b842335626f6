"""Stretches: what a vehicle did between two instants, and the continuous driving that stretches add up to.

A stretch is driving, standing, or off line (the vehicle moved and sent nothing). Instants are whole epoch seconds and
everything computed from them is an exact integer. The same stretches give vehicle-days, driving hours and the duty ledger,
whether they were reduced from messages (`features.track`) or planned by the simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

STOP: Final = 0
DRIVE: Final = 1
OFFLINE: Final = 2

DAY_S: Final = 86_400
HOUR_S: Final = 3_600
LOCAL_OFFSET_S: Final = 8 * HOUR_S
"""Asia/Shanghai is UTC+8 in every year that positions exist for."""


@dataclass(frozen=True, kw_only=True)
class ReductionRules:
    """Thresholds of the reduction. Only the rest and the 4 hours are law; the others are assumptions [A].

    Parameters
    ----------
    driving_kmh
        Driving is this speed and more with ignition on. [A]
    silence_s
        A message speaks for the time to the next one when that is no further away; the terminal's default interval is
        30 s (parameter 0x0029). [A]
    rest_s
        A stop that ends continuous driving: 20 minutes (实施条例 Art. 62(7)).
    limit_s
        Continuous driving counted in `n_cont_over_4h` (实施条例 Art. 62(7)).
    long_rest_s
        A stop that ends the shift and may hold sleep. [A]
    max_kmh
        A jump faster than this between two positions is drift. [A]
    max_drift_run
        After so many dropped positions in a row the next one is believed: the terminal was moved. [A]
    moved_m
        Displacement from which a vehicle moved while it was silent. [A]
    gap_kmh
        Highest speed supposed while off line, which bounds the standing time a gap can hold: the cap of all vehicles but
        small cars on expressways (实施条例 Art. 78).
    overspeed_s
        Shortest counted run above the cap (platform practice, F2).
    stuck_share, stuck_km
        The odometer is stuck on a day that shows less than this share of speed x time, where that is at least
        `stuck_km`. [A]
    brake_kmh_s, brake_within_s
        Harsh braking: speed falls at this rate and more between messages so near. [A]
    """

    driving_kmh: float = 3.0
    silence_s: int = 90
    rest_s: int = 1_200
    limit_s: int = 14_400
    long_rest_s: int = 18_000
    max_kmh: float = 200.0
    max_drift_run: int = 5
    moved_m: int = 500
    gap_kmh: int = 100
    overspeed_s: int = 60
    stuck_share: float = 0.5
    stuck_km: int = 5
    brake_kmh_s: float = 7.2
    brake_within_s: int = 10


REDUCTION_RULES: Final = ReductionRules()


@dataclass(frozen=True)
class Stretches:
    """Stretches of any number of vehicles, ordered by vehicle and time, without overlap.

    Parameters
    ----------
    vehicle
        Index of the vehicle, shape (n,).
    start_s, end_s
        Epoch seconds, end exclusive, shape (n,).
    state
        `STOP`, `DRIVE` or `OFFLINE`, shape (n,).
    spare_s
        Standing seconds that an off-line stretch can hold besides its movement; 0 for the others.
    """

    vehicle: IntArray
    start_s: IntArray
    end_s: IntArray
    state: npt.NDArray[np.int8]
    spare_s: IntArray

    def __len__(self) -> int:
        return len(self.vehicle)

    def of(self, vehicle: int) -> Stretches:
        """Return the stretches of one vehicle."""
        return self.take(slice(*np.searchsorted(self.vehicle, [vehicle, vehicle + 1])))

    def take(self, rows: Any) -> Stretches:
        """Return some of the stretches, in order."""
        return Stretches(self.vehicle[rows], self.start_s[rows], self.end_s[rows], self.state[rows], self.spare_s[rows])


def stretches_of(
    vehicle: npt.ArrayLike, start_s: npt.ArrayLike, end_s: npt.ArrayLike, state: npt.ArrayLike,
    spare_s: npt.ArrayLike | None = None,
) -> Stretches:
    """Return ordered stretches in which holes are stops and neighbours of one state are one.

    Two off-line stretches stay two, because each holds its own standing time.

    Parameters
    ----------
    vehicle, start_s, end_s, state, spare_s
        As in `Stretches`, in any order; empty stretches are left out.

    Raises
    ------
    ValueError
        If two stretches of a vehicle overlap.
    """
    columns = [np.asarray(values, dtype=np.int64) for values in (vehicle, start_s, end_s, state)]
    columns.append(np.zeros_like(columns[0]) if spare_s is None else np.asarray(spare_s, dtype=np.int64))
    kept = columns[2] > columns[1]
    order = np.lexsort((columns[1][kept], columns[0][kept]))
    who, begin, end, what, spare = (values[kept][order] for values in columns)
    same = who[1:] == who[:-1]
    if np.any(same & (begin[1:] < end[:-1])):
        at = int(np.flatnonzero(same & (begin[1:] < end[:-1]))[0])
        raise ValueError(f"stretches of vehicle {who[at]} overlap: one ends at {end[at]}, the next begins at {begin[at + 1]}")
    hole = np.flatnonzero(same & (begin[1:] > end[:-1])) + 1
    filled = Stretches(
        np.insert(who, hole, who[hole]), np.insert(begin, hole, end[hole - 1]), np.insert(end, hole, begin[hole]),
        np.insert(what, hole, STOP).astype(np.int8), np.insert(spare, hole, 0),
    )
    return merged(filled)


def merged(stretches: Stretches) -> Stretches:
    """Return contiguous stretches with neighbours of one state (but off line) put together."""
    if not len(stretches):
        return stretches
    state, vehicle = stretches.state, stretches.vehicle
    new = np.r_[True, (vehicle[1:] != vehicle[:-1]) | (state[1:] != state[:-1]) | (state[1:] == OFFLINE)]
    first = np.flatnonzero(new)
    last = np.r_[first[1:], len(stretches)] - 1
    return Stretches(vehicle[first], stretches.start_s[first], stretches.end_s[last], state[first], stretches.spare_s[first])


@dataclass(frozen=True)
class Runs:
    """Continuous driving per stretch, arrays of shape (n,).

    Parameters
    ----------
    ends
        The stretch ends continuous driving: a rest, or an off-line time that can hold one.
    cont_s
        Driving since the last such stretch, before this stretch begins.
    since_s
        Instant at which the run began: the end of the last such stretch, or the first thing known of the vehicle.
    """

    ends: BoolArray
    cont_s: IntArray
    since_s: IntArray


def continuous(stretches: Stretches, rules: ReductionRules = REDUCTION_RULES) -> Runs:
    """Return continuous driving by stretch.

    Shorter stops neither end it nor count as driving. Off-line time never counts as driving; it ends the run where a rest
    could lie in it, because nobody can show that there was none.
    """
    n = len(stretches)
    length = stretches.end_s - stretches.start_s
    drive = np.where(stretches.state == DRIVE, length, 0)
    ends = (stretches.state == STOP) & (length >= rules.rest_s)
    ends |= (stretches.state == OFFLINE) & (stretches.spare_s >= rules.rest_s)
    first = np.r_[True, stretches.vehicle[1:] != stretches.vehicle[:-1]][:n]
    opens = np.maximum.accumulate(np.where(ends | first, np.arange(n), 0)) if n else np.zeros(0, dtype=np.int64)
    before = np.cumsum(drive) - drive
    since = np.where(ends[opens], stretches.end_s[opens], stretches.start_s[opens])
    return Runs(ends, before - before[opens], since)


def split(
    start_s: IntArray, end_s: IntArray, period_s: int, offset_s: int = LOCAL_OFFSET_S
) -> tuple[IntArray, IntArray, IntArray]:
    """Cut intervals at the multiples of a period of local time.

    Returns
    -------
    tuple
        Index of the interval, begin and end of each piece.
    """
    first = (start_s + offset_s) // period_s
    pieces = (end_s - 1 + offset_s) // period_s - first + 1
    index = np.repeat(np.arange(len(start_s)), pieces)
    nth = np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    lower = (first[index] + nth) * period_s - offset_s
    return index, np.maximum(start_s[index], lower), np.minimum(end_s[index], lower + period_s)


def seconds_in_window(start_s: IntArray, end_s: IntArray, from_h: int, to_h: int) -> IntArray:
    """Return the seconds of each interval that lie in a daily window of local hours; `from_h` > `to_h` wraps midnight."""
    return _until(end_s, from_h, to_h) - _until(start_s, from_h, to_h)


def _until(instant_s: IntArray, from_h: int, to_h: int) -> IntArray:
    if from_h > to_h:
        late, early = _until(instant_s, from_h, 24), _until(instant_s, 0, to_h)
        both: IntArray = late + early
        return both
    day, second = np.divmod(np.asarray(instant_s, dtype=np.int64) + LOCAL_OFFSET_S, DAY_S)
    width = (to_h - from_h) * HOUR_S
    result: IntArray = day * width + np.clip(second - from_h * HOUR_S, 0, width)
    return result


def local_day(instant_s: IntArray) -> IntArray:
    """Return days since 1970-01-01 of the local calendar."""
    result: IntArray = (instant_s + LOCAL_OFFSET_S) // DAY_S
    return result
