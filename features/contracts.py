"""The contract of a delivery: schema drift refuses it whole, a bad row goes to quarantine with the rule that it broke."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from registry.codes import CODE_LISTS
from registry.errors import DeliveryRefused
from registry.formats import FORMAT_CHECKS
from registry.resources.schema import ENVELOPE, Column, DType, Resource

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
    """A delivery after its contract: the rows that hold, and what the others broke."""

    accepted: pa.Table
    violations: tuple[Violation, ...]
    bad_rows: int


def check_delivery(table: pa.Table, resource: Resource, *, where: str) -> Checked:
    """Hold a delivery against the declaration of its resource.

    Raises
    ------
    DeliveryRefused
        On schema drift (missing, unknown or retyped column, a timestamp without zone), or when more than
        `MAX_BAD_SHARE` of the rows break a rule.
    """
    columns = (*resource.columns, *ENVELOPE)
    typed = _typed(table, columns, resource, where)
    broken: list[tuple[Column, str, pa.ChunkedArray]] = [
        (column, rule, mask) for column in columns for rule, mask in _rules(typed[column.id], column)
    ]
    bad = pa.chunked_array([pa.array([False] * len(typed))]) if not broken else broken[0][2]
    for _, _, mask in broken[1:]:
        bad = pc.or_(bad, mask)
    bad_rows = pc.sum(bad).as_py() or 0
    violations = tuple(_violations(typed, broken))
    if bad_rows > MAX_BAD_SHARE * max(len(typed), 1):
        first = violations[0]
        raise DeliveryRefused(
            f"{bad_rows} of {len(typed)} rows of {resource.id} break their contract; first: row {first.row}, "
            f"{first.column} = {first.value} breaks {first.rule!r}",
            where=where,
            remedy="Have the supplier deliver it again; nothing of it was taken in.",
        )
    return Checked(typed.filter(pc.invert(bad)) if bad_rows else typed, violations, bad_rows)


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


def _rules(values: pa.ChunkedArray, column: Column) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Yield (rule, mask of rows that break it) for every rule of a column that some row breaks."""
    for rule, mask in _all_rules(values, column):
        filled = pc.fill_null(mask, False)
        if pc.any(filled).as_py():
            yield rule, filled


def _all_rules(values: pa.ChunkedArray, column: Column) -> Iterator[tuple[str, pa.ChunkedArray]]:
    if not column.nullable:
        yield "must be present", pc.is_null(values)
    if column.dtype == "float":
        yield "must be finite", pc.invert(pc.is_finite(values))
    if column.minimum is not None:
        yield f"must be at least {column.minimum:g}", pc.less(values, column.minimum)
    if column.maximum is not None:
        yield f"must be at most {column.maximum:g}", pc.greater(values, column.maximum)
    if column.codes is not None:
        allowed = set(CODE_LISTS[column.codes].codes)
        yield f"must be a code of {column.codes}", _breaks(values, lambda text: text in allowed)
    if column.format is not None:
        yield f"must be a valid {column.format}", _breaks(values, FORMAT_CHECKS[column.format])


def _breaks(values: pa.ChunkedArray, holds: Callable[[str], bool]) -> pa.ChunkedArray:
    """Return a mask of values for which a text check fails; each distinct value is checked once."""
    encoded = pc.cast(values, pa.string()).combine_chunks().dictionary_encode()
    verdicts = pa.array([not holds(text) for text in encoded.dictionary.to_pylist()], pa.bool_())
    return pa.chunked_array([verdicts.take(encoded.indices)])


def _violations(table: pa.Table, broken: list[tuple[Column, str, pa.ChunkedArray]]) -> Iterator[Violation]:
    for column, rule, mask in broken:
        withheld = column.sensitivity in ("identifier", "personal")
        for row in pc.indices_nonzero(mask.combine_chunks()).to_pylist():
            value = "(withheld)" if withheld else str(table[column.id][row].as_py())
            yield Violation(row, column.id, rule, value)
