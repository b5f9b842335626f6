"""The magnitudes that the simulated province is held against, each declared once: what, how large, whence, how measured.

A measure is one SQL query over the tables of `experiments.calibration_tables`; it gives one row of a value and the number of
events or units that the value rests on.
"""

# ruff: noqa: S608  the queries are put together from constants of this module

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from features.simulation.assumptions import VEHICLE_CLASSES, Assumptions

Tag = Literal["F1", "F2", "D", "A", "G"]
SECTIONS: Final = ("anchors", "fleet", "exposure", "enforcement", "condition", "claims", "structure")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One magnitude.

    Parameters
    ----------
    id, what, unit
        Name, words and unit.
    section
        One of `SECTIONS`: a panel of the picture.
    low, high
        The magnitude as a range; equal for a point.
    tag
        How well it is sourced: F1 and F2 found, D derived by arithmetic, A assumed, G general knowledge.
    source
        Where it is from.
    sql
        Query for ``value, n``.
    tolerance
        Share by which a simulated value may lie outside and still agree.
    context
        True where the magnitude describes another population (another country, cars): shown and not judged.
    """

    id: str
    what: str
    unit: str
    section: str
    low: float
    high: float
    tag: Tag
    source: str
    sql: str
    tolerance: float = 0.2
    context: bool = False


def _point(row_id: str, what: str, unit: str, section: str, value: float, tag: Tag, source: str, sql: str,
           *, tolerance: float = 0.2, context: bool = False) -> Row:
    return Row(id=row_id, what=what, unit=unit, section=section, low=value, high=value, tag=tag, source=source, sql=sql,
               tolerance=tolerance, context=context)


def _band(row_id: str, what: str, unit: str, section: str, low: float, high: float, tag: Tag, source: str, sql: str,
          *, context: bool = False) -> Row:
    return Row(id=row_id, what=what, unit=unit, section=section, low=low, high=high, tag=tag, source=source, sql=sql,
               context=context)


_SURVEY: Final = "national freight survey 2019, chinarta.com"
_OURS: Final = "assumption of this project"
_ASSUMED: Final = Assumptions()
_TRUCKS: Final = "v.business = 'freight'"

_ANCHORS: Final = (
    _point("operators_individual", "operators that are individuals", "1", "anchors", 0.889, "D", _SURVEY,
           "select avg(one), count(*) from (select max(is_individual::int) as one from operator_basic_newest group by uscc)",
           tolerance=0.05),
    _point("operators_large", "operators with 50 or more vehicles", "1", "anchors", 0.0063, "D", _SURVEY,
           "select avg((size >= 50)::int), sum((size >= 50)::int) from operator"),
    _point("trucks_in_large_fleets", "trucks held by operators with 50 or more", "1", "anchors", 0.30, "D",
           "3.30 of 10.94 million, from the survey",
           "select avg((size >= 50)::int), count(*) from vehicle v where " + _TRUCKS, tolerance=0.3),
    _point("truck_km", "kilometres per truck-year", "km", "anchors", 69_000, "D", "190 km a day, the survey",
           f"select sum(km) / sum(years), count(*) from vehicle v join per_vehicle using (vin) where {_TRUCKS}"),
    _point("experience_over_6", "drivers with more than 6 years of experience", "1", "anchors", 0.811, "F2",
           "CFLP 2023, reportify.ai",
           "select avg((date_diff('day', first_issue_date, assessed_at) > 6 * 365.25)::int), count(*) from drivers",
           tolerance=0.1),
    *(
        _point(f"age_{low}_{high}", f"drivers of {low} to {high} years", "1", "anchors", share, "F2", "CFLP 2023, reportify.ai",
               f"select avg((age >= {low} and age < {high + 1})::int), count(*) from drivers")
        for low, high, share in ((36, 45, 0.454), (46, 55, 0.332))
    ),
    _point("licence_a2", "freight drivers with licence A2", "1", "anchors", 0.615, "F2", "CFLP 2023, reportify.ai",
           "select avg((drive_class = 'A2')::int), count(*) from drivers where qualification_category = '02001'"),
    _point("licence_b2", "freight drivers with licence B2", "1", "anchors", 0.269, "F2", "CFLP 2023, reportify.ai",
           "select avg((drive_class = 'B2')::int), count(*) from drivers where qualification_category = '02001'"),
    _point("message_interval", "seconds between position messages of a driving vehicle", "s", "anchors", 30, "F2",
           "terminal parameter 0x0029, two firmware sources", "select value, n from message_interval"),
    _point("accidents_per_million_km", "true accidents per million km, unreported ones too", "1/1e6 km", "anchors", 1.0, "D",
           "US large trucks 2016: 1.6 police-reported per million miles",
           "select 1e6 * sum(accident_rate) / sum(km), sum(accident_rate) from months", context=True),
    _point("uk_initial_fail", "true failures at an inspection", "1", "anchors", 0.155, "F2", "UK heavy vehicles 2017/18, DVSA",
           f"select avg(fail_probability), count(*) from months m join vehicle v using (vin) where {_TRUCKS}", context=True),
)

_FLEET: Final = (
    _point("fleet_individual", "vehicles per individual", "1", "fleet", 1.3, "A", _OURS,
           "select avg(size), count(*) from operator where stratum = 0"),
    _point("fleet_small", "vehicles per operator with fewer than 50", "1", "fleet", 10, "A", _OURS,
           "select avg(size), count(*) from operator where stratum = 1"),
    _point("fleet_large", "vehicles per operator with 50 or more", "1", "fleet", 150, "A", _OURS,
           "select avg(size), count(*) from operator where stratum = 2", tolerance=0.4),
    _point("affiliated", "affiliated (挂靠) among company-owned trucks", "1", "fleet", 0.35, "A", _OURS,
           f"select avg(affiliated::int), count(*) from vehicle v where {_TRUCKS} and stratum > 0"),
    *(
        _point(f"share_{kind}", f"share of {kind} among trucks, hazmat among them", "1", "fleet", share, "A", _OURS,
               f"select avg((kind_id = '{kind}')::int), sum((kind_id = '{kind}')::int) from vehicle "
               "where business <> 'passenger'", tolerance=0.25)
        for kind, share in (("tractor", 0.30), ("heavy_rigid", 0.22), ("dump", 0.10), ("box", 0.15), ("container", 0.05),
                            ("cold", 0.04), ("medium", 0.10))
    ),
    _point("fuel_diesel", "diesel", "1", "fleet", 0.93, "A", _OURS,
           "select avg((fuel_type = '2')::int), count(*) from vehicle_basic_newest", tolerance=0.05),
    _point("fuel_electric", "electric", "1", "fleet", 0.03, "A", _OURS,
           "select avg((fuel_type = '5')::int), sum((fuel_type = '5')::int) from vehicle_basic_newest"),
)

_KILOMETRES: Final = {kind.id: kind.annual_km for kind in VEHICLE_CLASSES}
_EXPOSURE: Final = (
    *(
        _point(f"km_{kind}", f"kilometres per {kind} and year", "km", "exposure", km, "A", _OURS,
               "select sum(km) / sum(years), count(*) from vehicle join per_vehicle using (vin) "
               f"where kind_id = '{kind}'")
        for kind, km in _KILOMETRES.items()
    ),
    _point("km_spread", "spread of tractors' yearly kilometres, log scale", "1", "exposure", 0.35, "A", _OURS,
           "select stddev(ln(km / years)), count(*) from vehicle join per_vehicle using (vin) "
           "where kind_id = 'tractor' and years > 0.8 * (select max(years) from vehicle) and km > 0", tolerance=0.25),
    *(
        _point(f"night_{name}", f"share of driving between 22 and 06 h, {name}", "1", "exposure", share, "A", _OURS,
               "select sum(night_h) / sum(drive_h), count(*) from vehicle join per_vehicle using (vin) "
               f"where kind_id in {kinds}")
        for name, share, kinds in (
            ("tractor", 0.30, "('tractor')"), ("dump", 0.15, "('dump')"), ("coach", 0.08, "('coach_line', 'coach_tour')"),
            ("hazmat", 0.12, "('hazmat_tanker')"),
        )
    ),
    _band("alarm_speed", "speeding alarms per 100 km", "1/100 km", "exposure", 0.5, 3.0, "A", _OURS,
          "select 100 * sum(n_speed) / sum(km), sum(n_speed) from per_vehicle"),
    _band("alarm_fatigue", "fatigue alarms per 100 km", "1/100 km", "exposure", 0.05, 0.3, "A", _OURS,
          "select 100 * sum(n_fatigue) / sum(km), sum(n_fatigue) from per_vehicle"),
    _band("alarm_adas", "collision warnings per 100 km of vehicles that have any", "1/100 km", "exposure", 0.24, 0.96,
          "A", "an eighth of 2 to 8 active-safety alarms; the deliveries hold collision warnings only",
          "select 100 * sum(n_collision) / sum(km), sum(n_collision) from per_vehicle where n_collision > 0"),
)

_PER_TRUCK_YEAR: Final = (
    "select count(*) / (select sum(years) from vehicle v where " + _TRUCKS + "), count(*) from found v "
    "where business = 'freight'"
)
_ENFORCEMENT: Final = (
    _point("cases", "transport cases per truck-year", "1/year", "enforcement", 0.23, "A", _OURS, _PER_TRUCK_YEAR),
    *(
        _point(f"cases_{family}", f"cases of {family} per truck-year", "1/year", "enforcement", rate, "A", _OURS,
               f"{_PER_TRUCK_YEAR} and family = '{family}'", tolerance=0.25)
        for family, rate in (("overload", 0.10), ("maintenance", 0.05), ("permit", 0.03), ("modification", 0.01),
                             ("other", 0.04))
    ),
    _point("trucks_without_case", "trucks without a case in a year", "1", "enforcement", 0.82, "A", _OURS,
           "select avg((n = 0)::int), count(*) from cases_per_year", tolerance=0.05),
    _point("case_dispersion", "negative binomial dispersion of cases", "1", "enforcement", 0.8, "A", _OURS,
           "select sum(mu * mu) / sum((n - mu) ** 2 - mu), count(*) from cases_per_year", tolerance=0.35),
    _point("uscc_missing", "individual parties without a credit code", "1", "enforcement", 0.12, "A", _OURS,
           "select avg((party_type = '1')::int), count(*) from parties where stratum = 0", tolerance=0.35),
    _point("wrong_color", "case vehicles with the wrong plate colour", "1", "enforcement",
           _ASSUMED.enforcement.wrong_color_share, "A", _OURS,
           "select avg((plate_color <> '2')::int), sum((plate_color <> '2')::int) from case_vehicle_newest"),
    _point("plate_nobody", "case plates that nobody has", "1", "enforcement", _ASSUMED.enforcement.plate_typo_share, "A", _OURS,
           "select avg((vin is null)::int), sum((vin is null)::int) from case_vehicle_newest c "
           "left join (select distinct plate_no, vin from vehicle) using (plate_no)", tolerance=0.35),
    _point("cases_withdrawn", "cases withdrawn after the decision", "1", "enforcement", _ASSUMED.enforcement.withdrawn_share,
           "A", _OURS, "select avg(gone), sum(gone) from (select max(withdrawn::int) as gone from enforcement_case group by "
           "row_id having max(arrived_at) < (select max(arrived_at) from enforcement_case) - interval 60 day)",
           tolerance=0.35),
)

_CONDITION: Final = (
    _band("true_fail", "true failures at an inspection, trucks", "1", "condition", 0.08, 0.15, "A", _OURS,
          f"select avg(fail_probability), count(*) from months m join vehicle v using (vin) where {_TRUCKS}"),
    _point("fail_slope", "more failures per year of age after the sixth, trucks", "1/year", "condition", 0.015, "A", _OURS,
           "select regr_slope(fail_probability, age_years), count(*) from months m join vehicle v using (vin) "
           f"where {_TRUCKS} and age_years between 6 and 14", tolerance=0.35),
    _point("reported_fail", "failures reported at regular inspections", "1", "condition", 0.06, "A", _OURS,
           "select avg((result = '2')::int), sum((result = '2')::int) from vehicle_inspection_newest "
           "where inspect_type = '1'", tolerance=0.35),
    _point("overdue", "second maintenance more than a tenth late", "1", "condition", 0.12, "A", _OURS,
           "select avg(late::int), count(*) from maintenance m join vehicle v using (vin) where v.stratum > 0",
           tolerance=0.35),
    _point("overdue_individual", "second maintenance more than a tenth late, individuals", "1", "condition", 0.30, "A", _OURS,
           "select avg(late::int), count(*) from maintenance m join vehicle v using (vin) where v.stratum = 0",
           tolerance=0.35),
    _point("breakdowns", "breakdowns per 100,000 km", "1/1e5 km", "condition", 1.2, "A", _OURS,
           "select 1e5 * (select count(*) from roadside_assistance_newest) / sum(km), "
           "(select count(*) from roadside_assistance_newest) from per_vehicle"),
    _point("review_late", "annual reviews after their due day", "1", "condition", 0.09, "A", _OURS,
           "select avg((review_date > due_date)::int), sum((review_date > due_date)::int) "
           "from vehicle_annual_review_newest", tolerance=0.35),
)

_FREQUENCY: Final = (
    ("tractor", 0.45), ("heavy_rigid", 0.35), ("dump", 0.50), ("medium", 0.28), ("hazmat_tanker", 0.25),
    ("coach_line", 0.30), ("coach_tour", 0.22),
)
_CLAIMS: Final = (
    *(
        _point(f"frequency_{kind}", f"motor claims per {kind} and year", "1/year", "claims", rate, "A", _OURS,
               "select sum(n_motor) / sum(years), sum(n_motor) from claims_per_vehicle join vehicle using (vin) "
               f"where kind_id = '{kind}'")
        for kind, rate in _FREQUENCY
    ),
    _point("claim_dispersion", "negative binomial dispersion of motor claims within a class", "1", "claims", 1.2, "A", _OURS,
           "select sum(mu * mu) / sum((n_motor - mu) ** 2 - mu), count(*) from claims_per_vehicle", tolerance=0.35),
    _point("severity_mean", "mean motor claim", "CNY", "claims", 27_800, "D", "mean of the assumed mixture",
           "select avg(paid_amount_cny), count(*) from closed_claim where line = 'motor'", tolerance=0.35),
    _point("severity_median", "median motor claim", "CNY", "claims", 4_000, "D", "median of the assumed mixture",
           "select median(paid_amount_cny), count(*) from closed_claim where line = 'motor' and paid_amount_cny > 0",
           tolerance=0.25),
    _band("large_losses", "motor claims above 500,000 yuan", "1", "claims", 0.010, 0.025, "D", "tail of the assumed mixture",
          "select avg((paid_amount_cny > 500000)::int), sum((paid_amount_cny > 500000)::int) from closed_claim "
          "where line = 'motor'"),
    _band("insurer_alert", "mean motor claim against an insurer's alert levels for trucks", "CNY", "claims", 8_000, 12_000,
          "F2", "a mixed book of lighter trucks, chexian-api",
          "select avg(paid_amount_cny), count(*) from closed_claim where line = 'motor'", context=True),
    _point("national_average_claim", "mean motor claim against the national average of 2020", "CNY", "claims", 7_306, "F2",
           "all vehicles, cars mostly, sxwbw.com.cn",
           "select avg(paid_amount_cny), count(*) from closed_claim where line = 'motor'", context=True),
    _point("loss_ratio", "loss ratio of motor at the base premium with expenses loaded", "1", "claims", 0.65, "A", _OURS,
           "select value, n from loss_ratio", tolerance=0.25),
    *(
        _point(f"frequency_{line}", f"claims per insured vehicle-year, {line}", "1/year", "claims", side.rate, "A",
               f"{_OURS}; no published value", f"select value, n from side_frequency where line = '{line}'", tolerance=0.3)
        for line, side in (("cargo", _ASSUMED.insurance.cargo), ("carrier_liability", _ASSUMED.insurance.carrier_liability))
    ),
    *(
        _band(f"severity_{line}", f"mean claim, {line}", "CNY", "claims", low, high, "A", f"{_OURS}; no published value",
              f"select avg(paid_amount_cny), count(*) from closed_claim where line = '{line}'")
        for line, low, high in (("cargo", 10_000, 20_000), ("carrier_liability", 25_000, 50_000))
    ),
)

_STRUCTURE: Final = (
    _point("campaign", "cases found in campaign months over the others", "1", "structure",
           _ASSUMED.enforcement.campaign_factor, "A", _OURS,
           "select (sum(n) filter (campaign) / count(*) filter (campaign)) / (sum(n) filter (not campaign) / "
           "count(*) filter (not campaign)), sum(n) from cases_by_month"),
    _point("city_spread", "spread of inspection intensity between cities, log scale", "1", "structure",
           _ASSUMED.enforcement.city_sigma, "A", _OURS, "select stddev(ln(intensity)), count(*) from city", tolerance=0.5),
    _band("near_station", "over-limit cases of the fifth nearest to weigh stations over the rest, per km", "1", "structure",
          1.2, 4.0, "A", "a firm near a weigh station gets more cases",
          "select value, n from station_effect"),
    _point("firmware_step", "fatigue alarms per km, half a year after the firmware step over half a year before", "1",
           "structure", 1.0 + _ASSUMED.activity.firmware_share * (_ASSUMED.activity.firmware_factor - 1.0), "A", _OURS,
           "select value, n from firmware_effect"),
    _point("missing_day", "vehicle-days delivered for the missing day", "1", "structure", 0.0, "A", _OURS,
           "select count(*), 1000 from vehicle_day, planted where day = planted.missing_day"),
    _point("rule_change", "maintenance cases per truck-day after the change of the freight rules over before", "1",
           "structure", 1.5, "A", "day [F2] 2026-03-20, effect assumed; campaign months left out",
           "select value, n from rule_effect", tolerance=0.35),
    _band("within_km_quintile", "true accident rate of the careless fifth over the careful fifth at like kilometres", "1",
          "structure", 1.5, 6.0, "A", "the score must not become a mileage proxy", "select value, n from culture_effect"),
    _band("correction_days", "calendar days from contest to correction of the wrong case", "d", "structure", 1, 14, "F1",
          "10 working days, the founding plan",
          "select date_diff('day', requested, until), 1000 from event where kind = 'wrong_case'"),
    _band("plates_reused", "plates that passed to another vehicle, share of plates", "1", "structure", 0.0005, 0.02, "A", _OURS,
          "select count(*) / (select count(*) from vehicle), count(*) from event where kind = 'plate_reuse'"),
)

ROWS: Final[tuple[Row, ...]] = (*_ANCHORS, *_FLEET, *_EXPOSURE, *_ENFORCEMENT, *_CONDITION, *_CLAIMS, *_STRUCTURE)
"""All magnitudes in the order of the page."""

NOT_MEASURED: Final = (
    "Lengths of roads, tonnes and tonne-kilometres: freight volume is not simulated.",
    "Hours worked beyond driving, sex and ownership of drivers: surveys of persons, which no resource delivers.",
    "The police's counts of crashes and deaths: the police is no supplier of Annex 1.",
)
"""Magnitudes of the reference that nothing simulated answers to."""
