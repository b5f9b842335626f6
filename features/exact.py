"""Sums and means that do not depend on the order of rows.

Adding floats is not associative, and an engine adds in the order in which its threads finish: the same warehouse would
give other last digits, and so another snapshot, every time. Whole numbers add exactly, so values are added as whole
millionths; what is delivered has at most three decimals, so nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ibis.expr.types as ir

PARTS_PER_UNIT: Final = 1_000_000


def to_parts(values: ir.NumericValue) -> ir.IntegerColumn:
    """Return a column in whole millionths of its unit."""
    parts: ir.IntegerColumn = (values.cast("float64") * PARTS_PER_UNIT).round().cast("int64")
    return parts


def from_parts(parts: ir.IntegerValue) -> ir.FloatingValue:
    """Return whole millionths in their own unit."""
    value: ir.FloatingValue = parts.cast("float64") / PARTS_PER_UNIT
    return value


def exact_sum(values: ir.NumericValue, where: ir.BooleanValue | None = None) -> ir.FloatingScalar:
    """Return the sum of a column in its own unit, null where nothing was added."""
    total: ir.FloatingScalar = from_parts(to_parts(values).sum(where=where))
    return total


def exact_mean(values: ir.NumericValue) -> ir.FloatingScalar:
    """Return the mean of the values that are not null."""
    mean: ir.FloatingScalar = exact_sum(values) / values.count().cast("float64").nullif(0.0)
    return mean
