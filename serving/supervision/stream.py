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


class NewLines:
    """Lines of the ledger behind one; the ledger is read only where its stamp says that something was written.

    Parameters
    ----------
    desk
        Alerts and the watch of their ledger.
    after
        The line that was seen last.
    wanted
        Which alerts their reader may see.
    """

    def __init__(self, desk: AlertDesk, after: int, wanted: Callable[[Alert], bool]) -> None:
        self._desk, self.after, self._wanted = desk, after, wanted
        self._stamp: tuple[int, int] | None = None

    def look(self) -> list[Written] | None:
        """Return the next lines that are wanted, empty where others were passed over; None where there is none."""
        # Asked before reading: what is written meanwhile changes the stamp again.
        stamp = self._desk.watch.stamp()
        if stamp == self._stamp:
            return None
        found, seen = self._desk.book.lines(after=self.after, limit=PAGE, wanted=self._wanted)
        if seen == self.after:
            self._stamp = stamp
            return None
        self._stamp, self.after = None, seen
        return found


async def alert_stream(desk: AlertDesk, after: int, wanted: Callable[[Alert], bool]) -> AsyncIterator[bytes]:
    """Yield events behind a line of the ledger until the stream's time is over."""
    lines = NewLines(desk, after, wanted)
    yield f"retry: {RETRY_MS}\nid: {after}\n\n".encode()
    end = time.monotonic() + desk.stream_s
    beat = time.monotonic()
    while True:
        found = await run_in_threadpool(lines.look)
        if found is not None:
            beat = time.monotonic()
            yield b"".join(_event(line) for line in found) or f"id: {lines.after}\n\n".encode()
            continue
        if time.monotonic() >= end:
            return
        if time.monotonic() - beat >= BEAT_S:
            beat = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(min(LOOK_S, max(end - time.monotonic(), 0.0)))


def _event(line: Written) -> bytes:
    return b"id: %d\nevent: alert\ndata: %s\n\n" % (line.seq, encoded(written_out(line)))
