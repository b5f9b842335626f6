"""How an operator changes: drivers who come and go, how assessments moved, which adverse entries are in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.exact import exact_mean, from_parts
from features.families.base import Family
from features.families.enterprise_standing import BLACK, WEAK_GRADES, entries_in_force
from features.families.vehicle_profile import days_between, fleet, local_day
from features.families.window_sums import window_sums
from features.known import window_column
from registry.entities import ENTERPRISE
from registry.feature_spec import Feature, Monotone
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

CERTIFIED, WORKING, OPEN_CASE = "1", "1", "1"
"""证件状态 valid, 从业状态 working, 稽查处理状态 open."""
GRAVE_REASONS: Final = ("B1", "B2", "B6")
"""列入事由 of a fatal liable accident, business with a revoked licence, dangerous goods without a licence."""
BEGINNER_YEARS: Final = 3.0
"""Driving experience below which a driver counts as a beginner. [A]"""
EXPIRING_D: Final = 90
TWO_YEARS_D: Final = 730
THREE_YEARS_D: Final = 1_095
_PEOPLE, _RATING, _CREDIT, _PERMIT = (
    "road_practitioner_rating", "road_enterprise_rating", "credit_list", "vehicle_transport_permit",
)
_KEY: Final = [ENTERPRISE.id_column, "cutoff"]


def drivers(known: Known) -> ir.Table:
    """Return the latest known assessment of every driver at each cut-off."""
    return known.shared("drivers", _drivers)


def _drivers(known: Known) -> ir.Table:
    columns = [
        ENTERPRISE.id_column, "grade", "score_points", "accident_count", "first_issue_date", "driving_licence_first_date",
        "valid_to", "cert_status", "practice_status", "enforcement_status", "continuing_education_done",
    ]
    return known.state(_PEOPLE, "driver_id", columns).drop("event_time")


def _expression(known: Known) -> ir.Table:
    table = fleet(known).select(*_KEY).distinct()
    for part in (_people(known), _turnover(known), _ratings(known), _entries(known)):
        table = table.left_join(part, _KEY, rname="r_{name}").drop("r_enterprise_id", "r_cutoff")
    moved = table.n_joined.fill_null(0.0) + table.n_left.fill_null(0.0)
    return table.select(
        *_KEY,
        *_PEOPLE_SHARES,
        driver_turnover_730d=moved / table.n_drivers,
        driver_points_trend=table.points_recent - table.points_before,
        rating_management_score=table.score_management,
        rating_operation_score=table.score_operation,
        rating_change=table.rating_change,
        n_weak_ratings_1095d=table.n_weak_ratings,
        n_veto_1095d=table.n_veto,
        black_list_days=table.black_list_days.fill_null(0.0),
        n_grave_black_list=table.n_grave.fill_null(0.0),
    )


_PEOPLE_SHARES: Final = (
    "driver_not_valid_share", "driver_expiring_share_90d", "driver_open_case_share", "driver_left_work_share",
    "driver_untrained_share", "driver_beginner_share",
)


def _people(known: Known) -> ir.Table:
    import ibis

    rows = drivers(known)
    rows = rows.filter(rows.enterprise_id.notnull())
    day = local_day(rows.cutoff)
    expired = rows.valid_to < day
    soon = ~expired & (rows.valid_to < local_day(rows.cutoff + ibis.interval(days=EXPIRING_D)))
    experience = days_between(rows.driving_licence_first_date, rows.cutoff) / DAYS_PER_YEAR
    shares = {
        "driver_not_valid_share": expired | (rows.cert_status != CERTIFIED), "driver_expiring_share_90d": soon,
        "driver_open_case_share": rows.enforcement_status == OPEN_CASE,
        "driver_left_work_share": rows.practice_status != WORKING,
        "driver_untrained_share": ~rows.continuing_education_done, "driver_beginner_share": experience < BEGINNER_YEARS,
    }
    counted = rows.group_by(_KEY).aggregate(
        n_drivers=rows.count().cast("float64"),
        **{name: exact_mean(share.cast("float64")) for name, share in shares.items()},
    )
    return counted.left_join(_points(known), _KEY, rname="p_{name}").drop("p_enterprise_id", "p_cutoff")


def _points(known: Known) -> ir.Table:
    """Return the mean points of the assessments of the last year, and of those of the year before."""
    spans = known.spans(_PEOPLE, [ENTERPRISE.id_column, "score_points"], windows_d=(TWO_YEARS_D, 365))
    points = spans.score_points
    parts = window_sums(known, spans, ENTERPRISE.id_column, {TWO_YEARS_D: {"points": points}, 365: {"points": points}})
    before = parts.n_rows_730d - parts.n_rows_365d
    return parts.select(
        *_KEY,
        points_recent=from_parts(parts.points_365d) / parts.n_rows_365d.cast("float64").nullif(0.0),
        points_before=from_parts(parts.points_730d - parts.points_365d) / before.cast("float64").nullif(0.0),
    )


def _turnover(known: Known) -> ir.Table:
    """Return how many drivers came and went within two years; only drivers with more than one operator are written out."""
    told = known.versions(_PEOPLE)
    some = told.group_by("driver_id").aggregate(n=told.enterprise_id.nunique())
    movers = some.filter(some.n > 1).select("driver_id")
    spans = known.spans(_PEOPLE, ["driver_id", ENTERPRISE.id_column], windows_d=(TWO_YEARS_D,))
    rows = known.unfold(spans.semi_join(movers, "driver_id"), until=window_column(TWO_YEARS_D))
    belonged = rows.filter(rows.enterprise_id.notnull()).select("driver_id", *_KEY).distinct()
    now = drivers(known).select("driver_id", "cutoff", now_id=ENTERPRISE.id_column)
    pairs = belonged.inner_join(now, ["driver_id", "cutoff"]).filter(lambda pair: pair.enterprise_id != pair.now_id)
    left = pairs.group_by(_KEY).aggregate(n_left=pairs.driver_id.nunique().cast("float64"))
    joined = pairs.group_by(enterprise_id=pairs.now_id, cutoff=pairs.cutoff).aggregate(
        n_joined=pairs.driver_id.nunique().cast("float64")
    )
    operators = fleet(known).select(*_KEY).distinct()
    both = operators.left_join(left, _KEY, rname="l_{name}").drop("l_enterprise_id", "l_cutoff")
    return both.left_join(joined, _KEY, rname="j_{name}").drop("j_enterprise_id", "j_cutoff")


def _ratings(known: Known) -> ir.Table:
    """Return the latest rating's parts, and how it stands against the earlier ones of three years."""
    last = known.state(_RATING, ENTERPRISE.id_column, ["total_score", "score_management", "score_operation"])
    spans = known.spans(_RATING, [ENTERPRISE.id_column, "total_score", "grade", "veto_flag"], windows_d=(THREE_YEARS_D,))
    parts = window_sums(known, spans, ENTERPRISE.id_column, {THREE_YEARS_D: {
        "total": spans.total_score, "weak": spans.grade.isin(WEAK_GRADES), "veto": spans.veto_flag,
    }})
    joined = last.left_join(parts, _KEY, rname="p_{name}")
    earlier = (joined.n_rows_1095d - 1).cast("float64").nullif(0.0)
    return joined.select(
        *_KEY, "score_management", "score_operation",
        rating_change=joined.total_score - (from_parts(joined.total_1095d) - joined.total_score) / earlier,
        n_weak_ratings=from_parts(joined.weak_1095d), n_veto=from_parts(joined.veto_1095d),
    )


