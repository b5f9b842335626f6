"""The state of whoever drives a vehicle, at the end of each driving hour: duty, rest, and what the hour showed.

The row of an hour becomes known when it arrives, shortly after the hour's end; it speaks about the hours that follow.
Without a roster nobody knows who drives, so the state belongs to the vehicle's shift, not to a named person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.base import Family
from features.families.vehicle_profile import fleet
from registry.entities import VEHICLE
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

HOUR: Final = "driving_hour"
_FLOATS: Final = (
    "hours_since_rest_h", "cont_drive_h", "drive_h_24h", "drive_h_7d", "hours_awake_proxy_h", "longest_rest_24h_h", "kss",
    "speed_cv",
)


def hours(known: Known) -> ir.Table:
    """Return driving hours in force at the end of the data, with their vehicle and operator: for labels only."""
    return known.shared("driving_hours", lambda known: _of_vehicles(known, known.matured(HOUR)))


def _of_vehicles(known: Known, rows: ir.Table) -> ir.Table:
    # A vehicle keeps its plate over the weeks that this looks back, so the newest holder is the holder.
    holders = fleet(known)
    newest = holders.filter(holders.cutoff == holders.cutoff.max()).select(
        "plate_id", VEHICLE.id_column, "enterprise_id"
    )
    return rows.inner_join(newest, "plate_id").drop("plate_id")


def _expression(known: Known) -> ir.Table:
    import ibis

    # What was delivered first stays readable for who asks about the time before its correction; an hour that was taken
    # back is known to be unknown from then on.
    rows = _of_vehicles(known, known.versions(HOUR))
    values = {f"duty_{name}": rows[name] for name in _FLOATS}
    values |= {"duty_clock_hour": (rows.clock_hour + 1) % 24, "duty_lane_departure_n": rows.lane_departure_n}
    return rows.select(
        rows[VEHICLE.id_column],
        cutoff=rows.hour_start + ibis.interval(hours=1),
        created=rows.arrived_at,
        **{name: rows.withdrawn.ifelse(None, value.cast("float64")) for name, value in values.items()},
    )


def _feature(
    name: str, zh: str, en: str, unit: str, code: str, *, group: str = "duty", monotone: bool = False,
    actionable: bool = True, required: bool = False,
) -> Feature:
    return Feature(
        name=f"duty_{name}", entity="vehicle", zh=zh, en=en, group=group, unit=unit, resources=(HOUR,),
        null_rule="required" if required else "missing", reason_code=code, actionable=actionable, sensitivity="location",
        monotone=1 if monotone else 0,
        monotone_reason="more of it never lowers the assessed risk of fatigue" if monotone else "",
    )


FAMILY: Final = Family(
    id="duty", entity=VEHICLE, resources=(HOUR, "vehicle_transport_permit"), expression=_expression, ttl_d=2,
    features=(
        _feature("hours_since_rest_h", "距上次20分钟休息", "hours since a rest of 20 minutes", "h", "R02"),
        _feature("cont_drive_h", "连续驾驶时长", "continuous driving", "h", "R02", required=True),
        _feature("drive_h_24h", "24小时累计驾驶", "driving in 24 hours", "h", "R21", required=True),
        _feature("drive_h_7d", "7日累计驾驶", "driving in 7 days", "h", "R21"),
        _feature("hours_awake_proxy_h", "清醒时长（估）", "estimated hours awake", "h", "R22"),
        _feature("longest_rest_24h_h", "24小时内最长停车", "longest stop in 24 hours", "h", "R22"),
        _feature("kss", "困倦度（三过程模型）", "sleepiness by the Three-Process Model", "KSS", "R22", monotone=True),
        _feature("speed_cv", "车速变异系数", "variation of speed", "1", "R23", group="dynamics", actionable=False),
        _feature("clock_hour", "当地钟点", "local hour", "h", "R22"),
        _feature("lane_departure_n", "车道偏离次数", "lane departures in the hour", "1", "R23", group="dynamics",
                 actionable=False),
    ),
)
