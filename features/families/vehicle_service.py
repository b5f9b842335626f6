"""When a vehicle last broke down and with what, as an insurer's roadside assistance reports it: not part of Annex 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.exact import from_parts
from features.families.base import Family
from features.families.vehicle_profile import days_between, fleet
from features.families.window_sums import window_sums
from registry.entities import VEHICLE
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

RESCUE: Final = "roadside_assistance"
RUNNING_GEAR: Final = ("brake", "tyre")
POWERTRAIN: Final = ("engine", "transmission", "cooling")
YEAR_D: Final = 365
QUARTER_D: Final = 90
_KEY: Final = [VEHICLE.id_column, "cutoff"]


def _expression(known: Known) -> ir.Table:
    import ibis

    spans = known.spans(RESCUE, [VEHICLE.id_column, "component"], windows_d=(YEAR_D, QUARTER_D))
    one = spans.mutate(one=ibis.literal(1, "int64"))
    counted = window_sums(known, one, VEHICLE.id_column, {
        YEAR_D: {
            "n": one.one, "n_running_gear": one.component.isin(RUNNING_GEAR), "n_powertrain": one.component.isin(POWERTRAIN),
        },
        QUARTER_D: {"n": one.one},
    })
    last = known.state(RESCUE, VEHICLE.id_column, ["component"]).select(*_KEY, last_time="event_time")
    vehicles = fleet(known).select(*_KEY)
    joined = vehicles.left_join(counted, _KEY, rname="c_{name}").left_join(last, _KEY, rname="l_{name}")
    years = known.observed_years(joined.cutoff, days=YEAR_D)
    return joined.select(
        *_KEY,
        breakdown_per_year=from_parts(joined.n_365d).fill_null(0.0) / years,
        running_gear_breakdown_per_year=from_parts(joined.n_running_gear_365d).fill_null(0.0) / years,
        powertrain_breakdown_per_year=from_parts(joined.n_powertrain_365d).fill_null(0.0) / years,
        n_breakdown_90d=from_parts(joined.n_90d).fill_null(0.0),
        last_breakdown_age_d=days_between(joined.last_time, joined.cutoff),
    )


_MORE: Final = "more breakdowns on record never lower the assessed risk"


def _count(name: str, zh: str, en: str, unit: str, days: int) -> Feature:
    return Feature(
        name=name, entity="vehicle", zh=zh, en=en, group="condition", unit=unit, resources=(RESCUE,), window_d=days,
        null_rule="zero", monotone=1, monotone_reason=_MORE, reason_code="R30", actionable=True,
    )


FAMILY: Final = Family(
    id="vehicle_service", entity=VEHICLE, resources=(RESCUE, "vehicle_transport_permit"), expression=_expression,
    features=(
        _count("breakdown_per_year", "近一年故障救援次数", "breakdowns per year", "1/year", YEAR_D),
        _count("running_gear_breakdown_per_year", "近一年制动轮胎故障次数", "breakdowns of brakes and tyres per year", "1/year",
               YEAR_D),
        _count("powertrain_breakdown_per_year", "近一年动力系统故障次数", "breakdowns of engine, cooling and transmission per year",
               "1/year", YEAR_D),
        _count("n_breakdown_90d", "近90日故障救援次数", "breakdowns in 90 days", "1", QUARTER_D),
        Feature(
            name="last_breakdown_age_d", entity="vehicle", zh="距最近故障天数", en="days since the last breakdown",
            group="condition", unit="d", resources=(RESCUE,), reason_code="R30",
        ),
    ),
)
