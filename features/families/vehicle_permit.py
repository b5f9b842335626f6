"""How a vehicle stands with its papers: transport permit, changes of hands, dates that run out, age to retirement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.base import Family
from features.families.vehicle_profile import days_between, fleet, technical_data
from features.known import window_column
from registry.entities import VEHICLE
from registry.feature_spec import Feature, Monotone
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

OPEN_CASE: Final = "1"
"""稽查处理状态 code of a case that is not settled."""
REVIEW_FAILED: Final = "2"
"""年审状态 code of a failed review."""
SUSPENDED: Final = ("21", "22", "34")
"""车辆营运状态 codes of a vehicle that is out of service for a time."""
TWO_YEARS_D: Final = 730
_PERMIT, _BASIC = "vehicle_transport_permit", "vehicle_basic"
_KEY: Final = [VEHICLE.id_column, "cutoff"]


def _expression(known: Known) -> ir.Table:
    import ibis

    vehicles, data = fleet(known), technical_data(known).select(*_KEY, "scrap_date")
    joined = vehicles.left_join(data, _KEY, rname="t_{name}").left_join(_changes(known), _KEY, rname="c_{name}")
    years = ibis.greatest(days_between(joined.first_issue_date, joined.cutoff) / DAYS_PER_YEAR, ibis.literal(1.0))
    return joined.select(
        *_KEY,
        permit_open_case=(joined.enforcement_status == OPEN_CASE).cast("float64"),
        permit_review_failed=(joined.review_status == REVIEW_FAILED).cast("float64"),
        permit_reissue_per_year=joined.reissue_count.cast("float64") / years,
        permit_operator_changes_730d=joined.n_operators.fill_null(1.0) - 1.0,
        permit_plate_changes_730d=joined.n_plates.fill_null(1.0) - 1.0,
        permit_suspensions_730d=joined.n_suspended.fill_null(0.0),
        overhaul_count=joined.overhaul_count.cast("float64"),
        tank_exam_age_d=days_between(joined.tank_exam_date, joined.cutoff),
        carrier_liability_remaining_d=days_between(joined.cutoff, joined.carrier_liability_valid_to),
        retirement_remaining_year=days_between(joined.cutoff, joined.scrap_date) / DAYS_PER_YEAR,
    )


def _changes(known: Known) -> ir.Table:
    """Return how many operators and plates a vehicle had, and how often it was suspended, within two years.

    Only vehicles with any such row are written out cut-off by cut-off; for all others the answer is known without.
    """
    permits = known.versions(_PERMIT)
    told = permits.group_by(VEHICLE.id_column).aggregate(
        n_operators=permits.enterprise_id.nunique(), n_plates=permits.plate_id.nunique(),
        n_suspended=permits.op_status.isin(SUSPENDED).cast("int64").sum(),
    )
    some = told.filter((told.n_operators > 1) | (told.n_plates > 1) | (told.n_suspended > 0)).select(VEHICLE.id_column)
    columns = [VEHICLE.id_column, "enterprise_id", "plate_id", "op_status"]
    until = window_column(TWO_YEARS_D)
    spans = known.spans(_PERMIT, columns, windows_d=(TWO_YEARS_D,)).semi_join(some, VEHICLE.id_column)
    rows = known.unfold(spans, until=until)
    return rows.group_by(_KEY).aggregate(
        n_operators=rows.enterprise_id.nunique().cast("float64"), n_plates=rows.plate_id.nunique().cast("float64"),
        n_suspended=rows.op_status.isin(SUSPENDED).cast("int64").sum().cast("float64"),
    )


_OPEN: Final = "an unsettled case or a failed review never lowers the assessed risk"


def _feature(
    name: str, zh: str, en: str, unit: str, code: str, *, group: str = "compliance", resource: str = _PERMIT,
    window_d: int | None = None, monotone: Monotone = 0, reason: str = "", actionable: bool = False, zero: bool = False,
) -> Feature:
    return Feature(
        name=name, entity="vehicle", zh=zh, en=en, group=group, unit=unit, resources=(resource,), window_d=window_d,
        null_rule="zero" if zero else "missing", monotone=monotone, monotone_reason=reason, reason_code=code,
        actionable=actionable,
    )


FAMILY: Final = Family(
    id="vehicle_permit", entity=VEHICLE, resources=(_PERMIT, _BASIC), expression=_expression,
    features=(
        _feature("permit_open_case", "有未处理案件", "a case is not settled", "1", "R28", monotone=1, reason=_OPEN,
                 actionable=True),
        _feature("permit_review_failed", "年度审验不合格", "last review failed", "1", "R07", monotone=1, reason=_OPEN,
                 actionable=True),
        _feature("permit_reissue_per_year", "年均补换证次数", "reissues of the permit per year", "1/year", "R28"),
        _feature("permit_operator_changes_730d", "近两年变更业户次数", "changes of operator in two years", "1", "R12",
                 group="enterprise", window_d=TWO_YEARS_D, zero=True),
        _feature("permit_plate_changes_730d", "近两年变更号牌次数", "changes of plate in two years", "1", "R28",
                 window_d=TWO_YEARS_D, zero=True),
        _feature("permit_suspensions_730d", "近两年停运登记次数", "suspensions on record in two years", "1", "R28",
                 window_d=TWO_YEARS_D, zero=True),
        _feature("overhaul_count", "大修次数", "overhauls", "1", "R13", group="condition"),
        _feature("tank_exam_age_d", "距罐体检测天数", "days since the tank was examined", "d", "R05", group="condition",
                 actionable=True),
        _feature("carrier_liability_remaining_d", "承运人责任险剩余天数", "days left of carrier's liability cover", "d", "R28",
                 actionable=True),
        _feature("retirement_remaining_year", "距强制报废年限", "years until compulsory retirement", "year", "R32",
                 group="condition", resource=_BASIC),
    ),
)
