"""Whether a ledger changed since it was last read: asked before every call, so it must cost next to nothing."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from registry.errors import ServiceUnavailable
from registry.ledger_open import open_ledger
from registry.model_ledgers import ACCESS

if TYPE_CHECKING:
    from registry.chain import ChainLedger
    from registry.settings import Settings

NOTHING: Final = (0, 0)
"""Stamp of a ledger that nobody has written yet."""
MOMENT_S: Final = 0.05
"""How long a stamp holds for what follows within one call."""


class Watch(Protocol):
    """Says whether a ledger changed."""

    def stamp(self, *, just_asked: bool = False) -> tuple[int, int]:
        """Return a pair that is another one after every change.

        Parameters
        ----------
        just_asked
            Whether this call asked a moment ago and may be told the same again.
        """
        ...

    def close(self) -> None:
        """Let go of the ledger."""
        ...


def watch_of(settings: Settings, ledger: str = ACCESS) -> Watch:
    """Return the watch of a ledger, wherever the settings put it."""
    return ServerWatch(settings, ledger) if settings.ledger_url else SqliteWatch(settings.ledger_dir / f"{ledger}.db")


class _Memory:
    """The stamp of a moment ago, for a call that has just asked."""

    def __init__(self) -> None:
        self._last: tuple[float, tuple[int, int]] = (-MOMENT_S, NOTHING)

    def stamp(self, *, just_asked: bool = False) -> tuple[int, int]:
        """Return what is another pair after every change; within `MOMENT_S` the same again where the call has just asked.

        Raises
        ------
        ServiceUnavailable
            If the ledger cannot be asked.
        """
        asked_at_s, known = self._last
        if just_asked and time.monotonic() - asked_at_s < MOMENT_S:
            return known
        at_s = time.monotonic()
        found = self._asked()
        self._last = at_s, found
        return found

    def _asked(self) -> tuple[int, int]:
        raise NotImplementedError


class SqliteWatch(_Memory):
    """Changes of an SQLite file by other connections, seen by `PRAGMA data_version`: some 6 us, nothing is read.

    Parameters
    ----------
    path
        The database; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self._lock = path, threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file, self._opened = (0, 0), 0

    def _asked(self) -> tuple[int, int]:
        with self._lock:
            try:
                found = os.stat(self._path)  # noqa: PTH116 - a Path costs more than the question
                if self._db is None or (found.st_dev, found.st_ino) != self._file:
                    self._open(found)
                assert self._db is not None
                return self._opened, int(self._db.execute("PRAGMA data_version").fetchone()[0])
            except FileNotFoundError:
                return NOTHING
            except (OSError, sqlite3.Error) as error:
                raise ServiceUnavailable(
                    f"ledger {self._path.stem} cannot be asked for changes: {error}", where=str(self._path),
                    remedy="Check that the disk has space and that the folder may be written.",
                ) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()

    def _open(self, found: os.stat_result) -> None:
        # A file that was restored from a backup is another one, with a count of changes of its own.
        self._close()
        self._db = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self._file, self._opened = (found.st_dev, found.st_ino), self._opened + 1

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


class ServerWatch(_Memory):
    """Changes of a ledger on a database server: the position of its newest line, one round trip.

    Parameters
    ----------
    settings
        Where the ledger lies.
    name
        Which ledger.
    """

    def __init__(self, settings: Settings, name: str = ACCESS) -> None:
        super().__init__()
        self._settings, self._name, self._lock = settings, name, threading.Lock()
        self._ledger: ChainLedger | None = None

    def _asked(self) -> tuple[int, int]:
        ledger = self._opened()
        newest = ledger.store.read(f"SELECT max(seq) FROM {ledger.table}")[0][0]  # noqa: S608 - a name of ours
        return NOTHING if newest is None else (1, int(newest))

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None

    def _opened(self) -> ChainLedger:
        with self._lock:
            if self._ledger is None:
                self._ledger = open_ledger(self._settings, self._name)
            return self._ledger
