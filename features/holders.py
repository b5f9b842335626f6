"""Which vehicle bore a plate when something happened.

A plate (号牌) outlives its vehicle: years later, or weeks, it hangs on another. What is told about a plate is told about the
vehicle that bore it at the time of the event, as the transport permits known at the cut-off say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.cutoffs import CUTOFF
from features.known import FIRST, UNTIL
from registry.entities import VEHICLE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

PERMIT: Final = "vehicle_transport_permit"
PLATE: Final = "plate_id"
SINCE: Final = "borne_since"


def bearers(known: Known) -> ir.Table:
    """Return (plate_id, vehicle_id, cutoff, borne_since): every vehicle known at a cut-off to bear or have borne a plate.

    `borne_since` is the time of the vehicle's first permit with this plate.
    """
    return known.shared("bearers", _bearers)


def _bearers(known: Known) -> ir.Table:
    rows = known.spans(PERMIT, [PLATE, VEHICLE.id_column])
    key = [PLATE, VEHICLE.id_column]
    # Spans of one bearer with one end are covered by the one that begins first.
    merged = rows.group_by([*key, UNTIL, "event_time"]).aggregate(**{FIRST: rows[FIRST].min()})
    written = known.unfold(merged)
    return written.group_by([*key, CUTOFF]).aggregate(**{SINCE: written.event_time.min()})


def reused_plates(known: Known) -> ir.Table:
    """Return the plates that more than one vehicle has borne."""
    return known.shared("reused_plates", _reused)


def _reused(known: Known) -> ir.Table:
    permits = known.versions(PERMIT)
    counted = permits.group_by(PLATE).aggregate(n=permits[VEHICLE.id_column].nunique())
    return counted.filter(counted.n > 1).select(PLATE)


def with_vehicle(known: Known, rows: ir.Table) -> ir.Table:
    """Return rows that have `plate_id`, `cutoff` and `event_time` with the `vehicle_id` of the plate's bearer then.

    Of several bearers it is the last that bore the plate by the time of the event, and for an event before the first known
    permit the first bearer. A row whose plate nobody is known to have borne has a null.
    """
    import ibis

    named = rows.mutate(row_number=ibis.row_number())
    borne = bearers(known)
    joined = named.left_join(borne, [PLATE, CUTOFF], rname="b_{name}")
    by_then = joined[SINCE] <= joined.event_time
    order = ibis.window(
        group_by=joined.row_number,
        order_by=[
            by_then.fill_null(False).desc(),
            by_then.ifelse(joined[SINCE].epoch_seconds(), -joined[SINCE].epoch_seconds()).desc(),
            joined[VEHICLE.id_column],
        ],
    )
    ranked = joined.mutate(rank=ibis.row_number().over(order))
    return ranked.filter(ranked["rank"] == 0).select(*rows.columns, VEHICLE.id_column)


def only_bearer(known: Known) -> ir.Table:
    """Return (plate_id, cutoff, vehicle_id) of plates that one vehicle alone has ever borne."""
    borne = bearers(known)
    return borne.anti_join(reused_plates(known), PLATE).select(PLATE, CUTOFF, VEHICLE.id_column)

