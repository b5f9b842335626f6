"""The state of whoever drives a vehicle, at the end of each driving hour: duty, rest, and what the hour showed.

The row of an hour becomes known when it arrives, shortly after the hour's end; it speaks about the hours that follow.
Without a roster nobody knows who drives, so the state belongs to the vehicle's shift, not to a named person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.base import Family
from features.families.vehicle_profile import fleet
from registry.duty_rules import rule_named
from registry.entities import VEHICLE
from registry.feature_spec import Feature, Monotone

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

HOUR: Final = "driving_hour"
_FLOATS: Final = (
    "hours_since_rest_h", "cont_drive_h", "drive_h_24h", "drive_h_7d", "hours_awake_proxy_h", "longest_rest_24h_h", "kss",
    "kss_next_hour", "speed_cv", "safte_effectiveness", "night_drive_h_24h", "h_2_5_7d", "n_over_4h_7d",
    "days_without_24h_rest", "shift_start_sd_h",
)
_SLEEPIER: Final = "more predicted sleepiness never lowers the assessed risk of fatigue"
_RUN_LIMIT_H, _DAY_LIMIT_H, _WEEK_LIMIT_H = (
    rule_named(rule_id).limit_s / 3600.0 for rule_id in ("continuous_4h", "passenger_24h", "passenger_7d")
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
    left = ibis.least(
        _RUN_LIMIT_H - rows.cont_drive_h, _DAY_LIMIT_H - rows.drive_h_24h, _WEEK_LIMIT_H - rows.drive_h_7d
    )
    values |= {
        "duty_nearest_limit_h": left, "duty_night_share_24h": rows.night_drive_h_24h / rows.drive_h_24h.nullif(0.0),
    }
    return rows.select(
        rows[VEHICLE.id_column],
        cutoff=rows.hour_start + ibis.interval(hours=1),
        created=rows.arrived_at,
        **{name: rows.withdrawn.ifelse(None, value.cast("float64")) for name, value in values.items()},
    )


def _feature(
    name: str, zh: str, en: str, unit: str, code: str, *, group: str = "duty", monotone: Monotone = 0, reason: str = "",
    actionable: bool = True, required: bool = False,
) -> Feature:
    return Feature(
        name=f"duty_{name}", entity="vehicle", zh=zh, en=en, group=group, unit=unit, resources=(HOUR,),
        null_rule="required" if required else "missing", reason_code=code, actionable=actionable, sensitivity="location",
        monotone=monotone, monotone_reason=reason,
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
        _feature("kss", "困倦度（三过程模型）", "sleepiness by the Three-Process Model", "KSS", "R22", monotone=1,
                 reason=_SLEEPIER),
        _feature("kss_next_hour", "下一小时困倦度（三过程模型）", "sleepiness in the next hour by the Three-Process Model", "KSS",
                 "R22", monotone=1, reason=_SLEEPIER),
        _feature("safte_effectiveness", "效能（SAFTE模型）", "effectiveness by the SAFTE model", "%", "R22", monotone=-1,
                 reason="lower predicted effectiveness never lowers the assessed risk of fatigue"),
        _feature("night_drive_h_24h", "24小时内夜间驾驶", "night driving in 24 hours", "h", "R14"),
        _feature("night_share_24h", "24小时内夜间驾驶占比", "share of night in the driving of 24 hours", "1", "R14"),
        _feature("h_2_5_7d", "7日内凌晨2至5时驾驶", "driving from 2 to 5 o'clock in 7 days", "h", "R03"),
        _feature("n_over_4h_7d", "7日内连续驾驶超4小时次数", "runs of more than 4 hours in 7 days", "1", "R02",
                 monotone=1, reason="each run past the legal 4 hours is a rest that was not taken"),
        _feature("days_without_24h_rest", "距上次24小时休息天数", "days since a rest of 24 hours", "d", "R21"),
        _feature("shift_start_sd_h", "班次起点离散度", "irregularity of the starts of shifts", "h", "R22"),
        _feature("nearest_limit_h", "距最近驾驶时限", "driving left to the nearest of 4 h, 8 h in 24 and 44 h in 7 days", "h",
                 "R21"),
        _feature("speed_cv", "车速变异系数", "variation of speed", "1", "R23", group="dynamics", actionable=False),
        _feature("clock_hour", "当地钟点", "local hour", "h", "R22"),
        _feature("lane_departure_n", "车道偏离次数", "lane departures in the hour", "1", "R23", group="dynamics",
                 actionable=False),
    ),
)
