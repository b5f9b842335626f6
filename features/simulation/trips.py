"""Shifts: when each vehicle drives on a day, planned for a block of vehicles at a time and reproducible alone.

The plan of (block, day) depends on the seed, the block and the day only, so any vehicle-day can be planned again without
the others. Time is counted in ticks of 30 s, the interval of the terminal's messages.

A shift is up to seven runs (连续驾驶) separated by rests of at least 20 minutes; its longest run may hold one gap, either a
shorter stop or a time off line in which the vehicle moved. Early vehicles keep their shift inside the calendar day; late
ones may drive past midnight, and what lies behind it belongs to the next day's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import ActivityAssumptions
from features.simulation.clock import Days, around_spring_festival, month_of_year, weekday
from features.simulation.streams import Stream, generator
from features.simulation.world import PASSENGER, World

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

BLOCK: Final = 8_192
"""Vehicles planned at once, in every preset."""
TICK_S: Final = 30
HOUR: Final = 120
DAY: Final = 24 * HOUR
MAX_RUNS: Final = 7
REST: Final = 41
"""Shortest rest that is planned: half a minute more than the legal one."""
LONGEST_SHIFT: Final = 21 * HOUR
MAX_DRIVE: Final = 15 * HOUR
MIN_DRIVE: Final = 20
EARLIEST: Final = (HOUR // 2, 10 * HOUR)
"""No shift of an early or late vehicle begins before; it ends within 21 hours of it, so shifts never meet."""
MONTH_FACTORS: Final = (0.92, 0.80, 1.05, 1.03, 1.03, 0.98, 0.96, 0.98, 1.04, 1.05, 1.08, 1.08)
"""Freight demand by month of the year, mean 1 [A]."""
_HABITS, _MONTHS, _SHIFTS = 11, 12, 13


@dataclass(frozen=True)
class Motion:
    """Lasting habits of the vehicles, arrays of shape (n_vehicles,).

    Parameters
    ----------
    world
        Everybody.
    usual_km
        Kilometres of a usual day.
    speed_kmh
        Mean moving speed.
    active_rate
        Share of days with a shift.
    main_run
        Median ticks of the longest run.
    night_logit
        Log odds of the night share.
    late, passenger
        Shifts begin after 10 o'clock; a coach.
    offline_share
        Share of days with a time off line.
    """

    world: World
    usual_km: Float32
    speed_kmh: Float32
    active_rate: Float32
    main_run: Float32
    night_logit: Float32
    late: BoolArray
    passenger: BoolArray
    offline_share: Float32

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return -(-len(self.usual_km) // BLOCK)

    def members(self, block: int) -> slice:
        """Return the vehicles of a block."""
        return slice(block * BLOCK, min((block + 1) * BLOCK, len(self.usual_km)))


@dataclass(frozen=True)
class Shifts:
    """The shifts that begin on one day in one block; ticks count from the day's midnight.

    Parameters
    ----------
    vehicle
        Index within the block, ascending, shape (n,).
    start, end
        Runs, shape (7, n); a run that is not there has both at the shift's end.
    main
        Which run is the main one, shape (n,).
    gap_from, gap_to
        The gap in the main run, shape (n,); equal where there is none.
    offline, ends_run
        The gap is off line; it is so long that it could hold a rest and ends the run, shape (n,).
    """

    vehicle: Int32
    start: Int32
    end: Int32
    main: Int32
    gap_from: Int32
    gap_to: Int32
    offline: BoolArray
    ends_run: BoolArray

    def __len__(self) -> int:
        return len(self.vehicle)

    @property
    def ends(self) -> Int32:
        """Last tick of each shift."""
        last: Int32 = self.end[-1]
        return last

    def take(self, rows: npt.NDArray[Any]) -> Shifts:
        """Return some of the shifts."""
        return Shifts(
            self.vehicle[rows], self.start[:, rows], self.end[:, rows], self.main[rows], self.gap_from[rows], self.gap_to[rows],
            self.offline[rows], self.ends_run[rows],
        )


def clamped(values: Any, low: Any, high: Any) -> Any:
    """Return values between two bounds; `numpy.clip` takes five times as long on the short arrays of a small province."""
    return np.minimum(np.maximum(values, low), high)


def motion_of(world: World) -> Motion:
    """Return the lasting habits of a world's vehicles."""
    vehicles, assumed = world.vehicles, world.assumed.activity
    rng = generator(world.seed, Stream.ACTIVITY, _HABITS)
    rate = world.class_values("active_rate")
    haul = np.log(world.class_values("annual_km") / 60_000.0)
    # Long runs: the driver's taste for risk and long hauls.
    long_runs = 0.16 * world.vehicle_risk + 0.30 * haul
    night = vehicles.night_share
    offline = np.minimum(assumed.offline_base * np.exp(-0.5 * world.vehicle_culture), 0.6)
    return Motion(
        world=world,
        usual_km=(vehicles.annual_km / 365.25 / rate * np.exp(-assumed.day_sigma**2 / 2.0)).astype(np.float32),
        speed_kmh=world.class_values("speed_kmh").astype(np.float32), active_rate=rate.astype(np.float32),
        main_run=(assumed.main_run_h * HOUR * np.exp(long_runs)).astype(np.float32),
        night_logit=np.log(night / (1.0 - night)).astype(np.float32),
        late=rng.random(len(vehicles)) < 0.30 + 0.9 * night,
        passenger=world.operators.business[vehicles.operator] == PASSENGER, offline_share=offline.astype(np.float32),
    )


