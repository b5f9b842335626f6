"""The journal of positions: accepted messages are durable here before their sender is answered, and replayed after any death.

A record is one group of messages that were synced together: magic, length, number, CRC-32 of number and content, content. They lie
in segments named after their first number. A process that dies leaves at most one record half written, the last: opening cuts it
off, nobody was ever told that it was taken. Anything else that does not hold is damage, and is said, not skipped.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np

from features.live.positions import POSITION, Records
from registry.errors import ConfigurationError, IntegrityError, ServiceUnavailable

MAGIC: Final = 0x314A5252
_HEAD: Final = struct.Struct("<IIQI")
_NUMBER: Final = struct.Struct("<Q")
_NAME: Final = re.compile(r"positions-(\d{20})\.log")
PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600


@dataclass(frozen=True, kw_only=True)
class JournalLimits:
    """How large the journal may get.

    Parameters
    ----------
    segment_bytes
        Size from which a new segment is begun.
    total_bytes
        Size from which nothing more is taken until a checkpoint lets segments go.
    """

    segment_bytes: int = 64 * 2**20
    total_bytes: int = 8 * 2**30


@dataclass
class _Segment:
    path: Path
    first: int
    size: int


class PositionJournal:
    """Reader and writer of a journal; one process at a time, one thread appends.

    Raises
    ------
    ConfigurationError
        If another process uses the folder.
    IntegrityError
        If anything but its end is damaged.
    """

    def __init__(self, folder: Path, limits: JournalLimits | None = None) -> None:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._folder, self._limits = folder, limits or JournalLimits()
        self._held = (folder / ".lock").open("ab")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.close()
            raise ConfigurationError(
                "another live service uses this journal", where=str(folder), remedy="Stop it, or set another ROADRISK_HOME.",
            ) from None
        self._file: IO[bytes] | None = None
        self._segments = self._found()
        self.last = self._segments[-1].first - 1 if self._segments else 0
        try:
            for segment in self._segments:
                self.last = self._checked(segment, is_last=segment is self._segments[-1])
        except IntegrityError:
            self._held.close()
            raise

    @property
    def size_bytes(self) -> int:
        """Size of all segments."""
        return sum(segment.size for segment in self._segments)

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self.size_bytes >= self._limits.total_bytes

    def append(self, records: Records) -> int:
        """Keep messages; when this returns they survive the loss of the process and of power. Return the record's number.

        Raises
        ------
        ServiceUnavailable
            If the disk does not take them: then none of them is kept.
        """
        number, content = self.last + 1, records.tobytes()
        head = _HEAD.pack(MAGIC, len(content), number, zlib.crc32(content, zlib.crc32(_NUMBER.pack(number))))
        segment = self._writable(number)
        assert self._file is not None
        try:
            self._file.write(head + content)
            self._file.flush()
            os.fdatasync(self._file.fileno())
        except OSError as error:
            self._undone(segment)
            raise ServiceUnavailable(
                f"the journal of positions cannot be written: {error.strerror}", remedy="Check that the disk has space.",
            ) from error
        segment.size += len(head) + len(content)
        self.last = number
        return number

    def after(self, number: int) -> Iterator[tuple[int, Records]]:
        """Yield (number, messages) of every record after one, in order."""
        for place, segment in enumerate(self._segments):
            following = self._segments[place + 1].first if place + 1 < len(self._segments) else self.last + 1
            if following > number + 1:
                for met, content, _ in _records(segment.path):
                    if met > number:
                        yield met, np.frombuffer(content, POSITION)

    def forget(self, number: int) -> None:
        """Remove the segments of which no record lies after a number: a checkpoint holds what they said."""
        while len(self._segments) > 1 and self._segments[1].first <= number + 1:
            self._segments.pop(0).path.unlink()

    def close(self) -> None:
        """Close the files and let another process use the folder."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._held.close()

    def _found(self) -> list[_Segment]:
        named = [(path, _NAME.fullmatch(path.name)) for path in self._folder.iterdir()]
        found = [_Segment(path, int(match[1]), path.stat().st_size) for path, match in named if match]
        return sorted(found, key=lambda segment: segment.first)

    def _checked(self, segment: _Segment, *, is_last: bool) -> int:
        """Return the number of a segment's last record; cut off what its process did not finish."""
        number, good = segment.first - 1, 0
        for met, _, end in _records(segment.path):
            if met != number + 1:
                break
            number, good = met, end
        if good < segment.size:
            if not is_last:
                raise IntegrityError(
                    f"the journal of positions is damaged behind record {number}", where=str(segment.path),
                    remedy="Restore the segment from a copy; what it held cannot be computed from the others.",
                )
            os.truncate(segment.path, good)
            segment.size = good
        return number

    def _writable(self, number: int) -> _Segment:
        last = self._segments[-1] if self._segments else None
        if last is None or last.size >= self._limits.segment_bytes:
            if self._file is not None:
                self._file.close()
                self._file = None
            last = _Segment(self._folder / f"positions-{number:020d}.log", number, 0)
            self._segments.append(last)
        if self._file is None:
            descriptor = os.open(last.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
            self._file = os.fdopen(descriptor, "ab")
            _sync_folder(self._folder)
        return last

    def _undone(self, segment: _Segment) -> None:
        """Take back what was half written, so that the next record follows the last whole one."""
        assert self._file is not None
        descriptor, self._file = self._file, None
        with suppress(OSError):
            descriptor.close()
        os.truncate(segment.path, segment.size)


def _records(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Yield (number, content, end in the file) of records until one does not hold."""
    with path.open("rb") as file:
        end = 0
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            magic, length, number, checksum = _HEAD.unpack(head)
            if magic != MAGIC or length % POSITION.itemsize:
                return
            content = file.read(length)
            if len(content) < length or zlib.crc32(content, zlib.crc32(_NUMBER.pack(number))) != checksum:
                return
            end += _HEAD.size + length
            yield number, content, end


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
