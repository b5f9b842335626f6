"""How an operator stands: its drivers' assessments, its own assessment, red and black lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from features.exact import exact_mean
from features.families.base import Family
from features.families.vehicle_profile import accidents_per_year, days_between, fleet
from registry.entities import ENTERPRISE
from registry.feature_spec import Feature, Monotone
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

RED, BLACK = "1", "2"
"""名单类型 codes."""
REVOKED_REASON: Final = "3"
"""移出原因 of an entry that should never have been made (撤销). [A] code."""
WEAK_GRADES: Final = ("A", "B")
"""诚信考核等级 below 合格 (AA)."""
_PEOPLE, _RATING, _CREDIT = "road_practitioner_rating", "road_enterprise_rating", "credit_list"
_KEY: Final = [ENTERPRISE.id_column, "cutoff"]


def _people(known: Known) -> ir.Table:
    columns = [
        ENTERPRISE.id_column, "grade", "score_points", "accident_count", "training_count", "first_issue_date",
        "driving_licence_first_date",
    ]
    drivers = known.state(_PEOPLE, "driver_id", columns)
    rows = drivers.filter(drivers.enterprise_id.notnull())
    summed = rows.group_by(_KEY).aggregate(
        n_drivers=rows.count().cast("float64"),
        driver_points_mean=exact_mean(rows.score_points),
        driver_points_max=rows.score_points.max(),
        weak_driver_share=exact_mean(rows.grade.isin(WEAK_GRADES).cast("float64")),
        driver_accident_per_year=exact_mean(accidents_per_year(rows.accident_count, rows.first_issue_date, rows.cutoff)),
        training_mean=exact_mean(rows.training_count),
        driver_experience_year=exact_mean(days_between(rows.driving_licence_first_date, rows.cutoff) / DAYS_PER_YEAR),
    )
    vehicles = fleet(known)
    size = vehicles.group_by(_KEY).aggregate(fleet_size=vehicles.count().cast("float64"))
    joined = summed.inner_join(size, _KEY)
    return joined.mutate(drivers_per_vehicle=joined.n_drivers / joined.fleet_size).drop("fleet_size")


def _credit(known: Known) -> ir.Table:
    rating = known.state(_RATING, ENTERPRISE.id_column, ["total_score", "score_safety", "veto_flag"])
    vehicles = fleet(known)
    joined = vehicles.select(*_KEY).distinct().left_join(rating, _KEY, rname="r_{name}")
    joined = joined.left_join(_lists(known), _KEY, rname="l_{name}")
    return joined.select(
        *_KEY,
        rating_total_score=joined.total_score,
        rating_safety_score=joined.score_safety,
        rating_veto=joined.veto_flag.cast("float64"),
        rating_age_d=days_between(joined.event_time, joined.cutoff),
        n_black_list=joined.n_black.fill_null(0.0),
        n_red_list=joined.n_red.fill_null(0.0),
    )


def _lists(known: Known) -> ir.Table:
    standing = entries_in_force(known, [])
    return standing.group_by(_KEY).aggregate(
        n_black=(standing.list_type == BLACK).sum().cast("float64"),
        n_red=(standing.list_type == RED).sum().cast("float64"),
    )


def entries_in_force(known: Known, columns: Sequence[str]) -> ir.Table:
    """Return entries of operators in force at each cut-off: listed, and neither expired, removed, repaired nor revoked.

    An entry is in force until the local midnight that begins the day of its end. One that says why it was removed, or by
    which document it was repaired (信用修复), and not when, is over: what is unclear is not held against anybody.
    """
    import ibis

    named = [ENTERPRISE.id_column, "list_type", "expires_at", "removed_at", "removal_reason", "repair_doc_no", *columns]
    entries = known.state(_CREDIT, "entry_no", named)
    day = (entries.cutoff + ibis.interval(hours=8)).date()
    never = ibis.date(9999, 1, 1)
    ended = ibis.least(entries.expires_at.fill_null(never), entries.removed_at.fill_null(never))
    undated = entries.removed_at.isnull() & (entries.removal_reason.notnull() | entries.repair_doc_no.notnull())
    return entries.filter((ended > day) & ~undated & entries.enterprise_id.notnull())


def _person(
    name: str, zh: str, en: str, unit: str = "1", *, code: str = "R08", actionable: bool = True, monotone: Monotone = 0
) -> Feature:
    return Feature(
        name=name, entity="enterprise", zh=zh, en=en, group="people", unit=unit, resources=(_PEOPLE,), reason_code=code,
        actionable=actionable, monotone=monotone,
        monotone_reason="a worse assessment of drivers never lowers the assessed risk" if monotone else "",
    )


PEOPLE_FAMILY: Final = Family(
    id="enterprise_people", entity=ENTERPRISE, resources=(_PEOPLE, "vehicle_transport_permit"), expression=_people,
    features=(
        _person("n_drivers", "驾驶员数", "drivers", code="R12", actionable=False),
        _person("drivers_per_vehicle", "车均驾驶员数", "drivers per vehicle", code="R12"),
        _person("driver_points_mean", "驾驶员平均计分", "mean penalty points of drivers", "score", monotone=1),
        _person("driver_points_max", "驾驶员最高计分", "highest penalty points of a driver", "score", monotone=1),
        _person("weak_driver_share", "考核AA以下驾驶员占比", "share of drivers graded below AA", monotone=1),
        _person("driver_accident_per_year", "驾驶员人均年事故", "accidents per driver and year", "1/year", code="R20",
                actionable=False, monotone=1),
        _person("training_mean", "人均培训次数", "trainings per driver"),
        _person("driver_experience_year", "平均驾龄", "mean driving experience", "year", code="R12", actionable=False),
    ),
)

_BETTER: Final = "a better assessment never raises the assessed risk"

CREDIT_FAMILY: Final = Family(
    id="enterprise_credit", entity=ENTERPRISE, resources=(_RATING, _CREDIT, "vehicle_transport_permit"),
    expression=_credit,
    features=(
        Feature(
            name="rating_total_score", entity="enterprise", zh="质量信誉考核总分", en="total of the quality assessment",
            group="credit", unit="score", resources=(_RATING,), reason_code="R18", actionable=True,
            monotone=-1, monotone_reason=_BETTER,
        ),
        Feature(
            name="rating_safety_score", entity="enterprise", zh="安全生产得分", en="safety part of the assessment",
            group="credit", unit="score", resources=(_RATING,), reason_code="R18", actionable=True,
            monotone=-1, monotone_reason=_BETTER,
        ),
        Feature(
            name="rating_veto", entity="enterprise", zh="否决项", en="veto item in the assessment", group="credit",
            resources=(_RATING,), reason_code="R18", monotone=1, monotone_reason=_BETTER,
        ),
        Feature(
            name="rating_age_d", entity="enterprise", zh="考核结果距今天数", en="days since the assessment", group="credit",
            unit="d", resources=(_RATING,), reason_code="R18",
        ),
        Feature(
            name="n_black_list", entity="enterprise", zh="有效黑名单条数", en="black-list entries in force", group="credit",
            resources=(_CREDIT,), null_rule="zero", monotone=1, reason_code="R09", actionable=True,
            monotone_reason="an adverse entry in force never lowers the assessed risk",
        ),
        Feature(
            name="n_red_list", entity="enterprise", zh="有效红名单条数", en="red-list entries in force", group="credit",
            resources=(_CREDIT,), null_rule="zero", monotone=-1, reason_code="R09",
            monotone_reason="a commendation in force never raises the assessed risk",
        ),
    ),
)
