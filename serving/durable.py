"""Waiting for a record without a thread: what an event loop does while the ledger makes a decision durable.

A thread for every request costs a hop there and back and a fight for the interpreter; where nothing before the record waits for
another machine, the event loop makes the answer itself and one thread of the ledger commits for all. What is read before must not
take long: `Pace` sends requests to threads for a while after one that did.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from registry.decisions import Beside, Decision, DecisionLedger

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


async def recorded(decisions: DecisionLedger, decision: Decision, beside: Beside | None) -> None:
    """Return when a decision is durable; it raises what `DecisionLedger.record` raises."""
    loop = asyncio.get_running_loop()
    durable: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if durable.done():
            return  # whoever asked has gone; the record stays
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)

    def then(error: BaseException | None) -> None:
        # A loop that was closed meanwhile has nobody left to tell.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    decisions.record_soon(decision, beside=beside, then=then)
    await durable
