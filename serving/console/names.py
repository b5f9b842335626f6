"""Whom a decision is about, in words: the name of an enterprise, for who may see every decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from features.directory import Directory
from registry.errors import NotFound


class Names:
    """The directory of names, as the console reads it.

    Parameters
    ----------
    folder
        Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        self._directory = Directory(folder)

    def known(self, enterprise_ids: Sequence[str], at: datetime) -> dict[str, str]:
        """Return the names that were known at an instant, by pseudonym; natural persons have none."""
        try:
            return self._directory.names_at([one for one in enterprise_ids if one], at)
        except NotFound:
            return {}

    def find(self, part: str, at: datetime, *, limit: int) -> dict[str, str]:
        """Return the enterprises whose name holds a part, by pseudonym."""
        try:
            return self._directory.find(part, at, limit=limit)
        except NotFound:
            return {}
