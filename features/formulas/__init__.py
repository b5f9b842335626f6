"""Baselines: the formulas that regulators publish, computed from what was known then, and single inputs by themselves.

A formula family is computed, stored and joined like a family of model inputs, and is none: it is not loaded online, and no
product's matrix holds its columns. `FORMULAS` says of every baseline which column it is, in which direction, and from where.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from features.families.base import Family
from features.formulas import art_66, credit_1000, eu_2014_47, eu_2016_403, eu_2022_695, sms_cn
from features.formulas.base import Formula
from features.formulas.declared import DECLARED

FORMULA_FAMILIES: Final[dict[str, Family]] = {
    family.id: family
    for family in (
        eu_2022_695.FAMILY, eu_2014_47.ENTERPRISE_FAMILY, eu_2014_47.VEHICLE_FAMILY, sms_cn.FAMILY, credit_1000.FAMILY,
        art_66.ENTERPRISE_FAMILY, art_66.VEHICLE_FAMILY, eu_2016_403.FAMILY,
    )
}
"""Family id -> family, in the order in which they are computed, after the families of `features.families`."""

FORMULAS: Final[dict[str, Formula]] = {formula.id: formula for formula in DECLARED}
"""Formula id -> baseline."""


def baselines_of(product_id: str, columns: Collection[str]) -> tuple[Formula, ...]:
    """Return the baselines of a product that a frame with these columns can be judged by, in declared order."""
    return tuple(
        formula for formula in FORMULAS.values() if product_id in formula.products and formula.column in columns
    )


__all__ = ["FORMULAS", "FORMULA_FAMILIES", "Formula", "baselines_of"]
