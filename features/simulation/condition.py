"""How vehicles wear: maintenance, roadside breakdowns, inspections and annual reviews, one month at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.clock import Days, Instants, Month, add_months, instants, whole_days
from features.simulation.streams import Stream, generator
from features.simulation.world import PASSENGER, World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

COMPONENTS: Final = ("engine", "brake", "tyre", "electrical", "transmission", "cooling", "other")
COMPONENT_SHARES: Final = (0.17, 0.13, 0.27, 0.16, 0.09, 0.10, 0.08)
NEVER: Final = np.datetime64("2099-01-01")


@dataclass
class Condition:
    """State of all vehicles that the months carry forward, arrays of shape (n_vehicles,).

    Parameters
    ----------
    odometer_km
        Kilometres at the end of the last simulated month.
    maintained, maintained_km
        Day and odometer of the last second-level maintenance (二级维护).
    due
        Day by which the next one is due by the calendar.
    tech_level
        Technical grade: 1, 2, or 9 for failed.
    retest
        Day of an agreed re-inspection, `NEVER` without one.
    reviewed_valid_to
        End of the annual review's validity.
    review_result
        0 none, 1 passed, 2 failed.
    """

    odometer_km: FloatArray
    maintained: Days
    maintained_km: FloatArray
    due: Days
    tech_level: IntArray
    retest: Days
    reviewed_valid_to: Days
    review_result: IntArray
    lateness: FloatArray = field(repr=False)
    inspect_month: IntArray = field(repr=False)


@dataclass(frozen=True)
class Breakdowns:
    """Roadside breakdowns of one month, shape (n,)."""

    vehicle: IntArray
    occurred: Instants
    component: IntArray
    odometer_km: FloatArray


@dataclass(frozen=True)
class Inspections:
    """Inspections of one month, shape (n,); `grade` is the share of the fleet in worse condition (0 worst, 1 best)."""

    vehicle: IntArray
    day: Days
    failed: npt.NDArray[np.bool_]
    is_retest: npt.NDArray[np.bool_]
    badness: FloatArray
    odometer_km: FloatArray
    interval_months: IntArray


@dataclass(frozen=True)
class Reviews:
    """Annual reviews of one month, shape (n,)."""

    vehicle: IntArray
    day: Days
    due: Days
    passed: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ConditionMonth:
    """Everything that happened to vehicles' condition in one month, and its truth by vehicle.

    `fail_probability` is that of a true failure if inspected; `failure_rate` that of a reported failure this month, zero
    for who is not due.
    """

    breakdowns: Breakdowns
    inspections: Inspections
    reviews: Reviews
    maintained: IntArray
    breakdown_rate: FloatArray
    fail_probability: FloatArray
    failure_rate: FloatArray


def initial_condition(world: World) -> Condition:
    """Return the state at the start of the window."""
    rng, assumed = generator(world.seed, Stream.CONDITION), world.assumed.condition
    vehicles, n = world.vehicles, len(world.vehicles)
    stratum = world.operators.stratum[vehicles.operator]
    late_share = np.clip(np.array(assumed.late_share)[stratum] * _careless(stratum, world.vehicle_culture), 0.01, 0.85)
    since = rng.uniform(0.0, assumed.maintenance_interval_d, n)
    maintained: Days = np.where(vehicles.enters > world.start, vehicles.enters, world.start - whole_days(since))
    due: Days = maintained + np.timedelta64(assumed.maintenance_interval_d, "D")
    review_gap = rng.integers(1, 365, n).astype("timedelta64[D]")
    first_review = np.where(vehicles.enters > world.start, add_months(vehicles.enters, 12), world.start + review_gap)
    return Condition(
        odometer_km=vehicles.odometer_km.astype(np.float64), maintained=maintained,
        maintained_km=np.maximum(vehicles.odometer_km - since * vehicles.annual_km / 365.25, 0.0),
        due=due,
        tech_level=np.where(vehicles.wear < 0.5, 1, 2), retest=np.full(n, NEVER), reviewed_valid_to=first_review,
        review_result=np.ones(n, dtype=np.int64), lateness=late_share, inspect_month=rng.integers(0, 12, n),
    )


def _careless(stratum: IntArray, culture: FloatArray) -> FloatArray:
    """Return how much oftener than its stratum each vehicle's maintenance is put off, mean 1 within the stratum."""
    factor = np.exp(-0.55 * culture)
    means = np.bincount(stratum, factor) / np.maximum(np.bincount(stratum), 1)
    result: FloatArray = factor / means[stratum]
    return result


