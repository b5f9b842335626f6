"""The fleet in a few bytes a vehicle: where each is and how it stands with its limits, numbered, so that a reader takes changes.

A frame is a look at the whole fleet. A vehicle remembers the number of the frame in which it last changed, so whoever has seen
frame n gets exactly the vehicles that changed since, without anything being kept for him, from this process or from a copy of its
frames.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.errors import IntegrityError

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FLEET: Final = np.dtype([
    ("lon_e6", "<i4"), ("lat_e6", "<i4"), ("last_s", "<u4"), ("due_s", "<u4"), ("speed_kmh", "u1"), ("heading", "u1"),
    ("look", "u1"), ("known", "u1"),
])
"""One vehicle. `last_s`: device time of its last message. `due_s`: when the first legal limit is reached if driving goes on, 0 for
who does not drive. `heading`: direction in 256ths of a circle. `look`: `look_of`. Where `known` is 0 nothing else counts.

A further column belongs to the reader as soon as it is declared here and filled where frames are made: they name their columns."""
SENT: Final = tuple(name for name in FLEET.names or () if name != "known")
SILENT, BLUE, YELLOW, ORANGE, RED = range(5)
"""Tiers: nothing is known now, no limit near, a limit near, likely tired, a limit reached or very likely tired. The ranks are
those of `features.live.fatigue.RANKED_TIERS`."""
_MAGIC: Final = b"RRF1"
_HEAD: Final = struct.Struct("<4sI")


def look_of(
    tier: npt.ArrayLike, state: npt.ArrayLike, resting: npt.ArrayLike, trade: npt.ArrayLike
) -> npt.NDArray[np.uint8]:
    """Return in one byte: tier, state (`features.segments`), whether it rests, place of its trade in `TRADES`."""
    packed = np.asarray(tier) | np.asarray(state) << 3 | np.asarray(resting) << 5 | np.asarray(trade) << 6
    found: npt.NDArray[np.uint8] = packed.astype(np.uint8)
    return found


@dataclass
class Fleet:
    """The newest frame, and in which frame each vehicle last changed.

    Parameters
    ----------
    run
        Names the process that numbers the frames; another one begins anew.
    rows
        `FLEET` by slot.
    number
        Number of the newest frame.
    at_s
        Instant that it is about, epoch seconds.
    """

    run: int
    rows: npt.NDArray[Any]
    number: int = 0
    at_s: int = 0
    _changed: IntArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._changed = np.zeros(len(self.rows), np.int64)

    @classmethod
    def empty(cls, run: int, n_vehicles: int) -> Fleet:
        """Return a fleet of which nothing is known."""
        return cls(run, np.zeros(n_vehicles, FLEET))

    def take(self, rows: npt.NDArray[Any], at_s: int) -> None:
        """Take the next frame of the whole fleet; vehicles that are unknown in it are left as they are."""
        differs = (rows["known"] == 1) & (rows != self.rows)
        if differs.any():
            self._put(np.flatnonzero(differs), rows[differs], self.number + 1)
        self.at_s = at_s

    def since(self, number: int, wanted: BoolArray | None = None) -> bytes:
        """Return what changed behind a frame as bytes, of wanted vehicles; 0 for everything that is known."""
        chosen = (self._changed > number) if wanted is None else (self._changed > number) & wanted
        slots = np.flatnonzero(chosen)
        rows = self.rows[slots]
        columns = [("slot", slots.astype("<u4")), *((name, np.ascontiguousarray(rows[name])) for name in SENT)]
        told = json.dumps({
            "run": self.run, "number": self.number, "at_s": self.at_s, "n": len(slots),
            "columns": [[name, values.dtype.str.lstrip("<|")] for name, values in columns],
        }, separators=(",", ":")).encode()
        told += b" " * (-len(told) % 4)  # columns begin where numbers of four bytes may
        return b"".join([_HEAD.pack(_MAGIC, len(told)), told, *(values.tobytes() for _, values in columns)])

    def apply(self, frame: bytes) -> None:
        """Take over what another process said in `since`.

        Raises
        ------
        IntegrityError
            If it is no frame of this run and of so many vehicles.
        """
        head, columns = read_frame(frame)
        slots = columns.pop("slot", np.zeros(0)).astype(np.int64)
        strange = len(slots) != head["n"] or not set(SENT) <= set(columns) or slots.max(initial=0) >= max(len(self.rows), 1)
        if head["run"] != self.run or strange:
            raise IntegrityError("the frame is none of this fleet", where="live service", remedy="Ask for everything again.")
        rows = np.zeros(len(slots), FLEET)
        rows["known"] = 1
        for name in SENT:
            rows[name] = columns[name]
        self._put(slots, rows, head["number"])
        self.number, self.at_s = head["number"], head["at_s"]

    def _put(self, slots: IntArray, rows: npt.NDArray[Any], number: int) -> None:
        self.rows[slots], self._changed[slots], self.number = rows, number, number


def read_frame(frame: bytes) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return what a frame says about itself, and its columns.

    Raises
    ------
    IntegrityError
        If it is none.
    """
    broken = IntegrityError("this is no frame of a fleet", where="live service", remedy="Run the same release on both sides.")
    try:
        magic, length = _HEAD.unpack_from(frame)
        head = json.loads(frame[_HEAD.size:_HEAD.size + length])
        at, columns = _HEAD.size + length, {}
        head |= {name: int(head[name]) for name in ("run", "number", "at_s", "n")}
        for name, kind in head["columns"]:
            dtype = np.dtype(f"<{kind}")
            columns[name] = np.frombuffer(frame, dtype, head["n"], at)
            at += columns[name].nbytes
    except (struct.error, ValueError, KeyError, TypeError):
        raise broken from None
    if magic != _MAGIC or at != len(frame):
        raise broken
    return head, columns
