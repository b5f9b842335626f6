"""Enterprise risk: accidents and serious enforcement outcomes of an operator in the 180 days after a cut-off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from features.families.vehicle_profile import fleet
from features.outcomes import accidents, serious_cases
from features.product import REPORTING_LAG_D, ProductFeatures
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import ENTERPRISE_HORIZON_D, ENTERPRISE_RISK
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

HORIZON_D: Final = ENTERPRISE_HORIZON_D


def labels(known: Known, data_end: datetime) -> ir.Table:
    """Return (enterprise, cut-off) with `n_events`, `exposure_vehicle_year` and `any_event`.

    Exposure is the fleet at the cut-off times the horizon: what a scorer knows on the day, not what came later.
    """
    import ibis

    last = ibis.literal(data_end - timedelta(days=HORIZON_D + REPORTING_LAG_D))
    vehicles = fleet(known)
    vehicles = vehicles.filter(vehicles.cutoff <= last).semi_join(known.cutoffs.labelled(), "cutoff")
    key = [ENTERPRISE.id_column, "cutoff"]
    size = vehicles.group_by(key).aggregate(
        exposure_vehicle_year=vehicles.count().cast("float64") * (HORIZON_D / DAYS_PER_YEAR)
    )
    events = _accidents(known, vehicles).union(_cases(known, vehicles)).group_by(key).aggregate(n=lambda t: t.n.sum())
    joined = size.left_join(events, key, rname="e_{name}")
    n_events = joined.n.fill_null(0.0)
    return joined.select(
        ENTERPRISE.id_column,
        event_timestamp=joined.cutoff,
        exposure_vehicle_year=joined.exposure_vehicle_year,
        n_events=n_events,
        any_event=(n_events > 0).cast("float64"),
    )


def _accidents(known: Known, vehicles: ir.Table) -> ir.Table:
    found = accidents(known)
    joined = vehicles.inner_join(found, VEHICLE.id_column)
    return joined.filter(_within(joined)).select(ENTERPRISE.id_column, "cutoff", "n")


def _cases(known: Known, vehicles: ir.Table) -> ir.Table:
    """Return serious cases by the named party, else by the holder of the vehicle at the cut-off."""
    import ibis

    found = serious_cases(known)
    n = ibis.literal(1.0).name("n")
    operators = vehicles.select(ENTERPRISE.id_column, "cutoff").distinct()
    named = found.filter(found.enterprise_id.notnull()).drop("plate_id").inner_join(operators, ENTERPRISE.id_column)
    unnamed = found.filter(found.enterprise_id.isnull() & found.plate_id.notnull()).drop("enterprise_id")
    held = unnamed.inner_join(vehicles.select("plate_id", ENTERPRISE.id_column, "cutoff"), "plate_id")
    by_party = named.filter(_within(named)).select(ENTERPRISE.id_column, "cutoff", n)
    by_holder = held.filter(_within(held)).select(ENTERPRISE.id_column, "cutoff", n)
    return by_party.union(by_holder)


def _within(rows: ir.Table) -> ir.BooleanValue:
    import ibis

    inside: ir.BooleanValue = (rows.event_time >= rows.cutoff) & (
        rows.event_time < rows.cutoff + ibis.interval(days=HORIZON_D)
    )
    return inside


PRODUCT: Final = ProductFeatures(
    id=ENTERPRISE_RISK.id,
    entity=ENTERPRISE,
    joins=(ENTERPRISE,),
    families=(
        "enterprise_profile", "enterprise_activity", "enterprise_enforcement", "enterprise_people", "enterprise_credit",
        "enterprise_licence", "enterprise_history", "enterprise_area",
    ),
    label_resources=("enforcement_case", "case_vehicle", "vehicle_transport_permit"),
    labels=labels,
    targets=("n_events", "exposure_vehicle_year", "any_event"),
    formulas=(
        "formula_eu_2022_695", "formula_eu_2014_47_enterprise", "formula_sms_cn", "formula_credit_1000",
        "formula_art_66_enterprise",
    ),
)
