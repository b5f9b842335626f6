"""How an operator stands with its licence, and what it is permitted beyond: passenger lines, oversize transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.exact import exact_mean, exact_sum, from_parts
from features.families.base import Family
from features.families.vehicle_profile import days_between, fleet, local_day
from features.families.window_sums import window_sums
from registry.entities import ENTERPRISE
from registry.feature_spec import Feature, Monotone
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

OPEN, VALID, OPEN_CASE, FAILED = "1", "1", "1", "2"
"""业户状态 open for business, 证件状态 valid, 稽查处理状态 not settled, 审验状态 failed."""
REFUSED: Final = "4"
"""申请办理状态 code of a refusal."""
BETWEEN_PROVINCES: Final = ("4", "5")
"""经营区域 codes of lines that leave the province."""
EXPIRING_D: Final = 90
YEAR_D: Final = 365
_OPERATOR, _LICENCE, _OVERSIZE, _ROUTE, _PERMIT = (
    "operator_basic", "operator_licence", "oversize_permit_application", "passenger_route", "vehicle_transport_permit",
)
_KEY: Final = [ENTERPRISE.id_column, "cutoff"]


def _expression(known: Known) -> ir.Table:
    vehicles = fleet(known)
    table = vehicles.group_by(_KEY).aggregate(fleet_size=vehicles.count().cast("float64"))
    for part in (_operators(known), _licences(known), _routes(known), _oversize(known)):
        table = table.left_join(part, _KEY, rname="r_{name}").drop("r_enterprise_id", "r_cutoff")
    years = known.observed_years(table.cutoff, days=YEAR_D)
    return table.select(
        *_KEY, "operator_not_open", "operator_locked", "licence_remaining_d", "licence_not_valid", "licence_open_case",
        "licence_exam_age_d", "licence_exam_failed", "licence_reissue_per_year", "licence_tenure_year",
        n_routes=table.n_routes.fill_null(0.0),
        route_length_mean_km=table.length_km,
        route_expressway_share=table.expressway_km / table.total_km.nullif(0.0),
        route_trips_per_day_per_vehicle=table.trips / table.fleet_size,
        route_between_provinces_share=table.between,
        route_expiring_share_90d=table.expiring,
        oversize_application_per_vehicle_year=from_parts(table.one_365d).fill_null(0.0) / (table.fleet_size * years),
        oversize_refused_share_365d=from_parts(table.refused_365d) / from_parts(table.one_365d).nullif(0.0),
        oversize_total_mass_mean_t_365d=from_parts(table.mass_365d) / from_parts(table.weighed_365d).nullif(0.0),
    )


def _operators(known: Known) -> ir.Table:
    rows = known.state(_OPERATOR, ENTERPRISE.id_column, ["status", "locked"])
    return rows.select(
        *_KEY, operator_not_open=(rows.status != OPEN).cast("float64"), operator_locked=rows.locked.cast("float64")
    )


def _licences(known: Known) -> ir.Table:
    import ibis

    columns = [
        "valid_to", "cert_status", "enforcement_status", "exam_date", "exam_status", "reissue_count", "first_issue_date",
    ]
    rows = known.state(_LICENCE, ENTERPRISE.id_column, columns)
    tenure = days_between(rows.first_issue_date, rows.cutoff) / DAYS_PER_YEAR
    return rows.select(
        *_KEY,
        licence_remaining_d=days_between(rows.cutoff, rows.valid_to),
        licence_not_valid=((rows.cert_status != VALID) | (rows.valid_to < local_day(rows.cutoff))).cast("float64"),
        licence_open_case=(rows.enforcement_status == OPEN_CASE).cast("float64"),
        licence_exam_age_d=days_between(rows.exam_date, rows.cutoff),
        licence_exam_failed=(rows.exam_status == FAILED).cast("float64"),
        licence_reissue_per_year=rows.reissue_count.cast("float64") / ibis.greatest(tenure, ibis.literal(1.0)),
        licence_tenure_year=tenure,
    )


def _routes(known: Known) -> ir.Table:
    """Return the passenger lines in force: decided, and not run out at the cut-off."""
    import ibis

    columns = [ENTERPRISE.id_column, "line_area", "length_km", "expressway_km", "trips_per_day", "valid_to"]
    rows = known.state(_ROUTE, "row_id", columns)
    rows = rows.filter(rows.valid_to.isnull() | (rows.valid_to >= local_day(rows.cutoff)))
    soon = rows.valid_to < local_day(rows.cutoff + ibis.interval(days=EXPIRING_D))
    # Both lengths come from one source; a line without either says nothing about the share.
    both = rows.length_km.notnull() & rows.expressway_km.notnull()
    return rows.group_by(_KEY).aggregate(
        n_routes=rows.count().cast("float64"), length_km=exact_mean(rows.length_km),
        expressway_km=exact_sum(ibis.least(rows.expressway_km, rows.length_km), where=both),
        total_km=exact_sum(rows.length_km, where=both), trips=rows.trips_per_day.sum().cast("float64"),
        between=exact_mean(rows.line_area.isin(BETWEEN_PROVINCES).cast("float64")),
        expiring=exact_mean(soon.cast("float64")),
    )


def _oversize(known: Known) -> ir.Table:
    import ibis

    spans = known.spans(_OVERSIZE, [ENTERPRISE.id_column, "status", "total_mass_t"], windows_d=(YEAR_D,))
    rows = spans.mutate(one=ibis.literal(1, "int64"))
    return window_sums(known, rows, ENTERPRISE.id_column, {YEAR_D: {
        "one": rows.one, "refused": rows.status == REFUSED, "mass": rows.total_mass_t, "weighed": rows.total_mass_t.notnull(),
    }})


def _feature(
    name: str, zh: str, en: str, unit: str = "1", *, resource: str = _LICENCE, group: str = "compliance", code: str = "R28",
    window_d: int | None = None, monotone: Monotone = 0, actionable: bool = False, zero: bool = False,
) -> Feature:
    return Feature(
        name=name, entity="enterprise", zh=zh, en=en, group=group, unit=unit, resources=(resource,), window_d=window_d,
        null_rule="zero" if zero else "missing", reason_code=code, actionable=actionable, monotone=monotone,
        monotone_reason="papers that are not in order never lower the assessed risk" if monotone else "",
    )


def _extra(
    name: str, zh: str, en: str, unit: str, resource: str, *, window_d: int | None = None, zero: bool = False
) -> Feature:
    return _feature(name, zh, en, unit, resource=resource, group="enterprise", code="R31", window_d=window_d, zero=zero)


FAMILY: Final = Family(
    id="enterprise_licence", entity=ENTERPRISE, resources=(_OPERATOR, _LICENCE, _OVERSIZE, _ROUTE, _PERMIT),
    expression=_expression,
    features=(
        _feature("operator_not_open", "业户非营业状态", "operator is not open for business", resource=_OPERATOR, monotone=1,
                 actionable=True),
        _feature("operator_locked", "业户被锁定", "operator is locked", resource=_OPERATOR, monotone=1, actionable=True),
        _feature("licence_remaining_d", "经营许可证剩余有效期", "days left on the operating licence", "d", actionable=True),
        _feature("licence_not_valid", "经营许可证失效", "operating licence is void or has run out", monotone=1, actionable=True),
        _feature("licence_open_case", "许可证有未处理案件", "the licence has an open case", monotone=1, actionable=True),
        _feature("licence_exam_age_d", "距许可证审验天数", "days since the licence was reviewed", "d", actionable=True),
        _feature("licence_exam_failed", "许可证审验不合格", "last review of the licence failed", monotone=1, actionable=True),
        _feature("licence_reissue_per_year", "许可证年均补换次数", "reissues of the licence per year", "1/year"),
        _feature("licence_tenure_year", "持证年限", "years since the first licence", "year", group="enterprise", code="R15"),
        _extra("n_routes", "有效客运线路数", "passenger lines in force", "1", _ROUTE, zero=True),
        _extra("route_length_mean_km", "客运线路平均里程", "mean length of passenger lines", "km", _ROUTE),
        _extra("route_expressway_share", "客运线路高速占比", "share of expressway on passenger lines", "1", _ROUTE),
        _extra("route_trips_per_day_per_vehicle", "车均日发班次", "daily trips per vehicle", "1", _ROUTE),
        _extra("route_between_provinces_share", "省际及以上线路占比", "share of lines that leave the province", "1", _ROUTE),
        _extra("route_expiring_share_90d", "90日内到期线路占比", "share of lines that run out in 90 days", "1", _ROUTE),
        _extra("oversize_application_per_vehicle_year", "车年均大件运输申请", "oversize applications per vehicle-year",
               "1/vehicle_year", _OVERSIZE, window_d=YEAR_D, zero=True),
        _extra("oversize_refused_share_365d", "大件运输不予许可占比", "share of oversize applications refused", "1", _OVERSIZE,
               window_d=YEAR_D),
        _extra("oversize_total_mass_mean_t_365d", "大件运输平均车货总质量", "mean total mass of oversize transports", "t",
               _OVERSIZE, window_d=YEAR_D),
    ),
)
