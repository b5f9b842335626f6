"""Rows of the insurer: policies, and claims as reported and as closed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from features.simulation.clock import Instants, Month, instants, local_days
from features.simulation.deliveries import Batch, next_morning, only_where
from features.simulation.identities import Identities
from features.simulation.insurance import COVERAGES, LINES, Claims, Policies, limits_cny
from features.simulation.streams import Stream, generator
from features.simulation.world import INDIVIDUAL, World

Texts = npt.NDArray[np.object_]


def policy_numbers(policies: Policies) -> Texts:
    """Return policy numbers, shape (n_policies,)."""
    numbers = zip(policies.line.tolist(), policies.vehicle.tolist(), policies.sequence.tolist(), strict=True)
    return np.array([f"P{line}{vehicle:07d}{sequence:02d}" for line, vehicle, sequence in numbers], dtype=object)


def policy_batch(world: World, identities: Identities, policies: Policies, numbers: Texts) -> Batch:
    """Return all policies of the window; each arrives on its first day, running ones on the first day of the window."""
    rng = generator(world.seed, Stream.INSURANCE, 0, 1)
    operator = world.vehicles.operator[policies.vehicle]
    named = (world.operators.stratum[operator] != INDIVIDUAL) & ~world.vehicles.affiliated[policies.vehicle]
    columns: dict[str, Any] = {
        "policy_no": numbers, "vin": identities.vin[policies.vehicle],
        "uscc": only_where(named, identities.uscc[operator]),
        "line": np.array(LINES, dtype=object)[policies.line], "coverage": np.array(COVERAGES, dtype=object)[policies.line],
        "start_date": policies.start, "end_date": policies.end,
        "insured_amount_cny": limits_cny(world.assumed.insurance)[policies.line],
        "base_pure_premium_cny": policies.base_pure_premium_cny,
    }
    arrived = np.maximum(next_morning(rng, policies.start), instants(np.array([world.start]), 3.0)[0])
    return Batch("policy", columns, row_id=numbers, arrived=arrived)


def claim_batches(
    world: World, identities: Identities, month: Month, claims: Claims, numbers: Texts
) -> list[Batch]:
    """Return the claims of a month: open with a reserve first, closed with the amount paid later."""
    rng = generator(world.seed, Stream.INSURANCE, month.index + 1, 1)
    n = len(claims)
    claim_no = np.array([f"C{month.label}{serial:06d}" for serial in range(n)], dtype=object)
    fixed: dict[str, Any] = {
        "claim_no": claim_no, "policy_no": numbers[claims.policy], "vin": identities.vin[claims.vehicle],
        "line": np.array(LINES, dtype=object)[claims.line], "occurred_at": claims.occurred,
        "reported_at": claims.reported,
    }
    zero = rng.random(n) < world.assumed.insurance.zero_share
    paid = np.where(zero, 0.0, claims.amount_cny)
    reserve = np.round(claims.amount_cny * np.exp(0.35 * rng.standard_normal(n)), 2)
    nothing = np.zeros(n)
    opened = fixed | {
        "closed_at": np.full(n, np.datetime64("NaT", "us")), "paid_amount_cny": nothing, "reserve_cny": reserve,
        "status": "open",
    }
    closed = fixed | {
        "closed_at": claims.closed, "paid_amount_cny": paid, "reserve_cny": nothing,
        "status": np.where(zero, "zero", "closed").astype(object),
    }
    return [
        Batch("claim", opened, row_id=claim_no, arrived=_next(rng, claims.reported), versions=True),
        Batch("claim", closed, row_id=claim_no, arrived=_next(rng, claims.closed), versions=True),
    ]


def _next(rng: np.random.Generator, moments: Instants) -> Instants:
    return next_morning(rng, local_days(moments))
