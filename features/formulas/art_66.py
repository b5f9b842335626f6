"""Article 66 of the Highway Safety Protection Regulation (公路安全保护条例): repeated transport over the limits (超限).

Within one year: a vehicle with more than 3 cases loses its transport certificate; an operator more than 10 % of whose goods
vehicles had cases is suspended. The third rule, about a driver with more than 3 cases, needs drivers and is no baseline of a
score of operators or vehicles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.base import Family
from features.families.enforcement import OVERLOAD_REASONS, WINDOW_D, cases
from features.families.vehicle_profile import fleet
from features.formulas.base import formula_column
from registry.entities import ENTERPRISE, VEHICLE

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

MAX_CASES: Final = 3
MAX_SHARE: Final = 0.10
GOODS: Final = ("3", "4", "8")
"""行业类别 codes of goods vehicles: dangerous goods, heavy trucks, general freight. [A] 9 (other) is left out."""
_RESOURCES: Final = ("enforcement_case", "case_vehicle", "vehicle_transport_permit")
_KEY: Final = [ENTERPRISE.id_column, "cutoff"]
_VEHICLE_KEY: Final = [VEHICLE.id_column, "cutoff"]


def person_or_vehicle_breach(cases_in_a_year: int) -> bool:
    """Return whether a vehicle, or a driver, had more than 3 cases within one year (Art. 66, first and second rule)."""
    return cases_in_a_year > MAX_CASES


def overloaded_share(overloaded: int, goods_vehicles: int) -> float | None:
    """Return vehicles with cases within one year over goods vehicles, or None for an operator without goods vehicles."""
    return overloaded / goods_vehicles if goods_vehicles else None


def enterprise_breach(overloaded: int, goods_vehicles: int) -> bool | None:
    """Return whether more than 10 % of an operator's goods vehicles had cases within one year (Art. 66, third rule)."""
    share = overloaded_share(overloaded, goods_vehicles)
    return None if share is None else share > MAX_SHARE


def _vehicle(known: Known) -> ir.Table:
    """Return the cases over the limit of every vehicle in operation in the year before each cut-off."""
    counted = _by_vehicle(known)
    joined = fleet(known).select(*_VEHICLE_KEY).left_join(counted, _VEHICLE_KEY, rname="c_{name}")
    n = joined.n_cases.fill_null(0)
    return joined.select(
        *_VEHICLE_KEY, art_66_vehicle_case_n=n.cast("float64"), art_66_vehicle_breach=(n > MAX_CASES).cast("float64")
    )


def _enterprise(known: Known) -> ir.Table:
    """Return the share of each operator's goods vehicles with cases, whether it breaks Article 66, and its vehicles that do."""
    rows = _overloads(known)
    overloaded = rows.group_by(_KEY).aggregate(overloaded=rows[VEHICLE.id_column].nunique())
    vehicles = fleet(known).select(*_VEHICLE_KEY, ENTERPRISE.id_column, "industry_type")
    vehicles = vehicles.filter(vehicles[ENTERPRISE.id_column].notnull())
    held = vehicles.left_join(_by_vehicle(known), _VEHICLE_KEY, rname="c_{name}")
    table = held.group_by(_KEY).aggregate(
        goods=held.industry_type.isin(GOODS).sum().cast("int64"),
        breaking=(held.n_cases.fill_null(0) > MAX_CASES).sum().cast("float64"),
    ).left_join(overloaded, _KEY, rname="o_{name}")
    share = table.overloaded.fill_null(0).cast("float64") / table.goods.cast("float64").nullif(0.0)
    return table.select(
        *_KEY, art_66_share=share, art_66_breach=(share > MAX_SHARE).cast("float64"), art_66_breaking_vehicle_n=table.breaking
    )


def _overloads(known: Known) -> ir.Table:
    rows = cases(known)
    return rows.filter(rows.case_reason.isin(OVERLOAD_REASONS) & rows[VEHICLE.id_column].notnull())


def _by_vehicle(known: Known) -> ir.Table:
    rows = _overloads(known)
    return rows.group_by(_VEHICLE_KEY).aggregate(n_cases=rows.count().cast("int64"))


VEHICLE_FAMILY: Final = Family(
    id="formula_art_66_vehicle", entity=VEHICLE, resources=_RESOURCES, expression=_vehicle,
    features=(
        formula_column(
            "art_66_vehicle_case_n", VEHICLE, "一年内超限次数", "cases over the limit of the vehicle within one year",
            group="enforcement", resources=_RESOURCES, window_d=WINDOW_D,
        ),
        formula_column(
            "art_66_vehicle_breach", VEHICLE, "条例第66条车辆（超3次）", "vehicle with more than 3 cases over the limit (Art. 66)",
            group="enforcement", resources=_RESOURCES, window_d=WINDOW_D,
        ),
    ),
)
ENTERPRISE_FAMILY: Final = Family(
    id="formula_art_66_enterprise", entity=ENTERPRISE, resources=_RESOURCES, expression=_enterprise,
    features=(
        formula_column(
            "art_66_share", ENTERPRISE, "一年内超限车辆占货车比例",
            "share of goods vehicles with cases over the limit within one year",
            group="enforcement", resources=_RESOURCES, window_d=WINDOW_D,
        ),
        formula_column(
            "art_66_breach", ENTERPRISE, "条例第66条企业（超10%）", "more than 10 % of goods vehicles with cases (Art. 66)",
            group="enforcement", resources=_RESOURCES, window_d=WINDOW_D,
        ),
        formula_column(
            "art_66_breaking_vehicle_n", ENTERPRISE, "条例第66条车辆数", "vehicles with more than 3 cases over the limit (Art. 66)",
            group="enforcement", resources=_RESOURCES, window_d=WINDOW_D,
        ),
    ),
)
