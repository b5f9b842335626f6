"""Tracks: raw position messages cleaned and made into intervals, each with what the vehicle did and how far it went.

Sorted by vehicle and time, one message per instant (the one received first), drift dropped. Quantities are integers: speed
in 0.1 km/h as JT/T 808 sends it, distance in units of 1/36000 km, which is 0.1 km/h for one second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.segments import (
    DRIVE,
    OFFLINE,
    REDUCTION_RULES,
    STOP,
    BoolArray,
    IntArray,
    ReductionRules,
    Stretches,
    merged,
)
from registry.errors import DataError

FloatArray = npt.NDArray[np.float64]

UNITS_PER_KM: Final = 36_000
UNITS_PER_M: Final = 36
KM_PER_DEG: Final = 6371.0088 * np.pi / 180.0
ACC: Final = 1 << 0
FIXED: Final = 1 << 1
LANE_DEPARTURE: Final = "0x0012"
KEYS: Final = (("plate_no", "plate_color"), ("plate_id",))
"""Vehicles go by their plate as delivered, or by its pseudonym as stored."""
NO_ODOMETER: Final = -1


@dataclass(frozen=True)
class Track:
    """Messages of shape (n,), ordered by vehicle and time, and the vehicles they are of.

    Parameters
    ----------
    keys
        One row per vehicle: the key columns.
    vehicle, time_s
        Index of the vehicle, epoch seconds.
    speed
        0.1 km/h; 0 where unknown.
    driving
        Speed and ignition say that it drove.
    odometer_m
        Metres; `NO_ODOMETER` where unknown.
    lon_deg, lat_deg, fixed
        Position, and whether it was fixed.
    alarm
        Alarm bits.
    lane_departure
        A lane departure was reported.
    received
        Distinct messages per vehicle-day before drift was dropped: their vehicle and time, shape (n_received,).
    """

    keys: pa.Table
    vehicle: IntArray
    time_s: IntArray
    speed: IntArray
    driving: BoolArray
    odometer_m: IntArray
    lon_deg: FloatArray
    lat_deg: FloatArray
    fixed: BoolArray
    alarm: IntArray
    lane_departure: BoolArray
    received: tuple[IntArray, IntArray]

    def __len__(self) -> int:
        return len(self.vehicle)


@dataclass(frozen=True)
class Intervals:
    """From each message to the next of its vehicle, arrays of shape (n_intervals,).

    Parameters
    ----------
    at
        Position of the first message.
    seconds
        Length.
    state
        As of `Stretches`.
    by_odometer, by_speed
        Distance in 1/36000 km: from the odometer where it did not reset, and from speed x time alone (across a silence:
        the great circle).
    """

    at: IntArray
    seconds: IntArray
    state: npt.NDArray[np.int8]
    by_odometer: IntArray
    by_speed: IntArray


def track_of(positions: pa.Table, rules: ReductionRules = REDUCTION_RULES) -> Track:
    """Clean raw messages.

    Parameters
    ----------
    positions
        Rows of `vehicle_location`, of any vehicles, in any order; `recv_time`, `vec2_kmh` and `warn_type` may be absent.

    Raises
    ------
    DataError
        If the key of the vehicle or a needed column is absent.
    """
    keys, vehicle = _vehicles(positions)
    time_s = _seconds(positions, "gps_time")
    rows = _distinct(positions, vehicle, time_s)
    status = _integers(positions, "status_bits", rows)
    speed = _speed(positions, rows)
    track = Track(
        keys, vehicle[rows], time_s[rows], speed, (speed >= round(rules.driving_kmh * 10)) & (status & ACC > 0),
        _odometer(positions, rows), _floats(positions, "lon_deg")[rows], _floats(positions, "lat_deg")[rows],
        (status & FIXED) > 0, _integers(positions, "alarm_bits", rows), _lane_departures(positions, rows),
        (vehicle[rows], time_s[rows]),
    )
    return _without_drift(track, rules)


def intervals_of(track: Track, rules: ReductionRules = REDUCTION_RULES) -> Intervals:
    """Return what lies between successive messages."""
    at = np.flatnonzero(track.vehicle[1:] == track.vehicle[:-1])
    seconds = track.time_s[at + 1] - track.time_s[at]
    heard = seconds <= rules.silence_s
    by_speed = np.where(heard & track.driving[at], track.speed[at] * seconds, 0)
    advance = (track.odometer_m[at + 1] - track.odometer_m[at]) * UNITS_PER_M
    # A terminal sends whole kilometres or tenths, so a tick may show up to one kilometre too much.
    usable = (track.odometer_m[at] >= 0) & (track.odometer_m[at + 1] >= 0) & (advance >= 0)
    usable &= advance <= seconds * round(rules.max_kmh * 10) + UNITS_PER_KM
    silent = np.flatnonzero(~heard)
    by_speed[silent] = np.where(
        track.fixed[at[silent]] & track.fixed[at[silent] + 1], _great_circle(track, at[silent], at[silent] + 1), 0
    )
    by_odometer = np.where(usable, advance, by_speed)
    state = np.where(track.driving[at], DRIVE, STOP).astype(np.int8)
    moved = np.maximum(by_odometer[silent], by_speed[silent]) >= rules.moved_m * UNITS_PER_M
    state[silent] = np.where(moved, OFFLINE, STOP)
    by_odometer[silent[~moved]] = by_speed[silent[~moved]] = 0
    return Intervals(at, seconds, state, by_odometer, by_speed)


def stretches_of_track(
    track: Track, intervals: Intervals | None = None, rules: ReductionRules = REDUCTION_RULES
) -> Stretches:
    """Return the stretches of every vehicle of a track."""
    found = intervals_of(track, rules) if intervals is None else intervals
    start = track.time_s[found.at]
    silent = np.flatnonzero(found.state == OFFLINE)
    travelled = np.maximum(found.by_odometer[silent], found.by_speed[silent])
    spare = np.zeros(len(start), dtype=np.int64)
    spare[silent] = spare_seconds(found.seconds[silent], travelled, rules)
    return merged(Stretches(track.vehicle[found.at], start, start + found.seconds, found.state, spare))


def spare_seconds(seconds: Any, units: Any, rules: ReductionRules = REDUCTION_RULES) -> Any:
    """Return the standing time that an off-line gap of some seconds and distance can hold."""
    return seconds - units // (rules.gap_kmh * 10)


def _vehicles(positions: pa.Table) -> tuple[pa.Table, IntArray]:
    names = next((key for key in KEYS if set(key) <= set(positions.column_names)), None)
    if names is None:
        raise DataError(
            "positions without a vehicle", where="columns " + ", ".join(positions.column_names),
            remedy="Give plate_no and plate_color, or plate_id.",
        )
    code = np.zeros(len(positions), dtype=np.int64)
    values: list[list[str]] = []
    for name in names:
        column = positions[name].combine_chunks()
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        distinct = sorted(encoded.dictionary.to_pylist())
        rank = {value: place for place, value in enumerate(distinct)}
        places = np.array([rank[value] for value in encoded.dictionary.to_pylist()], dtype=np.int64)
        code = code * max(len(distinct), 1) + places[encoded.indices.to_numpy()]
        values.append(distinct)
    size = int(np.prod([max(len(distinct), 1) for distinct in values]))
    present = np.flatnonzero(np.bincount(code, minlength=size) > 0)
    renumbered = np.zeros(size, dtype=np.int64)
    renumbered[present] = np.arange(len(present))
    columns, rest = {}, present
    for name, distinct in zip(reversed(names), reversed(values), strict=True):
        rest, place = np.divmod(rest, max(len(distinct), 1))
        columns[name] = pa.array(distinct, pa.string()).take(pa.array(place))
    return pa.table({name: columns[name] for name in names}), renumbered[code]


def _distinct(positions: pa.Table, vehicle: IntArray, time_s: IntArray) -> Any:
    """Return the rows in order, one per vehicle and instant: the one received first."""
    key = vehicle * 2**34 + (time_s - (time_s.min() if len(time_s) else 0))
    step = np.diff(key)
    if np.all(step > 0):
        return slice(None)
    order = np.argsort(key, kind="stable") if np.any(step < 0) else np.arange(len(key))
    ordered = key[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    if not len(again):
        return order
    if "recv_time" in positions.column_names:
        members = np.unique(np.r_[again, again - 1])
        received = _seconds(positions, "recv_time", null=2**60, per_second=1_000_000)
        best = np.lexsort((received[order[members]], ordered[members]))
        order[members] = order[members][best]
    return np.delete(order, again)


def _without_drift(track: Track, rules: ReductionRules) -> Track:
    fixed = np.flatnonzero(track.fixed)
    dropped = fixed[_drift(track, fixed, rules)]
    if not len(dropped):
        return track
    kept = np.delete(np.arange(len(track)), dropped)
    return Track(
        track.keys, track.vehicle[kept], track.time_s[kept], track.speed[kept], track.driving[kept],
        track.odometer_m[kept], track.lon_deg[kept], track.lat_deg[kept], track.fixed[kept], track.alarm[kept],
        track.lane_departure[kept], track.received,
    )


def _drift(track: Track, rows: IntArray, rules: ReductionRules) -> IntArray:
    """Return which of the fixed messages no vehicle can have reached from the last one that was believed."""
    some: Any = slice(None) if len(rows) == len(track) else rows
    vehicle, time_s, lon, lat = track.vehicle[some], track.time_s[some], track.lon_deg[some], track.lat_deg[some]
    reach = rules.max_kmh / 3600.0 / KM_PER_DEG
    east = (lon[1:] - lon[:-1]) * np.cos(np.deg2rad(lat[:-1]))
    north = lat[1:] - lat[:-1]
    far = east * east + north * north > (reach * (time_s[1:] - time_s[:-1])) ** 2
    suspects = np.flatnonzero(far & (vehicle[1:] == vehicle[:-1])) + 1
    dropped: list[int] = []
    settled = 0

    def at(row: int) -> tuple[float, float]:
        return float(lon[row]), float(lat[row])

    for suspect in suspects.tolist():
        if suspect < settled:
            continue
        believed, here = suspect - 1, suspect
        while (
            here < len(vehicle) and here - suspect < rules.max_drift_run and vehicle[here] == vehicle[believed]
            and unreachable(*at(believed), *at(here), int(time_s[here] - time_s[believed]), rules)
        ):
            dropped.append(here)
            here += 1
        settled = here + 1
    return np.array(dropped, dtype=np.int64)


def unreachable(
    lon: float, lat: float, to_lon: float, to_lat: float, seconds: int, rules: ReductionRules = REDUCTION_RULES
) -> bool:
    """Return whether no vehicle gets from one position to the other in the time."""
    reach = rules.max_kmh / 3600.0 / KM_PER_DEG * seconds
    east = (to_lon - lon) * math.cos(math.radians(lat))
    north = to_lat - lat
    return east * east + north * north > reach**2


def great_circle_units(lon: Any, lat: Any, to_lon: Any, to_lat: Any) -> Any:
    """Return the distance between positions in whole metres, as 1/36000 km (haversine)."""
    rad = np.deg2rad
    half = np.sin(rad(to_lat - lat) / 2.0) ** 2
    half = half + np.cos(rad(lat)) * np.cos(rad(to_lat)) * np.sin(rad(to_lon - lon) / 2.0) ** 2
    return np.rint(2.0 * 6_371_008.8 * np.arcsin(np.sqrt(half))).astype(np.int64) * UNITS_PER_M


def _great_circle(track: Track, here: IntArray, there: IntArray) -> IntArray:
    result: IntArray = great_circle_units(
        track.lon_deg[here], track.lat_deg[here], track.lon_deg[there], track.lat_deg[there]
    )
    return result


def _floats(positions: pa.Table, name: str) -> FloatArray:
    if name not in positions.column_names:
        raise DataError(f"positions without {name}", where="vehicle_location", remedy="Deliver the declared columns.")
    result: FloatArray = positions[name].to_numpy().astype(np.float64, copy=False)
    return result


def _speed(positions: pa.Table, rows: Any) -> IntArray:
    speed = _floats(positions, "speed_kmh")[rows]
    unknown = np.isnan(speed)
    if unknown.any():
        recorder = _floats(positions, "vec2_kmh")[rows] if "vec2_kmh" in positions.column_names else np.zeros_like(speed)
        speed = np.where(unknown, np.nan_to_num(recorder), speed)
    result: IntArray = np.rint(speed * 10.0).astype(np.int64)
    return result


def _odometer(positions: pa.Table, rows: Any) -> IntArray:
    km = _floats(positions, "odometer_km")[rows]
    unknown = np.isnan(km)
    metres: IntArray = np.rint(np.where(unknown, 0.0, km) * 1000.0).astype(np.int64)
    metres[unknown] = NO_ODOMETER
    return metres


def _integers(positions: pa.Table, name: str, rows: Any) -> IntArray:
    if name not in positions.column_names:
        raise DataError(f"positions without {name}", where="vehicle_location", remedy="Deliver the declared columns.")
    column = positions[name]
    result: IntArray = (pc.fill_null(column, 0) if column.null_count else column).to_numpy()[rows].astype(np.int64, copy=False)
    return result


def _seconds(positions: pa.Table, name: str, *, null: int = 0, per_second: int = 1) -> IntArray:
    column = positions[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    if column.null_count:
        column = pc.fill_null(column, null)
    result: IntArray = column.to_numpy() // (1_000_000 // per_second)
    return result


def _lane_departures(positions: pa.Table, rows: Any) -> BoolArray:
    none: BoolArray = np.zeros(len(positions), dtype=np.bool_)[rows]
    if "warn_type" not in positions.column_names:
        return none
    column = positions["warn_type"]
    if pa.types.is_null(column.type) or column.null_count == len(column):
        return none
    result: BoolArray = pc.fill_null(pc.equal(column, LANE_DEPARTURE), False).to_numpy()[rows]
    return result
