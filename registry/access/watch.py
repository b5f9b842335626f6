"""Whether the access ledger changed since it was last read: asked before every call, so it must cost next to nothing."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Final

from registry.errors import ServiceUnavailable

NOTHING: Final = -1
"""Stamp of a ledger that nobody has written yet."""


class SqliteWatch:
    """Changes of an SQLite file by other connections, seen by `PRAGMA data_version`: some 5 us, nothing is read.

    Parameters
    ----------
    path
        The database; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._db: sqlite3.Connection | None = None

    def stamp(self) -> int:
        """Return a number that is another one after every change; the same one as long as nothing was committed.

        Raises
        ------
        ServiceUnavailable
            If the file cannot be asked.
        """
        with self._lock:
            try:
                if self._db is None:
                    if not self._path.exists():
                        return NOTHING
                    self._db = sqlite3.connect(
                        f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
                    )
                return int(self._db.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise ServiceUnavailable(
                    f"the access ledger cannot be asked for changes: {error}", where=str(self._path),
                    remedy="Check that the disk has space and that the folder may be written.",
                ) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
