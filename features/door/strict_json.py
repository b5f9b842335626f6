"""JSON as RFC 8259 has it: UTF-8, no field twice, no NaN. What a lenient reader makes of the rest is anybody's guess."""

from __future__ import annotations

import json
from typing import Any, Final

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def strict_json(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If it is none, says a field twice, or holds NaN or an infinity.
    RecursionError
        If it is nested too deeply.
    """
    return json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)


def json_line(row: dict[str, Any]) -> bytes:
    """Return a row as one line of NDJSON."""
    return _ENCODER.encode(row).encode("utf-8", "surrogatepass") + b"\n"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
