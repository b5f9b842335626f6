"""Where studies live: an SQLite file, a journal file or PostgreSQL, each safe for several processes that write at once."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from registry.errors import ConfigurationError
from registry.locks import exclusive
from registry.settings import Settings

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage
    from optuna.storages.journal import JournalFileOpenLock

BUSY_S: Final = 60.0
"""How long a writer waits for another one before it gives up."""
SETTING: Final = "ROADRISK_OPTUNA_STORAGE"
FORMS: Final = "sqlite:///FILE, journal:///FILE, or postgresql://USER@HOST/DATABASE"

Kind = Literal["sqlite", "journal", "postgresql"]


@dataclass(frozen=True)
class StudyStore:
    """An open storage of studies.

    Parameters
    ----------
    kind
        What it is.
    storage
        Optuna's side of it.
    file
        The file of an SQLite or journal storage.
    """

    kind: Kind
    storage: BaseStorage
    file: Path | None

    def claiming(self, study: str) -> AbstractContextManager[None]:
        """Hold the right to begin, hand back or count the trials of a study; a process that dies lets go of it."""
        if self.file is not None:
            return exclusive(_beside(self.file, f".{_short(study):016x}.claim"))
        return _advisory(self.storage, _short(study))  # type: ignore[arg-type]  # a storage without a file is a database

    def close(self) -> None:
        """Let go of the connections."""
        self.storage.remove_session()
        engine = getattr(self.storage, "engine", None)
        if engine is not None:
            engine.dispose()


def storage_address(settings: Settings) -> str:
    """Return the address of the studies: the setting's, or an SQLite file in the home."""
    return settings.optuna_storage or f"sqlite:///{(settings.home / 'optuna.db').absolute()}"


@contextmanager
def open_store(address: str) -> Iterator[StudyStore]:
    """Open the storage at an address and close it again.

    Parameters
    ----------
    address
        ``sqlite:///FILE``, ``journal:///FILE`` or ``postgresql://USER@HOST/DATABASE``. The folder of a file is made.
        Keep a password out of it: libpq reads ``PGPASSFILE`` and ``PGPASSWORD``.

    Raises
    ------
    ConfigurationError
        If the address has another form, or the driver of PostgreSQL is not installed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    scheme = urlsplit(address).scheme.partition("+")[0]
    match scheme:
        case "sqlite":
            store = _open_sqlite(_file_of(address))
        case "journal":
            store = _open_journal(_file_of(address))
        case "postgresql":
            store = _open_postgresql(address)
        case _:
            raise ConfigurationError(
                f"studies cannot be kept in a storage of the form {scheme!r}", where=SETTING, remedy=f"Use {FORMS}."
            )
    try:
        yield store
    finally:
        store.close()


def is_made(address: str) -> bool:
    """Return whether a storage has been opened at an address before; a database server is taken to be there."""
    return not address.startswith(("sqlite", "journal")) or Path(address.partition(":///")[2]).is_file()


def _file_of(address: str) -> Path:
    path = address.partition(":///")[2].partition("?")[0]
    if not path or path == ":memory:":
        raise ConfigurationError("the address of the studies names no file", where=SETTING, remedy=f"Use {FORMS}.")
    file = Path(path).absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _open_sqlite(file: Path) -> StudyStore:
    from optuna.storages import RDBStorage

    # Two processes that make the tables at once break each other.
    with exclusive(_beside(file, ".open")):
        connection = sqlite3.connect(file, timeout=BUSY_S)
        try:
            # With a write-ahead log readers do not wait for the writer. The mode stays with the file.
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()
        storage = RDBStorage(f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": BUSY_S}})
    return StudyStore("sqlite", storage, file)


def _open_journal(file: Path) -> StudyStore:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    with exclusive(_beside(file, ".open")), exclusive(_beside(file, ".lock")):
        _mend(file)
    return StudyStore("journal", JournalStorage(JournalFileBackend(str(file), lock_obj=_flock(file))), file)


def _mend(file: Path) -> None:
    # A line that a dying machine left half written was never acknowledged, and makes the whole journal unreadable.
    if not file.exists():
        return
    with file.open("rb+") as journal:
        content = journal.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            journal.truncate(whole)


def _flock(file: Path) -> JournalFileOpenLock:
    """Return a lock that the operating system frees when its holder dies; Optuna's own are files that stay for 30 s."""
    import fcntl

    from optuna.storages.journal import JournalFileOpenLock

    class HeldFile(JournalFileOpenLock):
        def __init__(self) -> None:
            super().__init__(str(file))
            self._descriptor = -1

        def acquire(self) -> bool:
            self._descriptor = os.open(_beside(file, ".lock"), os.O_CREAT | os.O_WRONLY, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            return True

        def release(self) -> None:
            os.close(self._descriptor)

    return HeldFile()


def _open_postgresql(address: str) -> StudyStore:
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    # psycopg 3 is the driver that we name; SQLAlchemy's own choice depends on its version.
    url = "postgresql+psycopg" + address.removeprefix(address.partition("://")[0])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=DeprecationWarning)
            storage = RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except ImportError as error:
        raise ConfigurationError(
            "no driver for PostgreSQL is installed", where=SETTING, remedy='Install "psycopg[binary]>=3.2".'
        ) from error
    except SQLAlchemyError as error:
        shown = urlsplit(address)
        raise ConfigurationError(
            f"PostgreSQL does not answer: {type(error).__name__}", where=f"{shown.hostname}{shown.path}",
            remedy=f"Check {SETTING} and that the server is up.",
        ) from error
    return StudyStore("postgresql", storage, None)


@contextmanager
def _advisory(storage: RDBStorage, key: int) -> Iterator[None]:
    from sqlalchemy import text

    with storage.engine.begin() as connection:
        # Held until the transaction ends, or the connection with its process.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
        yield


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def _short(study: str) -> int:
    # PostgreSQL's lock keys are signed 64-bit numbers: 63 bits are never negative.
    return int.from_bytes(blake2b(study.encode(), digest_size=8).digest(), "big") >> 1