def simulate_condition(world: World, month: Month, state: Condition, month_km: FloatArray) -> ConditionMonth:
    """Draw a month of maintenance, breakdowns, inspections and reviews, and carry the state forward.

    Parameters
    ----------
    world
        The province.
    month
        The month.
    state
        Changed in place.
    month_km
        Kilometres of each vehicle this month, shape (n_vehicles,).
    """
    rng = generator(world.seed, Stream.CONDITION, month.index + 1)
    state.odometer_km = state.odometer_km + month_km
    rate = _breakdown_rate(world, month, state, month_km)
    breakdowns = _breakdowns(rng, world, month, state, rate)
    probability = _fail_probability(world, month, state)
    inspections, failure_rate = _inspections(rng, world, month, state, probability)
    reviews = _reviews(rng, world, month, state)
    maintained = _maintain(rng, world, month, state)
    return ConditionMonth(breakdowns, inspections, reviews, maintained, rate, probability, failure_rate)


def _overdue(state: Condition, month: Month, interval_km: float) -> FloatArray:
    """Return by how many intervals second maintenance is overdue, by calendar or kilometres, 0 to 2."""
    by_day = (month.end - state.due).astype(np.float64) / np.maximum(
        (state.due - state.maintained).astype(np.float64), 1.0
    )
    by_km = (state.odometer_km - state.maintained_km) / interval_km - 1.0
    result: FloatArray = np.clip(np.maximum(by_day, by_km), 0.0, 2.0)
    return result


def _breakdown_rate(world: World, month: Month, state: Condition, month_km: FloatArray) -> FloatArray:
    assumed, vehicles = world.assumed.condition, world.vehicles
    age = vehicles.age_years(month.first)
    log_factor = (
        assumed.breakdown_age_log_per_year * (age - 5.0) + assumed.breakdown_wear * vehicles.wear - 0.10
        + assumed.breakdown_overdue * _overdue(state, month, assumed.maintenance_interval_km)
    )
    result: FloatArray = assumed.breakdowns_per_100k_km * month_km / 1e5 * np.exp(log_factor)
    return result


def _breakdowns(
    rng: np.random.Generator, world: World, month: Month, state: Condition, rate: FloatArray
) -> Breakdowns:
    vehicle = np.repeat(np.arange(len(rate)), rng.poisson(rate))
    n = len(vehicle)
    day = rng.choice(month.days, n)
    share_left = (month.end - day).astype(np.float64) / len(month.days)
    usual_month_km = world.vehicles.annual_km[vehicle] / 12.0
    age = world.vehicles.age_years(month.first)[vehicle]
    # Old engines and cooling systems fail first; tyres and brakes follow wear.
    weights = np.tile(np.array(COMPONENT_SHARES), (n, 1))
    weights[:, [0, 4, 5]] *= np.exp(0.08 * (age - 5.0))[:, None]
    weights[:, [1, 2]] *= np.exp(0.25 * world.vehicles.wear[vehicle])[:, None]
    cumulative = np.cumsum(weights, axis=1)
    draw = rng.random(n) * cumulative[:, -1]
    return Breakdowns(
        vehicle=vehicle, occurred=instants(day, rng.uniform(4.0, 23.0, n)),
        component=(draw[:, None] > cumulative).sum(axis=1),
        odometer_km=np.rint(state.odometer_km[vehicle] - share_left * usual_month_km).clip(min=0.0),
    )


def _fail_probability(world: World, month: Month, state: Condition) -> FloatArray:
    """Return the probability that a vehicle would truly fail an inspection this month."""
    assumed, vehicles = world.assumed.condition, world.vehicles
    base = assumed.fail_base + assumed.fail_per_year_after_6 * np.maximum(vehicles.age_years(month.first) - 6.0, 0.0)
    logit = np.log(base / (1.0 - base)) + assumed.fail_wear * vehicles.wear
    logit += assumed.fail_overdue * _overdue(state, month, assumed.maintenance_interval_km)
    result: FloatArray = 1.0 / (1.0 + np.exp(-logit))
    return result


def inspection_interval_months(world: World, day: np.datetime64) -> IntArray:
    """Return 12 or 6: freight yearly up to 10 years, passenger up to 5, then half-yearly (实施条例 Art. 16)."""
    is_passenger = world.operators.business[world.vehicles.operator] == PASSENGER
    limit = np.where(is_passenger, 5.0, 10.0)
    return np.where(world.vehicles.age_years(day) <= limit, 12, 6)


