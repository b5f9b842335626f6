"""The intake: every door hands its messages over here, and hears when they are durable or why they were not taken.

What waits is bounded. A door that finds it full is refused at once, and passes that on: HTTP answers 429, the platform link stops
reading its socket. Groups form by themselves: whatever came while the last sync went on is synced together.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from features.live.journal import PositionJournal
from features.live.positions import Records, Refusal, impossible
from features.live.roster import UNKNOWN, Roster
from registry.errors import RoadRiskError, ServiceUnavailable

MAX_WAITING: Final = 200_000
"""Messages that may wait for the disk, and as many more for the fold."""
MAX_GROUP: Final = 50_000


class Overloaded(ServiceUnavailable):
    """More came than can be taken; nothing of it was."""

    http_status, slug, title = 429, "overloaded", "Too much at once"


@dataclass(frozen=True)
class Taken:
    """What became of messages that were handed over.

    Parameters
    ----------
    accepted
        How many are durable.
    refused
        (place, reason) of the others.
    """

    accepted: int
    refused: tuple[tuple[int, Refusal], ...]


@dataclass(frozen=True)
class Durable:
    """Messages that were synced together.

    Parameters
    ----------
    number
        Their record in the journal.
    records
        The messages.
    arrivals
        (how many, when by the monotonic clock) of those that were handed over at once.
    """

    number: int
    records: Records
    arrivals: tuple[tuple[int, float], ...]


@dataclass
class Intake:
    """Takes messages in; any thread may hand over.

    Parameters
    ----------
    journal, roster
        Where they are kept, and whose they may be.
    out
        What is durable, for the fold; None once nothing more comes.
    """

    journal: PositionJournal
    roster: Roster
    out: queue.Queue[Durable | None] = field(default_factory=queue.Queue)
    refusals: Counter[str] = field(default_factory=Counter)
    by_door: Counter[int] = field(default_factory=Counter)
    _in: list[tuple[Records, Future[None], float]] = field(default_factory=list)
    _waiting: int = 0
    _unfolded: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None
    _ending: bool = False
    refusing: str = ""

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._write, name="live-intake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and end; the fold is told that nothing more comes."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.out.put(None)

    def refuse(self, why: str) -> None:
        """Take nothing more, because of a defect."""
        self.refusing = why

    def take(self, records: Records) -> tuple[Taken, Future[None]]:
        """Hand messages over.

        Returns
        -------
        tuple
            What is said of them, and a future that is done once the accepted ones are durable.

        Raises
        ------
        Overloaded
            If too many wait, or the journal is full: none of them is taken.
        """
        refusal = impossible(records)
        refusal[(self.roster.slots_of(records["vehicle"]) == UNKNOWN) & (refusal == 0)] = Refusal.WRONG_PLATE
        bad = np.flatnonzero(refusal)
        kept = records if not len(bad) else np.delete(records, bad)
        future: Future[None] = Future()
        with self._changed:
            if self.refusing:
                raise ServiceUnavailable(self.refusing, remedy="Start the live service again; what was accepted is kept.")
            if self._ending:
                raise ServiceUnavailable("the live service is stopping", remedy="Send it again shortly.")
            if max(self._waiting, self._unfolded) + len(kept) > MAX_WAITING or self.journal.full:
                self.refusals["overloaded"] += len(records)
                raise Overloaded("more positions wait than can be taken", remedy="Send them again in a second.")
            self.refusals.update(Refusal(int(reason)).name.lower() for reason in refusal[bad])
            if len(kept):
                self._in.append((kept, future, time.monotonic()))
                self._waiting += len(kept)
                self._changed.notify()
        if not len(kept):
            future.set_result(None)
        return Taken(len(kept), tuple((int(at), Refusal(int(refusal[at]))) for at in bad)), future

    def folded(self, count: int) -> None:
        """Note that the fold has taken messages; there is room for as many more."""
        with self._changed:
            self._unfolded -= count

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages that wait for the disk, and for the fold."""
        return self._waiting, self._unfolded

    def _write(self) -> None:
        while True:
            with self._changed:
                while not self._in and not self._ending:
                    self._changed.wait()
                if not self._in:
                    return
                group, count = [], 0
                while self._in and count < MAX_GROUP:
                    group.append(self._in.pop(0))
                    count += len(group[-1][0])
            self._written(group, count)

    def _written(self, group: list[tuple[Records, Future[None], float]], count: int) -> None:
        records = group[0][0] if len(group) == 1 else np.concatenate([part for part, _, _ in group])
        try:
            number = self.journal.append(records)
        except RoadRiskError as error:
            with self._changed:
                self._waiting -= count
            for _, future, _ in group:
                future.set_exception(error)
            return
        with self._changed:
            self._waiting -= count
            self._unfolded += count
            self.by_door.update(records["door"].tolist())
        self.out.put(Durable(number, records, tuple((len(part), arrived) for part, _, arrived in group)))
        for _, future, _ in group:
            future.set_result(None)
