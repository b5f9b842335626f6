"""The contract of a delivery: schema drift refuses it whole, a bad row goes to quarantine with the rule that it broke."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from features.rules import ONE_VERSION, Broken, broken_rules, repeated_rows
from registry.errors import DeliveryRefused
from registry.resources.schema import ENVELOPE, WITHHELD, Column, DType, Resource

ARROW_TYPES: Final[dict[DType, pa.DataType]] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
MAX_BAD_SHARE: Final = 0.2
"""A delivery with more bad rows than this share is refused whole: its producer changed something. [A]"""

ROW_ID: Final = "row_id"

_QUOTED: Final = re.compile(r" '.*'|(?<=columns, got) \d+: .*| ?\".*\"")


@dataclass(frozen=True)
class Violation:
    """One broken rule in one row.

    Parameters
    ----------
    row
        Position in the delivery, from 0.
    column, rule, value
        Where, which rule, and the value met; the value of an identifier or personal column is withheld.
    """

    row: int
    column: str
    rule: str
    value: str


@dataclass(frozen=True)
class Checked:
    """A delivery after its contract: the rows that hold, and what the others broke.

    Parameters
    ----------
    accepted
        Rows that hold, in delivered order.
    violations, bad_rows
        What was broken, and by how many rows.
    repeated
        Further identical copies of a row at one arrival, which were dropped.
    """

    accepted: pa.Table
    violations: tuple[Violation, ...]
    bad_rows: int
    repeated: int = 0


def check_delivery(table: pa.Table, resource: Resource, *, where: str) -> Checked:
    """Hold a delivery against the declaration of its resource.

    Raises
    ------
    DeliveryRefused
        On schema drift (missing, unknown or retyped column, a timestamp without zone), or when more than
        `MAX_BAD_SHARE` of the rows break a rule.
    """
    checked = check_rows(table, resource, where=where)
    if checked.bad_rows > MAX_BAD_SHARE * max(len(table), 1):
        first = checked.violations[0]
        raise DeliveryRefused(
            f"{checked.bad_rows} of {len(table)} rows of {resource.id} break their contract; first: row {first.row}, "
            f"{first.column} = {first.value} breaks {first.rule!r}",
            where=where,
            remedy="Have the supplier deliver it again; nothing of it was taken in.",
        )
    return checked


def check_rows(table: pa.Table, resource: Resource, *, where: str) -> Checked:
    """Hold rows against the declaration of their resource, however many of them break a rule.

    Raises
    ------
    DeliveryRefused
        On schema drift.
    """
    columns = (*resource.columns, *ENVELOPE)
    typed = _typed(table, columns, resource, where)
    broken = list(broken_rules(typed, resource, columns))
    copies, versions = repeated_rows(typed)
    if versions is not None:
        broken.append((ROW_ID, ONE_VERSION, versions))
    withheld = {column.id for column in columns if column.sensitivity in WITHHELD}
    violations = tuple(_violations(typed, broken, withheld))
    bad = _any_of([mask for _, _, mask in broken])
    out = _any_of([mask for mask in (bad, copies) if mask is not None])
    accepted = typed if out is None else typed.filter(pc.invert(out))
    bad_rows = 0 if bad is None else pc.sum(bad).as_py()
    return Checked(accepted, violations, bad_rows, repeated=len(typed) - len(accepted) - bad_rows)


def without_values(error: Exception) -> str:
    """Return the first line of a reader's message without what it quotes: in a shifted row that may be a plate."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return _QUOTED.sub(" (withheld)", line)


def _typed(table: pa.Table, columns: tuple[Column, ...], resource: Resource, where: str) -> pa.Table:
    declared = [column.id for column in columns]
    missing = [name for name in declared if name not in table.column_names]
    unknown = [name for name in table.column_names if name not in declared]
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if missing or unknown or twice:
        raise DeliveryRefused(
            f"columns of {resource.id} drifted: missing {missing}, unknown {unknown}, twice {twice}",
            where=where,
            remedy="Compare with the resource catalogue (docs/reference/resources.md).",
        )
    return pa.table({column.id: _cast(table[column.id], column, resource, where) for column in columns})


def _cast(values: pa.ChunkedArray, column: Column, resource: Resource, where: str) -> pa.ChunkedArray:
    target = ARROW_TYPES[column.dtype]
    met = values.type
    if pa.types.is_timestamp(met) and met.tz is None:
        raise DeliveryRefused(
            f"{resource.id}.{column.id} has timestamps without a zone",
            where=where,
            remedy="Deliver times with their offset, for example 2026-06-30T08:00:00+08:00.",
        )
    if column.dtype in ("int", "float") and pa.types.is_boolean(met):
        raise DeliveryRefused(f"{resource.id}.{column.id} is {met}, {column.dtype} is declared", where=where)
    if column.dtype == "string" and not (pa.types.is_string(met) or pa.types.is_large_string(met) or _is_text(met)):
        raise DeliveryRefused(f"{resource.id}.{column.id} is {met}, text is declared", where=where)
    try:
        return values.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DeliveryRefused(
            f"{resource.id}.{column.id} is {met} and cannot be read as {column.dtype}: {without_values(error)}",
            where=where,
            remedy="Nothing of the delivery was taken in.",
        ) from None


def _is_text(met: pa.DataType) -> bool:
    return bool(pa.types.is_null(met) or (pa.types.is_dictionary(met) and pa.types.is_string(met.value_type)))


def _any_of(masks: list[pa.ChunkedArray]) -> pa.ChunkedArray | None:
    return reduce(pc.or_, masks) if masks else None


def _violations(table: pa.Table, broken: list[Broken], withheld: set[str]) -> Iterator[Violation]:
    for column, rule, mask in broken:
        for row in pc.indices_nonzero(mask.combine_chunks()).to_pylist():
            value = "(withheld)" if column in withheld else _shown(table[column][row])
            yield Violation(row, column, rule, value)


def _shown(value: pa.Scalar) -> str:
    try:
        return str(value.as_py())
    except (OverflowError, ValueError):  # a time beyond the calendar has no datetime
        return str(value)
