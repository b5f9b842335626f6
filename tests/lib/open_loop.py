"""An open loop of HTTP requests: each leaves at its time, whether or not earlier ones have been answered.

A client library costs more processor time than the service may spend on a request, and its pool of connections has a queue of its
own, which a latency would hold. Here a request is bytes made beforehand, and it takes an idle connection or opens one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

LOST: Final = 0
"""Status of a request whose connection ended without an answer."""
PATIENCE_S: Final = 30.0


@dataclass
class Load:
    """What an open loop met.

    Parameters
    ----------
    latencies_s
        Sorted times from the moment when a request was due to the end of its answer.
    statuses
        How often each status was answered.
    """

    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def quantile_ms(self, share: float) -> float:
        """Return a quantile of the latencies in milliseconds."""
        return 1000 * self.latencies_s[int(share * (len(self.latencies_s) - 1))]

    @property
    def failed(self) -> int:
        """How many requests were not answered with 2xx."""
        return sum(n for status, n in self.statuses.items() if not 200 <= status < 300)


def posts(url: str, path: str, headers: Mapping[str, str], bodies: Sequence[object]) -> list[bytes]:
    """Return the bytes of one POST for each JSON body."""
    host = urlsplit(url).netloc
    fixed = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, "Content-Type": "application/json", **headers}.items())
    made = (json.dumps(body, ensure_ascii=False).encode() for body in bodies)
    return [f"POST {path} HTTP/1.1\r\n{fixed}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in made]


async def in_turn(url: str, requests: Sequence[bytes]) -> list[tuple[float, int]]:
    """Return time in seconds and status of requests that leave one after the other, on one connection."""
    pool = _Pool(url)
    met = []
    try:
        for request in requests:
            started = time.perf_counter()
            status = await pool.answer(request)
            met.append((time.perf_counter() - started, status))
    finally:
        pool.close()
    return met


async def open_loop(url: str, requests: Sequence[bytes], *, rate: float, seconds: float) -> Load:
    """Send `rate` requests a second for a time, going round in `requests`, and wait for all answers."""
    pool, load, tasks = _Pool(url), Load(), set[asyncio.Task[None]]()

    async def one(request: bytes, due: float) -> None:
        status = await pool.answer(request)
        load.latencies_s.append(time.perf_counter() - due)
        load.statuses[status] += 1

    # A pause of the generator's own collector would look like one of the service.
    gc.collect()
    gc.disable()
    try:
        started = time.perf_counter()
        for i in range(int(rate * seconds)):
            due = started + i / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(one(requests[i % len(requests)], due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    finally:
        gc.enable()
        pool.close()
    load.latencies_s.sort()
    return load


class _Pool:
    """Connections to one service; the one used last is used next."""

    def __init__(self, url: str) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._idle: deque[_Connection] = deque()

    async def answer(self, request: bytes) -> int:
        """Return the status that a request is answered with."""
        with contextlib.suppress(OSError, TimeoutError):
            connection = await self._taken()
            status = await asyncio.wait_for(connection.answer(request), PATIENCE_S)
            if connection.alive:
                self._idle.append(connection)
            return status
        return LOST

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    async def _taken(self) -> _Connection:
        while self._idle:
            if (found := self._idle.pop()).alive:
                return found
        _, made = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return made


class _Connection(asyncio.Protocol):
    """One connection, one request at a time; it understands answers that say how long they are."""

    def __init__(self) -> None:
        self.alive = False
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._answered: asyncio.Future[int] | None = None

    def answer(self, request: bytes) -> asyncio.Future[int]:
        """Return what will hold the status."""
        assert self._transport is not None, "connected"
        self._got, self._answered = b"", asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        assert isinstance(transport, asyncio.Transport), "a stream"
        self._transport, self.alive = transport, True

    def data_received(self, data: bytes) -> None:
        """Take bytes of an answer."""
        self._got += data
        head, separator, body = self._got.partition(b"\r\n\r\n")
        if not separator or self._answered is None or self._answered.done():
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0
        )
        if len(body) >= length:
            self._answered.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self.alive = False
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionResetError() if exc is None else exc)
