"""Sessions of drivers on their own page: opened by a link, in a cookie of their own that opens no other page.

The cookie names the link and holds no secret and no pseudonym; every request asks the ledger whether the link still stands, so a
revocation bites on the next click.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from serving.console.sealed import Sealed, SealedSessions

_SECRET_OF: Final = b"roadrisk driver page/1"


@dataclass(frozen=True, kw_only=True)
class DriverSession(Sealed):
    """One opened link; `link_id` is the one that it was opened with."""

    link_id: str


class DriverSessions(SealedSessions[DriverSession]):
    """Makes, reads and ends sessions of drivers."""

    def __init__(self, pepper: bytes, *, idle_s: float, longest_s: float) -> None:
        super().__init__(DriverSession, _SECRET_OF, pepper, idle_s=idle_s, longest_s=longest_s)

    def begin(self, link_id: str, now: datetime) -> DriverSession:
        """Return a new session of a link."""
        second = int(now.timestamp())
        return DriverSession(id=secrets.token_hex(16), link_id=link_id, started_s=second, seen_s=second)
