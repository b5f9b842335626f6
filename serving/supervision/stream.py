"""Server-Sent Events: lines of the alert ledger as they are written, resumed by their number without loss or repetition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from serving.encode import encoded
from serving.supervision.shapes import written_out

if TYPE_CHECKING:
    from registry.supervision.book import Written
    from registry.supervision.life_cycle import Alert
    from serving.supervision.desk import AlertDesk

MEDIA_TYPE: Final = "text/event-stream"
LOOK_S: Final = 0.5
"""How often it is asked whether the ledger changed; the question costs microseconds."""
BEAT_S: Final = 10.0
"""A comment after so long a silence keeps proxies from closing the line."""
RETRY_MS: Final = 1_000
PAGE: Final = 500


async def alert_stream(desk: AlertDesk, after: int, wanted: Callable[[Alert], bool]) -> AsyncIterator[bytes]:
    """Yield events behind a line of the ledger until the stream's time is over."""
    yield f"retry: {RETRY_MS}\nid: {after}\n\n".encode()
    end = time.monotonic() + desk.stream_s
    beat, stamp = time.monotonic(), None
    while True:
        now = await run_in_threadpool(desk.watch.stamp)
        if now != stamp:
            # Asked before reading: what is written meanwhile changes the stamp again.
            found, seen = await run_in_threadpool(_page, desk, after, wanted)
            stamp = now if seen == after else None
            if found or seen > after:
                after, beat = seen, time.monotonic()
                yield b"".join(_event(line) for line in found) or f"id: {after}\n\n".encode()
                continue
        if time.monotonic() >= end:
            return
        if time.monotonic() - beat >= BEAT_S:
            beat = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(min(LOOK_S, max(end - time.monotonic(), 0.0)))


def _page(desk: AlertDesk, after: int, wanted: Callable[[Alert], bool]) -> tuple[list[Written], int]:
    return desk.book.lines(after=after, limit=PAGE, wanted=wanted)


def _event(line: Written) -> bytes:
    return b"id: %d\nevent: alert\ndata: %s\n\n" % (line.seq, encoded(written_out(line)))
