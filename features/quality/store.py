"""What the checks across resources gave, kept over time in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

FILE: Final = "quality.db"
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS consistency (
    check_id TEXT NOT NULL, at TEXT NOT NULL, warehouse TEXT NOT NULL, compared INTEGER NOT NULL, held INTEGER NOT NULL,
    PRIMARY KEY (check_id, at, warehouse)
) WITHOUT ROWID
"""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check across resources at one instant.

    Parameters
    ----------
    check
        Id of the check.
    compared, held
        Keys or rows compared, and those that agree.
    """

    check: str
    compared: int
    held: int

    @property
    def share(self) -> float | None:
        """Share that agrees; None where nothing could be compared."""
        return self.held / self.compared if self.compared else None


class CheckStore:
    """What the checks across resources gave, below a folder: one row for each check, instant and state of the warehouse.

    Figures of single deliveries are in their manifests and need no store.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def keep(self, at: datetime, warehouse: str, results: list[CheckResult]) -> None:
        """Keep what the checks gave at an instant on a state of the warehouse (its snapshot hash)."""
        with self._open() as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO consistency VALUES (?, ?, ?, ?, ?)",
                [(one.check, at.isoformat(), warehouse, one.compared, one.held) for one in results],
            )

    def checks(self, at: datetime, warehouse: str) -> list[CheckResult]:
        """Return what the checks gave at an instant on a state of the warehouse; empty where they were not run."""
        if not self.path.is_file():
            return []
        with self._open() as database:
            found = database.execute(
                "SELECT check_id, compared, held FROM consistency WHERE at = ? AND warehouse = ? ORDER BY check_id",
                (at.isoformat(), warehouse),
            ).fetchall()
        return [CheckResult(check=check, compared=compared, held=held) for check, compared, held in found]

    def check_history(self, check_id: str) -> list[tuple[str, CheckResult]]:
        """Return (instant, result) of every run of a check, oldest first."""
        if not self.path.is_file():
            return []
        with self._open() as database:
            found = database.execute(
                "SELECT at, compared, held FROM consistency WHERE check_id = ? ORDER BY at", (check_id,)
            ).fetchall()
        return [(at, CheckResult(check=check_id, compared=compared, held=held)) for at, compared, held in found]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=60.0)) as database:
            database.execute(_TABLE)
            yield database
