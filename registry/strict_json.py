"""JSON for what is kept: one form of each value, and nothing that JSON has no form for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any, Final

import orjson

_NESTED: Final = frozenset({dict, list, tuple})
_FLOATS: Final = frozenset({float})
_TEXTS: Final = frozenset({str, int, bool, type(None), orjson.Fragment, *_NESTED})
"""Kinds of parts without a number of their own that could be none."""
_PLAIN: Final = frozenset({float, str, int, bool, type(None), orjson.Fragment})
_OURS_ALONE: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
"""What orjson would write in a form of its own is refused: whoever keeps something says in which form."""
_FORM: Final = orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY | _OURS_ALONE


def strict_json(value: Mapping[str, Any]) -> bytes:
    """Return UTF-8 JSON with sorted names and no spaces; floats in the shortest form that reads back the same.

    Raises
    ------
    ValueError
        If a number is not finite.
    TypeError
        If it holds what JSON has no form for.
    """
    return strict_text(value)


def strict_text(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Return the same of a list or a mapping, as it would stand within a larger one; it raises what `strict_json` raises."""
    _refuse_unbounded(value)
    return orjson.dumps(value, option=_FORM)


def _refuse_unbounded(value: Mapping[str, Any] | Sequence[Any]) -> None:
    # orjson would write null for NaN and infinity, which means another thing. Either stays in a sum; a sum of finite numbers that
    # leaves the range is told from it one by one.
    left: list[Any] = [value]
    while left:
        one = left.pop()
        parts = one.values() if isinstance(one, dict) else one
        kinds = set(map(type, parts))
        if not kinds <= _PLAIN:
            left += [part for part in parts if part.__class__ in _NESTED]
        if kinds <= _TEXTS or isfinite(sum(parts if kinds == _FLOATS else _floats(parts))):
            continue
        if not all(map(isfinite, _floats(parts))):
            raise ValueError("Out of range float values are not JSON compliant")


def _floats(parts: Iterable[Any]) -> list[float]:
    return [part for part in parts if isinstance(part, float)]
