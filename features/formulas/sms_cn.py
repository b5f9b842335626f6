"""FMCSA's Safety Measurement System, adapted: severity and recency of cases per vehicle-year, ranked among fleets of a size.

The measure of the method as it was before 2025 (24 months, time weights 3, 2, 1, severities 1 to 10, utilisation factor of the
Unsafe Driving and Crash measures): M = sum(time weight * severity) / (power units * utilisation factor), then a percentile
within a group of like exposure. Here violations are enforcement cases (resource 19), power units are vehicle-years observed,
distance comes from vehicle-days, and groups are of fleet size.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import TYPE_CHECKING, Final

from features.exact import exact_mean, exact_sum
from features.families.base import Family
from features.families.enforcement import cases
from features.families.vehicle_activity import totals
from features.families.vehicle_profile import fleet, technical_data
from features.formulas.base import formula_column
from registry.codes import CASE_SEVERITY, SeverityClass
from registry.entities import ENTERPRISE, VEHICLE
from registry.fleet_size import FLEET_SIZE_EDGES

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

WINDOW_D: Final = 730
TIME_WEIGHTS: Final = ((183, 3), (365, 2), (WINDOW_D, 1))
"""(days, weight): up to 6, 12 and 24 months ago."""
SEVERITY_CAP: Final = 30
"""Highest sum of severities of one check."""
KM_PER_MILE: Final = 1.609344
COMBINATION_SHARE: Final = 0.7
"""Share of combination units from which a carrier belongs to the combination segment."""
SIZE_GROUPS: Final = (1, *FLEET_SIZE_EDGES)
"""Smallest fleet of each group. [A]"""
TRACTOR: Final = "Q"
"""First letter of the vehicle types (GA/T 16.4) that pull semi-trailers: our combination units. [A]"""
DISTANCE_D: Final = 90
"""Days of driving that the annual distance is taken from. [A] The published method asks for the annual distance."""
_CASE, _CASE_VEHICLE, _PERMIT, _BASIC, _DAY = (
    "enforcement_case", "case_vehicle", "vehicle_transport_permit", "vehicle_basic", "vehicle_day",
)
_KEY: Final = [ENTERPRISE.id_column, "cutoff"]


@dataclass(frozen=True, kw_only=True)
class Severities:
    """How severe a case is on the published scale of 1 to 10. [A] The full table of violations is of US law.

    Parameters
    ----------
    classes
        Case reason -> class; a reason without one counts as minor.
    points
        Class -> severity.
    """

    classes: Mapping[str, SeverityClass] = field(default_factory=CASE_SEVERITY.copy)
    points: Mapping[SeverityClass, int] = field(default_factory=lambda: {"MSI": 10, "VSI": 7, "SI": 4, "MI": 1})

    def of(self, reason: str) -> int:
        """Return the severity of a case reason."""
        return self.points[self.classes.get(reason, "MI")]


SEVERITIES: Final = Severities()


def time_weight(age_d: float) -> int:
    """Return the weight of something that happened so many days ago: 3, 2, 1, and 0 beyond 24 months or in the future."""
    if age_d <= 0:
        return 0
    return next((weight for days, weight in TIME_WEIGHTS if age_d <= days), 0)


def utilisation_factor(miles_per_unit: float | None, *, combination: bool) -> float:
    """Return by how much a carrier's power units count, for the distance that each of them runs in a year.

    Parameters
    ----------
    miles_per_unit
        Vehicle miles per average power unit and year; None where it is not known.
    combination
        Whether at least 70 % of the power units are combination units.

    References
    ----------
    FMCSA, Safety Measurement System methodology, utilization factor.
    """
    v = miles_per_unit
    if v is None or v > 200_000:
        return 1.0
    if combination:
        return 1.0 if v < 80_000 else min(1.0 + (v - 80_000) / 133_333, 1.6)
    return min(max(v / 20_000, 1.0), 3.0)


def measure(violations: Iterable[tuple[float, Sequence[int]]], vehicle_years: float, factor: float) -> float:
    """Return M.

    Parameters
    ----------
    violations
        Of each check its age in days and the severities that it found.
    vehicle_years
        Vehicles times the years of the window that were observed.
    factor
        Utilisation factor.
    """
    weighted = (time_weight(age_d) * min(sum(severities), SEVERITY_CAP) for age_d, severities in violations)
    return fsum(weighted) / (vehicle_years * factor)


def size_group(vehicles: int) -> int:
    """Return the position of a fleet's group."""
    return bisect_right(SIZE_GROUPS, vehicles) - 1


