"""The batch desk: takes batches in, says how far they are, hands out results, and sees that somebody works at them."""

from __future__ import annotations

import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from registry.answer_copies import unpacked_lines
from registry.decisions import AlreadyAnswered, Beside, StoredAnswer
from registry.errors import Conflict, ServiceUnavailable
from serving.asked import Asked
from serving.batches.claims import started_worker
from serving.batches.folder import ENDED, KEPT, BatchFolder, BatchFolders
from serving.batches.formats import chunks_of, unpacked
from serving.batches.intake import stage, taken
from serving.batches.results import problem_lines
from serving.desk import Reply, ScoringDesk
from serving.encode import encoded

if TYPE_CHECKING:
    from registry.access.parties import Caller
    from registry.settings import Settings

SYNC_ROWS: Final = 200
"""So many rows are answered at once, unless the caller prefers not to wait."""
SYNC_BYTES: Final = 128 * 1024
"""A longer body is not looked at for that."""
EARLY_BYTES: Final = 1024 * 1024
"""For a body of so many bytes a worker starts before it has been read."""
INTAKES: Final = 2
"""Batches that one process reads at the same time, because each is held in memory."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """The body of a batch as it came in."""

    content: bytes
    media_type: str
    charset: str = ""
    gzipped: bool = False

    def chunks(self) -> Iterator[list[Any]]:
        """Yield its rows; raises `InvalidRequest` where it is not what it claims to be."""
        return chunks_of(unpacked(self.content) if self.gzipped else self.content, self.media_type, self.charset)


@dataclass(frozen=True)
class BatchDesk:
    """Answers what is asked about batches.

    Parameters
    ----------
    desk
        Resolves, and scores the small ones.
    folders
        Where batches lie.
    start
        Sees that a worker runs.
    """

    desk: ScoringDesk
    folders: BatchFolders
    start: Callable[[], None]
    _places: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(INTAKES))

    def submit(self, product_id: str, body: Body, caller: Caller, asked: Asked, *, wait: bool) -> Reply:
        """Return the result lines of a small batch with status 200, or with 202 what says where a larger one is.

        Parameters
        ----------
        wait
            Whether a small batch may be answered at once.

        Raises
        ------
        InvalidRequest
            If the body cannot be read.
        ServiceUnavailable
            If the product has no live model, the store does not answer, or too many batches are being read.
        """
        earlier = self.desk.earlier(asked)
        if earlier is not None:
            return earlier
        self.desk.live.current.product(product_id)
        with self._place():
            if wait and len(body.content) <= SYNC_BYTES:
                first = next(body.chunks())
                if len(first) <= SYNC_ROWS:
                    return self._at_once(product_id, first, asked)
            if len(body.content) >= EARLY_BYTES:
                # A worker gets ready while a large body is read.
                self.start()
            folder = stage(self.desk, self.folders, product_id, body.chunks(), caller, asked)
        reply = self._remember(folder, asked)
        self.start()
        return reply

    def status(self, folder: BatchFolder) -> dict[str, Any]:
        """Return how far a batch is; where something is left to do, somebody is sent to do it."""
        header, progress, model = folder.header, folder.progress(), folder.model or {}
        if progress.status not in ENDED:
            self.start()
        done = progress.scored + progress.grey + progress.problems
        base = f"/v1/batches/{header.id}"
        return {
            "id": header.id, "product": header.product, "status": progress.status, "created": header.at,
            "expires": (datetime.fromisoformat(header.at) + KEPT).isoformat(),
            "rows": header.rows, "done": done, "scored": progress.scored, "grey": progress.grey, "problems": progress.problems,
            "progress": done / header.rows, "model_version": model.get("version"), "model_digest": model.get("digest"),
            "problem": folder.failure,
            "links": {"self": base, "result": f"{base}/result", "problems": f"{base}/problems"},
        }

    def own(self, consumer: str) -> list[dict[str, Any]]:
        """Return the batches of a consumer, newest first."""
        return [self.status(one) for one in reversed(list(self.folders.all())) if one.header.caller["consumer"] == consumer]

    def result(self, folder: BatchFolder, *, problems_only: bool = False) -> Iterator[bytes]:
        """Return the NDJSON of the parts, in order.

        Raises
        ------
        Conflict
            If the batch is still being worked at.
        """
        status = folder.progress().status
        if status not in ENDED:
            raise Conflict(f"the batch is {status}", where="batches", remedy="Ask again when its status is done.",
                           details={"retry_after_s": 2})
        paths = [path for _, path in sorted(folder.parts().items())]
        parts = (unpacked_lines(path) for path in paths)
        return (problem_lines(part) for part in parts) if problems_only else parts

    def drop(self, folder: BatchFolder) -> None:
        """Cancel a batch that is being worked at; remove one that has ended. Decisions stay in the ledger."""
        if folder.progress().status in ENDED:
            folder.remove()
        else:
            folder.write("cancelled", b"")

    def _at_once(self, product_id: str, rows: list[Any], asked: Asked) -> Reply:
        from serving.batches.work import answered

        seed, batch = secrets.token_hex(32), secrets.token_hex(16)
        made = taken(self.desk, product_id, rows, 1, batch)
        try:
            lines = answered(
                self.desk, self.desk.live.current.product(product_id), made, replace(asked, batch=batch), seed=seed,
                answer_of=lambda lines: self._answer(_ndjson(lines), 200, asked, batch=batch),
            )
        except AlreadyAnswered as met:
            return Reply.again(met.stored)
        return Reply({}, _ndjson(lines))

    def _remember(self, folder: BatchFolder, asked: Asked) -> Reply:
        header = folder.header
        body = encoded({
            "id": header.id, "product": header.product, "status": "received", "rows": header.rows, "created": header.at,
            "links": {"self": f"/v1/batches/{header.id}"},
        })
        answer = self._answer(body, 202, asked)
        try:
            if answer is not None:
                self.desk.decisions.keep(Beside(answer=answer), at=answer.at)
        except AlreadyAnswered as met:
            return Reply.again(met.stored)
        return Reply({}, body, 202)

    def _answer(self, body: bytes, status: int, asked: Asked, *, batch: str | None = None) -> StoredAnswer | None:
        return None if asked.key is None else asked.key.stored(body, status=status, at=self.desk.clock(), score_id=batch)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise ServiceUnavailable(
                f"{INTAKES} batches are being read", remedy="Send it again shortly.", details={"retry_after_s": 2}
            )
        try:
            yield
        finally:
            self._places.release()


def _ndjson(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE, default=str) for line in lines)


def worker_starter(settings: Settings) -> Callable[[], None]:
    """Return what sees that a worker runs: a process that ends at once where another does its work."""
    lock, running = threading.Lock(), list[subprocess.Popen[bytes]]()

    def start() -> None:
        with lock:
            running[:] = [process for process in running if process.poll() is None]
            if len(running) > 1:
                # One works and one waits, which has not looked yet.
                return
            running.append(started_worker(settings, detached=True))

    return start


def open_batches(settings: Settings, desk: ScoringDesk) -> BatchDesk:
    """Return the batch desk of a service, and have done what an earlier one left."""
    made = BatchDesk(desk, BatchFolders(settings.batch_dir), worker_starter(settings))
    if made.folders.waiting():
        made.start()
    return made
