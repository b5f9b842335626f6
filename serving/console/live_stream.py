"""Server-Sent Events of the live page: vehicles that changed, new lines about alerts, whether the live service is there.

An event's id says all that its reader has seen: run and number of the fleet's frames, line of the ledger of alerts. So a stream
that ends, by its own clock or by a fault, is taken up where it stopped, by any worker.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.concurrency import run_in_threadpool

from registry.local_time import SHANGHAI
from registry.supervision.events import AlertEvent
from registry.supervision.rule_table import RULES_BY_ID
from registry.supervision.sight import sees
from serving.supervision.stream import BEAT_S, MEDIA_TYPE, RETRY_MS, NewLines

if TYPE_CHECKING:
    from serving.console.live_access import Watching

__all__ = ["MEDIA_TYPE", "Seen", "live_events"]

LOOK_S: Final = 0.5
STREAM_S: Final = 45.0
"""A stream ends after so long, and the page comes back by itself: a revoked key and an ended session bite no later."""
NEW: Final = frozenset({"raised", "worsened", "reopened"})
_ID: Final = re.compile(r"([0-9]{1,16})\.([0-9]{1,16})\.([0-9]{1,15})")


@dataclass(frozen=True)
class Seen:
    """What a reader has seen.

    Parameters
    ----------
    run, number
        The newest frame.
    line
        The newest line of the ledger of alerts; None begins with the next one.
    """

    run: int = 0
    number: int = 0
    line: int | None = None

    @classmethod
    def of(cls, text: str) -> Seen:
        """Return what an event id says; nothing where it is none."""
        found = _ID.fullmatch(text)
        return cls(*map(int, found.groups())) if found else cls()

    def __str__(self) -> str:
        return f"{self.run}.{self.number}.{self.line or 0}"


class LiveEvents:
    """Makes the events of one stream."""

    def __init__(self, watch: Watching, seen: Seen) -> None:
        self.watch, self.seen = watch, seen
        self._told: dict[str, Any] = {}
        self._lines: NewLines | None = None

    def look(self) -> bytes:
        """Return the events since the last look; nothing where nothing happened."""
        relay = self.watch.console.relay
        relay.refresh()
        return b"".join([*self._state(), *self._fleet(), *self._alerts()])

    def _state(self) -> list[bytes]:
        relay, rows = self.watch.console.relay, self.watch.console.relay.seen
        at_s = rows[1].at_s if rows else 0
        told = {"state": relay.state, "replay": bool(rows and rows[0].replay), "at": clock_of(at_s), "at_s": at_s}
        if told == self._told:
            return []
        self._told = told
        return [self._event("state", orjson.dumps(told))]

    def _fleet(self) -> list[bytes]:
        relay = self.watch.console.relay
        seen = relay.seen
        if seen is None:
            return []
        roster, fleet = seen
        if roster.run != self.seen.run:
            # The page's slots belong to a process that is gone; it is given everything.
            self.seen = replace(self.seen, run=roster.run, number=0)
        elif fleet.number == self.seen.number:
            return []
        frame = relay.since(self.seen.run, self.seen.number, self.watch.wanted(roster))
        if frame is None:
            return []
        whole = self.seen.number == 0
        self.seen = replace(self.seen, number=fleet.number)
        return [self._event("whole" if whole else "fleet", base64.b64encode(frame))]

    def _alerts(self) -> list[bytes]:
        desk = self.watch.console.alerts
        if desk is None:
            return []
        if self.seen.line is None:
            desk.book.refresh()
            self.seen = replace(self.seen, line=desk.book.seq)
        if self._lines is None:
            self._lines = NewLines(desk, self.seen.line or 0, sees(self.watch.grant))
        found = self._lines.look()
        if found is None:
            return []
        line = self._lines.after
        self.seen = replace(self.seen, line=line)
        new = [
            {"id": one.alert.alert_id, "severity": one.what.severity, **_words(one.alert.rule_id)}
            for one in found if isinstance(one.what, AlertEvent) and one.what.kind in NEW
        ]
        return [self._event("alerts", orjson.dumps({"line": line, "n": len(found), "new": new[-20:]}))] if found else []

    def _event(self, name: str, data: bytes) -> bytes:
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(self.seen).encode(), name.encode(), data)


async def live_events(watch: Watching, seen: Seen, *, stream_s: float = STREAM_S) -> AsyncIterator[bytes]:
    """Yield events until the stream's time is over."""
    events = LiveEvents(watch, seen)
    yield f"retry: {RETRY_MS}\n\n".encode()
    end = time.monotonic() + stream_s
    beat = time.monotonic()
    while time.monotonic() < end:
        found = await run_in_threadpool(events.look)
        if found:
            beat = time.monotonic()
            yield found
        elif time.monotonic() - beat >= BEAT_S:
            beat = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(LOOK_S)


def clock_of(at_s: int) -> str:
    """Return an instant of the live service as local date and time; empty for none."""
    return datetime.fromtimestamp(at_s, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S") if at_s else ""


def _words(rule_id: str) -> dict[str, str]:
    rule = RULES_BY_ID.get(rule_id)
    return {"zh": rule.zh if rule else rule_id, "en": rule.en if rule else rule_id}