def _entries(known: Known) -> ir.Table:
    """Return black-list entries in force: an expired, repaired or withdrawn one may not be used any more."""
    rows = entries_in_force(known, ["reason", "listed_at"])
    rows = rows.filter(rows.list_type == BLACK)
    return rows.group_by(_KEY).aggregate(
        black_list_days=days_between(rows.listed_at, rows.cutoff).max(),
        n_grave=rows.reason.isin(GRAVE_REASONS).cast("int64").sum().cast("float64"),
    )


def _people_feature(
    name: str, zh: str, en: str, *, unit: str = "1", window_d: int | None = None, code: str = "R08", monotone: Monotone = 0
) -> Feature:
    return Feature(
        name=name, entity="enterprise", zh=zh, en=en, group="people", unit=unit, resources=(_PEOPLE,), window_d=window_d,
        reason_code=code, actionable=True, monotone=monotone,
        monotone_reason="more drivers whose papers or conduct are not in order never lower the assessed risk" if monotone else "",
    )


def _standing_feature(
    name: str, zh: str, en: str, reason: str, *, resource: str = _RATING, unit: str = "1", window_d: int | None = None,
    monotone: Monotone = 0, zero: bool = False,
) -> Feature:
    return Feature(
        name=name, entity="enterprise", zh=zh, en=en, group="credit", unit=unit, resources=(resource,), window_d=window_d,
        null_rule="zero" if zero else "missing", reason_code="R09" if resource == _CREDIT else "R18", actionable=True,
        monotone=monotone, monotone_reason=reason,
    )


