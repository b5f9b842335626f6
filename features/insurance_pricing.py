"""Insurance pricing: motor claims per earned vehicle-year, from policies and claims that the insurer supplies.

Policies are cut into slices of at most 90 days, so that training can end and testing begin at an instant without any
claim on both sides, and so that a row's features are as fresh as those of a score.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from features.exact import exact_sum
from features.families.base import FEATURE_TTL_D
from features.families.vehicle_profile import fleet
from features.product import ProductFeatures
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import INSURANCE_PRICING
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

LINE: Final = "motor"
SLICE_D: Final = 90
SETTLING_LAG_D: Final = 60
"""Days after which a motor claim counts as reported and reserved. [A]"""
LARGE_LOSS_CNY: Final = 500_000.0
"""Amounts above are cut here for severity; the excess is no property of one vehicle. [A]"""


def labels(known: Known, data_end: datetime) -> ir.Table:
    """Return (vehicle, slice start) with `exposure_year`, `n_claims`, `claim_cny` and `mean_claim_cny`."""
    slices = _slices(known, data_end - timedelta(days=SETTLING_LAG_D))
    claims = known.matured("claim").select("policy_no", "occurred_at", amount=_amount(known.matured("claim")))
    hits = slices.left_join(claims, [
        slices.policy_no == claims.policy_no,
        claims.occurred_at >= slices.event_timestamp,
        claims.occurred_at < slices.slice_end,
    ])
    key = [VEHICLE.id_column, "event_timestamp", "exposure_year"]
    summed = hits.group_by(key).aggregate(
        n_claims=hits.amount.count().cast("float64"), claim_cny=exact_sum(hits.amount).fill_null(0.0)
    )
    owned = _with_operator(known, summed)
    return owned.select(
        VEHICLE.id_column, ENTERPRISE.id_column, "event_timestamp", "exposure_year", "n_claims", "claim_cny",
        has_claim=owned.claim_cny > 0,
        mean_claim_cny=owned.claim_cny / owned.n_claims.nullif(0.0),
        pure_premium_cny=owned.claim_cny / owned.exposure_year,
    )


def _slices(known: Known, end: datetime) -> ir.Table:
    import ibis

    policies = known.matured("policy")
    policies = policies.filter(policies.line == LINE)
    starts = policies.cross_join(ibis.range(0, 5).unnest().name("k").as_table())
    begin = starts.event_time + (starts.k * SLICE_D).as_interval("D")
    # Dates are Shanghai days; both ends of the cover are taken at local midnight, as `event_time` is.
    term_d = starts.end_date.delta(starts.start_date, unit="day")
    sliced = starts.mutate(event_timestamp=begin, expiry=starts.event_time + term_d.as_interval("D"))
    stop = ibis.least(sliced.event_timestamp + ibis.interval(days=SLICE_D), sliced.expiry, ibis.literal(end))
    sliced = sliced.mutate(slice_end=stop).filter(lambda t: t.slice_end > t.event_timestamp)
    seconds = sliced.slice_end.epoch_seconds() - sliced.event_timestamp.epoch_seconds()
    return sliced.select(
        VEHICLE.id_column, "policy_no", "event_timestamp", "slice_end",
        exposure_year=seconds.cast("float64") / 86_400.0 / DAYS_PER_YEAR,
    )


def _amount(claims: ir.Table) -> ir.FloatingValue:
    import ibis

    incurred = claims.paid_amount_cny.fill_null(0.0) + claims.reserve_cny.fill_null(0.0)
    capped: ir.FloatingValue = ibis.least(incurred, ibis.literal(LARGE_LOSS_CNY))
    return capped


def _with_operator(known: Known, rows: ir.Table) -> ir.Table:
    """Join the operator that held the vehicle at the newest cut-off before the slice."""
    import ibis

    holders = fleet(known).select(VEHICLE.id_column, ENTERPRISE.id_column, "cutoff")
    joined = rows.inner_join(holders, [
        rows[VEHICLE.id_column] == holders[VEHICLE.id_column],
        holders.cutoff <= rows.event_timestamp,
        # A holder of longer ago may have sold it; features of then would not be joined either.
        holders.cutoff > rows.event_timestamp - ibis.interval(days=FEATURE_TTL_D),
    ])
    order = ibis.window(group_by=[joined[VEHICLE.id_column], joined.event_timestamp], order_by=joined.cutoff.desc())
    ranked = joined.mutate(rank=ibis.row_number().over(order))
    return ranked.filter(ranked["rank"] == 0)


PRODUCT: Final = ProductFeatures(
    id=INSURANCE_PRICING.id,
    entity=VEHICLE,
    joins=(VEHICLE, ENTERPRISE),
    families=(
        "vehicle_profile", "vehicle_activity", "vehicle_condition", "vehicle_permit", "vehicle_enforcement", "vehicle_people",
        "vehicle_area", "enterprise_profile", "enterprise_activity", "enterprise_people", "enterprise_credit",
    ),
    label_resources=("policy", "claim", "vehicle_transport_permit"),
    labels=labels,
    targets=("exposure_year", "n_claims", "claim_cny", "has_claim", "mean_claim_cny", "pure_premium_cny"),
)
