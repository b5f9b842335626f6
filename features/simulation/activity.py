"""What vehicles do: vehicle-days computed from the shifts, the exposure that everything else is driven by.

A row exists for every vehicle and day with a message. Columns are float32 or int32 arrays of one length. The rows of a day
are those that `features.reduction` gets from the messages of the same shifts (`messages`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import VEHICLE_CLASSES
from features.simulation.behaviour import Behaviour, DayDriving, behaviour_of, drive_days
from features.simulation.clock import Days, Month
from features.simulation.trips import (
    DAY,
    HOUR,
    Float32,
    Int32,
    Motion,
    Shifts,
    clamped,
    month_effects,
    motion_of,
    plan_shifts,
)
from features.simulation.world import World

LIMIT: Final = 4 * HOUR
LONG_REST: Final = 5 * HOUR
NIGHT_END, NIGHT_START = 6 * HOUR, 22 * HOUR
SMALL_START, SMALL_END = 2 * HOUR, 5 * HOUR


@dataclass(frozen=True)
class Fleet:
    """The vehicles of a world as they move: habits and behaviour."""

    motion: Motion
    behaviour: Behaviour


@dataclass(frozen=True)
class BlockDay:
    """The vehicle-days of one block on one calendar day.

    Parameters
    ----------
    day
        The day.
    vehicle
        Index within the block, ascending, shape (n_rows,).
    columns
        All measured columns by their declared identifiers, shape (n_rows,).
    driving, before, today, stuck
        What the messages of these days are made of: how they were driven, the shifts that began yesterday and today, and
        whose odometer stands still, shape (n_rows,).
    """

    day: np.datetime64
    vehicle: Int32
    columns: dict[str, npt.NDArray[Any]]
    driving: DayDriving
    before: Shifts | None
    today: Shifts
    stuck: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ActivityMonth:
    """The vehicle-days of one month, of all vehicles or of some blocks, ordered by block, then day, then vehicle.

    Parameters
    ----------
    month
        The month.
    vehicle, day
        Index of the vehicle and day of each row, shape (n_rows,).
    columns
        Measured columns by their declared identifiers, each of shape (n_rows,).
    """

    month: Month
    vehicle: Int32
    day: Days
    columns: dict[str, npt.NDArray[Any]]

    def per_vehicle(self, values: npt.NDArray[Any], n_vehicles: int) -> npt.NDArray[np.float64]:
        """Return sums of a row value by vehicle, shape (n_vehicles,)."""
        sums: npt.NDArray[np.float64] = np.bincount(self.vehicle, weights=values, minlength=n_vehicles).astype(np.float64)
        return sums


def fleet_of(world: World) -> Fleet:
    """Return how a world's vehicles move."""
    return Fleet(motion_of(world), behaviour_of(world))


def simulate_activity(
    world: World, month: Month, fleet: Fleet | None = None, blocks: range | None = None
) -> ActivityMonth:
    """Return the vehicle-days of a month: of all vehicles, or of some blocks."""
    moving = fleet or fleet_of(world)
    parts = [
        (block, part) for block in (blocks or range(moving.motion.n_blocks))
        for part in block_days(moving, block, month.first, month.end)
    ]
    vehicle = np.concatenate([part.vehicle + moving.motion.members(block).start for block, part in parts])
    day = np.repeat(np.array([part.day for _, part in parts]), [len(part.vehicle) for _, part in parts])
    columns = {name: np.concatenate([part.columns[name] for _, part in parts]) for name in parts[0][1].columns}
    return ActivityMonth(month, vehicle.astype(np.int32), day, columns)


def block_days(fleet: Fleet, block: int, first: np.datetime64, end: np.datetime64) -> Iterator[BlockDay]:
    """Yield the calendar days of a block from `first` until before `end`; each knows the shifts of the day before."""
    motion = fleet.motion
    before = _shifts_before(motion, block, first)
    for day in np.arange(first, end):
        today, speed = plan_shifts(motion, block, day)
        yield _block_day(fleet, block, day, before, today, speed)
        before = today


def _shifts_before(motion: Motion, block: int, day: np.datetime64) -> Shifts | None:
    return plan_shifts(motion, block, day - 1)[0] if day > motion.world.start else None


def _block_day(
    fleet: Fleet, block: int, day: np.datetime64, before: Shifts | None, today: Shifts, speed: Float32
) -> BlockDay:
    members = fleet.motion.members(block)
    counts = _counts(before, today, members.stop - members.start)
    if day == np.datetime64(fleet.motion.world.assumed.activity.missing_day):
        counts["heard"][:] = 0
    vehicle = np.flatnonzero(counts["heard"]).astype(np.int32)
    ticks = {name: values[vehicle] for name, values in counts.items()}
    stuck = month_effects(fleet.motion, members, day)[1][vehicle]
    driving = drive_days(fleet.behaviour, members, block, day, vehicle, speed[vehicle], stuck, ticks)
    columns = {
        "distance_km": driving.columns["distance_km"], "drive_h": _hours(ticks["drive"]),
        "night_drive_h": _hours(ticks["night"]), "h_2_5": _hours(ticks["small"]),
        "max_cont_drive_h": _hours(ticks["cont"]), "n_cont_over_4h": ticks["over"], "n_rest_20min": ticks["rest"],
        "offline_h": _hours(ticks["offline"]),
    }
    return BlockDay(day, vehicle, columns | driving.columns, driving, before, today, stuck)


