"""Take some features out of packed rows, at the speed of a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from features.packed.layout import Kind, Layout

_FIRST_NUMBER: Final = 4
"""Place of the first number in what `Layout.opened` returns."""


class RowReader:
    """Reads features of one view from rows of one layout.

    Parameters
    ----------
    layout
        Layout of the rows.
    wanted
        (name, kind) of the features; what the layout does not have under this name and kind is left out.
    """

    def __init__(self, layout: Layout, wanted: Sequence[tuple[str, Kind]]) -> None:
        met = [name for name, kind in wanted if layout.kinds.get(name) == kind]
        self.opened = layout.opened
        self._numbers = tuple(name for name in met if layout.places[name] < layout.n_floats)
        self._take = _taker([layout.places[name] + _FIRST_NUMBER for name in self._numbers])
        texts = {name for name in met if layout.places[name] >= layout.n_floats}
        self._tail = layout.tail
        self._texts = tuple(name if name in texts else None for name in layout.names[layout.n_floats:]) if texts else ()

    def fill(self, opened: tuple[Any, ...], row: bytes, values: dict[str, Any]) -> None:
        """Put what is known into `values`; what is null is left as it is."""
        # Not-a-number, which is unlike itself, is what is not known.
        values |= {name: number for name, number in zip(self._numbers, self._take(opened), strict=True) if number == number}
        if self._texts:
            told = zip(self._texts, self._tail(row), strict=True)
            values |= {name: text for name, text in told if name is not None and text is not None}


def _taker(places: Sequence[int]) -> Callable[[tuple[Any, ...]], Sequence[Any]]:
    first = places[0] if places else 0
    if list(places) == list(range(first, first + len(places))):
        part = slice(first, first + len(places))
        return lambda values: values[part]
    if len(places) == 1:
        return lambda values: (values[places[0]],)
    return itemgetter(*places)
