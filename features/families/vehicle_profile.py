"""What a vehicle is: technical data and transport permit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.base import Family
from registry.codes import CODE_LISTS
from registry.entities import VEHICLE
from registry.feature_spec import Feature
from registry.units import DAYS_PER_YEAR

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

IN_OPERATION: Final = "10"
"""车辆营运状态 code of a vehicle in operation."""

_PERMIT, _BASIC = "vehicle_transport_permit", "vehicle_basic"


def fleet(known: Known) -> ir.Table:
    """Return the vehicles in operation at each cut-off with their plate, operator and permit."""
    return known.shared("fleet", _fleet)


def _fleet(known: Known) -> ir.Table:
    columns = [
        "plate_id", "enterprise_id", "op_status", "industry_type", "affiliated", "accident_count", "tech_level",
        "first_issue_date", "valid_to", "next_second_maint_date", "second_maint_date", "region_code",
        "second_maint_interval_km", "second_maint_cycle_d", "enforcement_status", "review_status", "reissue_count",
        "overhaul_count", "tank_exam_date", "carrier_liability_valid_to",
    ]
    permits = known.state(_PERMIT, VEHICLE.id_column, columns)
    return permits.filter(permits.op_status == IN_OPERATION).drop("op_status", "event_time")


def technical_data(known: Known) -> ir.Table:
    """Return the technical data of every vehicle at each cut-off."""
    return known.shared("technical_data", _technical_data)


def _technical_data(known: Known) -> ir.Table:
    columns = [
        "vehicle_type", "fuel_type", "registered_date", "scrap_date", "gross_mass_t", "load_t", "engine_kw", "axles", "seats",
    ]
    return known.state(_BASIC, VEHICLE.id_column, columns).drop("event_time")


def days_between(earlier: ir.Value, later: ir.Value) -> ir.FloatingValue:
    """Return days from a date or time to another, as a float."""
    import ibis.expr.datatypes as dt

    seconds = later.cast(dt.timestamp).epoch_seconds() - earlier.cast(dt.timestamp).epoch_seconds()
    days: ir.FloatingValue = seconds.cast("float64") / 86_400.0
    return days


def local_day(cutoff: ir.TimestampValue) -> ir.DateValue:
    """Return the day in Shanghai that an instant belongs to; papers run out by local days."""
    import ibis

    day: ir.DateValue = (cutoff + ibis.interval(hours=8)).date()
    return day


def accidents_per_year(count: ir.Value, since: ir.Value, cutoff: ir.Value) -> ir.FloatingValue:
    """Return a lifetime counter as a rate, because the counter itself only ever grows.

    Less than a year counts as a year, so that one early accident is no extreme rate.
    """
    import ibis

    years = ibis.greatest(days_between(since, cutoff) / DAYS_PER_YEAR, ibis.literal(1.0))
    rate: ir.FloatingValue = count.fill_null(0).cast("float64") / years
    return rate


def _expression(known: Known) -> ir.Table:
    permits = fleet(known)
    both = permits.left_join(technical_data(known), [VEHICLE.id_column, "cutoff"], rname="b_{name}")
    return both.select(
        both[VEHICLE.id_column],
        both.cutoff,
        both.enterprise_id,
        both.plate_id,
        vehicle_age_year=days_between(both.registered_date, both.cutoff) / DAYS_PER_YEAR,
        gross_mass_t=both.gross_mass_t,
        load_t=both.load_t,
        engine_kw=both.engine_kw,
        axles=both.axles.cast("float64"),
        vehicle_type=both.vehicle_type,
        fuel_type=both.fuel_type,
        industry_type=both.industry_type,
        affiliated=both.affiliated.cast("float64"),
        permit_remaining_d=days_between(both.cutoff, both.valid_to),
        accident_per_year=accidents_per_year(both.accident_count, both.first_issue_date, both.cutoff),
    )


_ADVERSE: Final = "a recorded adverse outcome never lowers the assessed risk"

FAMILY: Final = Family(
    id="vehicle_profile", entity=VEHICLE, resources=(_PERMIT, _BASIC), links=("enterprise_id", "plate_id"),
    expression=_expression,
    features=(
        Feature(
            name="vehicle_age_year", entity="vehicle", zh="车龄", en="age of the vehicle", group="condition", unit="year",
            resources=(_BASIC,), reason_code="R13",
        ),
        Feature(
            name="gross_mass_t", entity="vehicle", zh="总质量", en="gross mass", group="condition", unit="t",
            resources=(_BASIC,), reason_code="R17",
        ),
        Feature(
            name="load_t", entity="vehicle", zh="核定载质量", en="rated load", group="condition", unit="t",
            resources=(_BASIC,), reason_code="R17",
        ),
        Feature(
            name="engine_kw", entity="vehicle", zh="发动机功率", en="engine power", group="condition", unit="kW",
            resources=(_BASIC,), reason_code="R17",
        ),
        Feature(
            name="axles", entity="vehicle", zh="车轴数", en="axles", group="condition", resources=(_BASIC,), reason_code="R17",
        ),
        Feature(
            name="vehicle_type", entity="vehicle", zh="车辆类型", en="type of vehicle", group="condition", dtype="category",
            resources=(_BASIC,), reason_code="R17", vocabulary=tuple(CODE_LISTS["vehicle_type"].codes),
        ),
        Feature(
            name="fuel_type", entity="vehicle", zh="燃料类型", en="fuel", group="condition", dtype="category",
            resources=(_BASIC,), reason_code="R17", vocabulary=tuple(CODE_LISTS["fuel_type"].codes),
        ),
        Feature(
            name="industry_type", entity="vehicle", zh="行业类别", en="kind of transport", group="exposure",
            dtype="category", resources=(_PERMIT,), reason_code="R17",
            vocabulary=tuple(CODE_LISTS["industry_type"].codes),
        ),
        Feature(
            name="affiliated", entity="vehicle", zh="挂靠经营", en="owner-driver under the operator's licence",
            group="enterprise", resources=(_PERMIT,), reason_code="R12",
        ),
        Feature(
            name="permit_remaining_d", entity="vehicle", zh="道路运输证剩余有效期", en="days left on the transport permit",
            group="compliance", unit="d", resources=(_PERMIT,), reason_code="R07",
        ),
        Feature(
            name="accident_per_year", entity="vehicle", zh="年均登记事故", en="accidents on record per year",
            group="enforcement", unit="1/year", resources=(_PERMIT,), null_rule="zero", monotone=1,
            monotone_reason=_ADVERSE, reason_code="R20",
        ),
    ),
)
