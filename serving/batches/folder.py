"""A batch on disk: one folder of files that are each written whole and renamed into place, so its state is what lies there.

====================================  ======================================================================
`batch.json`                          what was asked, by whom; written last when a batch comes in
`input.parquet`                       one row group per chunk: row, ref, pseudonym or problem; never a natural key
`model.json`                          version and digest of the model that scores the whole batch, from its start on
`parts/NNNNNN-scored-grey-wrong`      answers of a chunk, zstd-compressed NDJSON; the name holds the counts
`parts/NNNNNN.pending`                problems of a chunk whose record is being made
`failed.json`, `cancelled`            how it ended where it was not done
====================================  ======================================================================
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from registry.answer_copies import packed_lines, sync_folder, write_whole
from registry.errors import NotFound

if TYPE_CHECKING:
    from registry.access.parties import Caller

Status = Literal["received", "running", "done", "failed", "cancelled"]
ENDED: Final[frozenset[Status]] = frozenset(("done", "failed", "cancelled"))
"""Nothing more is done for a batch of one of these."""
KEPT: Final = timedelta(hours=72)
"""How long a batch is kept after it came in. Its decisions stay in the ledger. [A]"""
READ_WITHIN: Final = timedelta(minutes=1)
"""A batch of the most rows is read in some seconds. [A]"""
_ID: Final = re.compile(r"[0-9a-f]{32}")
_PART: Final = re.compile(r"(\d{6})-(\d+)-(\d+)-(\d+)")
_HIDDEN: Final = ("staging-", "removed-")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What was asked for.

    Parameters
    ----------
    id
        Identifier of the batch.
    product
        A scored product.
    caller, scenario
        Who asked, under which scenario; authorised again before every chunk.
    request_id, traceparent
        The request that brought it.
    at
        When it came in, aware UTC.
    rows, chunks
        How much there is.
    seed
        Secret from which the score ids of its rows are made.
    epoch
        Epoch of the key that made its pseudonyms.
    """

    id: str
    product: str
    caller: dict[str, Any]
    scenario: str
    request_id: str
    traceparent: str
    at: str
    rows: int
    chunks: int
    seed: str
    epoch: int

    def who(self) -> Caller:
        """Return who asked."""
        from registry.access.parties import Caller

        return Caller(**self.caller)


@dataclass(frozen=True)
class Progress:
    """How far a batch is."""

    status: Status
    parts: int
    scored: int
    grey: int
    problems: int


