"""Checkpoints: the whole state in one file, so that a start replays only what came after it.

The file names the last record of the journal that the state holds, and the plates' numbers by slot, because a roster may have
changed since. It takes the place of the one before once it is whole; its checksum is tested before it is believed.
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


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> int:
    """Write a checkpoint in the place of the one before; return its size in bytes."""
    arrays = {"numbers": checkpoint.numbers, **checkpoint.arrays}
    head = json.dumps({
        "number": checkpoint.number, "layout": _SHAPES,
        "arrays": [[name, array.dtype.str if name not in _DTYPES else name, list(array.shape)] for name, array in arrays.items()],
    }).encode()
    draft, checksum, size = folder / f"{FILE}.new", 0, 0
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    contents: list[Any] = [np.ascontiguousarray(array).view(np.uint8).data for array in arrays.values()]
    with os.fdopen(descriptor, "wb") as file:
        for part in [_MAGIC, _LENGTH.pack(len(head)), head, *contents]:
            checksum, size = zlib.crc32(part, checksum), size + memoryview(part).nbytes
            file.write(part)
        file.write(_LENGTH.pack(checksum))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
    return size + _LENGTH.size


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the checkpoint of a folder; None where there is none that holds: then the journal tells everything it still has."""
    path = folder / FILE
    if not path.exists():
        return None
    content = path.read_bytes()
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


def restore(fold: LiveFold, checkpoint: Checkpoint, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Put a state into a fold whose roster may be another one; vehicles that are gone are forgotten.

    Returns
    -------
    numpy.ndarray
        Vehicles whose rows had not been pushed.
    """
    place = np.searchsorted(checkpoint.numbers, numbers)
    place = np.minimum(place, max(len(checkpoint.numbers) - 1, 0))
    here = np.flatnonzero(checkpoint.numbers[place] == numbers) if len(checkpoint.numbers) else np.zeros(0, np.int64)
    state = fold.state
    for name in _BY_SLOT:
        getattr(state, name)[here] = checkpoint.arrays[name][place[here]]
    state.counts[:] = checkpoint.arrays["counts"]
    fold.state = state._replace(messages=checkpoint.arrays["messages"], stretches=checkpoint.arrays["stretches"])
    fold.lay()  # what the pieces were, and which of them were free, is of the process that wrote it
    waits = checkpoint.arrays.get(UNPUSHED)
    return here[:0] if waits is None else here[waits[place[here]] != 0]
