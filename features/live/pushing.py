"""Rows of vehicles that changed go to the online store on a thread of their own, so that the fold goes on meanwhile.

Who has waited longest goes first, a bounded number at a time, each number in one transaction of the store. What a late message
changes in a row that was answered is a correction; a row that is on its way counts as answered once the store has it, and a message
that came in between is then held against it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from features.live.corrections import Corrections
from features.live.duty_rows import COLUMNS, same_values
from features.live.fold import LiveFold
from features.live.online_push import OnlinePush
from registry.errors import RoadRiskError

IntArray = npt.NDArray[np.int64]
Arrivals = tuple[tuple[int, float], ...]
"""(how many, when by the monotonic clock) of messages that were handed over at once."""
MAX_PUSH: Final = 20_000
"""Rows of one push: some tenths of a second, during which nobody else writes to the store."""


@dataclass(frozen=True)
class _Flight:
    """Rows on their way, by place in `slots`."""

    slots: IntArray
    since: IntArray
    cutoff_s: IntArray
    values: npt.NDArray[np.float64]


@dataclass
class RowPusher:
    """Keeps the rows of a fold's vehicles fresh in the online store.

    Parameters
    ----------
    fold, lock
        The state, and what is held while it is read.
    store
        The online store; None where rows go nowhere.
    corrections
        Where corrections of rows that had been answered are kept.
    clock
        Now, in epoch microseconds.
    every_s
        Shortest time from one push to the next, unless more wait than one takes.
    """

    fold: LiveFold
    lock: threading.RLock
    store: OnlinePush | None
    corrections: Corrections
    clock: Callable[[], int]
    every_s: float
    pushed: int = 0
    unchanged: int = 0
    failed: int = 0
    latency_s: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=2_000))
    _order: deque[IntArray] = field(default_factory=deque)
    _arrived: deque[tuple[int, Arrivals]] = field(default_factory=deque)
    _flight: _Flight | None = None
    _met: set[int] = field(default_factory=set)
    _ending: bool = False
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        n = self.fold.n_vehicles
        self._changed = threading.Condition(self.lock)
        self._since = np.zeros(n, np.int64)
        """Number of the micro-batch since which a vehicle waits; 0 where it does not."""
        self._restated = np.zeros(n, np.bool_)
        """Whether a correction said another row than the store holds."""
        self.answered_s = np.zeros(n, np.int64)
        self.answered = np.full((n, len(COLUMNS)), np.nan)

    @property
    def waits(self) -> bool:
        """Whether a row is not in the store yet."""
        with self.lock:
            return bool(self._since.any()) or self._flight is not None

    @property
    def unpushed(self) -> IntArray:
        """Vehicles whose row is not in the store yet."""
        with self.lock:
            under_way = self._flight.slots if self._flight is not None else np.zeros(0, np.int64)
            return np.union1d(np.flatnonzero(self._since), under_way)

    def recall(self) -> None:
        """Take up what the store holds."""
        if self.store is not None:
            self.answered_s, self.answered = self.store.answered()

    def note(self, slots: IntArray, number: int, arrivals: Arrivals = ()) -> None:
        """Note vehicles that a micro-batch changed; `number` grows from batch to batch."""
        with self._changed:
            new = slots[self._since[slots] == 0]
            if len(new):
                self._since[new] = number
                self._order.append(new)
            if arrivals:
                self._arrived.append((number, arrivals))
            self._changed.notify_all()

    def correct(self, slots: IntArray, time_s: npt.NDArray[np.uint32]) -> None:
        """Note what messages that came out of order change in rows that have been answered; the lock is held."""
        told = self.answered_s[slots] >= time_s
        if self._flight is not None:
            place = np.searchsorted(self._flight.slots, slots)
            place = np.minimum(place, len(self._flight.slots) - 1)
            under_way = (self._flight.slots[place] == slots) & (self._flight.cutoff_s[place] >= time_s)
            self._met.update(slots[under_way].tolist())
        if told.any():
            self._compare(np.unique(slots[told]))

    def start(self) -> None:
        """Begin to push."""
        self._thread = threading.Thread(target=self._run, name="live-push", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Push what waits, and end; what the store refuses then is left to the next start."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def push(self) -> bool:
        """Push the rows that have waited longest; return whether the store took them. What fails waits on as the oldest."""
        with self.lock:
            flight = self._taken()
            self._flight = flight if len(flight.slots) else None
            changed = np.flatnonzero((flight.cutoff_s > 0) & ~self._same(flight))
        if len(flight.slots):
            try:
                if self.store is not None:
                    self.store.write(flight.slots[changed], flight.cutoff_s[changed], flight.values[changed], self.clock())
            except RoadRiskError:
                self._returned(flight)
                return False
            self.pushed += len(changed) if self.store is not None else 0
            self.unchanged += int(np.count_nonzero(flight.cutoff_s > 0)) - len(changed)
        self._arrive(flight)
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._since.any() or self._arrived or self._ending):
                    self._changed.wait()
                ending = self._ending
            began = time.monotonic()
            took = self.push()
            with self._changed:
                more = bool(self._since.any())
                if self._ending and ending and (not more or not took):
                    return
                full = int(np.count_nonzero(self._since)) >= MAX_PUSH
                pause = self.every_s - (time.monotonic() - began)
                if pause > 0 and not self._ending and not (took and full):
                    self._changed.wait_for(lambda: self._ending, pause)

    def _taken(self) -> _Flight:
        """Take the vehicles that have waited longest, and read their rows."""
        parts: list[IntArray] = []
        count = 0
        while self._order and count < MAX_PUSH:
            first = self._order.popleft()
            first = first[self._since[first] != 0]  # a push that failed put some twice in the order
            first, rest = first[:MAX_PUSH - count], first[MAX_PUSH - count:]
            if len(rest):
                self._order.appendleft(rest)
            parts.append(first)
            count += len(first)
        slots = np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
        since = self._since[slots]
        self._since[slots] = 0
        cutoff_s, values = self.fold.duty_rows(slots)
        # Who rests has no row of now; what was corrected of the one before goes to the store all the same.
        old = (cutoff_s == 0) & self._restated[slots]
        cutoff_s[old], values[old] = self.answered_s[slots[old]], self.answered[slots[old]]
        return _Flight(slots, since, cutoff_s, values)

    def _same(self, flight: _Flight) -> npt.NDArray[np.bool_]:
        """Return which rows the store holds as they are."""
        equal = same_values(self.answered[flight.slots], flight.values)
        same: npt.NDArray[np.bool_] = (self.answered_s[flight.slots] == flight.cutoff_s) & equal.all(axis=1)
        same &= ~self._restated[flight.slots]
        return same

    def _returned(self, flight: _Flight) -> None:
        with self.lock:
            self.failed += 1
            self._flight = None
            self._met.clear()
            self._since[flight.slots] = flight.since
            self._order.appendleft(flight.slots)

    def _arrive(self, flight: _Flight) -> None:
        """Note that rows are in the store, and of whose messages all are."""
        with self.lock:
            here = flight.cutoff_s > 0
            self.answered_s[flight.slots[here]] = flight.cutoff_s[here]
            self.answered[flight.slots[here]] = flight.values[here]
            self._restated[flight.slots] = False
            self._flight = None
            if self._met:
                met, self._met = np.array(sorted(self._met), dtype=np.int64), set()
                self._compare(met)
            while self._order and not self._since[self._order[0]].any():
                self._order.popleft()
            oldest = int(self._since[self._order[0]].max()) if self._order else None
            arrived: list[tuple[int, float]] = []
            while self._arrived and (oldest is None or self._arrived[0][0] < oldest):
                arrived += self._arrived.popleft()[1]
        if arrived:
            now = time.monotonic()
            waited = np.repeat([now - at for _, at in arrived], [n for n, _ in arrived])
            self.latency_s.append((len(waited), float(np.quantile(waited, 0.95))))

    def _compare(self, slots: IntArray) -> None:
        """Keep a correction of each vehicle whose answered row would be another one now."""
        cutoff, values = self.fold.duty_rows(slots, self.answered_s[slots])
        differs = ~same_values(values, self.answered[slots]).all(axis=1) & (cutoff > 0)
        rows = slots[differs]
        self.corrections.note(rows, cutoff[differs], self.answered[rows], values[differs], self.clock())
        self.answered[rows], self._restated[rows] = values[differs], True
