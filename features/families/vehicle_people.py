"""Who was met at the wheel of a vehicle: drivers that standing cases name, and how these drivers are assessed.

Annex 1 has no roster. The vehicles of a case (resource 21) are the only link from a driver to a vehicle, so these features
speak for the vehicles that were met, and are null for the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.exact import exact_mean
from features.families.base import Family
from features.families.enforcement import is_finding
from features.families.enterprise_history import CERTIFIED, drivers
from features.families.enterprise_standing import WEAK_GRADES
from features.families.vehicle_profile import accidents_per_year, days_between, fleet, local_day
from features.holders import with_vehicle
from registry.entities import VEHICLE
from registry.feature_spec import Feature, Monotone
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

WINDOW_D: Final = 730
OWNER: Final = "1"
"""驾驶员与车辆所有人关系 code of an owner who drives."""
_CASE, _CASE_VEHICLE, _PEOPLE = "enforcement_case", "case_vehicle", "road_practitioner_rating"
_KEY: Final = [VEHICLE.id_column, "cutoff"]


def _expression(known: Known) -> ir.Table:
    met, assessed = _met(known), drivers(known)
    named = met.filter(met.driver_id.notnull()).select(*_KEY, "driver_id", "operator_id").distinct()
    joined = named.left_join(assessed, ["driver_id", "cutoff"], rname="d_{name}")
    by_driver = joined.group_by(_KEY).aggregate(
        n_named=joined.driver_id.nunique().cast("float64"),
        points=joined.score_points.max(),
        weak=joined.grade.isin(WEAK_GRADES).cast("float64").max(),
        experience=(days_between(joined.driving_licence_first_date, joined.cutoff) / DAYS_PER_YEAR).min(),
        accidents=accidents_per_year(joined.accident_count, joined.first_issue_date, joined.cutoff).max(),
        not_valid=((joined.cert_status != CERTIFIED) | (joined.valid_to < local_day(joined.cutoff))).cast("float64").max(),
        elsewhere=(joined.enterprise_id != joined.operator_id).cast("float64").max(),
    )
    owners = met.group_by(_KEY).aggregate(owner_share=exact_mean((met.driver_owner_relation == OWNER).cast("float64")))
    table = fleet(known).select(*_KEY)
    table = table.left_join(by_driver, _KEY, rname="d_{name}").left_join(owners, _KEY, rname="o_{name}")
    return table.select(
        *_KEY,
        named_drivers_730d=table.n_named.fill_null(0.0),
        named_driver_points_max=table.points,
        named_driver_weak=table.weak,
        named_driver_experience_min_year=table.experience,
        named_driver_accident_per_year_max=table.accidents,
        named_driver_not_valid=table.not_valid,
        named_driver_elsewhere=table.elsewhere,
        named_driver_owner_share=table.owner_share,
    )


def _met(known: Known) -> ir.Table:
    """Return the drivers of standing cases with the vehicle that bore the plate of the case then, and its operator now."""
    cases = known.at_cutoffs(_CASE, ["case_id", "not_punish", "state"], days=WINDOW_D)
    standing = cases.filter(is_finding(cases)).select("case_id", "cutoff")
    columns = ["case_id", "plate_id", "driver_id", "driver_owner_relation"]
    met = known.at_cutoffs(_CASE_VEHICLE, columns, days=WINDOW_D).semi_join(standing, ["case_id", "cutoff"])
    operators = fleet(known).select(*_KEY, operator_id="enterprise_id")
    return with_vehicle(known, met).inner_join(operators, _KEY)


def _feature(
    name: str, zh: str, en: str, unit: str = "1", *, code: str = "R08", monotone: Monotone = 0, actionable: bool = True,
    resources: tuple[str, ...] = (_CASE, _CASE_VEHICLE, _PEOPLE), zero: bool = False,
) -> Feature:
    return Feature(
        name=name, entity="vehicle", zh=zh, en=en, group="people", unit=unit, resources=resources, window_d=WINDOW_D,
        null_rule="zero" if zero else "missing", reason_code=code, actionable=actionable, sensitivity="personal",
        monotone=monotone,
        monotone_reason="a worse standing of a driver who was met never lowers the assessed risk" if monotone else "",
    )


_LINK: Final = (_CASE, _CASE_VEHICLE)

FAMILY: Final = Family(
    id="vehicle_people", entity=VEHICLE, resources=(_CASE, _CASE_VEHICLE, _PEOPLE, "vehicle_transport_permit"),
    expression=_expression,
    features=(
        _feature("named_drivers_730d", "近两年案件涉及驾驶员数", "drivers named in two years of cases", code="R12",
                 resources=_LINK, actionable=False, zero=True),
        _feature("named_driver_points_max", "涉案驾驶员最高计分", "highest penalty points of a driver named", "score", monotone=1),
        _feature("named_driver_weak", "涉案驾驶员考核AA以下", "a driver named is graded below AA", monotone=1),
        _feature("named_driver_experience_min_year", "涉案驾驶员最短驾龄", "shortest experience of a driver named", "year",
                 code="R12", actionable=False),
        _feature("named_driver_accident_per_year_max", "涉案驾驶员最高年均事故", "most accidents per year of a driver named",
                 "1/year", code="R20", monotone=1, actionable=False),
        _feature("named_driver_not_valid", "涉案驾驶员从业资格失效", "a driver named has no valid qualification", monotone=1),
        _feature("named_driver_elsewhere", "涉案驾驶员属其他业户", "a driver named belongs to another operator", code="R12"),
        _feature("named_driver_owner_share", "车主自驾占比", "share of cases with the owner at the wheel", code="R12",
                 resources=_LINK, actionable=False),
    ),
)
