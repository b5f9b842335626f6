"""The insurer's side: policies by vehicle-year and the claims that accidents become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.accidents import Accidents
from features.simulation.assumptions import InsuranceAssumptions, SideLine
from features.simulation.clock import Days, Instants, Month, add_months, instants, local_days
from features.simulation.streams import Stream, generator
from features.simulation.world import FREIGHT, HAZMAT, PASSENGER, World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

MOTOR, CARGO, CARRIER_LIABILITY = 0, 1, 2
LINES: Final = ("motor", "cargo", "carrier_liability")
COVERAGES: Final = ("comprehensive", "cargo", "carrier")
YEARS_BEFORE: Final = 1
"""Policies that began before the window are delivered too, so that the first days are covered."""


@dataclass(frozen=True)
class Policies:
    """Policies, arrays of shape (n_policies,); ordered by vehicle, line and start."""

    vehicle: IntArray
    line: IntArray
    sequence: IntArray
    start: Days
    end: Days
    base_pure_premium_cny: FloatArray

    def __len__(self) -> int:
        return len(self.vehicle)


@dataclass(frozen=True)
class Claims:
    """Claims of one month of accidents, arrays of shape (n_claims,)."""

    policy: IntArray
    vehicle: IntArray
    line: IntArray
    occurred: Instants
    reported: Instants
    closed: Instants
    amount_cny: FloatArray
    severity: IntArray

    def __len__(self) -> int:
        return len(self.vehicle)


@dataclass(frozen=True)
class Portfolio:
    """Policies with an index to find the one that covers a vehicle and line on a day.

    Parameters
    ----------
    policies
        All policies.
    first, count
        (n_vehicles, 3) first policy of a vehicle's line, and how many follow each other.
    side_rate
        (n_vehicles, 3) claims per day at the class's mean kilometres, frailty included; zero for motor, whose claims are
        reported accidents, and where nothing is insured.
    """

    policies: Policies
    first: IntArray
    count: IntArray
    side_rate: FloatArray

    def covering(self, vehicle: IntArray, line: int, day: Days) -> IntArray:
        """Return the policy of each vehicle on each day, -1 where it has none."""
        found = np.full(len(vehicle), -1)
        first, count = self.first[vehicle, line], self.count[vehicle, line]
        for step in range(int(self.count.max(initial=0))):
            candidate = np.where(step < count, first + step, -1)
            covers = (candidate >= 0) & (self.policies.start[candidate] <= day) & (self.policies.end[candidate] > day)
            found = np.where(covers, candidate, found)
        return found


def write_policies(world: World) -> Portfolio:
    """Return every vehicle's yearly policies of the three lines over the window."""
    rng = generator(world.seed, Stream.INSURANCE)
    n = len(world.vehicles)
    business = world.operators.business[world.vehicles.operator]
    has_line = np.stack([
        np.ones(n, dtype=np.bool_),
        (business == FREIGHT) & (rng.random(n) < world.assumed.insurance.cargo.insured_share),
        ((business == PASSENGER) | (business == HAZMAT))
        & (rng.random(n) < world.assumed.insurance.carrier_liability.insured_share),
    ], axis=1)
    n_years = YEARS_BEFORE + (len(world.months) + 11) // 12
    renewal = rng.integers(0, 365, n).astype("timedelta64[D]")
    vehicle, line, year = (index.ravel() for index in np.meshgrid(
        np.arange(n), np.arange(len(LINES)), np.arange(n_years), indexing="ij"
    ))
    start = add_months((world.start + renewal)[vehicle], 12 * (year - YEARS_BEFORE))
    end = add_months(start, 12)
    # A new vehicle is insured when it enters service; a leaving one stops renewing.
    enters = world.vehicles.enters[vehicle]
    start = np.where((start < enters) & (end > enters), np.where(enters > world.start, enters, start), start)
    keep = has_line[vehicle, line] & (end > enters) & (start < world.vehicles.leaves[vehicle]) & (end > world.start)
    keep &= start < world.end
    premium = _base_premium(world)
    policies = Policies(
        vehicle=vehicle[keep], line=line[keep], sequence=year[keep], start=start[keep], end=end[keep],
        base_pure_premium_cny=premium[vehicle[keep], line[keep]],
    )
    flat = policies.vehicle * len(LINES) + policies.line
    count = np.bincount(flat, minlength=n * len(LINES))
    return Portfolio(
        policies, (np.cumsum(count) - count).reshape(n, -1), count.reshape(n, -1),
        side_rate=_side_rates(rng, world, has_line),
    )


def limits_cny(assumed: InsuranceAssumptions) -> FloatArray:
    """Return the sum insured by line, shape (3,)."""
    return np.array([assumed.limit_cny, assumed.cargo.limit_cny, assumed.carrier_liability.limit_cny])


def mean_severity(world: World) -> float:
    """Return the mean claim of motor's severity mixture before caps."""
    assumed = world.assumed.insurance
    shares = world.assumed.accidents.severity_shares
    return _mixture_mean(shares, assumed.log_mu, assumed.log_sigma) * assumed.severity_scale


def _mixture_mean(shares: tuple[float, ...], log_mu: tuple[float, ...], log_sigma: tuple[float, ...]) -> float:
    return float(np.dot(shares, np.exp(np.array(log_mu) + np.array(log_sigma) ** 2 / 2.0)))


