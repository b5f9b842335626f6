"""Maintenance: the first breakdown or failed inspection of a vehicle within 90 days after a cut-off.

Failed inspections come from resource 2. Breakdowns come from roadside assistance that an insurer supplies, because no
resource of Annex 1 names the vehicle that broke down; without that source the label is failed inspections alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from features.families.vehicle_profile import days_between, fleet
from features.outcomes import failures
from features.product import REPORTING_LAG_D, ProductFeatures
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import MAINTENANCE, MAINTENANCE_HORIZON_D

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

HORIZON_D: Final = MAINTENANCE_HORIZON_D
EVERY_N_CUTOFFS: Final = 2
"""Outcome windows are three months long; every second labelled cut-off keeps nearly all of the information."""


def labels(known: Known, data_end: datetime) -> ir.Table:
    """Return (vehicle, cut-off) with `event_day` (1 to 90, null: none within the horizon), `observed_d` and `cause`."""
    import ibis

    last = ibis.literal(data_end - timedelta(days=HORIZON_D + REPORTING_LAG_D))
    vehicles = fleet(known).select(VEHICLE.id_column, ENTERPRISE.id_column, "cutoff")
    spine = vehicles.filter(vehicles.cutoff <= last).semi_join(known.cutoffs.labelled(every=EVERY_N_CUTOFFS), "cutoff")
    found = failures(known)
    hits = spine.inner_join(found, [
        spine[VEHICLE.id_column] == found[VEHICLE.id_column],
        found.event_time >= spine.cutoff,
        found.event_time < spine.cutoff + ibis.interval(days=HORIZON_D),
    ])
    key = [VEHICLE.id_column, "cutoff"]
    order = ibis.window(group_by=key, order_by=["event_time", "cause"])
    ranked = hits.mutate(rank=ibis.row_number().over(order))
    first = ranked.filter(ranked["rank"] == 0)
    # Day 1 is the day that begins at the cut-off.
    day = days_between(first.cutoff, first.event_time).floor() + 1
    joined = spine.left_join(first.select(*key, "cause", event_day=day), key, rname="f_{name}")
    return joined.select(
        VEHICLE.id_column, ENTERPRISE.id_column,
        event_timestamp=joined.cutoff,
        event_day=joined.event_day.cast("float64"),
        observed_d=ibis.literal(HORIZON_D).cast("float64"),
        cause=joined.cause,
    )


PRODUCT: Final = ProductFeatures(
    id=MAINTENANCE.id,
    entity=VEHICLE,
    joins=(VEHICLE, ENTERPRISE),
    families=(
        "vehicle_profile", "vehicle_activity", "vehicle_condition", "vehicle_permit", "vehicle_service", "vehicle_enforcement",
        "vehicle_area", "enterprise_profile",
    ),
    formulas=("formula_eu_2014_47_enterprise", "formula_eu_2014_47_vehicle"),
    label_resources=("vehicle_inspection", "roadside_assistance"),
    labels=labels,
    targets=("event_day", "observed_d", "cause"),
)
