"""Evidence of changes as the service reads it: once per model, and again when it was counted anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from registry.change_evidence import KIND, ChangeEvidence
from registry.evidence import FOLDER, card_folder, evidence_of
from registry.settings import Settings

Changes = Callable[[str, str], ChangeEvidence | None]
"""Product and digest -> how often entities changed what they can change; None where it was not counted."""


def no_changes(product: str, digest: str) -> ChangeEvidence | None:
    """Return None: where no cards lie, nothing was counted."""
    del product, digest
    return None


def kept_changes(settings: Settings) -> Changes:
    """Return the reader of an installation."""

    @lru_cache(maxsize=16)
    def read(product: str, digest: str, written_ns: int) -> ChangeEvidence | None:
        del written_ns
        document = evidence_of(settings, product, digest, KIND)
        return None if document is None else ChangeEvidence(document)

    def changes(product: str, digest: str) -> ChangeEvidence | None:
        path = card_folder(settings, product, digest) / FOLDER / f"{KIND}.json"
        try:
            written_ns = path.stat().st_mtime_ns
        except OSError:
            return None
        return read(product, digest, written_ns)

    return changes