def _base_premium(world: World) -> FloatArray:
    """Return the filed base premium per year and line, shape (n_vehicles, 3): what is known before any risk score.

    It is the class's burning cost with the margin that leads to the target loss ratio once expenses are loaded.
    """
    assumed = world.assumed.insurance
    margin = (1.0 - assumed.loading) / assumed.target_loss_ratio
    motor = world.class_values("claim_rate") * mean_severity(world)
    sides = [
        np.full_like(motor, side.rate * _mixture_mean(side.shares, side.log_mu, side.log_sigma))
        for side in (assumed.cargo, assumed.carrier_liability)
    ]
    result: FloatArray = np.round(np.stack([motor, *sides], axis=1) * margin, 2)
    return result


def _side_rates(rng: np.random.Generator, world: World, has_line: BoolArray) -> FloatArray:
    """Return claims per vehicle and day of the side lines: the same traits at work, each line with a frailty of its own."""
    rates = np.zeros(has_line.shape)
    for line, side in _sides(world.assumed.insurance):
        factor = np.exp(side.culture * world.vehicle_culture + side.risk_taking * world.vehicle_risk)
        frailty = rng.gamma(side.frailty_shape, 1.0 / side.frailty_shape, len(factor))
        insured = has_line[:, line]
        mean = factor[insured].mean() if insured.any() else 1.0
        rates[:, line] = np.where(insured, side.rate / 365.25 * factor / mean * frailty, 0.0)
    return rates


def _sides(assumed: InsuranceAssumptions) -> tuple[tuple[int, SideLine], ...]:
    return ((CARGO, assumed.cargo), (CARRIER_LIABILITY, assumed.carrier_liability))


def claim_intensities(
    world: World, month: Month, portfolio: Portfolio, accident_rate: FloatArray, month_km: FloatArray
) -> dict[str, FloatArray]:
    """Return the true expected claims of a month by line, each of shape (n_vehicles,).

    Parameters
    ----------
    world, month, portfolio
        Where, when and what is insured.
    accident_rate
        Expected accidents of each vehicle this month.
    month_km
        Kilometres of each vehicle this month.
    """
    rates = {"motor": accident_rate * world.assumed.insurance.reported_share}
    relative_km = month_km / (world.class_values("annual_km") / 12.0)
    for line, side in _sides(world.assumed.insurance):
        rates[LINES[line]] = portfolio.side_rate[:, line] * len(month.days) * relative_km**side.exposure_power
    return rates


def simulate_claims(
    world: World, month: Month, portfolio: Portfolio, accidents: Accidents, month_km: FloatArray
) -> Claims:
    """Return the claims of a month: reported accidents for motor, and the two side lines with processes of their own."""
    rng = generator(world.seed, Stream.INSURANCE, month.index + 1)
    reported = np.flatnonzero(rng.random(len(accidents)) < world.assumed.insurance.reported_share)
    motor = _motor_amounts(rng, world, accidents.vehicle[reported], accidents.severity[reported])
    parts = [(accidents.vehicle[reported], np.full(len(reported), MOTOR), accidents.occurred[reported], motor,
              accidents.severity[reported])]
    expected = claim_intensities(world, month, portfolio, np.zeros(len(month_km)), month_km)
    for line, side in _sides(world.assumed.insurance):
        vehicle = np.repeat(np.arange(len(month_km)), rng.poisson(expected[LINES[line]]))
        large = (rng.random(len(vehicle)) < side.shares[1]).astype(np.int64)
        amount = np.exp(np.array(side.log_mu)[large] + np.array(side.log_sigma)[large] * rng.standard_normal(len(vehicle)))
        when = instants(rng.choice(month.days, len(vehicle)), rng.uniform(5.0, 22.0, len(vehicle)))
        parts.append((vehicle, np.full(len(vehicle), line), when, amount, large))
    merged = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return _settle(rng, world, portfolio, *merged)


def _motor_amounts(rng: np.random.Generator, world: World, vehicle: IntArray, severity: IntArray) -> FloatArray:
    assumed = world.assumed.insurance
    log_amount = np.array(assumed.log_mu)[severity] + np.array(assumed.log_sigma)[severity] * rng.standard_normal(
        len(vehicle)
    )
    weight = world.class_values("gross_t") ** 0.25
    heavy = np.log(weight[vehicle] / weight.mean())
    faster = assumed.severity_speed * world.vehicle_risk[vehicle] - assumed.severity_speed**2 / 2.0
    result: FloatArray = assumed.severity_scale * np.exp(log_amount + heavy + faster)
    return result


def _settle(
    rng: np.random.Generator, world: World, portfolio: Portfolio, vehicle: IntArray, line: IntArray, occurred: Instants,
    amount: FloatArray, severity: IntArray,
) -> Claims:
    assumed, n = world.assumed.insurance, len(vehicle)
    report_lag = np.rint(rng.exponential(assumed.report_lag_d, n) * 86_400.0).astype("timedelta64[s]")
    settle_d = np.array(assumed.settle_lag_d)[severity] * rng.gamma(2.0, 0.5, n) + 3.0
    settle_lag = np.rint(settle_d * 86_400.0).astype("timedelta64[s]")
    reported = occurred + report_lag
    day = local_days(occurred)
    policy = np.full(n, -1)
    for code in range(len(LINES)):
        rows = line == code
        policy[rows] = portfolio.covering(vehicle[rows], code, day[rows])
    keep = policy >= 0
    limit = limits_cny(assumed)[line]
    return Claims(
        policy=policy[keep], vehicle=vehicle[keep], line=line[keep], occurred=occurred[keep], reported=reported[keep],
        closed=(reported + settle_lag)[keep], amount_cny=np.round(np.minimum(amount, limit), 2)[keep],
        severity=severity[keep],
    )
