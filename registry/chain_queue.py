"""Group commit: calls that come while another is being made durable share the next transaction.

The first caller leads: it waits for the ledger, takes whoever has queued up by then, and commits for all. Whoever comes
meanwhile waits, and one of those leads the next group. A caller that meets nobody commits its own addition and never waits
for another thread.

Who may not wait (an event loop) has the queue call back instead: its additions stand in the same line, and a thread of the queue
leads where one of them would.
"""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from registry.errors import RoadRiskError, ServiceUnavailable
from registry.ledger_store import Transaction

MAX_GROUP: Final = 256
"""Additions that share one transaction at most, so that the last of them does not wait for long."""

Beside = Callable[[Transaction, int], None]
"""Writes what stands beside rows, in their transaction; it is told the position of the first. What refuses an addition (a
`RoadRiskError`) must be raised before anything is written: the others of the group commit."""


def _held() -> Any:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass
class Addition:
    """Rows that enter together or not at all.

    Parameters
    ----------
    rows
        Text, instant and values of the indexed fields of each row.
    beside
        What is written with them.
    written
        The rows as they were written.
    error
        Why they were not.
    """

    rows: Sequence[tuple[str, str, tuple[str | None, ...]]]
    beside: Beside | None = None
    written: list[tuple[Any, ...]] = field(default_factory=list)
    error: BaseException | None = None
    leads: bool = False
    wake: Any = field(default_factory=_held)
    done: Callable[[], None] | None = None
    """Called once it is durable or has failed, by whoever led; None where its caller waits. It raises nothing."""


class CommitQueue:
    """Additions that wait, and who of their callers commits.

    Parameters
    ----------
    commit
        Commits a group: it is given a function that returns the group, to be called when nobody else can write any more.
    """

    def __init__(self, commit: Callable[[Callable[[], list[Addition]]], None]) -> None:
        self._commit, self._mutex = commit, threading.Lock()
        self._waiting: list[Addition] = []
        self._led = False
        self._to_lead: queue.SimpleQueue[Addition | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = False
        self.groups = 0
        self.additions = 0

    @property
    def waiting(self) -> int:
        """Return how many additions wait for a transaction at this moment."""
        return len(self._waiting)

    def submit(self, addition: Addition) -> None:
        """Return when the addition is durable; raise why it is not."""
        with self._mutex:
            self._waiting.append(addition)
            addition.leads = not self._led
            self._led = True
        if not addition.leads:
            addition.wake.acquire()
        if addition.leads:
            self._lead(addition)
        if addition.error is not None:
            raise addition.error

    def submit_soon(self, additions: Sequence[Addition]) -> None:
        """Return at once; `done` of each is called when it is durable, or has failed."""
        assert all(one.done is not None for one in additions), "somebody waits for each"
        if not additions:
            return
        with self._mutex:
            self._waiting += additions
            leads, self._led = not self._led, True
            if self._thread is None:
                self._thread = threading.Thread(target=self._lead_on, name="ledger commits", daemon=True)
                self._thread.start()
        if leads:
            self._to_lead.put(additions[0])

    def close(self) -> None:
        """End the thread, after what waits for it."""
        if self._thread is None:
            return
        with self._mutex:
            self._closing = True
            idle = not self._led
        if idle:
            self._to_lead.put(None)
        self._thread.join()
        self._thread, self._closing = None, False

    def _lead_on(self) -> None:
        while (addition := self._to_lead.get()) is not None:
            self._lead(addition)

    def _lead(self, own: Addition) -> None:
        taken: list[Addition] = []

        def take() -> list[Addition]:
            with self._mutex:
                taken.extend(self._waiting[:MAX_GROUP])
                del self._waiting[:MAX_GROUP]
            return taken

        try:
            self._commit(take)
        except BaseException as error:  # noqa: BLE001 - whatever it is, each caller of the group must hear of it
            # Those who wait would meet the same: a ledger that cannot be reached answers all of them now.
            for one in taken or take():
                one.error = error if one is own else _for_another_thread(error)
        finally:
            self._hand_over(taken, own)

    def _hand_over(self, taken: Sequence[Addition], own: Addition) -> None:
        self.groups += 1
        self.additions += len(taken)
        with self._mutex:
            successor = self._waiting[0] if self._waiting else None
            self._led = successor is not None
            if successor is not None:
                successor.leads = True
            over = self._closing and successor is None
        for one in taken:
            if one.done is not None:
                one.done()
            elif one is not own:
                one.wake.release()
        if successor is not None:
            if successor.done is not None:
                self._to_lead.put(successor)
            else:
                successor.wake.release()
        if over:
            self._to_lead.put(None)


def _for_another_thread(error: BaseException) -> BaseException:
    # One exception raised in two threads would collect the tracebacks of both.
    if isinstance(error, RoadRiskError):
        return copy.copy(error)
    if isinstance(error, Exception):
        return error
    return ServiceUnavailable("the thread that wrote the ledger for this one was interrupted", remedy="Ask again.")
