"""What changed of the minute scores of a fleet, for readers who each take up where they stopped; nothing is kept for any of them.

A frame is made when somebody asks, at most once a second. Every vehicle remembers in which frame it last changed, so a reader that
is slow gets its newest value, and nothing is queued.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.live.documents import iso
from features.live.fatigue import RANKED_TIERS, WHY_WORDS, FatigueBoard, Why
from serving.answering import tier_words

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray = npt.NDArray[np.int64]
FRAME_S: Final = 1.0
_COMPARED: Final = ("tier", "why", "points", "row_s", "orange_min", "red_min", "ahead_s")
_MARK: Final = re.compile(r"([0-9]{1,15})\.([0-9]{1,15})\.(-1|[0-9]{1,9})")


class Mark(NamedTuple):
    """Up to where a reader has seen: the run of the service, the frame, and the slot within it."""

    run: int
    frame: int
    slot: int

    @property
    def text(self) -> str:
        """What goes out as the id of an event."""
        return f"{self.run}.{self.frame}.{self.slot}"


BEGINNING: Final = Mark(0, 0, -1)


def read_mark(text: str) -> Mark | None:
    """Return the mark of a `Last-Event-ID`; None for what is none."""
    found = _MARK.fullmatch(text)
    return None if found is None else Mark(*map(int, found.groups()))


@dataclass(frozen=True)
class Value:
    """The newest score of one vehicle, and the mark of who has seen it."""

    mark: Mark
    document: dict[str, Any]


class ScoreFrames:
    """Frames of the board.

    Parameters
    ----------
    vehicle_id
        Vehicles by slot.
    look
        Returns a copy of the board as of now, and by slot the id of the decision in which a score was recorded, empty elsewhere.
    clock
        Seconds that only grow.
    """

    def __init__(
        self, vehicle_id: Sequence[str], look: Callable[[], tuple[FatigueBoard, npt.NDArray[np.object_]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vehicle_id, self._look, self._clock = vehicle_id, look, clock
        self._lock, self._next = threading.Lock(), -math.inf
        self.run = time.time_ns() // 1_000_000
        self._number = 0
        self._changed = np.zeros(len(vehicle_id), np.int64)
        self._board = FatigueBoard(len(vehicle_id))
        self._recorded = np.full(len(vehicle_id), "", dtype=object)

    def page(self, after: Mark, slots: IntArray, limit: int) -> list[Value]:
        """Return the values of vehicles that changed behind a mark, the longest waiting first; all to who has seen another run."""
        with self._lock:
            self._refresh()
            frame, slot = (after.frame, after.slot) if after.run == self.run else (0, -1)
            changed = self._changed[slots]
            behind = (changed > frame) | ((changed == frame) & (changed > 0) & (slots > slot))
            due = slots[behind]
            due = due[np.lexsort((due, self._changed[due]))][:limit]
            return [Value(Mark(self.run, int(self._changed[one]), int(one)), self._document(int(one))) for one in due]

    def mark(self) -> Mark:
        """Return the mark of who has seen nothing of this run."""
        return Mark(self.run, 0, -1)

    def _refresh(self) -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + FRAME_S
        board, recorded = self._look()
        differs = recorded != self._recorded
        for name in _COMPARED:
            new, old = getattr(board, name), getattr(self._board, name)
            same = new == old
            differs |= ~(same | (np.isnan(new) & np.isnan(old)) if new.dtype.kind == "f" else same)
        if differs.any():
            self._number += 1
            self._changed[differs] = self._number
            self._board, self._recorded = board, recorded

    def _document(self, slot: int) -> dict[str, Any]:
        board = self._board
        why, row_s = Why(int(board.why[slot])), int(board.row_s[slot])
        zh, en = WHY_WORDS[why]
        scored = why == Why.SCORED
        return {
            "vehicle_id": self._vehicle_id[slot], "tier": tier_words(RANKED_TIERS[int(board.tier[slot])] if scored else "grey"),
            "points": round(float(board.points[slot]), 1) if scored else None,
            "why": {"code": why.name.lower(), "zh": zh, "en": en}, "as_of": iso(row_s) if scored and row_s else None,
            "forecast": self._forecast(slot), "score_id": (self._recorded[slot] or None) if scored else None,
            "model": {"version": board.version, "digest": board.digest} if board.digest else None,
        }

    def _forecast(self, slot: int) -> dict[str, Any] | None:
        board = self._board
        if not board.ahead_s[slot] or math.isnan(board.orange_min[slot]):
            return None
        minutes = [float(values[slot]) for values in (board.orange_min, board.red_min)]
        orange, red = (None if math.isinf(one) else math.floor(one) for one in minutes)
        return {"from": iso(int(board.ahead_s[slot])), "minutes_to_orange": orange, "minutes_to_red": red}
