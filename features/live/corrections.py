"""Corrections: what a late message changed in rows that had been answered, and what came too late to change anything.

Somebody may have acted on the row as it was; so both values are kept, and the messages that only the batch can take in are named.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.live.duty_rows import COLUMNS, same_values
from features.live.journal import PRIVATE_FILE, PRIVATE_FOLDER

IntArray = npt.NDArray[np.int64]
FILE: Final = "corrections.db"
_TABLES: Final = """
    CREATE TABLE IF NOT EXISTS corrections (
        vehicle_id TEXT NOT NULL, cutoff_s INTEGER NOT NULL, feature TEXT NOT NULL, before REAL, after REAL,
        recorded_us INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS corrections_of ON corrections (vehicle_id, cutoff_s);
    CREATE TABLE IF NOT EXISTS too_late (
        vehicle_id TEXT NOT NULL, time_s INTEGER NOT NULL, PRIMARY KEY (vehicle_id, time_s)
    ) WITHOUT ROWID;
"""
_NOTE: Final = """
    INSERT INTO corrections SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (
        SELECT 1 FROM corrections WHERE vehicle_id = ?1 AND cutoff_s = ?2 AND feature = ?3 AND before IS ?4 AND after IS ?5
        AND recorded_us = ?6
    )
"""


class Corrections:
    """Keeps corrections in a folder; one thread writes.

    Parameters
    ----------
    folder
        Folder of the live state.
    vehicle_ids
        Pseudonyms by slot.
    """

    def __init__(self, folder: Path, vehicle_ids: Sequence[str]) -> None:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self.folder, self._ids = folder, vehicle_ids
        path = folder / FILE
        path.touch(mode=PRIVATE_FILE)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)

    def note(
        self, slots: IntArray, cutoff_s: IntArray, before: npt.NDArray[np.float64], after: npt.NDArray[np.float64],
        now_us: int | IntArray,
    ) -> None:
        """Keep what changed in rows of `duty_rows.COLUMNS`; the same correction of the same instant counts once.

        Parameters
        ----------
        slots, cutoff_s, before, after
            Vehicles, where the hours of their rows end, and the rows.
        now_us
            When it was seen, of all or of each (epoch microseconds).
        """
        seen = np.broadcast_to(np.asarray(now_us, dtype=np.int64), len(slots)).tolist()
        rows = [
            (self._ids[slot], cutoff, COLUMNS[place], _null(before[row, place]), _null(after[row, place]), seen[row])
            for row, (slot, cutoff) in enumerate(zip(slots.tolist(), cutoff_s.tolist(), strict=True))
            for place in np.flatnonzero(~same_values(before[row], after[row])).tolist()
        ]
        if rows:
            with self._lock:
                self._db.execute("BEGIN")
                self._db.executemany(_NOTE, rows)
                self._db.execute("COMMIT")

    def note_late(self, slots: IntArray, time_s: npt.NDArray[Any]) -> None:
        """Keep that messages came too late to be folded: the batch has to correct their hours. The same one counts once."""
        rows = [(self._ids[slot], at) for slot, at in zip(slots.tolist(), time_s.tolist(), strict=True)]
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO too_late VALUES (?, ?)", rows)
            self._db.execute("COMMIT")

    def counts(self) -> dict[str, int]:
        """Return how many rows were corrected, and how many messages are left to the batch."""
        with self._lock:
            (rows,) = self._db.execute("SELECT COUNT(*) FROM (SELECT DISTINCT vehicle_id, cutoff_s FROM corrections)").fetchone()
            (late,) = self._db.execute("SELECT COUNT(*) FROM too_late").fetchone()
        return {"rows_corrected": rows, "left_to_batch": late}

    def of(self, vehicle_id: str) -> list[dict[str, Any]]:
        """Return the corrections of a vehicle, oldest first."""
        with self._lock:
            found = self._db.execute(
                "SELECT cutoff_s, feature, before, after, recorded_us FROM corrections WHERE vehicle_id = ? ORDER BY rowid",
                (vehicle_id,),
            ).fetchall()
        names = ("cutoff_s", "feature", "before", "after", "recorded_us")
        return [dict(zip(names, row, strict=True)) for row in found]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _null(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
