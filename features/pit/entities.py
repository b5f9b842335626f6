"""Small integers for entities, however many key columns name them and whatever their types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.pit.newest import NOBODY, Ints
from registry.errors import DataError

if TYPE_CHECKING:
    Type = Any

_WHERE: Final = "key of a point-in-time join"


class Entities:
    """The distinct entities that a spine asks about.

    Parameters
    ----------
    spine
        The key columns of the spine, in the order in which `code` gets those of a table; a null names nobody.
    """

    def __init__(self, spine: Sequence[Any]) -> None:
        encoded = [_plain(column).dictionary_encode() for column in spine]
        self._values = [column.dictionary for column in encoded]
        # Entities of several key columns are folded one column at a time; each level holds the pairs that occur.
        self._levels: list[Ints] = []
        self.codes = _filled(encoded[0].indices)
        for values, column in zip(self._values[1:], encoded[1:], strict=True):
            pairs = _paired(self.codes, _filled(column.indices), len(values))
            level = np.unique(pairs[pairs != NOBODY])
            self._levels.append(level)
            self.codes = _position(level, pairs)

    def __len__(self) -> int:
        return len(self._levels[-1]) if self._levels else len(self._values[0])

    def code(self, columns: Sequence[Any], names: Sequence[str]) -> Ints:
        """Return the entity of each row of a table, `NOBODY` where the spine does not ask about it.

        Raises
        ------
        DataError
            If a key column's type cannot be compared with that of the spine.
        """
        matched = [
            _matched(column, values, name) for column, values, name in zip(columns, self._values, names, strict=True)
        ]
        codes = matched[0]
        for level, values, further in zip(self._levels, self._values[1:], matched[1:], strict=True):
            codes = _position(level, _paired(codes, further, len(values)))
        return codes


def _plain(column: Any) -> Any:
    """Return a key column in the one type of its kind: text, whole number, or its own."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column.cast(pa.int64()) if pa.types.is_integer(column.type) else column


def _matched(column: Any, values: Any, name: str) -> Ints:
    """Return where each value of a table's key column stands among the spine's values."""
    if pa.types.is_dictionary(column.type):
        of_value = pc.index_in(_plain(column.dictionary), value_set=_comparable(values, _plain(column.dictionary), name))
        return _filled(of_value.take(column.indices))
    plain = _plain(column)
    return _filled(pc.index_in(plain, value_set=_comparable(values, plain, name), skip_nulls=True))


def _comparable(values: Any, column: Any, name: str) -> Any:
    if values.type == column.type:
        return values
    whole = pa.types.is_floating(values.type) and pa.types.is_integer(column.type)
    if pa.types.is_null(values.type) or whole:
        # pandas makes floats of whole numbers among which one is missing.
        try:
            return values.cast(column.type)
        except pa.ArrowInvalid:
            pass
    raise DataError(
        f"key {name!r} is {values.type} in the entity rows and {column.type} in the feature table", where=_WHERE,
        remedy="Give the entity rows keys of the table's type.",
    )


def _filled(indices: Any) -> Ints:
    filled: Ints = indices.cast(pa.int64()).fill_null(NOBODY).to_numpy(zero_copy_only=False)
    return filled


def _paired(left: Ints, right: Ints, n_right: int) -> Ints:
    return np.where((left == NOBODY) | (right == NOBODY), NOBODY, left * n_right + right)


def _position(level: Ints, pairs: Ints) -> Ints:
    if not len(level):
        return np.full(len(pairs), NOBODY, dtype=np.int64)
    place = np.minimum(np.searchsorted(level, pairs), len(level) - 1)
    return np.where((pairs != NOBODY) & (level[place] == pairs), place, NOBODY)
