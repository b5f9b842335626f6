"""Driver fatigue: a verified fatigue event in the next driving hour of the same shift."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from features.families.duty import HOUR, hours
from features.product import ProductFeatures
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import DRIVER_FATIGUE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

SAME_SHIFT_H: Final = 3
"""An hour that begins later than this after the last one belongs to another shift and is not the next hour. [A]"""


def labels(known: Known, data_end: datetime) -> ir.Table:
    """Return (vehicle, start of an hour) with `fatigue_event` of that hour, where an earlier hour of the shift is known.

    The features are those of the hours before, as they had arrived when this one began. An hour whose verification is not
    known has no label.
    """
    import ibis

    rows = hours(known)
    order = ibis.window(group_by=VEHICLE.id_column, order_by=rows.hour_start)
    numbered = rows.mutate(before=rows.hour_start.lag().over(order))
    since = numbered.hour_start.epoch_seconds() - numbered.before.epoch_seconds()
    same_shift = numbered.filter(
        numbered.before.notnull() & numbered.fatigue_event.notnull() & (since <= SAME_SHIFT_H * 3600)
        & (numbered.hour_start < ibis.literal(data_end))
    )
    return same_shift.select(
        VEHICLE.id_column, ENTERPRISE.id_column,
        event_timestamp=same_shift.hour_start,
        fatigue_event=same_shift.fatigue_event.cast("float64"),
        drive_h=ibis.literal(1).cast("float64"),
    )


PRODUCT: Final = ProductFeatures(
    id=DRIVER_FATIGUE.id,
    entity=VEHICLE,
    joins=(VEHICLE, ENTERPRISE),
    families=("duty", "vehicle_activity", "vehicle_people", "enterprise_people", "enterprise_area"),
    label_resources=(HOUR, "vehicle_transport_permit"),
    labels=labels,
    targets=("fatigue_event", "drive_h"),
    formulas=("formula_eu_2016_403",),
)
