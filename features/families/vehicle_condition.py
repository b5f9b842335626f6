"""What state a vehicle is in: inspections and how they moved, annual reviews, maintenance in days and kilometres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.exact import from_parts
from features.families.base import Family
from features.families.vehicle_activity import totals
from features.families.vehicle_profile import days_between, fleet
from features.families.window_sums import window_sums
from registry.codes import CODE_LISTS
from registry.entities import VEHICLE
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

FAILED, RETESTED, REVIEW_FAILED = "2", "3", "2"
"""检测结论 codes of a failed inspection and of one passed on a retest; 年审结果 code of a failed review."""
KM_GUIDE: Final = {"passenger": 800_000.0, "hazmat": 400_000.0, "truck": 700_000.0}
"""Guide mileage of 机动车强制报废标准规定 by use: large coaches, dangerous goods, heavy trucks and tractors. [G] Light and medium
vehicles have lower guides, which the type does not tell apart well enough; a model sees the type beside the share."""
PASSENGER, HAZMAT = ("1", "2", "5", "10"), ("3",)
"""行业类别 codes of coaches and of dangerous goods."""
TWO_YEARS_D: Final = 730
_INSPECTION, _REVIEW, _PERMIT = "vehicle_inspection", "vehicle_annual_review", "vehicle_transport_permit"
_WINDOW_D: Final = 365
_KEY: Final = [VEHICLE.id_column, "cutoff"]
_MEASURED: Final = ("brake_total_pct", "brake_imbalance_pct", "tread_mm")
"""Measurements whose change between inspections is a feature."""


def _expression(known: Known) -> ir.Table:
    columns = [
        *_KEY, "next_second_maint_date", "second_maint_date", "second_maint_interval_km", "second_maint_cycle_d", "industry_type",
    ]
    table = fleet(known).select(*columns)
    distance = totals(known).select(*_KEY, "distance_km_90d")
    for part in (_last_inspection(known), _inspections(known), _reviews(known), _late_reviews(known), distance):
        table = table.left_join(part, _KEY, rname="r_{name}").drop("r_vehicle_id", "r_cutoff")
    return table.select(*_KEY, **_of_inspections(known, table), **_of_reviews(table), **_of_maintenance(table))


def _of_inspections(known: Known, table: ir.Table) -> dict[str, ir.Value]:
    import ibis

    years = known.observed_years(table.cutoff, days=_WINDOW_D)
    # Only an inspection of the last two years is among those that its own values are compared with.
    recent = table.inspected >= table.cutoff - ibis.interval(days=TWO_YEARS_D)
    changes = {}
    for name in _MEASURED:
        others = (from_parts(table[f"n_{name}_730d"]) - 1.0).nullif(0.0)
        change = table[name] - (from_parts(table[f"{name}_730d"]) - table[name]) / others
        changes[f"{name.rpartition('_')[0]}_change_{name.rpartition('_')[2]}"] = recent.ifelse(change, None)
    guide = ibis.cases(
        (table.industry_type.isin(PASSENGER), KM_GUIDE["passenger"]), (table.industry_type.isin(HAZMAT), KM_GUIDE["hazmat"]),
        else_=KM_GUIDE["truck"],
    ).cast("float64")
    return {
        "inspection_age_d": days_between(table.inspected, table.cutoff),
        "inspection_due_in_d": days_between(table.cutoff, table.next_due),
        "inspection_failed_last": (table.result == FAILED).cast("float64"),
        "inspection_tech_level": table.tech_level,
        "n_fail_items_last": table.n_fail_items.cast("float64"),
        "inspection_failed_per_year": from_parts(table.failed_365d).fill_null(0.0) / years,
        "inspection_retest_per_year": from_parts(table.retested_365d).fill_null(0.0) / years,
        **{name: table[name] for name in _AS_MEASURED},
        "sideslip_abs_m_per_km": table.sideslip_m_per_km.abs(),
        "speedometer_error_abs_pct": table.speedometer_error_pct.abs(),
        **changes,
        "odometer_km": table.odometer_km,
        "odometer_guide_share": table.odometer_km / guide,
        "tank_remaining_d": days_between(table.cutoff, table.tank_valid_to),
    }


def _of_reviews(table: ir.Table) -> dict[str, ir.Value]:
    return {
        "review_late_d": table.late_d,
        "review_due_in_d": days_between(table.cutoff, table.review_valid_to),
        "n_review_late_730d": from_parts(table.late_730d).fill_null(0.0),
        "n_review_failed_730d": from_parts(table.review_failed_730d).fill_null(0.0),
    }


def _of_maintenance(table: ir.Table) -> dict[str, ir.Value]:
    age_d = days_between(table.second_maint_date, table.cutoff)
    # 90 days of driving scaled to the time since maintenance stand in for the unknown odometer then.
    km = table.distance_km_90d / 90.0 * age_d
    return {
        "maintenance_overdue_d": days_between(table.next_second_maint_date, table.cutoff),
        "maintenance_age_d": age_d,
        "maintenance_cycle_share": age_d / table.second_maint_cycle_d.nullif(0.0),
        "km_since_maintenance": km,
        "maintenance_overdue_km": km - table.second_maint_interval_km,
    }


_AS_MEASURED: Final = (
    "brake_total_pct", "brake_front_pct", "brake_imbalance_pct", "brake_park_pct", "headlamp_cd", "tread_mm", "emission_k_per_m",
)


def _last_inspection(known: Known) -> ir.Table:
    columns = [
        "next_due", "result", "tech_level", "n_fail_items", *_AS_MEASURED, "sideslip_m_per_km", "speedometer_error_pct",
        "odometer_km", "tank_valid_to",
    ]
    return known.state(_INSPECTION, VEHICLE.id_column, columns).rename(inspected="event_time")


def _inspections(known: Known) -> ir.Table:
    rows = known.spans(_INSPECTION, [VEHICLE.id_column, "result", *_MEASURED], windows_d=(TWO_YEARS_D, _WINDOW_D))
    sums = {name: rows[name] for name in _MEASURED} | {f"n_{name}": rows[name].notnull() for name in _MEASURED}
    return window_sums(known, rows, VEHICLE.id_column, {
        TWO_YEARS_D: sums, _WINDOW_D: {"failed": rows.result == FAILED, "retested": rows.result == RETESTED},
    }).drop("n_rows_730d", "n_rows_365d")


def _reviews(known: Known) -> ir.Table:
    last = known.state(_REVIEW, VEHICLE.id_column, ["review_date", "due_date", "valid_to"])
    return last.select(*_KEY, late_d=days_between(last.due_date, last.review_date), review_valid_to=last.valid_to)


def _late_reviews(known: Known) -> ir.Table:
    rows = known.spans(_REVIEW, [VEHICLE.id_column, "review_date", "due_date", "result"], windows_d=(TWO_YEARS_D,))
    return window_sums(known, rows, VEHICLE.id_column, {
        TWO_YEARS_D: {"late": rows.review_date > rows.due_date, "review_failed": rows.result == REVIEW_FAILED},
    }).drop("n_rows_730d")


_WORSE: Final = "worse measured condition never lowers the assessed risk"


def _feature(
    name: str, zh: str, en: str, unit: str, code: str, resource: str, *, group: str = "condition", monotone: bool = False,
    actionable: bool = False, window_d: int | None = None, zero: bool = False,
) -> Feature:
    return Feature(
        name=name, entity="vehicle", zh=zh, en=en, group=group, unit=unit, resources=(resource,), window_d=window_d,
        null_rule="zero" if zero else "missing", reason_code=code, actionable=actionable, monotone=1 if monotone else 0,
        monotone_reason=_WORSE if monotone else "",
    )


FAMILY: Final = Family(
    id="vehicle_condition", entity=VEHICLE, resources=(_INSPECTION, _REVIEW, _PERMIT, "vehicle_day"),
    expression=_expression,
    features=(
        _feature("inspection_age_d", "距上次检测天数", "days since the last inspection", "d", "R05", _INSPECTION),
        _feature("inspection_due_in_d", "距下次检测天数", "days until the next inspection", "d", "R05", _INSPECTION),
        _feature("inspection_failed_last", "上次检测不合格", "last inspection failed", "1", "R05", _INSPECTION),
        _feature("n_fail_items_last", "上次不合格项数", "failed items of the last inspection", "1", "R05", _INSPECTION,
                 monotone=True, actionable=True),
        Feature(
            name="inspection_tech_level", entity="vehicle", zh="技术等级", en="technical grade", group="condition",
            dtype="category", resources=(_INSPECTION,), reason_code="R05", vocabulary=tuple(CODE_LISTS["tech_level"].codes),
        ),
        _feature("inspection_failed_per_year", "近一年检测不合格次数", "failed inspections per year", "1/year", "R05",
                 _INSPECTION, monotone=True, window_d=_WINDOW_D),
        _feature("inspection_retest_per_year", "近一年复检合格次数", "inspections passed on retest per year", "1/year", "R05",
                 _INSPECTION, window_d=_WINDOW_D),
        _feature("brake_total_pct", "整车制动率", "total brake ratio", "%", "R05", _INSPECTION, actionable=True),
        _feature("brake_front_pct", "前轴制动率", "brake ratio of the front axle", "%", "R05", _INSPECTION, actionable=True),
        _feature("brake_imbalance_pct", "制动不平衡率", "brake imbalance", "%", "R05", _INSPECTION, actionable=True),
        _feature("brake_park_pct", "驻车制动率", "parking brake ratio", "%", "R05", _INSPECTION, actionable=True),
        _feature("headlamp_cd", "前照灯强度", "headlamp intensity", "cd", "R05", _INSPECTION, actionable=True),
        _feature("tread_mm", "轮胎花纹深度", "tyre tread", "mm", "R05", _INSPECTION, actionable=True),
        _feature("emission_k_per_m", "排放光吸收系数", "smoke of the exhaust", "1/m", "R05", _INSPECTION, actionable=True),
        _feature("sideslip_abs_m_per_km", "侧滑量", "side slip, either way", "m/km", "R05", _INSPECTION, actionable=True),
        _feature("speedometer_error_abs_pct", "车速表误差", "speedometer error, either way", "%", "R05", _INSPECTION,
                 actionable=True),
        _feature("brake_total_change_pct", "整车制动率变化", "total brake ratio against earlier inspections", "%", "R29",
                 _INSPECTION, window_d=TWO_YEARS_D, actionable=True),
        _feature("brake_imbalance_change_pct", "制动不平衡率变化", "brake imbalance against earlier inspections", "%", "R29",
                 _INSPECTION, window_d=TWO_YEARS_D, actionable=True),
        _feature("tread_change_mm", "花纹深度变化", "tyre tread against earlier inspections", "mm", "R29", _INSPECTION,
                 window_d=TWO_YEARS_D, actionable=True),
        _feature("odometer_km", "检测时里程", "odometer at inspection", "km", "R13", _INSPECTION),
        _feature("odometer_guide_share", "里程占报废引导里程", "odometer as a share of the guide mileage", "1", "R32", _INSPECTION),
        _feature("tank_remaining_d", "罐体检测剩余有效期", "days left on the tank's examination", "d", "R05", _INSPECTION,
                 group="compliance", actionable=True),
        _feature("review_late_d", "年审逾期天数", "days the annual review was late", "d", "R07", _REVIEW, group="compliance",
                 actionable=True),
        _feature("review_due_in_d", "距下次年审天数", "days until the next annual review", "d", "R07", _REVIEW, group="compliance",
                 actionable=True),
        _feature("n_review_late_730d", "近两年年审逾期次数", "late annual reviews in two years", "1", "R07", _REVIEW,
                 group="compliance", window_d=TWO_YEARS_D, monotone=True, actionable=True, zero=True),
        _feature("n_review_failed_730d", "近两年年审不合格次数", "failed annual reviews in two years", "1", "R07", _REVIEW,
                 group="compliance", window_d=TWO_YEARS_D, monotone=True, actionable=True, zero=True),
        _feature("maintenance_overdue_d", "二级维护逾期天数", "days second-level maintenance is overdue", "d", "R06", _PERMIT,
                 group="compliance", actionable=True),
        _feature("maintenance_age_d", "距二级维护天数", "days since second-level maintenance", "d", "R06", _PERMIT,
                 actionable=True),
        _feature("maintenance_cycle_share", "二级维护周期占用", "time since maintenance as a share of its cycle", "1", "R06",
                 _PERMIT, actionable=True),
        _feature("km_since_maintenance", "距二级维护里程（估）", "estimated distance since maintenance", "km", "R06",
                 "vehicle_day", actionable=True),
        _feature("maintenance_overdue_km", "二级维护逾期里程（估）", "estimated distance beyond the maintenance interval", "km",
                 "R06", "vehicle_day", group="compliance", actionable=True),
    ),
)