_BETTER: Final = "a better assessment never raises the assessed risk"
_ADVERSE: Final = "an adverse finding that stands never lowers the assessed risk"

FAMILY: Final = Family(
    id="enterprise_history", entity=ENTERPRISE, resources=(_PEOPLE, _RATING, _CREDIT, _PERMIT), expression=_expression,
    features=(
        _people_feature("driver_turnover_730d", "近两年驾驶员流动率", "drivers who came or went in two years, per driver",
                        window_d=TWO_YEARS_D, code="R12"),
        _people_feature("driver_not_valid_share", "从业资格失效驾驶员占比", "share of drivers without a valid qualification",
                        monotone=1),
        _people_feature("driver_expiring_share_90d", "从业资格90日内到期占比", "share of qualifications that expire in 90 days"),
        _people_feature("driver_open_case_share", "有未处理案件驾驶员占比", "share of drivers with open cases", monotone=1),
        _people_feature("driver_left_work_share", "离岗驾驶员占比", "share of drivers who do not work", code="R12"),
        _people_feature("driver_untrained_share", "未完成继续教育占比", "share of drivers without continuing education",
                        monotone=1),
        _people_feature("driver_beginner_share", "驾龄不足3年占比", "share of drivers with less than 3 years of experience",
                        code="R12"),
        _people_feature("driver_points_trend", "驾驶员计分变化", "mean points of this year's assessments less last year's",
                        unit="score", window_d=TWO_YEARS_D),
        _standing_feature("rating_management_score", "基础管理得分", "management part of the assessment", _BETTER, unit="score",
                          monotone=-1),
        _standing_feature("rating_operation_score", "经营行为得分", "conduct part of the assessment", _BETTER, unit="score",
                          monotone=-1),
        _standing_feature("rating_change", "考核总分变化", "latest total less the mean of earlier ones", "", unit="score",
                          window_d=THREE_YEARS_D),
        _standing_feature("n_weak_ratings_1095d", "近三年AA以下考核次数", "ratings below AA in three years", _ADVERSE,
                          window_d=THREE_YEARS_D, monotone=1),
        _standing_feature("n_veto_1095d", "近三年否决次数", "vetoes in three years", _ADVERSE, window_d=THREE_YEARS_D, monotone=1),
        _standing_feature("black_list_days", "在黑名单天数", "days on the black list", "", resource=_CREDIT, unit="d", zero=True),
        _standing_feature("n_grave_black_list", "严重失信条目数", "grave black-list entries in force", _ADVERSE, resource=_CREDIT,
                          monotone=1, zero=True),
    ),
)
