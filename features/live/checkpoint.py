"""Checkpoints: the whole state in one file, so that a start replays only what came after it.

The file names the last record of the journal that the state holds, and the plates' numbers by slot, because a roster may have
changed since. It takes the place of the one before once it is whole; its checksum is tested before it is believed. The same bytes
are the state of a bucket of vehicles inside Spark (`buckets`).
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.live.fold import LiveFold
from features.live.journal import PRIVATE_FILE
from features.live.layout import MESSAGE, STRETCH, VEHICLE

FILE: Final = "state.bin"
ANSWERED: Final = "answered_s"
UNPUSHED: Final = "unpushed"
_MAGIC: Final = b"RRLIVE1\n"
_LENGTH: Final = struct.Struct("<I")
_DTYPES: Final[dict[str, Any]] = {"messages": MESSAGE, "stretches": STRETCH, "vehicle": VEHICLE}
_BY_SLOT: Final = (
    "vehicle", "tally", "newest_s", "heading", "door", "received_us", "m_at", "m_size", "m_count", "m_settled", "t_at", "t_size",
)
_SHAPES: Final = json.dumps([np.dtype(dtype).descr for dtype in _DTYPES.values()])
"""A file of another layout is no checkpoint of this program."""


@dataclass(frozen=True)
class Checkpoint:
    """A state that was kept.

    Parameters
    ----------
    number
        Last record of the journal that it holds.
    numbers
        Plates' numbers by slot.
    arrays
        Name -> array.
    """

    number: int
    numbers: npt.NDArray[np.uint64]
    arrays: dict[str, npt.NDArray[Any]]


def copied(
    fold: LiveFold, number: int, numbers: npt.NDArray[np.uint64], answered_s: npt.NDArray[np.int64],
    unpushed: npt.NDArray[np.int64] | None = None,
) -> Checkpoint:
    """Return a copy of the state, which may then change while the copy is written.

    Parameters
    ----------
    answered_s
        By vehicle the instant of the row that was pushed last, 0 where none was; kept for whoever verifies the rows.
    unpushed
        Vehicles whose rows are not in the store yet: the journal does not tell their messages again.
    """
    state, tops = fold.state, fold.state.tops.tolist()
    arrays = {name: array.copy() for name, array in state._asdict().items() if name not in ("messages", "stretches", "cap")}
    arrays |= {"messages": state.messages[:tops[0]].copy(), "stretches": state.stretches[:tops[1]].copy()}
    waits = np.zeros(fold.n_vehicles, np.uint8)
    if unpushed is not None:
        waits[unpushed] = 1
    return Checkpoint(number, numbers, arrays | {ANSWERED: answered_s.copy(), UNPUSHED: waits})


def parts_of(checkpoint: Checkpoint) -> list[Any]:
    """Return the bytes of a checkpoint, in pieces that lie where the arrays lie: magic, head, arrays, checksum."""
    arrays = {"numbers": checkpoint.numbers, **checkpoint.arrays}
    head = json.dumps({
        "number": checkpoint.number, "layout": _SHAPES,
        "arrays": [[name, array.dtype.str if name not in _DTYPES else name, list(array.shape)] for name, array in arrays.items()],
    }).encode()
    contents: list[Any] = [np.ascontiguousarray(array).view(np.uint8).data for array in arrays.values()]
    parts = [_MAGIC, _LENGTH.pack(len(head)), head, *contents]
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part, checksum)
    return [*parts, _LENGTH.pack(checksum)]


def checkpoint_of(content: bytes) -> Checkpoint | None:
    """Return the checkpoint that bytes of `parts_of` tell; None where they are damaged, or of another program's layout."""
    body, told = memoryview(content)[:-_LENGTH.size], content[-_LENGTH.size:]
    if not content.startswith(_MAGIC) or len(told) < _LENGTH.size or zlib.crc32(body) != _LENGTH.unpack(told)[0]:
        return None
    at = len(_MAGIC) + _LENGTH.size
    (length,) = _LENGTH.unpack_from(content, len(_MAGIC))
    head = json.loads(content[at:at + length])
    if head["layout"] != _SHAPES:
        return None
    at, arrays = at + length, {}
    for name, kind, shape in head["arrays"]:
        dtype = np.dtype(_DTYPES.get(kind, kind))
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(content, dtype, count, at).reshape(shape).copy()
        at += count * dtype.itemsize
    return Checkpoint(head["number"], arrays.pop("numbers"), arrays)


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> int:
    """Write a checkpoint in the place of the one before; return its size in bytes."""
    draft, size = folder / f"{FILE}.new", 0
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        for part in parts_of(checkpoint):
            size += memoryview(part).nbytes
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
    return size


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a folder; None where there is none that holds: then the journal tells everything it still has."""
    path = folder / FILE
    return checkpoint_of(path.read_bytes()) if path.exists() else None


def by_number(checkpoint: Checkpoint, name: str, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[Any]:
    """Return what an array of a checkpoint says of vehicles, 0 of those that it does not know."""
    found = np.zeros(len(numbers), checkpoint.arrays[name].dtype)
    here, place = _known(checkpoint, numbers)
    found[here] = checkpoint.arrays[name][place]
    return found


def restore(fold: LiveFold, checkpoint: Checkpoint, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Put a state into a fold whose roster may be another one; vehicles that are gone are forgotten.

    Returns
    -------
    numpy.ndarray
        Vehicles whose rows had not been pushed.
    """
    here, place = _known(checkpoint, numbers)
    state = fold.state
    for name in _BY_SLOT:
        getattr(state, name)[here] = checkpoint.arrays[name][place]
    state.counts[:] = checkpoint.arrays["counts"]
    fold.state = state._replace(messages=checkpoint.arrays["messages"], stretches=checkpoint.arrays["stretches"])
    fold.lay()  # what the pieces were, and which of them were free, is of the process that wrote it
    waits = checkpoint.arrays.get(UNPUSHED)
    return here[:0] if waits is None else here[waits[place] != 0]


def _known(
    checkpoint: Checkpoint, numbers: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return which of some vehicles a checkpoint knows, and where."""
    if not len(checkpoint.numbers):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    place = np.minimum(np.searchsorted(checkpoint.numbers, numbers), len(checkpoint.numbers) - 1)
    here = np.flatnonzero(checkpoint.numbers[place] == numbers)
    return here, place[here]