def _chance(world: World, block: int, day: np.datetime64) -> np.random.Generator:
    return generator(world.seed, Stream.ACTIVITY, _SHIFTS, block, int((day - world.start).astype(np.int64)) + 1)


def _speeds(rng: np.random.Generator, motion: Motion, members: slice) -> Float32:
    mean = motion.speed_kmh[members]
    result: Float32 = mean * np.exp(np.float32(0.09) * rng.standard_normal(len(mean), dtype=np.float32))
    return result


def plan_shifts(motion: Motion, block: int, day: np.datetime64) -> tuple[Shifts, Float32]:
    """Plan the shifts that begin on a day, and the mean speeds of its calendar day, shape (n_block,)."""
    members = motion.members(block)
    rng = _chance(motion.world, block, day)
    speed = _speeds(rng, motion, members)
    vehicle = _working(rng, motion, members, day)
    draws = rng.standard_normal((3, len(vehicle)), dtype=np.float32)
    busier, stuck = month_effects(motion, members, day)
    usual = (motion.usual_km[members] * busier)[vehicle]
    lengths, main = _runs(rng, motion, members, vehicle, day, draws, usual, speed[vehicle])
    # Without an odometer nobody knows how far a vehicle went off line: there the terminal works.
    away = np.where(stuck, np.float32(0.0), motion.offline_share[members])[vehicle]
    return _timeline(rng, motion, members, vehicle, draws[2], lengths, main, speed[vehicle], away), speed


def _working(rng: np.random.Generator, motion: Motion, members: slice, day: np.datetime64) -> Int32:
    """Return who begins a shift; late vehicles do not on their last day, because the night after it is no longer theirs."""
    vehicles, factor = motion.world.vehicles, float(_demand(np.array([day]), motion.world.assumed.activity)[0])
    # People travel when freight rests.
    by_business = np.where(motion.passenger[members], np.float32(min(1.1, 1.9 - 0.9 * factor)), np.float32(factor))
    draw = rng.random(members.stop - members.start, dtype=np.float32)
    last = day + motion.late[members].astype("timedelta64[D]")
    works = (draw < motion.active_rate[members] * by_business) & (vehicles.enters[members] <= day)
    return np.flatnonzero(works & (vehicles.leaves[members] > last)).astype(np.int32)


def _demand(days: Days, assumed: ActivityAssumptions) -> npt.NDArray[np.float64]:
    factor = np.ones(len(days))
    factor[weekday(days) == 6] *= assumed.sunday_factor
    factor[around_spring_festival(days, before_d=3, after_d=8)] *= assumed.festival_factor
    return factor


