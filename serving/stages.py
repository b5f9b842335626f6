"""Where the time of a request went: a few stages, timed where they happen and told once the request is over.

Scoring and explaining are one stage, because the kernel does both in one pass over the trees. What is timed outside a request
(a re-scoring, a warm-up) is told to nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Final, Literal

Stage = Literal["key", "auth", "resolve", "gather", "read", "score", "encode", "record"]
Marks = list[tuple[Stage, float, float]]
"""Stage, start and end by `time.perf_counter`, in the order in which they ended."""

_MARKS: Final[ContextVar[Marks | None]] = ContextVar("marks", default=None)


class stage:  # noqa: N801 - it reads as the statement that it is: `with stage("read"):`
    """Time one stage of the request that is being served, failed or not."""

    __slots__ = ("_marks", "_name", "_started")

    def __init__(self, name: Stage) -> None:
        self._name, self._marks = name, _MARKS.get()

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if self._marks is not None:
            self._marks.append((self._name, self._started, time.perf_counter()))


def begin() -> tuple[Marks, Token[Marks | None]]:
    """Begin a request in this context; return where its stages will be found, and what `end` needs."""
    marks: Marks = []
    return marks, _MARKS.set(marks)


def end(token: Token[Marks | None]) -> None:
    """End a request."""
    _MARKS.reset(token)


def marks_of_request() -> Marks:
    """Return where the stages of the request being served are found; outside of one, where nobody looks."""
    marks = _MARKS.get()
    return [] if marks is None else marks


@contextmanager
def together() -> Iterator[Marks]:
    """Time stages that several requests have in common; give where they are found, for each to take over."""
    marks, token = begin()
    try:
        yield marks
    finally:
        end(token)
