"""Load on a service from several real clients at once, which remember what they asked and what they were told."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Told:
    """What a client was told: None as the status where the connection broke before an answer was whole."""

    key: str
    body: Mapping[str, Any]
    status: int | None
    content: bytes
    headers: Mapping[str, str]
    took_s: float


@dataclass
class Load:
    """Clients that ask for one score after the other, each under an idempotency key of its own.

    Parameters
    ----------
    address, path, headers
        Where and as whom they ask.
    body_of
        Gives the body of a request by its number.
    name
        Makes the keys of this load different from those of others.
    clients
        How many there are.
    pause_s
        How long each waits between two requests.
    timeout_s
        How long each waits for an answer; a load that ends in it has met a hang.
    """

    address: str
    path: str
    headers: Mapping[str, str]
    body_of: Callable[[int], Mapping[str, Any]]
    name: str
    clients: int = 4
    pause_s: float = 0.0
    timeout_s: float = TIMEOUT_S
    told: list[Told] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Ask until the block ends."""
        threads = [threading.Thread(target=self._work) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def wait_for(self, more: int, *, status: int | None = 200, within_s: float = 60.0) -> None:
        """Wait until so many more answers of a status came in than now."""
        deadline, wanted = time.monotonic() + within_s, self.count(status) + more
        while self.count(status) < wanted:
            assert time.monotonic() < deadline, f"fewer than {more} answers with {status} came: {self.statuses()}"
            time.sleep(0.005)

    def count(self, status: int | None) -> int:
        """Return how many answers had a status."""
        return sum(one.status == status for one in list(self.told))

    def statuses(self) -> dict[int | None, int]:
        """Return how many answers had each status."""
        found: dict[int | None, int] = {}
        for one in list(self.told):
            found[one.status] = found.get(one.status, 0) + 1
        return found

    def _work(self) -> None:
        with httpx.Client(base_url=self.address, trust_env=False, headers=self.headers, timeout=self.timeout_s) as client:
            while not self._stop.is_set():
                number = next(self._numbers)
                self.told.append(ask(client, self.path, f"{self.name}-{number}", self.body_of(number)))
                if self.told[-1].status is None or self.pause_s:
                    self._stop.wait(self.pause_s or 0.02)


def ask(client: httpx.Client, path: str, key: str, body: Mapping[str, Any]) -> Told:
    """Ask for a score once."""
    began = time.monotonic()
    try:
        answer = client.post(path, json=body, headers={"Idempotency-Key": key})
    except httpx.TransportError as error:
        return Told(key, body, None, type(error).__name__.encode(), {}, time.monotonic() - began)
    return Told(key, body, answer.status_code, answer.content, dict(answer.headers), time.monotonic() - began)
