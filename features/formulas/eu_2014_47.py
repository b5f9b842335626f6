"""The risk rating of Directive 2014/47/EU, Annex I: deficiencies found in technical inspections over three years.

RR = (3 D_Y1 + 2 D_Y2 + 1 D_Y3) / (C_Y1 + C_Y2 + C_Y3) with D = 40 dangerous + 10 major + 1 minor deficiencies of a year and C
its checks; year 1 is the newest. Here a check is an inspection (resource 2), and years are rolling years before the cut-off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from features.exact import from_parts
from features.families.base import Family
from features.families.vehicle_condition import FAILED
from features.families.vehicle_profile import fleet
from features.families.window_sums import window_sums
from features.formulas.base import formula_column
from registry.entities import ENTERPRISE, VEHICLE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

DeficiencyClass = Literal["dangerous", "major", "minor"]

POINTS: Final[dict[DeficiencyClass, int]] = {"dangerous": 40, "major": 10, "minor": 1}
YEAR_WEIGHTS: Final = (3, 2, 1)
"""Weights of the newest year, the one before, and the one before that."""
YEARS_D: Final = (365, 730, 1_095)
"""Days before the cut-off at which each of these years begins. [A] The Directive leaves the reckoning to the state."""
_ITEMS: Final[dict[str, DeficiencyClass]] = {
    "service_brake": "dangerous", "steering": "dangerous", "brake_parts": "major", "tyre": "major", "lamp": "major",
    "emission": "major", "headlamp_aim": "minor", "other": "minor",
}
_INSPECTION, _PERMIT = "vehicle_inspection", "vehicle_transport_permit"


@dataclass(frozen=True)
class Deficiencies:
    """Deficiencies found, by class."""

    dangerous: int = 0
    major: int = 0
    minor: int = 0

    @property
    def points(self) -> int:
        """Weighted sum of Annex I."""
        return POINTS["dangerous"] * self.dangerous + POINTS["major"] * self.major + POINTS["minor"] * self.minor


@dataclass(frozen=True)
class Year:
    """What the checks of one year found."""

    found: Deficiencies
    checks: int


@dataclass(frozen=True, kw_only=True)
class ItemClasses:
    """Which class a failed item belongs to. [A] GB 38900 grades no item this way, and item codes are the supplier's own.

    Parameters
    ----------
    items
        Item code -> class.
    unlisted
        Class of a failed item that is counted and not named, or has no class.
    """

    items: Mapping[str, DeficiencyClass] = field(default_factory=_ITEMS.copy)
    unlisted: DeficiencyClass = "major"


ITEM_CLASSES: Final = ItemClasses()


def risk_rating(years: Sequence[Year]) -> float | None:
    """Return RR of up to three years, the newest first, or None where there was no check.

    References
    ----------
    Directive 2014/47/EU, Annex I.
    """
    checks = sum(year.checks for year in years)
    if not checks:
        return None
    return sum(weight * year.found.points for weight, year in zip(YEAR_WEIGHTS, years, strict=False)) / checks


def annual_rating(year: Year) -> float | None:
    """Return AR, the rating of one year by itself, or None where there was no check (Directive 2014/47/EU, Annex I)."""
    return year.found.points / year.checks if year.checks else None


def deficiencies(
    fail_items: str | None, n_fail_items: int | None, *, failed: bool, classes: ItemClasses = ITEM_CLASSES
) -> Deficiencies:
    """Return the deficiencies of one inspection.

    Parameters
    ----------
    fail_items
        Codes of failed items, separated by commas; each counts once.
    n_fail_items
        Number of failed items; those beyond the codes with a class count as unlisted.
    failed
        Whether the inspection was failed: a failed one has at least one deficiency.
    """
    named = [classes.items[code] for code in set((fail_items or "").replace(" ", "").split(",")) if code in classes.items]
    unlisted = max(max(n_fail_items or 0, int(failed)) - len(named), 0)
    every = [*named, *[classes.unlisted] * unlisted]
    return Deficiencies(every.count("dangerous"), every.count("major"), every.count("minor"))


def _vehicle(known: Known, *, classes: ItemClasses = ITEM_CLASSES) -> ir.Table:
    """Return RR of every vehicle in operation at each cut-off."""
    key = [VEHICLE.id_column, "cutoff"]
    joined = fleet(known).select(*key).left_join(_sums(known, classes), key, rname="s_{name}")
    return joined.select(*key, eu_2014_47_vehicle_rr=_rating(joined))


def _enterprise(known: Known, *, classes: ItemClasses = ITEM_CLASSES) -> ir.Table:
    """Return RR of every operator with vehicles at each cut-off, over the inspections of the vehicles that it holds then."""
    key = [ENTERPRISE.id_column, "cutoff"]
    vehicles = fleet(known).select(VEHICLE.id_column, *key)
    vehicles = vehicles.filter(vehicles[ENTERPRISE.id_column].notnull())
    joined = vehicles.left_join(_sums(known, classes), [VEHICLE.id_column, "cutoff"], rname="s_{name}")
    names = [f"{name}_{days}d" for days in YEARS_D for name in ("points", "n_rows")]
    summed = joined.group_by(key).aggregate(**{name: joined[name].sum().cast("int64") for name in names})
    return summed.select(*key, eu_2014_47_enterprise_rr=_rating(summed))


def _rating(sums: ir.Table) -> ir.FloatingValue:
    points = [sums[f"points_{days}d"] for days in YEARS_D]
    by_year = [points[0], points[1] - points[0], points[2] - points[1]]
    weighted = by_year[0] * YEAR_WEIGHTS[0] + by_year[1] * YEAR_WEIGHTS[1] + by_year[2] * YEAR_WEIGHTS[2]
    rated: ir.FloatingValue = from_parts(weighted) / sums[f"n_rows_{YEARS_D[-1]}d"].cast("float64").nullif(0.0)
    return rated


def _sums(known: Known, classes: ItemClasses) -> ir.Table:
    """Return points (whole millionths) and inspections by vehicle, cut-off and days back."""
    return known.shared(f"deficiencies by {classes!r}", partial(_summed, classes=classes))


def _summed(known: Known, classes: ItemClasses) -> ir.Table:
    windows = tuple(reversed(YEARS_D))
    columns = [VEHICLE.id_column, "result", "fail_items", "n_fail_items"]
    spans = known.spans(_INSPECTION, columns, windows_d=windows)
    points = _points(spans, classes)
    return window_sums(known, spans, VEHICLE.id_column, {days: {"points": points} for days in windows})


def _points(rows: ir.Table, classes: ItemClasses) -> ir.IntegerValue:
    import ibis

    codes = ibis.literal(",") + rows.fail_items.fill_null("").replace(" ", "") + ","
    named, points = ibis.literal(0, "int64"), ibis.literal(0, "int64")
    for code, name in classes.items.items():
        met = codes.contains(f",{code},").cast("int64")
        named, points = named + met, points + met * POINTS[name]
    counted = ibis.greatest(rows.n_fail_items.fill_null(0), (rows.result == FAILED).cast("int64"))
    unlisted = ibis.greatest(counted - named, ibis.literal(0, "int64"))
    total: ir.IntegerValue = points + unlisted * POINTS[classes.unlisted]
    return total


VEHICLE_FAMILY: Final = Family(
    id="formula_eu_2014_47_vehicle", entity=VEHICLE, resources=(_INSPECTION, _PERMIT), expression=_vehicle,
    features=(
        formula_column(
            "eu_2014_47_vehicle_rr", VEHICLE, "欧盟2014/47车辆缺陷评分", "deficiency rating of the vehicle by Directive 2014/47/EU",
            group="condition", unit="score", resources=(_INSPECTION, _PERMIT), window_d=YEARS_D[-1],
        ),
    ),
)
ENTERPRISE_FAMILY: Final = Family(
    id="formula_eu_2014_47_enterprise", entity=ENTERPRISE, resources=(_INSPECTION, _PERMIT), expression=_enterprise,
    features=(
        formula_column(
            "eu_2014_47_enterprise_rr", ENTERPRISE, "欧盟2014/47企业缺陷评分",
            "deficiency rating of the operator by Directive 2014/47/EU", group="condition", unit="score",
            resources=(_INSPECTION, _PERMIT), window_d=YEARS_D[-1],
        ),
    ),
)
