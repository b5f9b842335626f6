"""Outcomes as they are known at the end of the data: what labels are made of and features never read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.enforcement import SERIOUS_REASONS, is_finding
from features.families.vehicle_condition import FAILED
from registry.entities import VEHICLE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known


def accidents(known: Known) -> ir.Table:
    """Return registered accidents: one row per increase of a vehicle's accident counter, with `n` and `event_time`.

    Annex 1 has no accident table; the counter 交通事故次数 on the transport permit (resource 5) is what it has instead. The
    permit's update time stands for the accident's.
    """
    import ibis

    permits = known.matured("vehicle_transport_permit")
    order = ibis.window(group_by=VEHICLE.id_column, order_by=["event_time", "arrived_at"])
    rows = permits.mutate(before=permits.accident_count.lag().over(order))
    risen = rows.filter(rows.before.notnull() & (rows.accident_count > rows.before))
    return risen.select(VEHICLE.id_column, "event_time", n=(risen.accident_count - risen.before).cast("float64"))


def serious_cases(known: Known) -> ir.Table:
    """Return standing serious cases with `case_id`, the party's `enterprise_id` (may be null), the vehicle's `plate_id`."""
    cases = known.matured("enforcement_case")
    serious = cases.filter(is_finding(cases) & cases.case_reason.isin(SERIOUS_REASONS))
    vehicles = known.matured("case_vehicle")
    # As among the features, a case counts once and of several vehicles it is always the same one.
    plates = vehicles.group_by("case_id").aggregate(plate_id=vehicles.plate_id.min())
    joined = serious.left_join(plates, "case_id", rname="p_{name}")
    return joined.select("case_id", "enterprise_id", "plate_id", "event_time")


INSPECTION: Final = "inspection"
"""Cause of a failed inspection (检测不合格); a breakdown's cause is the component that broke down."""


def failures(known: Known) -> ir.Table:
    """Return breakdowns and failed inspections of vehicles with `event_time` and `cause`."""
    import ibis

    inspections = known.matured("vehicle_inspection")
    failed = inspections.filter(inspections.result == FAILED)
    rescues = known.matured("roadside_assistance")
    return failed.select(VEHICLE.id_column, "event_time", cause=ibis.literal(INSPECTION)).union(
        rescues.select(VEHICLE.id_column, "event_time", cause=rescues.component)
    )
