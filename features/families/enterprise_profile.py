"""What an operator is: its licence, its fleet, and how the fleet is driven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.exact import exact_mean, exact_sum
from features.families.base import Family
from features.families.vehicle_activity import ADVERSE_DRIVING, ratios, totals
from features.families.vehicle_profile import accidents_per_year, days_between, fleet, technical_data
from registry.entities import ENTERPRISE, VEHICLE
from registry.feature_spec import Feature
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

HAZMAT_SCOPE: Final = "03"
PASSENGER_SCOPE: Final = "01"
"""First two digits of 经营范围: 01 passenger, 02 freight, 03 dangerous goods."""
_OPERATOR, _PERMIT, _BASIC, _DAY = "operator_basic", "vehicle_transport_permit", "vehicle_basic", "vehicle_day"


def _profile(known: Known) -> ir.Table:
    key = [ENTERPRISE.id_column, "cutoff"]
    operator = known.state(
        _OPERATOR, ENTERPRISE.id_column, ["registered_capital_cny", "established_date", "is_individual"]
    ).drop("event_time")
    vehicles = fleet(known)
    basic = technical_data(known).select(VEHICLE.id_column, "cutoff", "registered_date")
    aged = vehicles.left_join(basic, [VEHICLE.id_column, "cutoff"], rname="b_{name}")
    summed = aged.group_by(key).aggregate(
        fleet_size=aged.count().cast("float64"),
        affiliated_share=exact_mean(aged.affiliated.cast("float64")),
        mean_vehicle_age_year=exact_mean(days_between(aged.registered_date, aged.cutoff) / DAYS_PER_YEAR),
        accident_per_vehicle_year=exact_mean(
            accidents_per_year(aged.accident_count, aged.first_issue_date, aged.cutoff)
        ),
        maintenance_overdue_share=exact_mean((aged.next_second_maint_date < aged.cutoff.date()).cast("float64")),
    )
    joined = summed.inner_join(operator, key)
    return joined.select(
        *key, "fleet_size", "affiliated_share", "mean_vehicle_age_year", "accident_per_vehicle_year",
        "maintenance_overdue_share",
        "registered_capital_cny",
        established_year=days_between(joined.established_date, joined.cutoff) / DAYS_PER_YEAR,
        is_individual=joined.is_individual.cast("float64"),
    )


def _activity(known: Known) -> ir.Table:
    key = [ENTERPRISE.id_column, "cutoff"]
    rows = totals(known)
    names = [name for name in rows.columns if name.endswith(("_90d", "_30d")) and not name.startswith(("max_", "p95_"))]
    summed = rows.group_by(key).aggregate(
        **{name: exact_sum(rows[name]) for name in names},
        n_vehicles=rows.count().cast("float64"),
        worst_vehicle_overspeed=(rows.overspeed_min_90d / rows.distance_km_90d.nullif(0.0) * 100.0).max(),
    )
    return summed.select(
        *key,
        distance_km_per_vehicle_30d=summed.distance_km_30d / summed.n_vehicles,
        active_day_share_30d=summed.active_days_30d / summed.n_vehicles / 30.0,
        fleet_worst_overspeed_min_per_100km_90d=summed.worst_vehicle_overspeed,
        **{f"fleet_{name}": value for name, value in ratios(summed).items()},
    )


def _feature(
    name: str, zh: str, en: str, group: str, unit: str, code: str, resources: tuple[str, ...], *,
    window_d: int | None = None, actionable: bool = False, adverse: bool = False,
) -> Feature:
    return Feature(
        name=name, entity="enterprise", zh=zh, en=en, group=group, unit=unit, resources=resources, window_d=window_d,
        reason_code=code, actionable=actionable, monotone=1 if adverse else 0,
        monotone_reason=ADVERSE_DRIVING if adverse else "",
    )


PROFILE_FAMILY: Final = Family(
    id="enterprise_profile", entity=ENTERPRISE, resources=(_OPERATOR, _PERMIT, _BASIC), expression=_profile,
    features=(
        _feature("fleet_size", "车辆数", "vehicles in operation", "enterprise", "1", "R15", (_PERMIT,)),
        _feature("affiliated_share", "挂靠车辆占比", "share of owner-driver vehicles", "enterprise", "1", "R12", (_PERMIT,)),
        _feature("mean_vehicle_age_year", "平均车龄", "mean age of the fleet", "condition", "year", "R13", (_BASIC,)),
        Feature(
            name="accident_per_vehicle_year", entity="enterprise", zh="车均年登记事故",
            en="accidents on record per vehicle-year", group="enforcement", unit="1/vehicle_year",
            resources=(_PERMIT,), reason_code="R20", monotone=1,
            monotone_reason="more accidents on record never lower the assessed risk",
        ),
        _feature("maintenance_overdue_share", "二级维护逾期车辆占比", "share of vehicles overdue for maintenance",
                 "compliance", "1", "R06", (_PERMIT,), actionable=True, adverse=True),
        _feature("registered_capital_cny", "注册资金", "registered capital", "enterprise", "CNY", "R15", (_OPERATOR,)),
        _feature("established_year", "经营年限", "years since founding", "enterprise", "year", "R15", (_OPERATOR,)),
        _feature("is_individual", "个体业户", "individual operator", "enterprise", "1", "R15", (_OPERATOR,)),
    ),
)

_FLEET: Final = (
    ("night_share_90d", "车队夜间行驶占比", "fleet's share of night driving", "1", "R14"),
    ("h_2_5_share_90d", "车队凌晨2至5时占比", "fleet's share of driving 2 to 5 a.m.", "1", "R03"),
    ("over_4h_per_100h_90d", "车队每百小时超4小时驾驶", "fleet's drives over 4 h per 100 h", "1", "R02"),
    ("overspeed_min_per_100km_90d", "车队每百公里超速分钟", "fleet's speeding minutes per 100 km", "min", "R04"),
    ("fatigue_alarm_per_100km_90d", "车队每百公里疲劳报警", "fleet's fatigue alarms per 100 km", "1/100km", "R02"),
    ("speed_alarm_per_100km_90d", "车队每百公里超速报警", "fleet's speed alarms per 100 km", "1/100km", "R04"),
    ("collision_alarm_per_100km_90d", "车队每百公里碰撞预警", "fleet's collision warnings per 100 km", "1/100km", "R04"),
    ("harsh_brake_per_100km_90d", "车队每百公里急减速", "fleet's harsh brakes per 100 km", "1/100km", "R04"),
    ("offline_h_per_100h_90d", "车队每百小时离线", "fleet's hours off line per 100 h", "h", "R11"),
)

ACTIVITY_FAMILY: Final = Family(
    id="enterprise_activity", entity=ENTERPRISE, resources=(_DAY, _PERMIT), expression=_activity,
    features=(
        _feature("distance_km_per_vehicle_30d", "车均30日里程", "distance per vehicle in 30 days", "exposure", "km", "R16",
                 (_DAY,), window_d=30),
        _feature("active_day_share_30d", "出车率", "share of days driven", "exposure", "1", "R16", (_DAY,), window_d=30),
        _feature("fleet_worst_overspeed_min_per_100km_90d", "最差车辆超速", "worst vehicle's speeding minutes per 100 km",
                 "dynamics", "min", "R04", (_DAY,), window_d=90, actionable=True, adverse=True),
        *(
            _feature(f"fleet_{name}", zh, en, "dynamics", unit, code, (_DAY,), window_d=90, actionable=True, adverse=True)
            for name, zh, en, unit, code in _FLEET
        ),
    ),
)
