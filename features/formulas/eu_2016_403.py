"""Classes of driving-time breaches of Regulation (EU) 2016/403, on the running duty period.

The Regulation grades how far driving went beyond the limits of the EU. China's limits are others (4 hours without a rest of 20
minutes, 8 hours in 24), so the bounds are rescaled to them; the hours are those known at the end of each driving hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from features.families import duty
from features.families.base import Family
from features.formulas.base import formula_column
from registry.entities import VEHICLE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

DutyClass = Literal["none", "SI", "VSI", "MSI"]
CLASSES: Final[tuple[DutyClass, ...]] = ("none", "SI", "VSI", "MSI")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Hours from which driving is a serious, very serious and most serious infringement; a class that does not exist is left out.

    Parameters
    ----------
    continuous_h, daily_h, weekly_h, fortnightly_h
        Ascending bounds, each reached from there on (>=); empty where the period is not graded.
    """

    continuous_h: tuple[float, ...] = ()
    daily_h: tuple[float, ...] = ()
    weekly_h: tuple[float, ...] = ()
    fortnightly_h: tuple[float, ...] = ()


EU: Final = Bounds(
    continuous_h=(5.0, 6.0), daily_h=(10.0, 11.0, 13.5), weekly_h=(60.0, 65.0, 70.0), fortnightly_h=(100.0, 105.0, 112.5)
)
"""Regulation (EU) 2016/403, Annex I."""
CHINA: Final = Bounds(continuous_h=(4.0, 4.8), daily_h=(8.0, 9.0, 11.0))
"""The same by the ratio of the bases, 4 h to 5 h and 8 h to 10 h, the daily bounds rounded to whole hours. [A]"""


def period_class(hours: float, bounds: Sequence[float]) -> int:
    """Return the position in `CLASSES` of so many hours."""
    return sum(hours >= bound for bound in bounds)


def duty_class(
    *, continuous_h: float = 0.0, daily_h: float = 0.0, weekly_h: float = 0.0, fortnightly_h: float = 0.0, bounds: Bounds = EU
) -> DutyClass:
    """Return the gravest class among the periods.

    References
    ----------
    Commission Regulation (EU) 2016/403, Annex I, groups of Regulation (EC) No 561/2006.
    """
    return CLASSES[max(
        period_class(continuous_h, bounds.continuous_h), period_class(daily_h, bounds.daily_h),
        period_class(weekly_h, bounds.weekly_h), period_class(fortnightly_h, bounds.fortnightly_h),
    )]


def expression(known: Known, *, bounds: Bounds = CHINA) -> ir.Table:
    """Return the class (0 for none to 3 for MSI) of every driving hour, known when the hour's row had arrived."""
    import ibis

    rows = duty.FAMILY.expression(known)
    continuous = _position(rows.duty_cont_drive_h, bounds.continuous_h)
    daily = _position(rows.duty_drive_h_24h, bounds.daily_h)
    return rows.select(
        VEHICLE.id_column, "cutoff", "created", eu_2016_403_class=ibis.greatest(continuous, daily).cast("float64")
    )


def _position(hours: ir.FloatingValue, bounds: Sequence[float]) -> ir.IntegerValue:
    import ibis

    position: ir.IntegerValue = sum(((hours >= bound).cast("int64") for bound in bounds), ibis.literal(0, "int64"))
    return position


FAMILY: Final = Family(
    id="formula_eu_2016_403", entity=VEHICLE, resources=duty.FAMILY.resources, expression=expression, ttl_d=duty.FAMILY.ttl_d,
    features=(
        formula_column(
            "eu_2016_403_class", VEHICLE, "欧盟2016/403驾驶时间违规等级",
            "class of the running duty period by Regulation (EU) 2016/403",
            group="duty", resources=duty.FAMILY.resources, sensitivity="location",
        ),
    ),
)
