"""Insurance pricing: claims per earned year by line, from policies and claims that the insurer supplies.

Policies are cut into slices of at most 90 days, so that training can end and testing begin at an instant without any
claim on both sides, and so that a row's features are as fresh as those of a score.
"""

from __future__ import annotations

from dataclasses import dataclass
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

SLICE_D: Final = 90
SETTLING_LAG_D: Final = 60
"""Days after which a claim counts as reported and reserved. [A]"""


@dataclass(frozen=True, kw_only=True)
class LineLabels:
    """Label columns of one insurance line (险种).

    Parameters
    ----------
    id
        Key of the code list ``insurance_line``.
    suffix
        Ending of its columns; none for motor, the score's own line.
    large_loss_cny
        Single claims are cut here: what lies above is no property of one vehicle and is spread over the line. [A]
    """

    id: str
    suffix: str
    large_loss_cny: float

    @property
    def exposure(self) -> str:
        """Earned years of cover."""
        return f"exposure_year{self.suffix}"

    @property
    def insured(self) -> str:
        """Whether the slice has cover of this line."""
        return f"is_insured{self.suffix}"

    @property
    def claims(self) -> str:
        """Number of claims."""
        return f"n_claims{self.suffix}"

    @property
    def has_claim(self) -> str:
        """Whether there is a claim with an amount."""
        return f"has_claim{self.suffix}"

    @property
    def mean_claim(self) -> str:
        """Mean amount per claim, cut."""
        return f"mean_claim_cny{self.suffix}"

    @property
    def amount(self) -> str:
        """Amount of claims, each cut."""
        return f"claim_cny{self.suffix}"

    @property
    def amount_full(self) -> str:
        """Amount of claims, uncut."""
        return f"claim_full_cny{self.suffix}"

    @property
    def totals(self) -> tuple[str, ...]:
        """Columns that are sums over the slice."""
        return (self.exposure, self.claims, self.amount, self.amount_full)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return (*self.totals, self.insured, self.has_claim, self.mean_claim)


MOTOR: Final = LineLabels(id="motor", suffix="", large_loss_cny=500_000.0)
CARGO: Final = LineLabels(id="cargo", suffix="_cargo", large_loss_cny=100_000.0)
CARRIER_LIABILITY: Final = LineLabels(id="carrier_liability", suffix="_carrier_liability", large_loss_cny=200_000.0)
LINES: Final = (MOTOR, CARGO, CARRIER_LIABILITY)


def labels(known: Known, data_end: datetime) -> ir.Table:
    """Return (vehicle, slice start) with the columns of every line; a line without cover in the slice has zeros."""
    import ibis

    end = data_end - timedelta(days=SETTLING_LAG_D)
    rows = ibis.union(*(_line(known, line, end) for line in LINES))
    key = [VEHICLE.id_column, "event_timestamp"]
    # Each key has one row per line: the sums add zeros to one value and are exact in any order.
    summed = rows.group_by(key).aggregate(**{name: rows[name].sum() for line in LINES for name in line.totals})
    owned = _with_operator(known, summed)
    return owned.select(
        VEHICLE.id_column, ENTERPRISE.id_column, "event_timestamp",
        *(name for line in LINES for name in line.totals),
        **{line.insured: owned[line.exposure] > 0 for line in LINES},
        **{line.has_claim: owned[line.amount] > 0 for line in LINES},
        **{line.mean_claim: owned[line.amount] / owned[line.claims].nullif(0.0) for line in LINES},
    )


def _line(known: Known, line: LineLabels, end: datetime) -> ir.Table:
    """Return a row per slice of the line's policies, with zeros in the columns of the other lines."""
    import ibis

    slices = _slices(known, line, end)
    found = known.matured("claim")
    amount = _incurred(found)
    # Cut before the join: the least of a number and nothing is the number.
    claims = found.select(
        "policy_no", "occurred_at", amount=amount, cut=ibis.least(amount, ibis.literal(line.large_loss_cny))
    )
    hits = slices.left_join(claims, [
        slices.policy_no == claims.policy_no,
        claims.occurred_at >= slices.event_timestamp,
        claims.occurred_at < slices.slice_end,
    ])
    summed = hits.group_by([VEHICLE.id_column, "event_timestamp", "exposure"]).aggregate(**{
        line.claims: hits.amount.count().cast("float64"),
        line.amount: exact_sum(hits.cut).fill_null(0.0),
        line.amount_full: exact_sum(hits.amount).fill_null(0.0),
    }).rename({line.exposure: "exposure"})
    zeros = {name: ibis.literal(0.0) for other in LINES if other is not line for name in other.totals}
    every = summed.mutate(**zeros)
    return every.select(VEHICLE.id_column, "event_timestamp", *(name for other in LINES for name in other.totals))


def _slices(known: Known, line: LineLabels, end: datetime) -> ir.Table:
    import ibis

    policies = known.matured("policy")
    policies = policies.filter(policies.line == line.id)
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
        exposure=seconds.cast("float64") / 86_400.0 / DAYS_PER_YEAR,
    )


def _incurred(claims: ir.Table) -> ir.FloatingValue:
    incurred: ir.FloatingValue = claims.paid_amount_cny.fill_null(0.0) + claims.reserve_cny.fill_null(0.0)
    return incurred


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
        "vehicle_profile", "vehicle_activity", "vehicle_use", "vehicle_condition", "vehicle_permit", "vehicle_enforcement",
        "vehicle_people", "vehicle_area", "enterprise_profile", "enterprise_activity", "enterprise_people", "enterprise_credit",
    ),
    formulas=(
        "formula_eu_2022_695", "formula_eu_2014_47_enterprise", "formula_eu_2014_47_vehicle", "formula_sms_cn",
        "formula_credit_1000", "formula_art_66_enterprise", "formula_art_66_vehicle",
    ),
    label_resources=("policy", "claim", "vehicle_transport_permit"),
    labels=labels,
    targets=tuple(name for line in LINES for name in line.columns),
)
