"""Sessions of drivers on their own page: opened by a link, in a cookie of their own that opens no other page.

The cookie names the link and holds no secret and no pseudonym; every request asks the ledger whether the link still stands, so a
revocation bites on the next click.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

_SECRET_OF: Final = b"roadrisk driver page/1"
_MOST_ENDED: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class DriverSession:
    """One opened link.

    Parameters
    ----------
    id
        Random; forms carry a token made from it.
    link_id
        The link that it was opened with.
    started_s, seen_s
        Seconds since 1970 of the opening and of the last request.
    """

    id: str
    link_id: str
    started_s: int
    seen_s: int


class DriverSessions:
    """Makes, reads and ends sessions of drivers; parameters are those of `serving.console.session.Sessions`."""

    def __init__(self, pepper: bytes, *, idle_s: float, longest_s: float) -> None:
        self._secret = hmac.new(pepper, _SECRET_OF, hashlib.sha256).digest()
        self._idle_s, self._longest_s = idle_s, longest_s
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, link_id: str, now: datetime) -> DriverSession:
        """Return a new session of a link."""
        second = int(now.timestamp())
        return DriverSession(id=secrets.token_hex(16), link_id=link_id, started_s=second, seen_s=second)

    def seen(self, session: DriverSession, now: datetime) -> DriverSession:
        """Return a session as it is after one more request."""
        return replace(session, seen_s=int(now.timestamp()))

    def end(self, session: DriverSession) -> None:
        """Let this worker refuse a session from now on."""
        self._ended[session.id] = None
        while len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)

    def seal(self, session: DriverSession) -> str:
        """Return the value of the cookie."""
        body = base64.urlsafe_b64encode(json.dumps(asdict(session), sort_keys=True).encode()).decode()
        return f"{body}.{self._mac(body)}"

    def open(self, text: str | None, now: datetime) -> DriverSession | None:
        """Return the session of a cookie; None where there is none, it was changed, or it is over."""
        body, _, mac = (text or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(body).encode()):
            return None
        try:
            session = DriverSession(**json.loads(base64.urlsafe_b64decode(body)))
        except (binascii.Error, ValueError, TypeError):
            return None
        second = now.timestamp()
        over = second - session.seen_s > self._idle_s or second - session.started_s > self._longest_s
        return None if over or session.id in self._ended else session

    def _mac(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()
