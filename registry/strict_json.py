"""JSON for what is kept: one form of each value, and nothing that JSON has no form for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

_NESTED: Final = frozenset({dict, list, tuple})
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
    # orjson would write null for NaN and infinity, which means another thing. Zero times either is NaN, and a sum keeps it. What is
    # text already was looked at when it was written.
    floats, left = [], [value]
    while left:
        one: Any = left.pop()
        for part in one.values() if isinstance(one, dict) else one:
            kind = part.__class__
            if kind is str or part is None:
                continue
            if kind is float:
                floats.append(part)
            elif kind in _NESTED:
                left.append(part)
            elif isinstance(part, float):
                floats.append(float(part))
    if sum([part * 0.0 for part in floats]) != 0.0:
        raise ValueError("Out of range float values are not JSON compliant")
