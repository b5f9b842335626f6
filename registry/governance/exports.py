"""The ledger of exports: which document left, in which form, for whom, at whose hands; one chained line per export."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from registry.errors import InvalidRequest
from registry.model_ledgers import lines, writing

if TYPE_CHECKING:
    from registry.settings import Settings

EXPORTS: Final = "exports"
"""Name of the ledger."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """One document or pack that left.

    Parameters
    ----------
    at
        When.
    what, about
        What it is (``pack``, or the id and form of a document), and the scenario or month that it is about.
    by, via
        Who took it, and how: ``command``, or the key of a session of the console.
    digest
        SHA-256 of the manifest or file.
    seq
        Line of the ledger; 0 before it is written.
    """

    at: datetime
    what: str
    about: str
    by: str
    via: str
    digest: str
    seq: int = 0


def record_export(settings: Settings, export: Export) -> int:
    """Keep an export durably and return its line; the file is handed out after this.

    Raises
    ------
    InvalidRequest
        If nobody is named.
    """
    if not export.by.strip():
        raise InvalidRequest("nobody is named who takes the export", where="by", remedy="Say it: it is kept in the ledger.")
    payload = {"kind": "export", "what": export.what, "about": export.about, "by": export.by.strip(), "via": export.via,
               "digest": export.digest}
    with writing(settings, EXPORTS) as ledger:
        return ledger.append(payload, at=export.at).seq


def exports(settings: Settings) -> list[Export]:
    """Return every export, oldest first; the ledger is verified first.

    Raises
    ------
    IntegrityError
        If it does not verify.
    """
    return [
        Export(seq=entry.seq, at=entry.at, **{name: entry.payload[name] for name in ("what", "about", "by", "via", "digest")})
        for entry in lines(settings, EXPORTS)
    ]
