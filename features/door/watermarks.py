"""How far a pull has come, kept so that a killed one goes on without losing or repeating a row.

Layout of one resource::

    watermark.json   where the last committed delivery ended
    segment.ndjson   rows of the delivery being collected, raw; gone once it is committed
    segment.json     how far the segment is good, and from which watermark it goes on

A page counts once `segment.json` names its end: what lies behind that is cut off. A segment is sealed before it is taken in, and
nothing is added to it then, so the same rows make the same delivery after any interruption.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from registry.errors import IntegrityError

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600


@dataclass(frozen=True, kw_only=True)
class Watermark:
    """Where the committed deliveries of a resource end.

    Parameters
    ----------
    cursor
        Opaque position of the source; empty at the beginning.
    complete_until
        Newest instant that the source has vouched for, ISO in UTC; empty where none.
    deliveries, rows
        Committed so far.
    """

    cursor: str = ""
    complete_until: str = ""
    deliveries: int = 0
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The delivery being collected.

    Parameters
    ----------
    after, cursor
        Positions of the source before the first row and behind the last one.
    size_bytes, rows
        How much of the file is good.
    complete_until
        Newest instant vouched for by its pages.
    sealed
        Whether it is whole and waits to be taken in.
    """

    after: str
    cursor: str
    size_bytes: int = 0
    rows: int = 0
    complete_until: str = ""
    sealed: bool = False


_State = TypeVar("_State", Watermark, Segment)


class Spool:
    """The state of one resource's pull below a folder that only its owner can read: segments hold raw identifiers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows = folder / "segment.ndjson"
        self._state = folder / "segment.json"
        self._mark = folder / "watermark.json"

    def watermark(self) -> Watermark:
        """Return where the committed deliveries end."""
        return _read(self._mark, Watermark) or Watermark()

    def segment(self) -> Segment:
        """Return the segment to go on with: what an interrupted pull left, or a new one."""
        mark, left = self.watermark(), _read(self._state, Segment)
        if left is not None and left.after == mark.cursor and self._has(left.size_bytes):
            os.truncate(self._rows, left.size_bytes)
            return left
        # The pull ended between the watermark's move and the removal of what it had moved over.
        self.drop()
        self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        return Segment(after=mark.cursor, cursor=mark.cursor)

    def add(self, segment: Segment, lines: bytes, *, rows: int, cursor: str, complete_until: str) -> Segment:
        """Add a page; it survives the loss of the process and of power once this returns."""
        descriptor = os.open(self._rows, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        with os.fdopen(descriptor, "ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        grown = replace(
            segment, cursor=cursor, size_bytes=segment.size_bytes + len(lines), rows=segment.rows + rows,
            complete_until=max(segment.complete_until, complete_until),
        )
        _write(self._state, grown)
        return grown

    def seal(self, segment: Segment) -> Segment:
        """Close a segment: it will be taken in as it is."""
        sealed = replace(segment, sealed=True)
        _write(self._state, sealed)
        return sealed

    def content(self, segment: Segment) -> bytes:
        """Return the rows of a segment, one JSON object per line."""
        return self._rows.read_bytes()[: segment.size_bytes] if segment.size_bytes else b""

    def advance(self, segment: Segment, *, committed: bool) -> Watermark:
        """Move the watermark behind a segment and remove the segment."""
        mark = self.watermark()
        moved = Watermark(
            cursor=segment.cursor, complete_until=max(mark.complete_until, segment.complete_until),
            deliveries=mark.deliveries + committed, rows=mark.rows + segment.rows,
        )
        if moved != mark:
            _write(self._mark, moved)
        self.drop()
        return moved

    def drop(self) -> None:
        """Remove the segment; the watermark stays, so its rows will be asked for again."""
        self._state.unlink(missing_ok=True)
        self._rows.unlink(missing_ok=True)

    def _has(self, size_bytes: int) -> bool:
        return not size_bytes or (self._rows.exists() and self._rows.stat().st_size >= size_bytes)


def _read(path: Path, kind: type[_State]) -> _State | None:
    try:
        return kind(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f"{path.name} of a pull cannot be read", where=str(path),
            remedy="Remove it to pull from the beginning; rows that come again say what they said before.",
        ) from error


def _write(path: Path, state: Watermark | Segment) -> None:
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(asdict(state), sort_keys=True).encode())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
