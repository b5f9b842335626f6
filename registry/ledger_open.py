"""Open the ledgers of an installation where its settings say they lie, with their key and their anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from registry.chain import ChainLedger
from registry.signing import LEDGER_KEY, read_secret

if TYPE_CHECKING:
    from registry.settings import Settings


def open_ledger(settings: Settings, table: str, *, indexed: Sequence[str] = ()) -> ChainLedger:
    """Open a ledger, making it when missing.

    Raises
    ------
    ConfigurationError
        If the ledger key does not exist.
    IntegrityError
        If the end of the ledger does not agree with its head.
    ServiceUnavailable
        If its database cannot be reached.
    """
    key = read_secret(settings.keys_dir, LEDGER_KEY)
    return ChainLedger(settings.ledger_dir / f"{table}.db", key, table, indexed=indexed)
