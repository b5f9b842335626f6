"""What state a vehicle is in: inspections, annual reviews, maintenance dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.base import Family
from features.families.vehicle_activity import totals
from features.families.vehicle_profile import days_between, fleet
from registry.entities import VEHICLE
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

FAILED: Final = "2"
"""检测结论 code of a failed inspection; the list is in `registry.codes`."""
_INSPECTION, _REVIEW, _PERMIT = "vehicle_inspection", "vehicle_annual_review", "vehicle_transport_permit"
_WINDOW_D: Final = 365


def _expression(known: Known) -> ir.Table:
    key = [VEHICLE.id_column, "cutoff"]
    vehicles = fleet(known).select(*key, "next_second_maint_date", "second_maint_date")
    joined = vehicles.left_join(_last_inspection(known), key, rname="i_{name}")
    joined = joined.left_join(_failures(known), key, rname="f_{name}").left_join(_reviews(known), key, rname="r_{name}")
    distance = totals(known).select(*key, "distance_km_90d")
    joined = joined.left_join(distance, key, rname="d_{name}")
    since_maintenance_d = days_between(joined.second_maint_date, joined.cutoff)
    return joined.select(
        *key,
        inspection_age_d=days_between(joined.event_time, joined.cutoff),
        inspection_due_in_d=days_between(joined.cutoff, joined.next_due),
        inspection_failed_last=(joined.result == FAILED).cast("float64"),
        n_fail_items_last=joined.n_fail_items.cast("float64"),
        inspection_failed_per_year=joined.n_failed.fill_null(0.0) / known.observed_years(joined.cutoff, days=_WINDOW_D),
        brake_total_pct=joined.brake_total_pct,
        brake_imbalance_pct=joined.brake_imbalance_pct,
        tread_mm=joined.tread_mm,
        odometer_km=joined.odometer_km,
        review_late_d=joined.late_d,
        maintenance_overdue_d=days_between(joined.next_second_maint_date, joined.cutoff),
        maintenance_age_d=since_maintenance_d,
        # 90 days of driving scaled to the time since maintenance stand in for the unknown odometer then.
        km_since_maintenance=joined.distance_km_90d / 90.0 * since_maintenance_d,
    )


def _last_inspection(known: Known) -> ir.Table:
    columns = [
        "next_due", "result", "n_fail_items", "brake_total_pct", "brake_imbalance_pct", "tread_mm", "odometer_km",
    ]
    return known.state(_INSPECTION, VEHICLE.id_column, columns)


def _failures(known: Known) -> ir.Table:
    rows = known.at_cutoffs(_INSPECTION, [VEHICLE.id_column, "result"], days=_WINDOW_D)
    return rows.group_by([VEHICLE.id_column, "cutoff"]).aggregate(
        n_failed=(rows.result == FAILED).sum().cast("float64")
    )


def _reviews(known: Known) -> ir.Table:
    last = known.state(_REVIEW, VEHICLE.id_column, ["review_date", "due_date"])
    return last.select(VEHICLE.id_column, "cutoff", late_d=days_between(last.due_date, last.review_date))


_WORSE: Final = "worse measured condition never lowers the assessed risk"


def _feature(
    name: str, zh: str, en: str, unit: str, code: str, resource: str, *, group: str = "condition", monotone: bool = False,
    actionable: bool = False, window_d: int | None = None,
) -> Feature:
    return Feature(
        name=name, entity="vehicle", zh=zh, en=en, group=group, unit=unit, resources=(resource,), window_d=window_d,
        reason_code=code, actionable=actionable, monotone=1 if monotone else 0,
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
        _feature("inspection_failed_per_year", "近一年检测不合格次数", "failed inspections per year", "1/year", "R05",
                 _INSPECTION, monotone=True, window_d=_WINDOW_D),
        _feature("brake_total_pct", "整车制动率", "total brake ratio", "%", "R05", _INSPECTION, actionable=True),
        _feature("brake_imbalance_pct", "制动不平衡率", "brake imbalance", "%", "R05", _INSPECTION, actionable=True),
        _feature("tread_mm", "轮胎花纹深度", "tyre tread", "mm", "R05", _INSPECTION, actionable=True),
        _feature("odometer_km", "检测时里程", "odometer at inspection", "km", "R13", _INSPECTION),
        _feature("review_late_d", "年审逾期天数", "days the annual review was late", "d", "R07", _REVIEW, group="compliance",
                 actionable=True),
        _feature("maintenance_overdue_d", "二级维护逾期天数", "days second-level maintenance is overdue", "d", "R06", _PERMIT,
                 group="compliance", actionable=True),
        _feature("maintenance_age_d", "距二级维护天数", "days since second-level maintenance", "d", "R06", _PERMIT,
                 actionable=True),
        _feature("km_since_maintenance", "距二级维护里程（估）", "estimated distance since maintenance", "km", "R06",
                 "vehicle_day", actionable=True),
    ),
)
