"""How a vehicle is driven: positions reduced to days, over the last 30 and 90 days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.cutoffs import CUTOFF, POSITION
from features.exact import from_parts
from features.families.base import Family
from features.families.vehicle_profile import fleet
from features.holders import PLATE, only_bearer, reused_plates, with_vehicle
from features.known import FIRST, positions, window_column
from features.rolling import N_ROWS, cohorts, rolling
from registry.entities import ENTERPRISE, VEHICLE
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

LONG_D: Final = 90
SHORT_D: Final = 30
_DAY: Final = "vehicle_day"
_LONG: Final = (
    "distance_km", "drive_h", "night_drive_h", "h_2_5", "n_cont_over_4h", "overspeed_min", "n_alarm_fatigue",
    "n_alarm_speed", "n_alarm_collision", "n_harsh_brake", "offline_h",
)
_SHORT: Final = ("distance_km", "drive_h", "active_days")
_LONGEST, _P95, _N_P95 = "max_cont_drive_h", "p95_speed_kmh", "n_p95"
_SUMMED: Final = {LONG_D: (*_LONG, _P95, _N_P95), SHORT_D: _SHORT}
_EVENT: Final = "event_time"


def totals(known: Known) -> ir.Table:
    """Return sums of the daily reductions by vehicle in operation and cut-off; columns end in `_90d` and `_30d`."""
    return known.shared("activity_totals", _totals)


def _totals(known: Known) -> ir.Table:
    days = known.shared("activity_cohorts", _day_cohorts)
    lasting, reused = days.filter(days[_EVENT].isnull()), days.filter(days[_EVENT].notnull())
    both = _of_lasting_plates(known, lasting).union(_of_reused_plates(known, reused))
    # A vehicle may have had two plates within the window.
    key = [VEHICLE.id_column, CUTOFF]
    names = [name for name in both.columns if name not in (*key, _LONGEST)]
    parts = both.group_by(key).aggregate(
        **{name: both[name].sum().cast("int64") for name in names}, **{_LONGEST: both[_LONGEST].max()}
    )
    summed = parts.select(
        *key,
        max_cont_drive_h_30d=parts[_LONGEST],
        p95_speed_kmh_90d=parts[f"{_P95}_90d"].cast("float64") / parts[f"{_N_P95}_90d"].nullif(0).cast("float64"),
        **{f"{name}_90d": from_parts(parts[f"{name}_90d"]) for name in _LONG},
        **{f"{name}_30d": _where_any(parts, from_parts(parts[f"{name}_30d"])) for name in _SHORT},
    )
    vehicles = fleet(known).select(*key, ENTERPRISE.id_column)
    return vehicles.inner_join(summed, key)


def _day_cohorts(known: Known) -> ir.Table:
    """Return the vehicle-days by plate, with their day only where the plate passed from vehicle to vehicle."""
    import ibis

    spans = known.spans(_DAY, [PLATE, _LONGEST, _P95, *_LONG], windows_d=tuple(_SUMMED))
    marked = spans.left_join(reused_plates(known).mutate(reused=True), PLATE, rname="r_{name}")
    marked = marked.mutate(**{_EVENT: marked.reused.fill_null(False).ifelse(marked[_EVENT], ibis.null(marked[_EVENT].type()))})
    sums = {name: marked[name] for name in (*_LONG, _P95)}
    sums |= {_N_P95: marked[_P95].notnull(), "active_days": marked.distance_km > 0}
    return cohorts(marked, [PLATE, _EVENT], tuple(_SUMMED), sums, {_LONGEST: marked[_LONGEST]})


def _where_any(parts: ir.Table, value: ir.FloatingValue) -> ir.FloatingValue:
    """Return a sum over the short window, null where no day fell into it."""
    import ibis

    shown: ir.FloatingValue = (parts.n_rows_30d > 0).ifelse(value, ibis.null("float64"))
    return shown


def _of_lasting_plates(known: Known, days: ir.Table) -> ir.Table:
    """Return the sums of plates that one vehicle alone has borne, by vehicle."""
    summed = rolling(known, days, PLATE, _SUMMED)
    recent = positions(days.select(PLATE, FIRST, window_column(SHORT_D), _LONGEST), until=window_column(SHORT_D))
    longest = known.dated(recent.group_by([PLATE, POSITION]).aggregate(**{_LONGEST: recent[_LONGEST].max()}))
    joined = summed.left_join(longest, [PLATE, CUTOFF], rname="l_{name}")
    named = joined.inner_join(only_bearer(known), [PLATE, CUTOFF], rname="b_{name}")
    return named.select(VEHICLE.id_column, CUTOFF, *(name for name in summed.columns if name not in (PLATE, CUTOFF)), _LONGEST)


def _of_reused_plates(known: Known, days: ir.Table) -> ir.Table:
    """Return the sums of plates that passed from vehicle to vehicle: each day belongs to its bearer of that day."""
    rows = with_vehicle(known, known.unfold(days, until=window_column(LONG_D)))
    rows = rows.filter(rows[VEHICLE.id_column].notnull())
    recent = rows[POSITION] < rows[window_column(SHORT_D)]
    sums: dict[str, ir.Value] = {}
    for window, names in _SUMMED.items():
        inside = recent if window == SHORT_D else None
        sums |= {f"{name}_{window}d": rows[name].sum(where=inside).fill_null(0).cast("int64") for name in (*names, N_ROWS)}
    summed = rows.group_by([VEHICLE.id_column, CUTOFF]).aggregate(**sums, **{_LONGEST: rows[_LONGEST].max(where=recent)})
    return summed.select(VEHICLE.id_column, CUTOFF, *sums, _LONGEST)


def ratios(table: ir.Table) -> dict[str, ir.Value]:
    """Return the rates and shares of summed activity; null where there was no driving to divide by."""
    km, hours = table.distance_km_90d.nullif(0.0), table.drive_h_90d.nullif(0.0)
    return {
        "night_share_90d": table.night_drive_h_90d / hours,
        "h_2_5_share_90d": table.h_2_5_90d / hours,
        "over_4h_per_100h_90d": table.n_cont_over_4h_90d / hours * 100.0,
        "overspeed_min_per_100km_90d": table.overspeed_min_90d / km * 100.0,
        "fatigue_alarm_per_100km_90d": table.n_alarm_fatigue_90d / km * 100.0,
        "speed_alarm_per_100km_90d": table.n_alarm_speed_90d / km * 100.0,
        "collision_alarm_per_100km_90d": table.n_alarm_collision_90d / km * 100.0,
        "harsh_brake_per_100km_90d": table.n_harsh_brake_90d / km * 100.0,
        "offline_h_per_100h_90d": table.offline_h_90d / hours * 100.0,
    }


def _expression(known: Known) -> ir.Table:
    table = totals(known)
    return table.select(
        table[VEHICLE.id_column],
        table.cutoff,
        table.distance_km_30d,
        table.distance_km_90d,
        table.drive_h_30d,
        table.active_days_30d,
        table.max_cont_drive_h_30d,
        table.p95_speed_kmh_90d,
        distance_trend=table.distance_km_30d * 3.0 / table.distance_km_90d.nullif(0.0),
        **ratios(table),
    )


ADVERSE_DRIVING: Final = "more of a conduct that rules forbid or restrict never lowers the assessed risk"


def _feature(name: str, zh: str, en: str, group: str, unit: str, code: str, days: int, *, act: bool = True) -> Feature:
    # Distance and speed as such may lower a risk per kilometre; the restricted conducts may not.
    adverse = group != "exposure" and name != "p95_speed_kmh_90d"
    return Feature(
        name=name, entity="vehicle", zh=zh, en=en, group=group, unit=unit, resources=(_DAY,), window_d=days,
        reason_code=code, actionable=act, sensitivity="location", monotone=1 if adverse else 0,
        monotone_reason=ADVERSE_DRIVING if adverse else "",
    )


FAMILY: Final = Family(
    id="vehicle_activity", entity=VEHICLE, resources=(_DAY, "vehicle_transport_permit"), expression=_expression,
    features=(
        _feature("distance_km_30d", "近30日里程", "distance in 30 days", "exposure", "km", "R16", SHORT_D, act=False),
        _feature("distance_km_90d", "近90日里程", "distance in 90 days", "exposure", "km", "R16", LONG_D, act=False),
        _feature("drive_h_30d", "近30日行驶时长", "driving hours in 30 days", "exposure", "h", "R16", SHORT_D, act=False),
        _feature("active_days_30d", "近30日出车天数", "days driven of 30", "exposure", "d", "R16", SHORT_D, act=False),
        _feature("distance_trend", "里程变化", "last 30 days against 90", "exposure", "1", "R16", LONG_D, act=False),
        _feature("max_cont_drive_h_30d", "最长连续驾驶", "longest continuous drive", "dynamics", "h", "R02", SHORT_D),
        _feature("over_4h_per_100h_90d", "每百小时连续驾驶超4小时次数", "drives over 4 h per 100 h", "dynamics", "1", "R02",
                 LONG_D),
        _feature("night_share_90d", "夜间行驶占比", "share of night driving", "dynamics", "1", "R14", LONG_D),
        _feature("h_2_5_share_90d", "凌晨2至5时行驶占比", "share of driving 2 to 5 a.m.", "dynamics", "1", "R03", LONG_D),
        _feature("overspeed_min_per_100km_90d", "每百公里超速分钟", "speeding minutes per 100 km", "dynamics", "min", "R04",
                 LONG_D),
        _feature("speed_alarm_per_100km_90d", "每百公里超速报警", "speed alarms per 100 km", "dynamics", "1/100km", "R04",
                 LONG_D),
        _feature("p95_speed_kmh_90d", "95分位车速", "95th percentile of speed", "dynamics", "km/h", "R04", LONG_D),
        _feature("fatigue_alarm_per_100km_90d", "每百公里疲劳报警", "fatigue alarms per 100 km", "dynamics", "1/100km", "R02",
                 LONG_D),
        _feature("collision_alarm_per_100km_90d", "每百公里碰撞预警", "collision warnings per 100 km", "dynamics", "1/100km",
                 "R04", LONG_D),
        _feature("harsh_brake_per_100km_90d", "每百公里急减速", "harsh brakes per 100 km", "dynamics", "1/100km", "R04",
                 LONG_D),
        _feature("offline_h_per_100h_90d", "每百小时离线时长", "hours off line per 100 h", "compliance", "h", "R11", LONG_D),
    ),
)
