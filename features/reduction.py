"""Positions reduced: raw messages of any vehicles become rows of `vehicle_day` and `driving_hour`, exact to the message.

Everything is counted in whole seconds and whole units of distance and divided once at the end, so that the streaming
form (`features.reduction_stream`) gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from features.contracts import ARROW_TYPES
from features.driving_hours import hours_from_stretches
from features.segments import (
    DAY_S,
    DRIVE,
    HOUR_S,
    OFFLINE,
    REDUCTION_RULES,
    STOP,
    BoolArray,
    IntArray,
    ReductionRules,
    Stretches,
    continuous,
    local_day,
    seconds_in_window,
    split,
)
from features.track import UNITS_PER_KM, Intervals, Track, intervals_of, stretches_of_track, track_of
from registry.resources.reductions import DRIVING_HOUR, VEHICLE_DAY
from registry.resources.schema import Resource

EXPRESSWAY_CAP_KMH: Final = 100.0
"""Highest speed of all vehicles but small cars on expressways (实施条例 Art. 78): the cap of a vehicle without its own."""
ALARMS: Final[dict[str, int]] = {
    "n_alarm_fatigue": 1 << 2 | 1 << 14 | 1 << 18,
    "n_alarm_speed": 1 << 1 | 1 << 13,
    "n_alarm_collision": 1 << 29,
}
"""Column -> alarm bits of JT/T 808. An alarm that several messages in a row carry counts once."""
KEY_BITS: Final = 20
P95_OF_100: Final = 95

SpeedCaps = Mapping[tuple[str, ...], float]
"""Key of a vehicle (its key columns in order) -> cap of its class, km/h."""


def reduce_days(
    positions: pa.Table, *, speed_caps: SpeedCaps | None = None, rules: ReductionRules = REDUCTION_RULES
) -> pa.Table:
    """Reduce raw messages to vehicle-days.

    Parameters
    ----------
    positions
        Rows of `vehicle_location`: any vehicles, unsorted, with duplicates, drift and gaps.
    speed_caps
        Caps by vehicle; `EXPRESSWAY_CAP_KMH` for the others.
    rules
        Thresholds.

    Returns
    -------
    pa.Table
        The declared columns of `vehicle_day` (with `plate_id` in place of the plate where that is what came), one row per
        vehicle and local day with a message or off-line time, ordered by vehicle and day. Continuous driving of the first
        day of a vehicle is a lower bound: what came before it is not in the input.

    Raises
    ------
    DataError
        If a needed column is absent.
    """
    track = track_of(positions, rules)
    intervals = intervals_of(track, rules)
    stretches = stretches_of_track(track, intervals, rules)
    ledger = _Days(track, intervals, stretches)
    columns = _driving(ledger, stretches, rules)
    columns |= _distance(ledger, track, intervals, rules)
    columns |= _speeds(ledger, track, intervals, _caps(track, speed_caps), rules)
    columns |= _events(ledger, track, rules)
    columns["n_messages"] = ledger.count(ledger.received)
    return declared_table(VEHICLE_DAY, track.keys, ledger.vehicle, {"day": ledger.day.astype("int32")} | columns)


def reduce_hours(
    positions: pa.Table, *, verified_events: pa.Table | None = None, rules: ReductionRules = REDUCTION_RULES
) -> pa.Table:
    """Reduce raw messages to driving hours.

    Parameters
    ----------
    positions
        As for `reduce_days`; give the 7 days before the first hour wanted, where there are any.
    verified_events
        Fatigue events that the platform verified: the key columns of the vehicle and `event_time`. Positions hold alarms,
        not events, so without it `fatigue_event` is null: not yet known.
    rules
        Thresholds.

    Returns
    -------
    pa.Table
        The declared columns of `driving_hour`, ordered by vehicle and time. An hour of which the messages do not reach the
        end is left out.
    """
    track = track_of(positions, rules)
    hours = hours_from_stretches(stretches_of_track(track, None, rules), rules)
    columns: dict[str, Any] = dict(hours.columns)
    columns |= within_hours(track, hours.vehicle, hours.start_s, rules)
    columns["hour_start"] = hours.start_s.astype("datetime64[s]")
    columns["fatigue_event"] = _verified(track.keys, hours.vehicle, hours.start_s, verified_events)
    nulls = {name: pa.array(values, from_pandas=True) for name, values in columns.items() if values.dtype.kind == "f"}
    return declared_table(DRIVING_HOUR, track.keys, hours.vehicle, columns | nulls)


def within_hours(track: Track, vehicle: IntArray, start: IntArray, rules: ReductionRules) -> dict[str, Any]:
    """Return what the messages inside each hour show."""
    driving = np.flatnonzero(track.driving)
    lower, upper = _messages_of(track, driving, vehicle, start)
    speed = track.speed[driving]
    n = upper - lower
    total, squares = (_between(lower, upper, values) for values in (speed, speed * speed))
    # Whole numbers until here; the variance of n values is (n sum(x^2) - sum(x)^2) / n^2.
    spread = np.sqrt(n * squares - total * total) / np.maximum(total, 1)
    warned = episodes(track, np.flatnonzero(track.lane_departure), rules)
    first, last = _messages_of(track, warned, vehicle, start)
    return {"speed_cv": np.where(n > 0, spread, np.nan), "lane_departure_n": last - first}


def _messages_of(track: Track, rows: IntArray, vehicle: IntArray, start: IntArray) -> tuple[IntArray, IntArray]:
    """Return from which to which of some messages lie in each hour."""
    key = track.vehicle[rows] << 34 | track.time_s[rows]
    lower, upper = (np.searchsorted(key, vehicle << 34 | at) for at in (start, start + HOUR_S))
    return lower, upper


def _between(lower: IntArray, upper: IntArray, values: IntArray) -> IntArray:
    sums = np.r_[0, np.cumsum(values)]
    result: IntArray = sums[upper] - sums[lower]
    return result


def _verified(keys: pa.Table, vehicle: IntArray, start: IntArray, events: pa.Table | None) -> Any:
    if events is None:
        return np.full(len(vehicle), None, dtype=object)
    names = keys.column_names
    place = {key: n for n, key in enumerate(zip(*(keys[name].to_pylist() for name in names), strict=True))}
    owner = [place.get(key, -1) for key in zip(*(events[name].to_pylist() for name in names), strict=True)]
    instant = events["event_time"].cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).to_numpy()
    known = np.array(owner, dtype=np.int64) >= 0
    key = np.sort(np.array(owner, dtype=np.int64)[known] << 34 | instant[known])
    lower, upper = (np.searchsorted(key, vehicle << 34 | at) for at in (start, start + HOUR_S))
    return upper > lower


def observed_stretches(
    positions: pa.Table, *, rules: ReductionRules = REDUCTION_RULES
) -> tuple[pa.Table, Stretches]:
    """Return the vehicles of some messages (their keys) and what they did, for the duty ledger and driving hours."""
    track = track_of(positions, rules)
    return track.keys, stretches_of_track(track, None, rules)


def stretch_days(
    stretches: Stretches, rules: ReductionRules = REDUCTION_RULES
) -> tuple[IntArray, IntArray, dict[str, Any]]:
    """Return driving time by vehicle and local day of any stretches: what a plan and its messages must agree on.

    Returns
    -------
    tuple
        Index of the vehicle, day since 1970-01-01, and the columns `drive_h`, `night_drive_h`, `h_2_5`,
        `max_cont_drive_h`, `n_cont_over_4h`, `n_rest_20min` and `offline_h` of each day that a stretch touches.
    """
    index, start, _ = split(stretches.start_s, stretches.end_s, DAY_S)
    key = np.unique(stretches.vehicle[index] << KEY_BITS | local_day(start))
    ledger = _Keyed(key)
    return ledger.vehicle, ledger.day, _driving(ledger, stretches, rules)


def declared_table(resource: Resource, keys: pa.Table, vehicle: IntArray, columns: Mapping[str, Any]) -> pa.Table:
    """Return rows in the order and types of a declaration; the key columns are those that the input had."""
    plates = {name: keys[name].combine_chunks().take(pa.array(vehicle)) for name in keys.column_names}
    rest = [column for column in resource.columns if column.id not in ("plate_no", "plate_color")]
    return pa.table(plates | {column.id: pa.array(columns[column.id], ARROW_TYPES[column.dtype]) for column in rest})


class _Keyed:
    """Rows of a result by vehicle and day, and sums over them."""

    def __init__(self, key: IntArray) -> None:
        self.key = key
        self.vehicle = key >> KEY_BITS
        self.day = key & ((1 << KEY_BITS) - 1)

    def row(self, vehicle: IntArray, instant_s: IntArray) -> IntArray:
        result: IntArray = np.searchsorted(self.key, vehicle << KEY_BITS | local_day(instant_s))
        return result

    def count(self, rows: IntArray) -> IntArray:
        result: IntArray = np.bincount(rows, minlength=len(self.key))
        return result

    def total(self, rows: IntArray, values: IntArray) -> IntArray:
        sums = np.zeros(len(self.key), dtype=np.int64)
        np.add.at(sums, rows, values)
        return sums

    def largest(self, rows: IntArray, values: IntArray) -> IntArray:
        result = np.zeros(len(self.key), dtype=np.int64)
        np.maximum.at(result, rows, values)
        return result


class _Days(_Keyed):
    """The vehicle-days of a track, and the row of every message."""

    def __init__(self, track: Track, intervals: Intervals, stretches: Stretches) -> None:
        heard = track.received[0] << KEY_BITS | local_day(track.received[1])
        changes = np.r_[True, heard[1:] != heard[:-1]][: len(heard)]
        silent = np.flatnonzero(stretches.state == OFFLINE)
        index, start, _ = split(stretches.start_s[silent], stretches.end_s[silent], DAY_S)
        unheard = stretches.vehicle[silent][index] << KEY_BITS | local_day(start)
        super().__init__(np.unique(np.r_[heard[changes], unheard]))
        self.received = self._rows(heard, changes)
        if len(track) == len(heard):
            self.message = self.received
        else:
            self.message = self.row(track.vehicle, track.time_s)

    def _rows(self, heard: IntArray, changes: BoolArray) -> IntArray:
        first = np.flatnonzero(changes)
        rows = np.searchsorted(self.key, heard[first])
        result: IntArray = np.repeat(rows, np.diff(np.r_[first, len(heard)]))
        return result


def _driving(ledger: _Keyed, stretches: Stretches, rules: ReductionRules) -> dict[str, Any]:
    runs = continuous(stretches, rules)
    rows = np.flatnonzero(stretches.state == DRIVE)
    piece, start, end = split(stretches.start_s[rows], stretches.end_s[rows], DAY_S)
    owner = rows[piece]
    row = ledger.row(stretches.vehicle[owner], start)
    before = runs.cont_s[owner] + start - stretches.start_s[owner]
    after = before + end - start
    over = (before <= rules.limit_s) & (after > rules.limit_s)
    length = stretches.end_s - stretches.start_s
    # A rest counts once the vehicle moves again, so the stop that ends the data does not; a long one ends the shift.
    goes_on = np.r_[stretches.vehicle[1:] == stretches.vehicle[:-1], False][: len(stretches)]
    rest = (stretches.state == STOP) & (length >= rules.rest_s) & (length < rules.long_rest_s) & goes_on
    silent = np.flatnonzero(stretches.state == OFFLINE)
    gap, gap_start, gap_end = split(stretches.start_s[silent], stretches.end_s[silent], DAY_S)
    return {
        "drive_h": ledger.total(row, end - start) / HOUR_S,
        "night_drive_h": ledger.total(row, seconds_in_window(start, end, 22, 6)) / HOUR_S,
        "h_2_5": ledger.total(row, seconds_in_window(start, end, 2, 5)) / HOUR_S,
        "max_cont_drive_h": ledger.largest(row, after) / HOUR_S,
        "n_cont_over_4h": ledger.count(row[over]),
        "n_rest_20min": ledger.count(ledger.row(stretches.vehicle[rest], stretches.end_s[rest])),
        "offline_h": ledger.total(ledger.row(stretches.vehicle[silent][gap], gap_start), gap_end - gap_start) / HOUR_S,
    }


def _distance(ledger: _Days, track: Track, intervals: Intervals, rules: ReductionRules) -> dict[str, Any]:
    start = track.time_s[intervals.at]
    end = start + intervals.seconds
    row = ledger.message[intervals.at]
    crossing = np.flatnonzero(row != ledger.message[intervals.at + 1])
    piece, piece_start, piece_end = split(start[crossing], end[crossing], DAY_S)
    owner = crossing[piece]
    piece_row = ledger.row(track.vehicle[intervals.at[owner]], piece_start)

    def by_day(units: IntArray) -> IntArray:
        whole = units.copy()
        whole[crossing] = 0
        # Whole units up to each cut keep the sum exact.
        share = share_until(units[owner], piece_end - start[owner], intervals.seconds[owner])
        share = share - share_until(units[owner], piece_start - start[owner], intervals.seconds[owner])
        return _sums(row, whole, len(ledger.key)) + ledger.total(piece_row, share)

    km = distance_units(by_day(intervals.by_odometer), by_day(intervals.by_speed), rules) / UNITS_PER_KM
    return {"distance_km": km}


def share_until(units: Any, elapsed_s: Any, seconds: Any) -> Any:
    """Return the part of a distance that was covered after some of its time, in whole units."""
    return units * elapsed_s // seconds


def distance_units(by_odometer: Any, by_speed: Any, rules: ReductionRules) -> Any:
    """Return the day's distance: the odometer's, unless it was stuck."""
    stuck = (by_speed >= rules.stuck_km * UNITS_PER_KM) & (by_odometer < rules.stuck_share * by_speed)
    return np.where(stuck, by_speed, by_odometer)


def _sums(row: IntArray, values: IntArray, size: int) -> IntArray:
    """Sum by ordered rows."""
    totals = np.zeros(size, dtype=np.int64)
    if len(row):
        first = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
        totals[row[first]] = np.add.reduceat(values, first)
    return totals


def _caps(track: Track, speed_caps: SpeedCaps | None) -> IntArray:
    """Return caps by vehicle in 0.1 km/h."""
    known = speed_caps or {}
    keys = zip(*(track.keys[name].to_pylist() for name in track.keys.column_names), strict=True)
    return np.array([round(10.0 * known.get(key, EXPRESSWAY_CAP_KMH)) for key in keys], dtype=np.int64)


def _speeds(
    ledger: _Days, track: Track, intervals: Intervals, caps: IntArray, rules: ReductionRules
) -> dict[str, Any]:
    fast = np.flatnonzero((track.speed[intervals.at] > caps[track.vehicle[intervals.at]]) & (intervals.state == DRIVE))
    first, last = _unbroken(intervals.at[fast])
    start = track.time_s[intervals.at[fast[first]]]
    end = track.time_s[intervals.at[fast[last]]] + intervals.seconds[fast[last]]
    counted = end - start >= rules.overspeed_s
    piece, piece_start, piece_end = split(start[counted], end[counted], DAY_S)
    vehicle = track.vehicle[intervals.at[fast[first]]][counted][piece]
    seconds = ledger.total(ledger.row(vehicle, piece_start), piece_end - piece_start)
    return {"overspeed_min": seconds / 60.0, "p95_speed_kmh": _p95(ledger, track)}


def _unbroken(at: IntArray) -> tuple[IntArray, IntArray]:
    """Return first and last index of each run of successive positions."""
    first = np.flatnonzero(np.r_[True, at[1:] != at[:-1] + 1][: len(at)])
    return first, np.r_[first[1:], len(at)][: len(first)] - 1


def _p95(ledger: _Days, track: Track) -> pa.Array:
    """Return the nearest-rank percentile of the driving messages of each day."""
    driving = np.flatnonzero(track.driving)
    row = ledger.message[driving]
    ordered = np.sort(row << KEY_BITS | track.speed[driving])
    n = ledger.count(row)
    place = np.cumsum(n) - n + nearest_rank(n)
    some = n > 0
    speed = np.zeros(len(n))
    speed[some] = (ordered[place[some]] & ((1 << KEY_BITS) - 1)) / 10.0
    return pa.array(speed, mask=~some)


def nearest_rank(n: Any) -> Any:
    """Return the position of the 95th percentile among n ordered values, counted from 0."""
    return (P95_OF_100 * n + 99) // 100 - 1


def _events(ledger: _Days, track: Track, rules: ReductionRules) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if track.alarm.any():
        for name, bits in ALARMS.items():
            columns[name] = ledger.count(ledger.message[episodes(track, np.flatnonzero(track.alarm & bits), rules)])
    else:
        columns = {name: np.zeros(len(ledger.key), dtype=np.int64) for name in ALARMS}
    fall = track.speed[:-1] - track.speed[1:]
    gap = track.time_s[1:] - track.time_s[:-1]
    braking = (gap <= rules.brake_within_s) & (fall >= gap * round(rules.brake_kmh_s * 10)) & (gap > 0)
    braking &= track.vehicle[1:] == track.vehicle[:-1]
    # Braking that goes on over several messages is one.
    columns["n_harsh_brake"] = ledger.count(ledger.message[1:][braking & ~np.r_[False, braking[:-1]][: len(braking)]])
    return columns


def episodes(track: Track, raised: IntArray, rules: ReductionRules) -> IntArray:
    """Return the first message of each alarm: those that follow one another without a silence are the same alarm."""
    if not len(raised):
        return raised
    again = (raised[1:] == raised[:-1] + 1) & (track.vehicle[raised[1:]] == track.vehicle[raised[:-1]])
    again &= track.time_s[raised[1:]] - track.time_s[raised[:-1]] <= rules.silence_s
    result: IntArray = raised[np.r_[True, ~again]]
    return result


