"""Minute scores as Server-Sent Events: the newest value of each vehicle that changed, counted before it leaves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from registry.errors import RoadRiskError, ServiceUnavailable
from serving.encode import encoded
from serving.problems import problem_of

if TYPE_CHECKING:
    from serving.fatigue.frames import IntArray, Mark, ScoreFrames, Value

MEDIA_TYPE: Final = "text/event-stream"
LOOK_S: Final = 1.0
BEAT_S: Final = 10.0
STREAM_S: Final = 45.0
"""A stream ends after so long, so that a revoked key or a suspended scenario ends it no later."""
RETRY_MS: Final = 1_000
PAGE: Final = 500
"""So many values at most are read, counted and sent at once; the reader takes them before the next are read."""
MOST_STREAMS: Final = 64
"""Streams of a service at once. [A]"""


class Places:
    """How many streams are open."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self._free = threading.Semaphore(most)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a place until the block ends.

        Raises
        ------
        ServiceUnavailable
            If there is none.
        """
        if not self._free.acquire(blocking=False):
            raise ServiceUnavailable("too many streams are open", where="live stream", remedy="Come back in a few seconds.")
        try:
            yield
        finally:
            self._free.release()


async def score_stream(
    frames: ScoreFrames, after: Mark, slots: IntArray, count: Callable[[], None], *, places: Places, stream_s: float = STREAM_S,
) -> AsyncIterator[bytes]:
    """Yield events until the stream's time is over.

    Parameters
    ----------
    after
        What its reader has seen.
    slots
        Vehicles that he may read.
    count
        Counts one page before it leaves; where it refuses, the stream says so and ends.
    places
        Where the stream takes a place.
    """
    try:
        with places.one():
            yield f"retry: {RETRY_MS}\nid: {after.text}\n\n".encode()
            end = time.monotonic() + stream_s
            beat = time.monotonic()
            while True:
                found = await run_in_threadpool(frames.page, after, slots, PAGE)
                if found:
                    await run_in_threadpool(count)
                    beat, after = time.monotonic(), found[-1].mark
                    yield b"".join(map(_event, found))
                if time.monotonic() >= end:
                    return
                if len(found) < PAGE:
                    if time.monotonic() - beat >= BEAT_S:
                        beat = time.monotonic()
                        yield b": still here\n\n"
                    await asyncio.sleep(min(LOOK_S, max(end - time.monotonic(), 0.0)))
    except RoadRiskError as error:
        # The head has left already, so the reader hears it as an event; asked again it gets the status.
        yield b"event: problem\ndata: %s\n\n" % problem_of(error).body("")


def _event(value: Value) -> bytes:
    return b"id: %s\nevent: score\ndata: %s\n\n" % (value.mark.text.encode(), encoded(value.document))