def percentiles(measures: Sequence[float]) -> list[float | None]:
    """Return (rank - 1) / (N - 1) * 100 of each member of a group, equals sharing the lowest rank; None where N is 1."""
    order, n = sorted(measures), len(measures)
    first = {value: position for position, value in reversed(list(enumerate(order)))}
    return [None if n == 1 else first[value] / (n - 1) * 100.0 for value in measures]


def expression(known: Known, *, severities: Severities = SEVERITIES) -> ir.Table:
    """Return the measure and percentile of every operator with vehicles at each cut-off."""
    import ibis

    table = _fleets(known).left_join(_weighted(known, severities), _KEY, rname="c_{name}")
    years = table.n_vehicles.cast("float64") * known.observed_years(table.cutoff, days=WINDOW_D)
    weighted = table.weighted.fill_null(0).cast("float64")
    measured = table.select(
        *_KEY, group=_group(table.n_vehicles), sms_cn_measure=weighted / (years * _factor(known, table))
    )
    peers = ibis.window(group_by=[measured.cutoff, measured.group])
    ranked = ibis.window(group_by=[measured.cutoff, measured.group], order_by=measured.sms_cn_measure)
    others = (measured.count().over(peers) - 1).cast("float64").nullif(0.0)
    return measured.select(
        *_KEY, "sms_cn_measure", sms_cn_percentile=ibis.rank().over(ranked).cast("float64") / others * 100.0
    )


def _fleets(known: Known) -> ir.Table:
    """Return size, share of tractors and distance of each operator's fleet."""
    key = [VEHICLE.id_column, "cutoff"]
    vehicles = fleet(known).select(*key, ENTERPRISE.id_column)
    vehicles = vehicles.filter(vehicles[ENTERPRISE.id_column].notnull())
    typed = vehicles.left_join(technical_data(known).select(*key, "vehicle_type"), key, rname="t_{name}")
    driven = typed.left_join(totals(known).select(*key, "distance_km_90d"), key, rname="d_{name}")
    tractor = driven.vehicle_type.fill_null("").startswith(TRACTOR)
    return driven.group_by(_KEY).aggregate(
        n_vehicles=driven.count().cast("int64"), tractor_share=exact_mean(tractor.cast("float64")),
        distance_km=exact_sum(driven.distance_km_90d),
    )


def _factor(known: Known, table: ir.Table) -> ir.FloatingValue:
    import ibis

    years = known.observed_years(table.cutoff, days=DISTANCE_D)
    v = table.distance_km / table.n_vehicles.cast("float64") / years / KM_PER_MILE
    one = ibis.literal(1.0)
    combination = ibis.least(ibis.greatest(1.0 + (v - 80_000.0) / 133_333.0, one), ibis.literal(1.6))
    straight = ibis.least(ibis.greatest(v / 20_000.0, one), ibis.literal(3.0))
    factor: ir.FloatingValue = ibis.cases(
        (v.isnull() | (v > 200_000.0), 1.0), (table.tractor_share >= COMBINATION_SHARE, combination), else_=straight
    ).cast("float64")
    return factor


def _group(vehicles: ir.IntegerValue) -> ir.IntegerValue:
    import ibis

    group: ir.IntegerValue = sum(((vehicles >= least).cast("int64") for least in SIZE_GROUPS), ibis.literal(-1, "int64"))
    return group


def _weighted(known: Known, severities: Severities) -> ir.Table:
    """Return the sum of time weight times severity; a case is one check that found one violation."""
    import ibis

    rows = cases(known, days=WINDOW_D)
    severity = rows.case_reason.cases(
        *((reason, severities.of(reason)) for reason in severities.classes), else_=severities.points["MI"]
    ).cast("int64")
    newest_first = [
        (rows.event_time >= rows.cutoff - ibis.interval(days=days), weight) for days, weight in TIME_WEIGHTS
    ]
    weight = ibis.cases(*newest_first, else_=0).cast("int64")
    scored = rows.mutate(part=ibis.least(severity, SEVERITY_CAP) * weight)
    return scored.group_by(_KEY).aggregate(weighted=scored.part.sum().cast("int64"))


_RESOURCES: Final = (_CASE, _CASE_VEHICLE, _PERMIT, _BASIC, _DAY)

FAMILY: Final = Family(
    id="formula_sms_cn", entity=ENTERPRISE, resources=_RESOURCES, expression=expression,
    features=(
        formula_column(
            "sms_cn_measure", ENTERPRISE, "改编SMS违法强度", "measure of the adapted SMS: weighted cases per vehicle-year",
            group="enforcement", unit="1/vehicle_year", resources=_RESOURCES, window_d=WINDOW_D,
        ),
        formula_column(
            "sms_cn_percentile", ENTERPRISE, "改编SMS同规模百分位", "percentile of that measure among fleets of like size",
            group="enforcement", unit="%", resources=_RESOURCES, window_d=WINDOW_D,
        ),
    ),
)
