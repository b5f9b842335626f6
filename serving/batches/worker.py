"""The process that scores batches: `python -m serving.batches.worker`. One works at a time per home; it ends when nothing is left.

A chunk is committed by the rename of its part. A process that is killed leaves what it had committed; the next one goes on at the
first missing part, and finds out from the ledger whether that chunk had been recorded. For a large batch it starts others that take
chunks of their own (`serving.batches.claims`); all of them write the ledger in turn, as the workers of the service do.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from registry.answer_copies import forget_erased, forget_in
from registry.errors import AccessRefused, Conflict, NotFound, RoadRiskError, ServiceUnavailable
from registry.locks import exclusive
from serving.asked import Asked
from serving.batches.claims import HELPER, claim, helpers, processes_for
from serving.batches.folder import BatchFolder, BatchFolders, Header
from serving.problems import problem_of

if TYPE_CHECKING:
    from registry.access.book import AccessBook
    from registry.settings import Settings
    from serving.desk import ScoringDesk
    from serving.live import LiveScorer

ATTEMPTS: Final = 6
"""How often a chunk is tried while a store does not answer, with growing pauses; about half a minute in all. [A]"""
NICENESS: Final = 10
LOOK_AGAIN_S: Final = 0.2


@dataclass
class Worker:
    """Works at batches, one chunk of one batch at a time, the least advanced first, so that a small one overtakes a large one.

    Parameters
    ----------
    settings
        Names batches, models, store and ledger.
    desk
        Scores and records.
    book
        Says before every chunk whether it may still be asked for.
    sleep
        Waits some seconds.
    """

    settings: Settings
    desk: ScoringDesk
    book: AccessBook
    sleep: Callable[[float], None] = time.sleep
    _models: dict[str, LiveScorer] = field(default_factory=dict)

    def run(self) -> int:
        """Work until nothing is left; return how many chunks were done."""
        folders, done = BatchFolders(self.settings.batch_dir), 0
        folders.sweep(self.desk.clock())
        forget_erased(folders.root, self.desk.decisions)
        while any(self._taken(folder) for folder in folders.waiting()):
            done += 1
        return done

    def _taken(self, folder: BatchFolder) -> bool:
        """Work at the first chunk of a batch that is not done and that nobody works at; return whether there was any."""
        try:
            header, parts = folder.header, folder.parts()
            for chunk in range(header.chunks):
                if chunk in parts:
                    continue
                with claim(folder, f"{chunk:06d}") as mine, _no_collector():
                    # Who held it before may have done it since the look.
                    if mine and chunk not in folder.parts():
                        self._next(folder, header, chunk)
                        return True
        except (NotFound, FileNotFoundError):
            # Removed by its consumer meanwhile.
            if folder.path.exists():
                raise
            return True
        return False

    def _next(self, folder: BatchFolder, header: Header, chunk: int) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._chunk(folder, header, chunk)
            except ServiceUnavailable as error:
                if attempt + 1 == ATTEMPTS:
                    self._fail(folder, header, error)
                else:
                    self.sleep(float(2**attempt))
            except RoadRiskError as error:
                self._fail(folder, header, error)
                return
            else:
                return

    def _chunk(self, folder: BatchFolder, header: Header, chunk: int) -> None:
        from serving.batches.work import answered, answered_before, staged_rows

        if header.epoch != self.desk.source.epoch:
            raise Conflict("the keys of the pseudonyms were rotated since the batch came in", remedy="Send it again.")
        model, rows = self._model(folder, header), staged_rows(folder, chunk)
        asked = self._asked(header)
        lines = answered_before(self.desk, model, header, rows, folder, chunk, asked)
        if lines is None:
            lines = answered(self.desk, model, rows, asked, seed=header.seed, folder=folder, chunk=chunk)
        folder.write_part(chunk, lines)
        # Whoever erased after the record was made has not seen this part.
        if erased := self.desk.decisions.erased_of_batches({header.id}):
            forget_in(folder.path, erased[header.id])

    def _asked(self, header: Header) -> Asked:
        caller = header.who()
        state = self.book.state()
        key = state.keys.get(caller.key_id)
        if key is None or not key.valid(self.desk.clock()):
            raise AccessRefused("the key that brought the batch is not live any more", remedy="Send it again with another key.")
        grant = self.book.authorise(
            caller, product=header.product, action="batch", now=self.desk.clock(), scenario=header.scenario
        )
        return Asked(header.request_id, time.perf_counter(), grant, traceparent=header.traceparent, batch=header.id)

    def _model(self, folder: BatchFolder, header: Header) -> LiveScorer:
        with claim(folder, "model", wait=True):
            chosen = folder.model
            if chosen is None:
                chosen = self._live(header.product)
                folder.write("model.json", orjson.dumps(chosen))
        if chosen["digest"] not in self._models:
            from serving.live import LiveScorer

            scorer = self.desk.live.current.with_digest(header.product, chosen["digest"])
            self._models[chosen["digest"]] = LiveScorer(chosen["version"], scorer.threaded(self.settings.threads))
        return self._models[chosen["digest"]]

    def _live(self, product: str) -> dict[str, str]:
        from registry.promotion import live

        found = live(self.settings).get(product)
        if found is None:
            raise ServiceUnavailable(f"product {product} has no live model", remedy="Promote a model, then send it again.")
        return {"version": str(found.version), "digest": found.digest}

    def _fail(self, folder: BatchFolder, header: Header, error: RoadRiskError) -> None:
        folder.write("failed.json", orjson.dumps(problem_of(error).document(header.id), default=str))


@contextmanager
def _no_collector() -> Iterator[None]:
    # A chunk is a million small objects without cycles, which the collector would look through again and again.
    alive = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if alive:
            gc.enable()


@contextmanager
def only_one(root: Path) -> Iterator[bool]:
    """Hold the place of the one worker of a home; yields False at once where another already waits for it.

    Whoever waits has not looked at the batches yet, so it will see everything that was published before.
    """
    import fcntl

    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / "waiting.lock").open("ab") as place:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        with exclusive(root / "working.lock"):
            fcntl.flock(place, fcntl.LOCK_UN)
            yield True


def main() -> int:
    """Work until nothing is left."""
    from registry.settings import Settings

    settings = Settings()
    if sys.argv[1:] == [HELPER]:
        return _work(settings)
    with only_one(settings.batch_dir) as mine:
        if not mine:
            return 0
        os.nice(NICENESS)
        return work(settings)


def work(settings: Settings) -> int:
    """Work at all that waits, a large batch with several processes; return an exit code."""
    folders, office = BatchFolders(settings.batch_dir), None
    if folders.reading(datetime.now(UTC)):
        try:
            office = _office(settings)
        except RoadRiskError as error:
            return error.exit_code
    while waiting := found(folders, time.sleep):
        processes = processes_for(settings, waiting)
        with helpers(settings, processes - 1):
            code = _work(settings.model_copy(update={"threads": max(1, settings.threads // processes)}), office)
        if code:
            return code
        office = None
        if folders.waiting():
            # What is left is in the hands of a helper whose own master was killed, or came in just now.
            time.sleep(LOOK_AGAIN_S)
    return 0


def found(folders: BatchFolders, sleep: Callable[[float], None]) -> list[BatchFolder]:
    """Return the batches for which something is left to do, once there is any or none is being read."""
    while True:
        reading = folders.reading(datetime.now(UTC))
        waiting = folders.waiting()
        if waiting or not reading:
            return waiting
        sleep(LOOK_AGAIN_S)


def _office(settings: Settings) -> tuple[ScoringDesk, AccessBook]:
    from registry.access.book import AccessBook
    from serving.start import make_batch_desk, set_environment

    set_environment()
    return make_batch_desk(settings), AccessBook.open(settings)


def _work(settings: Settings, office: tuple[ScoringDesk, AccessBook] | None = None) -> int:
    try:
        Worker(settings, *(office or _office(settings))).run()
    except RoadRiskError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
