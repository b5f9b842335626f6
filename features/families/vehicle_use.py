"""How much a vehicle is used beside others of its type at the same time.

Distance as such goes up and down with the season: all trucks drive more before the Spring Festival and little after it, and a
score on kilometres alone takes the quiet weeks of everybody for caution. Beside the type's mean of the same cut-off the season
cancels, and a tractor's kilometres compare with a rigid truck's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.cutoffs import CUTOFF
from features.exact import exact_mean
from features.families.base import Family
from features.families.vehicle_activity import LONG_D, SHORT_D, totals
from features.families.vehicle_profile import technical_data
from registry.entities import VEHICLE
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

LEAST_OF_TYPE: Final = 30
"""Vehicles with records of the last days that a type must have for its mean to say something; null below. [A]"""
_DAY, _PERMIT, _BASIC = "vehicle_day", "vehicle_transport_permit", "vehicle_basic"
_RELATIVE: Final = (
    ("relative_distance_30d", "distance_km_30d", "近30日里程", "distance in 30 days", SHORT_D),
    ("relative_distance_90d", "distance_km_90d", "近90日里程", "distance in 90 days", LONG_D),
    ("relative_drive_30d", "drive_h_30d", "近30日行驶时长", "driving hours in 30 days", SHORT_D),
    ("relative_active_days_30d", "active_days_30d", "近30日出车天数", "days driven of 30", SHORT_D),
)
"""Feature, the total that it relates, that total in Chinese and English, window in days."""


def _expression(known: Known) -> ir.Table:
    key = [VEHICLE.id_column, CUTOFF]
    types = technical_data(known).select(*key, "vehicle_type")
    rows = totals(known).inner_join(types, key)
    kind = ["vehicle_type", CUTOFF]
    names = [total for _, total, *_ in _RELATIVE]
    # A vehicle without a type joins no mean, as null equals nothing.
    means = rows.group_by(kind).aggregate(
        **{f"n_{name}": rows[name].count() for name in names}, **{f"mean_{name}": exact_mean(rows[name]) for name in names}
    )
    beside = rows.left_join(means, kind, rname="m_{name}")
    return beside.select(*key, **{name: _ratio(beside, total) for name, total, *_ in _RELATIVE})


def _ratio(beside: ir.Table, total: str) -> ir.FloatingValue:
    import ibis

    mean = beside[f"mean_{total}"].nullif(0.0)
    enough = beside[f"n_{total}"] >= LEAST_OF_TYPE
    ratio: ir.FloatingValue = enough.ifelse(beside[total] / mean, ibis.null("float64"))
    return ratio


FAMILY: Final = Family(
    id="vehicle_use", entity=VEHICLE, resources=(_DAY, _PERMIT, _BASIC), expression=_expression,
    features=tuple(
        Feature(
            name=name, entity="vehicle", zh=f"{zh}与同车型均值之比", en=f"{en} relative to its type", group="exposure", unit="1",
            resources=(_DAY, _BASIC), window_d=window, reason_code="R16", sensitivity="location",
        )
        for name, _, zh, en, window in _RELATIVE
    ),
)
