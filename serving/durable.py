"""Waiting for a record without a thread: what an event loop does while the ledger makes a decision durable.

A thread for every request costs a hop there and back and a fight for the interpreter; where nothing before the record waits for
another machine, the event loop makes the answer itself and one thread of the ledger commits for all. What is read before must not
take long: `Pace` sends requests to threads for a while after one that did.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from registry.chain import Then

SLOW_S: Final = 0.05
"""How long an event loop may be held before requests are sent to threads. [A]"""
PAUSE_S: Final = 1.0
"""How long they are then. [A]"""


class Pace:
    """Whether the event loop may make answers itself at the moment.

    Parameters
    ----------
    clock
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._until_s = clock, 0.0

    @property
    def quick(self) -> bool:
        """Whether no answer took long just now."""
        return self._clock() >= self._until_s

    def took(self, seconds: float) -> None:
        """Note how long an answer took before its record."""
        if seconds > SLOW_S:
            self._until_s = self._clock() + PAUSE_S


class Settling:
    """Tells an event loop what became durable: all that a transaction made so wakes it once.

    Parameters
    ----------
    loop
        The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told: deque[tuple[Then, BaseException | None]] = deque()
        self._woken = False

    def then(self, settle: Then) -> Then:
        """Return what another thread calls, so that `settle` is called with the same in the event loop."""

        def tell(error: BaseException | None) -> None:
            self._told.append((settle, error))
            # Whoever wakes the loop takes all that was told before it begins to look.
            if not self._woken:
                self._woken = True
                # A loop that was closed meanwhile has nobody left to tell.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._settle)

        return tell

    def _settle(self) -> None:
        self._woken = False
        while self._told:
            settle, error = self._told.popleft()
            settle(error)
