"""What a JSON body must be before anything else reads it: UTF-8, one meaning, finite numbers, bounded depth."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from serving.problems import Problem

MAX_DEPTH: Final = 16
MAX_EXACT_INTEGER: Final = 2**53
"""Integers beyond it do not survive a double, which is what other JSON readers and the models use."""


class RefusedBody(Exception):
    """A body that is refused, with the problem to answer."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


def check_json(body: bytes) -> Any:
    """Return what the bytes of a JSON body mean, checked.

    Raises
    ------
    RefusedBody
        Status 400 if it is no JSON or means two things (invalid UTF-8, duplicate names, NaN), 422 if a number or the
        nesting is out of range.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(400, "invalid-utf-8", "Invalid UTF-8", f"the body is not UTF-8 at byte {error.start}",
                "Encode the body as UTF-8.")
    try:
        value = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        _refuse(400, "malformed-json", "Malformed JSON",
                f"the body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}",
                "Send one JSON object.")
    except RecursionError:
        _too_deep()
    _check_depth_and_text(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _refuse(400, "duplicate-name", "Duplicate name", "an object of the body has the same name twice",
                "Send every name once.")
    return found


def _constant(text: str) -> NoReturn:
    _refuse(400, "malformed-json", "Malformed JSON", f"the body holds {text}, which is no JSON number",
            "Send null for a value that is not known.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _out_of_range("a number of the body is beyond the range of a double")
    return value


def _exact(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > MAX_EXACT_INTEGER:
        _out_of_range("an integer of the body is beyond 2^53")
    return int(text)


def _check_depth_and_text(value: object) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            _too_deep()
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str) and not item.isascii():
                _check_text(item)
        level = below


def _check_text(text: str) -> None:
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        _refuse(400, "malformed-json", "Malformed JSON", "a text of the body holds half of a surrogate pair",
                "Send whole characters.")


def _too_deep() -> NoReturn:
    _out_of_range(f"the body is nested deeper than {MAX_DEPTH} levels")


def _out_of_range(detail: str) -> NoReturn:
    _refuse(422, "out-of-range", "Out of range", detail, "Send values within the range.")


def _refuse(status: int, slug: str, title: str, detail: str, remedy: str) -> NoReturn:
    raise RefusedBody(Problem(slug=slug, title=title, status=status, detail=detail, remedy=remedy))


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite, parse_int=_exact)