class BatchFolder:
    """The files of one batch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def header(self) -> Header:
        """What was asked for; raises `NotFound` where the batch was removed meanwhile."""
        try:
            return Header(**orjson.loads((self.path / "batch.json").read_bytes()))
        except FileNotFoundError:
            raise no_such_batch() from None

    @property
    def input(self) -> Path:
        """The staged rows."""
        return self.path / "input.parquet"

    @property
    def model(self) -> dict[str, str] | None:
        """Version and digest of its model, None before its start."""
        found: dict[str, str] | None = self._read("model.json")
        return found

    @property
    def failure(self) -> dict[str, Any] | None:
        """The problem that ended it, None where none did."""
        found: dict[str, Any] | None = self._read("failed.json")
        return found

    def parts(self) -> dict[int, Path]:
        """Return the committed parts by chunk."""
        try:
            found = sorted((self.path / "parts").iterdir())
        except FileNotFoundError:
            return {}
        return {int(match[1]): path for path in found if (match := _PART.fullmatch(path.name))}

    def progress(self) -> Progress:
        """Return how far it is."""
        header, parts = self.header, self.parts()
        counts = [[int(count) for count in path.name.split("-")[1:]] for path in parts.values()]
        scored, grey, problems = (sum(part[i] for part in counts) for i in range(3))
        return Progress(self._status(header, len(parts)), len(parts), scored, grey, problems)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole and durably, or not at all."""
        target = self.path / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(target, content)

    def write_header(self, header: Header) -> None:
        """Write what was asked for."""
        self.write("batch.json", orjson.dumps(asdict(header)))

    def write_part(self, chunk: int, lines: list[dict[str, Any]]) -> None:
        """Write the answers of a chunk."""
        problems = sum("problem" in line for line in lines)
        grey = sum("answer" in line and line["answer"]["score"] is None for line in lines)
        scored = len(lines) - problems - grey
        self.write(f"parts/{chunk:06d}-{scored}-{grey}-{problems}", packed_lines(lines))
        (self.path / f"parts/{chunk:06d}.pending").unlink(missing_ok=True)

    def write_pending(self, chunk: int, problems: dict[int, Any]) -> None:
        """Keep the problems of a chunk before its record is made, so that a later attempt can tell them."""
        self.write(f"parts/{chunk:06d}.pending", orjson.dumps({str(row): problem for row, problem in problems.items()}))

    def has_pending(self, chunk: int) -> bool:
        """Return whether a record of a chunk may have been made, though its part is not there."""
        return (self.path / f"parts/{chunk:06d}.pending").exists()

    def pending(self, chunk: int) -> dict[int, Any]:
        """Return the problems of a chunk as they were kept before its record."""
        return {int(row): problem for row, problem in (self._read(f"parts/{chunk:06d}.pending") or {}).items()}

    def rows(self, chunk: int) -> list[dict[str, Any]]:
        """Return the staged rows of a chunk."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.input) as file:
            return list(file.read_row_group(chunk).to_pylist())

    def remove(self) -> None:
        """Remove it whole: it is gone at once, its files a moment later."""
        gone = self.path.parent / f"removed-{self.path.name}-{uuid.uuid4().hex}"
        try:
            self.path.rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)

    def _status(self, header: Header, parts: int) -> Status:
        if parts >= header.chunks:
            return "done"
        if (self.path / "cancelled").exists():
            return "cancelled"
        if self.failure is not None:
            return "failed"
        return "running" if self.model is not None else "received"

    def _read(self, name: str) -> Any:
        try:
            return orjson.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class BatchFolders:
    """All batches of a home."""

    root: Path

    def find(self, batch_id: str, consumer: str) -> BatchFolder:
        """Return a batch of a consumer.

        Raises
        ------
        NotFound
            If there is none, or it is another's: both look alike.
        """
        folder = BatchFolder(self.root / batch_id)
        if not _ID.fullmatch(batch_id) or not folder.path.is_dir() or folder.header.caller["consumer"] != consumer:
            raise no_such_batch()
        return folder

    def all(self) -> Iterator[BatchFolder]:
        """Yield the batches, oldest first."""
        if not self.root.is_dir():
            return
        found = [BatchFolder(path) for path in self.root.iterdir() if _ID.fullmatch(path.name)]
        dated = []
        for folder in found:
            try:
                dated.append((folder.header.at, folder.path.name, folder))
            except NotFound:
                continue
        yield from (folder for _, _, folder in sorted(dated, key=lambda one: one[:2]))

    def waiting(self) -> list[BatchFolder]:
        """Return the batches for which something is left to do, the least advanced first."""
        found = []
        for folder in self.all():
            try:
                progress = folder.progress()
            except NotFound:
                continue
            if progress.status not in ENDED:
                found.append((progress.parts, folder))
        return [folder for _, folder in sorted(found, key=lambda one: one[0])]

    def reading(self, now: datetime) -> bool:
        """Return whether a batch is being read at an instant; one that a killed process left is soon taken for none."""
        if not self.root.is_dir():
            return False
        return any(_began(path) > (now - READ_WITHIN).timestamp() for path in self.root.glob("staging-*"))

    def staging(self) -> BatchFolder:
        """Return a new folder that nobody sees yet."""
        path = self.root / f"staging-{uuid.uuid4().hex}"
        path.mkdir(mode=0o700, parents=True)
        return BatchFolder(path)

    def publish(self, staged: BatchFolder, batch_id: str) -> BatchFolder:
        """Let a staged batch be seen under its id; one that is there already stays, and the new one is dropped."""
        target = self.root / batch_id
        try:
            staged.path.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            shutil.rmtree(staged.path, ignore_errors=True)
        sync_folder(self.root)
        return BatchFolder(target)

    def sweep(self, now: datetime) -> int:
        """Remove what has been kept long enough, and what a killed process left; return how many batches were removed."""
        removed = 0
        for folder in self.all():
            if datetime.fromisoformat(folder.header.at) < now - KEPT:
                folder.remove()
                removed += 1
        if self.root.is_dir():
            for path in self.root.iterdir():
                if path.name.startswith(_HIDDEN) and path.stat().st_mtime < (now - timedelta(hours=1)).timestamp():
                    shutil.rmtree(path, ignore_errors=True)
        return removed


def _began(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        # Published meanwhile, or given up.
        return 0.0


def no_such_batch() -> NotFound:
    """Return the error of a batch that does not exist, or that the caller may not know of."""
    return NotFound("no batch has this id", where="batches", remedy="Use the id of a batch of yours; GET /v1/batches lists them.")