def month_effects(motion: Motion, members: slice, month: np.datetime64) -> tuple[Float32, BoolArray]:
    """Return how much busier than usual each vehicle of a block is in the month of a day, and whose odometer stands still.

    Both of shape (n_block,).
    """
    since = int((month.astype("datetime64[M]") - motion.world.start.astype("datetime64[M]")).astype(np.int64))
    rng = generator(motion.world.seed, Stream.ACTIVITY, _MONTHS, members.start // BLOCK, since + 1)
    assumed, n = motion.world.assumed.activity, members.stop - members.start
    busier = np.exp(np.float32(assumed.month_sigma) * rng.standard_normal(n, dtype=np.float32))
    return busier, rng.random(n, dtype=np.float32) < assumed.stuck_odometer_share


def _runs(
    rng: np.random.Generator, motion: Motion, members: slice, vehicle: Int32, day: np.datetime64, draws: Float32,
    usual: Float32, speed: Float32,
) -> tuple[Int32, Int32]:
    """Return driving ticks by run, shape (7, n), and which run is the main one."""
    assumed, days = motion.world.assumed.activity, np.array([day])
    season = MONTH_FACTORS[int(month_of_year(days)[0]) - 1] * float(np.sqrt(_demand(days, assumed)[0]))
    distance = np.float32(season) * usual * np.exp(np.float32(assumed.day_sigma) * draws[0])
    drive = clamped(distance / speed * np.float32(HOUR), MIN_DRIVE, MAX_DRIVE)
    main = np.maximum(motion.main_run[members][vehicle] * np.exp(np.float32(0.32) * draws[1]), np.float32(45.0))
    main = np.maximum(np.minimum(main, drive), drive / np.float32(MAX_RUNS))
    count = clamped(np.ceil(drive / main - np.float32(1e-3)), 1, MAX_RUNS)
    other = (drive - main) / np.maximum(count - 1.0, 1.0)
    which = np.minimum(rng.random(len(vehicle), dtype=np.float32) * count, count - 1.0).astype(np.int32)
    jitter = rng.random((MAX_RUNS, len(vehicle)), dtype=np.float32)
    lengths = np.maximum(np.rint(other * (np.float32(0.75) + np.float32(0.5) * jitter)), 10.0).astype(np.int32)
    run = np.arange(MAX_RUNS, dtype=np.int32)[:, None]
    lengths[run >= count.astype(np.int32)] = 0
    lengths[which, np.arange(len(vehicle))] = np.rint(main).astype(np.int32)
    return lengths, which


def _timeline(
    rng: np.random.Generator, motion: Motion, members: slice, vehicle: Int32, night_draw: Float32, lengths: Int32,
    which: Int32, speed: Float32, offline_share: Float32,
) -> Shifts:
    """Put runs, rests and the gap in their places on the clock."""
    n, column = len(vehicle), np.arange(len(vehicle))
    rests = np.zeros_like(lengths)
    rests[:-1] = REST + np.minimum(np.float32(60.0) * rng.standard_exponential((MAX_RUNS - 1, n), dtype=np.float32), 300.0)
    rests[:-1][lengths[1:] == 0] = 0
    total = rests.sum(axis=0)
    # Long days leave no time for long rests.
    tight = np.minimum(1.0, 5.5 * HOUR / np.maximum(total, 1)).astype(np.float32)
    rests = np.where(rests > 0, np.maximum((rests * tight).astype(np.int32), REST), 0).astype(np.int32)
    room = LONGEST_SHIFT - 40 - rests.sum(axis=0)
    lengths = np.floor(lengths * np.minimum(1.0, room / np.maximum(lengths.sum(axis=0), 1)).astype(np.float32)).astype(np.int32)
    main = lengths[which, column]
    offline, gap, offset = _gaps(rng, motion, main, speed, offline_share)
    walls = lengths
    walls[which, column] += np.where(offline, 0, gap)
    steps = walls + rests
    until = np.cumsum(steps, axis=0, dtype=np.int32)
    begin = _begin(rng, motion, members, vehicle, night_draw, until[-1])
    start = begin + until - steps
    end = start + walls
    gap_from = start[which, column] + offset
    # Off line past midnight would take its speed from two days: there the terminal works.
    works = offline & (end[which, column] > DAY)
    gap = np.where(works, 0, gap).astype(np.int32)
    offline &= ~works
    ends_run = offline & (gap > 39)
    return Shifts(vehicle, start, end, which, gap_from, gap_from + gap, offline, ends_run)


def _gaps(
    rng: np.random.Generator, motion: Motion, main: Int32, speed: Float32, share: Float32
) -> tuple[BoolArray, Int32, Int32]:
    """Return whether the main run's gap is off line, its length, and its offset in the run.

    A time off line is either so short that no rest fits in it, or so long that one could at any plausible speed.
    """
    kind, size, place = rng.random((3, len(main)), dtype=np.float32)
    offline = (kind < share) & (main >= 60)
    stop = ~offline & (kind < share + np.float32(motion.world.assumed.activity.short_stop_share)) & (main >= 45)
    short = 5.0 + 33.0 * size
    least = np.maximum(100.0, 46.0 / (1.0 - np.minimum(speed, 85.0) / 100.0))
    fits = (main - 20.0 > least) & (size > 0.4)
    away = np.where(fits, least + (main - 20.0 - least) * (size - 0.4) / 0.6, np.minimum(short, main - 20.0))
    gap = np.where(offline, away, np.where(stop, short, 0.0)).astype(np.int32)
    free = np.maximum(main - np.where(offline, gap, 0) - 16, 0)
    offset = (8.0 + free * place).astype(np.int32)
    return offline, gap, np.where(gap > 0, offset, 0).astype(np.int32)


def _begin(
    rng: np.random.Generator, motion: Motion, members: slice, vehicle: Int32, draw: Float32, length: Int32
) -> Int32:
    """Return the first tick: early shifts reach into the night before 6 o'clock, late ones into that after 22."""
    late, passenger = motion.late[members][vehicle], motion.passenger[members][vehicle]
    share = 1.0 / (1.0 + np.exp(-(motion.night_logit[members][vehicle] + np.float32(0.8) * draw)))
    night = np.minimum(share * length, np.float32(7.9 * HOUR))
    lag, breach = rng.random((2, len(vehicle)), dtype=np.float32)
    jitter = (lag - np.float32(0.5)) * HOUR
    begin = np.where(late, 22 * HOUR + night - length, 6 * HOUR - night) + jitter
    # Coaches must stand from 2 to 5 o'clock; most do.
    stands = passenger & (breach > 0.04)
    begin = np.where(stands, np.where(late, np.minimum(begin, 26 * HOUR - length), np.maximum(begin, 5 * HOUR)), begin)
    earliest = np.where(late, EARLIEST[1], EARLIEST[0])
    result: Int32 = clamped(begin, earliest, earliest + LONGEST_SHIFT - length).astype(np.int32)
    return result
