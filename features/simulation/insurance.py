"""The insurer's side: policies by vehicle-year and the claims that accidents become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.accidents import Accidents
from features.simulation.clock import Days, Instants, Month, add_months, instants, local_days
from features.simulation.streams import Stream, generator
from features.simulation.world import FREIGHT, HAZMAT, PASSENGER, World

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

MOTOR, CARGO, CARRIER_LIABILITY = 0, 1, 2
LINES: Final = ("motor", "cargo", "carrier_liability")
COVERAGES: Final = ("comprehensive", "cargo", "carrier")
LIMITS_CNY: Final = (2_000_000.0, 500_000.0, 1_500_000.0)
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
    """Policies with an index to find the one that covers a vehicle and line on a day."""

    policies: Policies
    first: IntArray
    count: IntArray
    cargo_rate: FloatArray
    liability_rate: FloatArray

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
        np.ones(n, dtype=np.bool_), (business == FREIGHT) & (rng.random(n) < world.assumed.insurance.cargo_share),
        (business == PASSENGER) | (business == HAZMAT),
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
        cargo_rate=_side_rate(world, world.assumed.insurance.cargo_rate),
        liability_rate=_side_rate(world, world.assumed.insurance.liability_rate),
    )


def mean_severity(world: World) -> float:
    """Return the mean claim of the severity mixture before caps."""
    assumed = world.assumed.insurance
    means = np.exp(np.array(assumed.log_mu) + np.array(assumed.log_sigma) ** 2 / 2.0)
    return float(np.dot(world.assumed.accidents.severity_shares, means) * assumed.severity_scale)


def _base_premium(world: World) -> FloatArray:
    """Return the class's burning cost per year and line, shape (n_vehicles, 3): what is known before any risk score."""
    assumed = world.assumed.insurance
    motor = world.class_values("claim_rate") * mean_severity(world)
    cargo = np.full_like(motor, assumed.cargo_rate * _cargo_mean())
    liability = np.full_like(motor, assumed.liability_rate * _cargo_mean() * 1.6)
    result: FloatArray = np.round(np.stack([motor, cargo, liability], axis=1), 2)
    return result


def _cargo_mean() -> float:
    return float(np.exp(8.9 + 1.0 / 2.0))


def _side_rate(world: World, per_year: float) -> FloatArray:
    """Return claims per vehicle and day of a side line, driven by the same traits."""
    log_factor = -0.35 * world.vehicle_culture + 0.25 * world.vehicle_risk
    factor = np.exp(log_factor)
    result: FloatArray = per_year / 365.25 * factor / factor.mean()
    return result


def simulate_claims(
    world: World, month: Month, portfolio: Portfolio, accidents: Accidents, month_km: FloatArray
) -> Claims:
    """Return the claims of a month: reported accidents for motor, and the two side lines."""
    rng = generator(world.seed, Stream.INSURANCE, month.index + 1)
    reported = np.flatnonzero(rng.random(len(accidents)) < world.assumed.insurance.reported_share)
    motor = _motor_amounts(rng, world, accidents.vehicle[reported], accidents.severity[reported])
    parts = [(accidents.vehicle[reported], np.full(len(reported), MOTOR), accidents.occurred[reported], motor,
              accidents.severity[reported])]
    relative_km = np.sqrt(month_km / (world.class_values("annual_km") / 12.0))
    for line, rate in ((CARGO, portfolio.cargo_rate), (CARRIER_LIABILITY, portfolio.liability_rate)):
        vehicle = np.repeat(np.arange(len(rate)), rng.poisson(rate * len(month.days) * relative_km))
        amount = np.exp(8.9 + rng.standard_normal(len(vehicle))) * (1.6 if line == CARRIER_LIABILITY else 1.0)
        when = instants(rng.choice(month.days, len(vehicle)), rng.uniform(5.0, 22.0, len(vehicle)))
        parts.append((vehicle, np.full(len(vehicle), line), when, amount, np.zeros(len(vehicle), dtype=np.int64)))
    merged = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return _settle(rng, world, portfolio, *merged)


def _motor_amounts(rng: np.random.Generator, world: World, vehicle: IntArray, severity: IntArray) -> FloatArray:
    assumed = world.assumed.insurance
    log_amount = np.array(assumed.log_mu)[severity] + np.array(assumed.log_sigma)[severity] * rng.standard_normal(
        len(vehicle)
    )
    heavy = 0.25 * np.log(world.class_values("gross_t")[vehicle] / 30.0)
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
    limit = np.array(LIMITS_CNY)[line]
    return Claims(
        policy=policy[keep], vehicle=vehicle[keep], line=line[keep], occurred=occurred[keep], reported=reported[keep],
        closed=(reported + settle_lag)[keep], amount_cny=np.round(np.minimum(amount, limit), 2)[keep],
        severity=severity[keep],
    )
