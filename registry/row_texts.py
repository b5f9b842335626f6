"""The inputs of a score as JSON text, put together from parts that are worked out once per bundle.

An answer says six things of each of a hundred inputs, and its record names each of them twice. What of that is the same in every
answer is text from the start; what is not is one list of numbers, written in one call and cut at its commas. The bytes are those
that the encoder would make of the same dictionaries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import orjson

Cells = Sequence[float | str | None]


class RowTexts:
    """The texts of one bundle.

    Parameters
    ----------
    labels
        Name, zh, en, unit and group of each input, in the order of the matrix.
    texts
        Places of the inputs whose values may be text.
    """

    def __init__(self, labels: Sequence[tuple[str, str, str, str, str]], texts: Sequence[int]) -> None:
        self._texts = tuple(texts)
        self._sorted = sorted(range(len(labels)), key=lambda place: labels[place][0])
        self._in_order: Any = itemgetter(*self._sorted) if len(labels) > 1 else tuple
        self._named = _gaps([orjson.dumps(labels[place][0]) + b":" for place in self._sorted])
        self._heads = [orjson.dumps({"feature": name, "zh": zh, "en": en})[:-1] + b',"value":' for name, zh, en, _, _ in labels]
        self._middles = [b"," + orjson.dumps({"unit": unit})[1:-1] + b',"points":' for _, _, _, unit, _ in labels]
        self._tails = [b"," + orjson.dumps({"group": group})[1:] + b"," for _, _, _, _, group in labels]

    def cells(self, values: Cells) -> list[bytes]:
        """Return each value as JSON."""
        numbers, told = list(values), []
        for place in self._texts:
            if numbers[place].__class__ is str:
                told.append((place, orjson.dumps(numbers[place])))
                numbers[place] = None
        texts = number_texts(numbers)
        for place, text in told:
            texts[place] = text
        return texts

    def named(self, cells: Sequence[bytes]) -> orjson.Fragment:
        """Return the object that names every cell, sorted by name."""
        if not cells:
            return orjson.Fragment(b"{}")
        parts = self._named.copy()
        parts[1::2] = self._in_order(cells)
        return orjson.Fragment(b"".join(parts))

    def decomposition(
        self, points: Sequence[float], of_points: Sequence[bytes], cells: Sequence[bytes], *, base: float, clamp: float,
        total: float,
    ) -> orjson.Fragment:
        """Return the exact decomposition of a score, the strongest inputs first.

        Parameters
        ----------
        points, of_points
            Points of each input, as numbers and as JSON.
        cells
            Value of each input as JSON.
        """
        order = np.argsort(-np.abs(points), kind="stable").tolist()
        parts = [b""] * (5 * len(order))
        # An itemgetter of one place gives no tuple.
        ordered: Any = itemgetter(*order) if len(order) > 1 else tuple
        for place, column in enumerate((self._heads, cells, self._middles, of_points, self._tails)):
            parts[place::5] = ordered(column)
        start, rest, end = number_texts((base, clamp, total))
        # Each line ends with a comma; the last one has none to end with.
        return orjson.Fragment(
            b'{"base":%b,"contributions":[%b],"clamp":%b,"total":%b}' % (start, b"".join(parts)[:-1], rest, end)
        )


def listed(numbers: Sequence[float | None]) -> orjson.Fragment:
    """Return a list of numbers; raises as `number_texts` does."""
    _refuse_unbounded(numbers)
    return orjson.Fragment(orjson.dumps(numbers))


def number_texts(numbers: Sequence[float | str | None]) -> list[bytes]:
    """Return each number as JSON, in the shortest form that reads back the same.

    Raises
    ------
    ValueError
        If one is not finite: JSON has no form for it.
    """
    _refuse_unbounded(numbers)
    return orjson.dumps(list(numbers))[1:-1].split(b",")


def _refuse_unbounded(numbers: Sequence[Any]) -> None:
    # Infinity and NaN stay in a sum; a sum of finite numbers that leaves the range is told from them one by one.
    known = [*filter(None, numbers)]
    if not math.isfinite(sum(known)) and not all(map(math.isfinite, known)):
        raise ValueError("Out of range float values are not JSON compliant")


def _gaps(names: Sequence[bytes]) -> list[bytes]:
    """Return the parts of an object, with an empty one where each value goes."""
    parts: list[bytes] = []
    for place, name in enumerate(names):
        parts += [(b"," if place else b"{") + name, b""]
    return [*parts, b"}"]
