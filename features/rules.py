"""The rules that a single delivered row must hold, as masks over a whole column: cheap where every row holds.

Presence, finiteness, bounds, code lists, named formats with check digits, a plate against its colour, times that a calendar
has, and one version of a row per arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from registry.codes import CODE_LISTS
from registry.formats import FORMAT_CHECKS, valid_plate
from registry.resources.schema import Column, Resource

Broken = tuple[str, str, pa.ChunkedArray]
"""Column, rule, mask of the rows that break it, shape (n,), without nulls."""

REMEMBERED: Final = 2**19
"""Verdicts kept per format: the plates of a whole province; beyond that the least recently met are checked again."""
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
"""Years of a date or instant that is no slip of the pen, as 9999 for "without end" is: deliver none there. [A]"""
ONE_VERSION: Final = "must be the only version at its arrival"
OF_ITS_COLOUR: Final = "must be of a form that its colour has"
PLATE, COLOUR = "plate_no", "plate_color"

_SEPARATOR: Final = "\x1f"
_remembered: Final[dict[str, Callable[[str], bool]]] = {
    name: lru_cache(maxsize=REMEMBERED)(check) for name, check in FORMAT_CHECKS.items()
}


@lru_cache(maxsize=REMEMBERED)
def _fits_colour(pair: str) -> bool:
    plate, colour = pair.split(_SEPARATOR)
    # A plate that has no form at all breaks its own rule and is not named twice.
    return not valid_plate(plate) or valid_plate(plate, colour)


def broken_rules(table: pa.Table, resource: Resource, columns: tuple[Column, ...]) -> Iterator[Broken]:
    """Yield every rule that some row of a typed delivery breaks.

    Parameters
    ----------
    table
        Delivery with exactly the declared columns and types, shape (n, columns).
    columns
        Declared columns and the envelope.
    """
    required = {*resource.key, resource.event_time}
    for column in columns:
        for rule, mask in _column_rules(table[column.id], column, required=column.id in required or not column.nullable):
            filled = pc.fill_null(mask, False)
            if pc.any(filled).as_py():
                yield column.id, rule, filled
    if {PLATE, COLOUR} <= set(table.column_names):
        mask = _off_colour(table[PLATE], table[COLOUR])
        if mask is not None:
            yield PLATE, OF_ITS_COLOUR, mask


def repeated_rows(table: pa.Table) -> tuple[pa.ChunkedArray | None, pa.ChunkedArray | None]:
    """Return masks of (identical copies to drop, rows of which different versions arrived at one instant).

    A row identifier at one arrival must say one thing. The first of identical copies stays. Where versions differ nothing
    tells which holds, so none of them does. None where there is no such row, which is told from 64-bit hashes: distinct
    hashes are distinct rows.
    """
    import polars as pl

    identity = pl.DataFrame(table.select(["row_id", "arrived_at"]))
    if identity.hash_rows(seed=1).n_unique() == len(table):
        return None, None
    places = np.flatnonzero(identity.is_duplicated().to_numpy())
    suspects = pl.DataFrame(table.take(pa.array(places)))
    copies = ~suspects.select(first=pl.struct(pl.all()).is_first_distinct())["first"]
    versions = suspects.filter(~copies).group_by("row_id", "arrived_at").agg(versions=pl.len())
    counted = suspects.join(versions, on=["row_id", "arrived_at"], how="left", maintain_order="left", nulls_equal=True)
    several = (counted["versions"] > 1).to_numpy()
    # A row without identifier or arrival breaks their rule; it is no version of another such row.
    identified = (suspects["row_id"].is_not_null() & suspects["arrived_at"].is_not_null()).to_numpy()
    return (
        _mask(len(table), places[copies.to_numpy() & ~several & identified]),
        _mask(len(table), places[several & identified]),
    )


def _mask(rows: int, places: npt.NDArray[np.int64]) -> pa.ChunkedArray | None:
    if not len(places):
        return None
    mask = np.zeros(rows, dtype=bool)
    mask[places] = True
    return pa.chunked_array([pa.array(mask)])


def _column_rules(values: pa.ChunkedArray, column: Column, *, required: bool) -> Iterator[tuple[str, pa.ChunkedArray]]:
    if required and values.null_count:
        yield "must be present", pc.is_null(values)
    if column.dtype == "float":
        yield "must be finite", pc.invert(pc.is_finite(values))
    if column.dtype in ("date", "timestamp"):
        yield from _calendar(values)
    if column.minimum is not None or column.maximum is not None:
        yield from _bounds(values, column)
    if column.codes is not None:
        allowed = set(CODE_LISTS[column.codes].codes)
        yield f"must be a code of {column.codes}", _breaks(values, allowed.__contains__)
    if column.format is not None:
        yield f"must be a valid {column.format}", _breaks(values, _remembered[column.format])


def _bounds(values: pa.ChunkedArray, column: Column) -> Iterator[tuple[str, pa.ChunkedArray]]:
    met = pc.min_max(values).as_py()
    low, high = met["min"], met["max"]
    # A column of NaN has no order; its rows break finiteness.
    if column.minimum is not None and low is not None and not low >= column.minimum:
        yield f"must be at least {column.minimum:g}", pc.less(values, column.minimum)
    if column.maximum is not None and high is not None and not high <= column.maximum:
        yield f"must be at most {column.maximum:g}", pc.greater(values, column.maximum)


def _calendar(values: pa.ChunkedArray) -> Iterator[tuple[str, pa.ChunkedArray]]:
    unit, kind = ("D", pa.int32()) if pa.types.is_date(values.type) else ("us", pa.int64())
    edges = np.array([f"{FIRST_YEAR}-01-01", f"{LAST_YEAR + 1}-01-01"], dtype=f"datetime64[{unit}]")
    low, high = edges.astype(np.int64).tolist()
    numbers = values.cast(kind)
    met = pc.min_max(numbers).as_py()
    if met["min"] is not None and (met["min"] < low or met["max"] >= high):
        yield f"must lie between {FIRST_YEAR} and {LAST_YEAR}", pc.or_(pc.less(numbers, low), pc.greater_equal(numbers, high))


def _breaks(values: pa.ChunkedArray, holds: Callable[[str], bool]) -> pa.ChunkedArray:
    """Return a mask of values for which a text check fails; each distinct value is checked once."""
    encoded = pc.cast(values, pa.string()).combine_chunks().dictionary_encode()
    verdicts = [not holds(text) for text in encoded.dictionary.to_pylist()]
    if True not in verdicts:
        return pa.chunked_array([pa.repeat(pa.scalar(False), len(values))])
    return pa.chunked_array([pa.array(verdicts, pa.bool_()).take(encoded.indices)])


def _off_colour(plates: pa.ChunkedArray, colours: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return the mask of plates whose form their colour does not have; None where all fit."""
    plate = plates.combine_chunks().dictionary_encode()
    colour = colours.combine_chunks().dictionary_encode()
    width = len(colour.dictionary)
    if not width or not len(plate.dictionary):
        return None
    code = pc.add(pc.multiply(plate.indices.cast(pa.int64()), width), colour.indices.cast(pa.int64()))
    pairs = code.dictionary_encode()
    plate_of, colour_of = plate.dictionary.to_pylist(), colour.dictionary.to_pylist()
    verdicts = [not _fits_colour(f"{plate_of[pair // width]}{_SEPARATOR}{colour_of[pair % width]}")
                for pair in pairs.dictionary.to_pylist()]
    if True not in verdicts:
        return None
    return pa.chunked_array([pc.fill_null(pa.array(verdicts, pa.bool_()).take(pairs.indices), False)])
