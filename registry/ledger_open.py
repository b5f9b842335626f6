"""Open the ledgers of an installation where its settings say they lie, with their key and their anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.chain import ChainLedger
from registry.ledger_anchors import Anchors
from registry.ledger_store import LedgerStore
from registry.locks import exclusive
from registry.signing import ANCHOR_KEY, LEDGER_KEY, read_secret

if TYPE_CHECKING:
    from registry.settings import Settings

ANCHOR_FOLDER: Final = "anchors"
HEAD_EVERY: Final = {"decisions": 64}
"""Ledger -> rows between two syncs of its head, for what is written with every answer (decision 0026). [A]"""
_FIELD: Final = "k_"


def open_ledger(settings: Settings, table: str, *, indexed: Sequence[str] | None = (), once: str | None = None) -> ChainLedger:
    """Open a ledger, making it when missing.

    Parameters
    ----------
    indexed
        Payload fields that are looked up by index; None to take those that the ledger was made with.
    once
        One of them, of which no two rows may have the same value.

    Raises
    ------
    ConfigurationError
        If the ledger key does not exist.
    IntegrityError
        If the end of the ledger does not agree with its head.
    ServiceUnavailable
        If its database cannot be reached.
    """
    key, store = read_secret(settings.keys_dir, LEDGER_KEY), _store(settings, table)
    if indexed is None:
        indexed = [name.removeprefix(_FIELD) for name in store.columns(table) if name.startswith(_FIELD)]
    return ChainLedger(store, key, table, indexed=indexed, once=once, anchors=_anchors(settings, table))


def ledger_exists(settings: Settings, table: str) -> bool:
    """Whether a ledger has been made; the head of a database that was removed counts, and opening it says what is wrong."""
    if settings.ledger_url:
        return table in ledger_names(settings)
    return any((settings.ledger_dir / file).exists() for file in (f"{table}.db", f"{table}.head"))


def ledger_names(settings: Settings) -> list[str]:
    """Return the ledgers that have been made, in the order of their names."""
    if settings.ledger_url:
        from registry.ledger_postgresql import ledgers_in

        return ledgers_in(settings.ledger_url)
    return sorted({path.stem for kind in ("db", "head") for path in settings.ledger_dir.glob(f"*.{kind}")})


@contextmanager
def alone(settings: Settings, table: str) -> Iterator[None]:
    """Keep others out that ask for the same, while a ledger is read and then appended to."""
    with exclusive(settings.ledger_dir / f"{table}.lock"):
        if not settings.ledger_url:
            yield
            return
        from registry.ledger_postgresql import PostgresqlStore

        with closing(PostgresqlStore(settings.ledger_url, table)) as store, store.alone():
            yield


def anchor_folder(settings: Settings) -> Path:
    """Return the folder of the anchors."""
    return settings.anchor_dir or settings.home / ANCHOR_FOLDER


def _store(settings: Settings, table: str) -> LedgerStore:
    if settings.ledger_url:
        from registry.ledger_postgresql import PostgresqlStore

        return PostgresqlStore(settings.ledger_url, table)
    from registry.ledger_sqlite import SqliteStore

    return SqliteStore(settings.ledger_dir / f"{table}.db", table, head_every=HEAD_EVERY.get(table, 1))


def _anchors(settings: Settings, table: str) -> Anchors | None:
    # Whoever keeps the signing key away from the service anchors by `roadrisk ledger anchor`, called where the key is.
    if not (settings.keys_dir / ANCHOR_KEY).is_file():
        return None
    return Anchors(anchor_folder(settings), table, settings.keys_dir)