def _inspections(
    rng: np.random.Generator, world: World, month: Month, state: Condition, probability: FloatArray
) -> tuple[Inspections, FloatArray]:
    interval = inspection_interval_months(world, month.first)
    in_service = (world.vehicles.enters <= month.first) & (world.vehicles.leaves > month.end)
    due = in_service & ((month.index - state.inspect_month) % interval == 0)
    retest = (state.retest < month.end) & in_service
    regular = np.flatnonzero(due & ~retest)
    vehicle = np.concatenate([regular, np.flatnonzero(retest)])
    is_retest = np.arange(len(vehicle)) >= len(regular)
    p = np.where(is_retest, 0.35 * probability[vehicle], probability[vehicle])
    failure_rate = np.zeros(len(probability))
    failure_rate[vehicle] = p * (1.0 - world.assumed.condition.underreport)
    draw = rng.random(len(vehicle))
    # A lenient station passes part of what truly fails.
    failed = (draw < p) & (rng.random(len(vehicle)) >= world.assumed.condition.underreport)
    day = np.where(is_retest, np.maximum(state.retest[vehicle], month.first), rng.choice(month.days, len(vehicle)))
    state.retest[vehicle] = np.where(failed, day + rng.integers(5, 28, len(vehicle)).astype("timedelta64[D]"), NEVER)
    good = 1 + (world.vehicles.wear[vehicle] + 0.5 * rng.standard_normal(len(vehicle)) > 0.5)
    state.tech_level[vehicle] = np.where(failed, 9, good)
    # Measurements know how close it was, also where the station was lenient.
    badness = np.log(p / (1.0 - p)) + 2.4 + 1.2 * (draw < p) + 0.6 * rng.standard_normal(len(vehicle))
    return Inspections(
        vehicle=vehicle, day=day, failed=failed, is_retest=is_retest, badness=badness,
        odometer_km=np.rint(state.odometer_km[vehicle]), interval_months=interval[vehicle],
    ), failure_rate


def _reviews(rng: np.random.Generator, world: World, month: Month, state: Condition) -> Reviews:
    in_service = (world.vehicles.enters <= month.first) & (world.vehicles.leaves > month.end)
    waiting = in_service & (state.reviewed_valid_to < month.end)
    late_p = np.clip(world.assumed.condition.review_late_share * np.exp(-0.6 * world.vehicle_culture), 0.005, 0.8)
    overdue = state.reviewed_valid_to < month.first
    comes = waiting & (overdue & (rng.random(len(late_p)) < 0.6) | ~overdue & (rng.random(len(late_p)) >= late_p))
    vehicle = np.flatnonzero(comes)
    due = state.reviewed_valid_to[vehicle]
    on_time = np.maximum(due - rng.integers(0, 25, len(vehicle)).astype("timedelta64[D]"), month.first)
    day = np.where(overdue[vehicle], rng.choice(month.days, len(vehicle)), on_time)
    passed = (state.tech_level[vehicle] != 9) & (rng.random(len(vehicle)) > 0.015)
    valid_to = np.where(passed, np.maximum(add_months(due, 12), day), day + np.timedelta64(30, "D"))
    state.reviewed_valid_to[vehicle] = valid_to
    state.review_result[vehicle] = np.where(passed, 1, 2)
    return Reviews(vehicle=vehicle, day=day, due=due, passed=passed)


def _maintain(rng: np.random.Generator, world: World, month: Month, state: Condition) -> IntArray:
    """Do the second-level maintenance that is due and not put off; return whose."""
    assumed = world.assumed.condition
    overdue = _overdue(state, month, assumed.maintenance_interval_km)
    due = ((state.due < month.end) | (overdue > 0.0)) & (world.vehicles.enters <= month.first)
    done = due & (rng.random(len(due)) >= state.lateness) & (world.vehicles.leaves > month.end)
    vehicle = np.flatnonzero(done)
    # Who is on time comes in the days before it is due; who put it off comes on any day of a later month.
    early = state.due[vehicle] - rng.integers(0, 15, len(vehicle)).astype("timedelta64[D]")
    on_time = (state.due[vehicle] >= month.first) & (state.due[vehicle] < month.end)
    state.maintained[vehicle] = np.where(on_time, np.maximum(early, month.first), rng.choice(month.days, len(vehicle)))
    state.maintained_km[vehicle] = state.odometer_km[vehicle]
    state.due[vehicle] = state.maintained[vehicle] + np.timedelta64(assumed.maintenance_interval_d, "D")
    return vehicle
