"""The engine: what is durable is folded in micro-batches, its rows pushed, its state kept, and whoever listens told.

One thread folds, another pushes rows (`pushing`). Readers (doors, alerts, the console) hold `lock` while they read the state. What
was folded is handed to listeners on the fold's thread, so a listener that needs long hands it on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from features.live.checkpoint import copied, read_checkpoint, restore, write_checkpoint
from features.live.corrections import Corrections
from features.live.fold import OUT_OF_ORDER, LiveFold
from features.live.intake import Intake
from features.live.online_push import OnlinePush
from features.live.positions import Records, Refusal
from features.live.pushing import Arrivals, RowPusher
from features.live.road_map import RoadMap
from registry.errors import IntegrityError

IntArray = npt.NDArray[np.int64]
Clock = Callable[[], int]
"""Returns now in epoch microseconds."""

MAX_BATCH: Final = 50_000


@dataclass(frozen=True)
class Batch:
    """What was folded in one go, arrays of shape (n,).

    Parameters
    ----------
    slots, records
        Vehicle and message.
    said
        0 in order, `fold.OUT_OF_ORDER`, or a `Refusal`: duplicate, late.
    number
        Record of the journal that they end with.
    """

    slots: IntArray
    records: Records
    said: npt.NDArray[np.int8]
    number: int

    @property
    def changed(self) -> IntArray:
        """Vehicles whose state may have changed, each once."""
        return np.unique(self.slots[(self.said == 0) | (self.said == OUT_OF_ORDER)])


@dataclass(frozen=True, kw_only=True)
class EngineTimes:
    """How often the engine does what.

    Parameters
    ----------
    batch_s
        Shortest time from one micro-batch to the next.
    push_s
        Shortest time from one push of rows to the next, unless more wait than one takes.
    checkpoint_s
        From one checkpoint to the next.
    """

    batch_s: float = 0.2
    push_s: float = 1.0
    checkpoint_s: float = 120.0


@dataclass
class LiveEngine:
    """Folds what the intake hands on.

    Parameters
    ----------
    intake, fold, roads
        Where messages come from, the state, and the roads that they are on.
    push
        The online store; None where rows go nowhere.
    corrections
        Where corrections of rows that had been answered are kept.
    clock
        Now: the wall's, or in a replay that of the messages.
    """

    intake: Intake
    fold: LiveFold
    roads: RoadMap
    push: OnlinePush | None
    corrections: Corrections
    clock: Clock
    times: EngineTimes = field(default_factory=EngineTimes)
    lock: threading.RLock = field(default_factory=threading.RLock)
    listeners: list[Callable[[Batch], None]] = field(default_factory=list)
    number: int = 0
    failed_listeners: int = 0
    failed_checkpoints: int = 0
    replayed: int = 0
    checkpoint_bytes: int = 0
    _thread: threading.Thread | None = None
    _writer: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.rows = RowPusher(self.fold, self.lock, self.push, self.corrections, self.clock, self.times.push_s)

    @property
    def idle(self) -> bool:
        """Whether everything that was taken is folded and its rows are pushed."""
        return self.intake.waiting == (0, 0) and not self.rows.waits

    def subscribe(self, listener: Callable[[Batch], None]) -> None:
        """Let somebody hear of every micro-batch, from the next one on."""
        self.listeners.append(listener)

    def recover(self) -> None:
        """Take up the last checkpoint and what the journal holds beyond it.

        Raises
        ------
        IntegrityError
            If the checkpoint knows more than the journal.
        """
        kept = read_checkpoint(self.corrections.folder)
        if kept is not None:
            if kept.number > self.intake.journal.last:
                raise IntegrityError(
                    f"the state holds record {kept.number} and the journal ends at {self.intake.journal.last}",
                    where="live journal", remedy="Restore the journal, or remove state.bin and the journal to begin anew.",
                )
            unpushed = restore(self.fold, kept, self.intake.roster.numbers)
            self.number = kept.number
            self.rows.note(unpushed, max(kept.number, 1))
        self.rows.recall()
        for number, records in self.intake.journal.after(self.number):
            self._fold(number, records)
            self.replayed += len(records)

    def start(self) -> None:
        """Begin to fold and to push."""
        self.rows.start()
        self._thread = threading.Thread(target=self._run, name="live-fold", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until everything that was handed on is folded and kept; the intake has been stopped before."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:
            # Going on would answer from a state that lacks messages: nothing more is taken, and a new start replays the journal.
            self.intake.refuse(f"the fold has stopped ({type(error).__name__})")
            raise

    def _loop(self) -> None:
        kept = time.monotonic()
        while True:
            began = time.monotonic()
            ended = self._take()
            now = time.monotonic()
            if ended:
                self.rows.stop()
            if now - kept >= self.times.checkpoint_s or ended:
                self._keep(wait=ended)
                kept = now
            if ended:
                return
            time.sleep(max(self.times.batch_s - (time.monotonic() - began), 0.0))

    def _take(self) -> bool:
        """Fold what waits; return whether nothing more will come."""
        parts: list[Records] = []
        arrivals: Arrivals = ()
        count, number = 0, 0
        ended = False
        try:
            found = self.intake.out.get(timeout=self.times.batch_s)
            while found is not None:
                number = found.number
                parts.append(found.records)
                count += len(found.records)
                arrivals += found.arrivals
                if count >= MAX_BATCH:
                    break
                found = self.intake.out.get_nowait()
            ended = found is None
        except queue.Empty:
            pass
        if parts:
            self._fold(number, parts[0] if len(parts) == 1 else np.concatenate(parts), arrivals)
            self.intake.folded(count)
        return ended

    def _fold(self, number: int, records: Records, arrivals: Arrivals = ()) -> None:
        slots = self.intake.roster.slots_of(records["vehicle"])
        here = slots >= 0  # a vehicle may have left the roster since its message was taken
        slots, records = slots[here], records[here]
        roads = self.roads.classes(records["lon_e6"] / 1e6, records["lat_e6"] / 1e6)
        with self.lock:
            applied = self.fold.apply(slots, records, roads)
            self.number = number
            batch = Batch(slots, records, applied.said, number)
            late, disordered = applied.said == Refusal.LATE, applied.said == OUT_OF_ORDER
            if late.any():
                self.corrections.note_late(slots[late], records["time_s"][late])
            if disordered.any():
                self.rows.correct(slots[disordered], records["time_s"][disordered])
            self.rows.note(batch.changed, number, arrivals)
        for listener in self.listeners:
            try:
                listener(batch)
            except Exception:  # noqa: BLE001 - whoever listens must not stop the fold; the status counts it
                self.failed_listeners += 1

    def _keep(self, *, wait: bool) -> None:
        """Write a checkpoint beside the fold, and let the journal go that it holds."""
        if self._writer is not None and self._writer.is_alive():
            if not wait:
                return
            self._writer.join()
        with self.lock:
            self.fold.tidy()
            numbers, rows = self.intake.roster.numbers, self.rows
            checkpoint = copied(self.fold, self.number, numbers, rows.answered_s, rows.unpushed)

        def write() -> None:
            try:
                self.checkpoint_bytes = write_checkpoint(self.corrections.folder, checkpoint)
            except OSError:
                # The one before stands, and the journal keeps what came since; the next one is tried in time.
                self.failed_checkpoints += 1
                return
            self.intake.journal.forget(checkpoint.number)

        self._writer = threading.Thread(target=write, name="live-checkpoint", daemon=True)
        self._writer.start()
        if wait:
            self._writer.join()
