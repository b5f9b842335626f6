"""The common formula of Implementing Regulation (EU) 2022/695 for the risk rating of a transport undertaking.

Over the previous two years, R = [(sum over checks of (90 MSI + 30 VSI + 10 SI + 1 MI) / N) / r] * g: infringements of a check by
class, N vehicles checked in it, r checks of which clean ones count too, g 0.9 where the whole fleet has smart tachographs.

Here a check is an inspection (resource 2), an annual review (3) or a case (19) of the operator's vehicles. Annex 1 holds no
roadside check that found nothing, so r is smaller, and R higher, than an authority with all its checks would have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import TYPE_CHECKING, Final, Literal

from features.exact import from_parts, to_parts
from features.families.base import Family
from features.families.enforcement import cases
from features.families.vehicle_condition import FAILED, REVIEW_FAILED
from features.families.vehicle_profile import fleet
from features.families.window_sums import window_sums
from features.formulas.base import formula_column
from registry.codes import CASE_SEVERITY, SeverityClass
from registry.entities import ENTERPRISE, VEHICLE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

Band = Literal["grey", "green", "amber", "red"]

WINDOW_D: Final = 730
"""The previous two years, rolling."""
POINTS: Final[dict[SeverityClass, int]] = {"MSI": 90, "VSI": 30, "SI": 10, "MI": 1}
SMART_TACHOGRAPH_FACTOR: Final = 0.9
GREEN_UP_TO, AMBER_UP_TO = 100.0, 200.0
"""Published bands are 0 to 100, 101 to 200 and from 201; R is real-valued, so the bounds are read as <= 100 and <= 200."""
_INSPECTION, _REVIEW, _CASE, _CASE_VEHICLE, _PERMIT = (
    "vehicle_inspection", "vehicle_annual_review", "enforcement_case", "case_vehicle", "vehicle_transport_permit",
)
_KEY: Final = [ENTERPRISE.id_column, "cutoff"]


@dataclass(frozen=True)
class Check:
    """Infringements found in one check, by class, and how many vehicles were checked in it."""

    msi: int = 0
    vsi: int = 0
    si: int = 0
    mi: int = 0
    vehicles: int = 1


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Which class an infringement of ours belongs to. [A] throughout: the Regulation's classes are of breaches of EU rules.

    Parameters
    ----------
    case
        Case reason -> class; a reason without one counts as minor.
    inspection_failed, review_failed
        Class of a failed inspection and of a failed annual review.
    smart_tachographs
        Whether whole fleets have smart tachographs; no resource says so, so g is 1.
    """

    case: Mapping[str, SeverityClass] = field(default_factory=CASE_SEVERITY.copy)
    inspection_failed: SeverityClass = "SI"
    review_failed: SeverityClass = "MI"
    smart_tachographs: bool = False


CLASSES: Final = Classes()


def rating(checks: Sequence[Check], *, smart_tachographs: bool = False) -> float | None:
    """Return R, or None where there was no check.

    Parameters
    ----------
    checks
        Every check of the undertaking in the previous two years.
    smart_tachographs
        Whether the whole fleet is equipped.

    References
    ----------
    Commission Implementing Regulation (EU) 2022/695, Annex.
    """
    if not checks:
        return None
    points = fsum(
        (POINTS["MSI"] * check.msi + POINTS["VSI"] * check.vsi + POINTS["SI"] * check.si + POINTS["MI"] * check.mi) / check.vehicles
        for check in checks
    )
    return points / len(checks) * (SMART_TACHOGRAPH_FACTOR if smart_tachographs else 1.0)


def band(rated: float | None) -> Band:
    """Return the band of a rating: grey without any check."""
    if rated is None:
        return "grey"
    if rated <= GREEN_UP_TO:
        return "green"
    return "amber" if rated <= AMBER_UP_TO else "red"


def expression(known: Known, *, classes: Classes = CLASSES) -> ir.Table:
    """Return the rating of every operator with vehicles at each cut-off, null without a check."""
    table = _operators(known)
    parts = [
        _of_vehicles(known, _INSPECTION, FAILED, classes.inspection_failed),
        _of_vehicles(known, _REVIEW, REVIEW_FAILED, classes.review_failed),
        _of_cases(known, classes.case),
    ]
    for number, part in enumerate(parts):
        named = part.rename({f"n_{number}": "n_checks", f"points_{number}": "points"})
        table = table.left_join(named, _KEY, rname="r_{name}").drop("r_enterprise_id", "r_cutoff")
    checks, points = (
        sum((table[f"{what}_{number}"].fill_null(0) for number in range(1, len(parts))), table[f"{what}_0"].fill_null(0))
        for what in ("n", "points")
    )
    rated = from_parts(points) / checks.cast("float64").nullif(0.0)
    factor = SMART_TACHOGRAPH_FACTOR if classes.smart_tachographs else 1.0
    return table.select(*_KEY, eu_2022_695_rating=(rated * factor).cast("float64"))


def _operators(known: Known) -> ir.Table:
    vehicles = fleet(known)
    return vehicles.filter(vehicles[ENTERPRISE.id_column].notnull()).select(*_KEY).distinct()


def _of_vehicles(known: Known, resource_id: str, failed: str, severity: SeverityClass) -> ir.Table:
    """Return checks of one vehicle each by the holder at the cut-off, points in whole millionths."""
    spans = known.spans(resource_id, [VEHICLE.id_column, "result"], windows_d=(WINDOW_D,))
    counted = window_sums(known, spans, VEHICLE.id_column, {WINDOW_D: {"failed": spans.result == failed}})
    held = fleet(known).select(VEHICLE.id_column, *_KEY).inner_join(counted, [VEHICLE.id_column, "cutoff"])
    return held.group_by(_KEY).aggregate(
        n_checks=held[f"n_rows_{WINDOW_D}d"].sum().cast("int64"),
        points=(held[f"failed_{WINDOW_D}d"].sum() * POINTS[severity]).cast("int64"),
    )


def _of_cases(known: Known, classes: Mapping[str, SeverityClass]) -> ir.Table:
    """Return cases by the named party, else by the vehicle's holder; N is how many vehicles the case names."""
    import ibis

    rows = cases(known, days=WINDOW_D)
    points = rows.case_reason.cases(
        *((reason, float(POINTS[severity])) for reason, severity in classes.items()), else_=float(POINTS["MI"])
    )
    vehicles = ibis.greatest(rows.n_plates.fill_null(1), ibis.literal(1)).cast("float64")
    scored = rows.mutate(per_vehicle=points.cast("float64") / vehicles)
    return scored.group_by(_KEY).aggregate(
        n_checks=scored.count().cast("int64"), points=to_parts(scored.per_vehicle).sum().cast("int64")
    )


FAMILY: Final = Family(
    id="formula_eu_2022_695", entity=ENTERPRISE, resources=(_INSPECTION, _REVIEW, _CASE, _CASE_VEHICLE, _PERMIT),
    expression=expression,
    features=(
        formula_column(
            "eu_2022_695_rating", ENTERPRISE, "欧盟2022/695企业风险评级", "risk rating by Regulation (EU) 2022/695",
            group="enforcement", unit="score", resources=(_INSPECTION, _REVIEW, _CASE, _CASE_VEHICLE, _PERMIT), window_d=WINDOW_D,
        ),
    ),
)