def _hours(ticks: Int32) -> Float32:
    return np.round(ticks / np.float32(HOUR), 3)


def _counts(before: Shifts | None, today: Shifts, n: int) -> dict[str, Int32]:
    """Return ticks and counts of a calendar day for every vehicle of a block: yesterday's tails and today's heads."""
    names = ("drive", "offline", "night", "small", "cont", "over", "rest", "heard")
    counts = {name: np.zeros(n, dtype=np.int32) for name in names}
    parts = [(today, 0)]
    if before is not None:
        _short_nights(before, today, counts["rest"])
        parts.insert(0, (before.take(np.flatnonzero(before.ends >= DAY)), DAY))
    for shifts, midnight in parts:
        _add(counts, shifts, midnight)
    return counts


def _short_nights(before: Shifts, today: Shifts, rest: Int32) -> None:
    """Count the stop between two shifts as a rest where it is too short to end the day's duty."""
    ended = np.full(len(rest), -LONG_REST, dtype=np.int32)
    ended[before.vehicle] = before.ends - DAY
    rest[today.vehicle] += (today.start[0] - ended[today.vehicle]) < LONG_REST


def _add(counts: dict[str, Int32], shifts: Shifts, midnight: int) -> None:
    """Add what shifts do in the day that begins at a tick."""
    who, column = shifts.vehicle, np.arange(len(shifts))
    start, end = clamped(shifts.start - midnight, 0, DAY), clamped(shifts.end - midnight, 0, DAY)
    gap_from, gap_to = clamped(shifts.gap_from - midnight, 0, DAY), clamped(shifts.gap_to - midnight, 0, DAY)
    gap = gap_to - gap_from
    offline = np.where(shifts.offline, gap, 0)
    wall = (end - start).sum(axis=0, dtype=np.int32)
    counts["drive"][who] += wall - gap
    counts["offline"][who] += offline
    counts["night"][who] += (_night(end) - _night(start)).sum(axis=0, dtype=np.int32) - (_night(gap_to) - _night(gap_from))
    counts["small"][who] += (_small(end) - _small(start)).sum(axis=0, dtype=np.int32) - (_small(gap_to) - _small(gap_from))
    real = shifts.end > shifts.start
    # A run's end is a message of its own; the message before a silence is the only one that it leaves.
    ends = (real & (shifts.end >= midnight) & (shifts.end < midnight + DAY)).sum(axis=0, dtype=np.int32)
    counts["heard"][who] += wall + ends - np.maximum(offline - 1, 0)
    begun = real[1:] & (shifts.start[1:] >= midnight) & (shifts.start[1:] < midnight + DAY)
    counts["rest"][who] += begun.sum(axis=0, dtype=np.int32)
    longest, over = _continuous(shifts, start, end, column, midnight)
    counts["cont"][who] = np.maximum(counts["cont"][who], longest)
    counts["over"][who] += over


def _night(tick: Int32) -> Int32:
    result: Int32 = np.minimum(tick, NIGHT_END) + np.maximum(tick - NIGHT_START, 0)
    return result


def _small(tick: Int32) -> Int32:
    result: Int32 = clamped(tick, SMALL_START, SMALL_END)
    return result


def _continuous(
    shifts: Shifts, start: Int32, end: Int32, column: npt.NDArray[np.int64], midnight: int
) -> tuple[Int32, Int32]:
    """Return the longest continuous driving reached in the day, and how often it passed four hours."""
    length = np.where(end > start, end + midnight - shifts.start, 0)
    passed = shifts.start + LIMIT
    until = midnight + DAY
    over = (shifts.end - shifts.start > LIMIT) & (passed >= midnight) & (passed < until)
    held = np.flatnonzero(shifts.gap_to > shifts.gap_from)
    if len(held):
        main = shifts.main[held], held
        length[main], over[main] = _with_gap(shifts.take(held), length[main], midnight)
    return length.max(axis=0, initial=0), over.sum(axis=0, dtype=np.int32)


def _with_gap(shifts: Shifts, length: Int32, midnight: int) -> tuple[Int32, Int32]:
    """Return the same for main runs with a gap, in which the gap is no driving."""
    column, until = np.arange(len(shifts)), midnight + DAY
    start, end = shifts.start[shifts.main, column], shifts.end[shifts.main, column]
    before, gap = shifts.gap_from - start, shifts.gap_to - shifts.gap_from
    reached = np.minimum(end, until)
    inside = clamped(reached - shifts.gap_from, 0, gap)
    whole = np.where(length > 0, length - inside, 0)
    parts = np.where(length > 0, np.maximum(before, end - shifts.gap_to), 0)
    passed = start + LIMIT + np.where(before <= LIMIT, gap, 0)
    over = (end - start - gap > LIMIT) & (passed >= midnight) & (passed < until)
    second = shifts.gap_to + LIMIT
    twice = ((before > LIMIT) & (start + LIMIT >= midnight) & (start + LIMIT < until)).astype(np.int32)
    twice += (end - shifts.gap_to > LIMIT) & (second >= midnight) & (second < until)
    return (
        np.where(shifts.ends_run, parts, whole).astype(np.int32),
        np.where(shifts.ends_run, twice, over).astype(np.int32),
    )


def class_mean_night_share(world: World) -> npt.NDArray[np.float64]:
    """Return the typical night share of each vehicle's class, the reference of the night effect."""
    table = np.array([kind.night_share for kind in VEHICLE_CLASSES])
    result: npt.NDArray[np.float64] = table[world.vehicles.kind]
    return result
