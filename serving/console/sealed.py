"""What sessions have in common: a signed cookie that holds no secret, two ends in time, and those that were ended before."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

_MOST_ENDED: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What every session says of itself.

    Parameters
    ----------
    id
        Random; forms carry a token made from it.
    started_s, seen_s
        Seconds since 1970 of the beginning and of the last request.
    """

    id: str
    started_s: int
    seen_s: int


Kind = TypeVar("Kind", bound=Sealed)


class SealedSessions(Generic[Kind]):
    """Reads and ends sessions of one kind.

    Parameters
    ----------
    kind
        What the cookies hold.
    secret_of
        Name of the signing key that is derived, so that a cookie of one kind means nothing to another.
    pepper
        Secret of this installation.
    idle_s
        A session ends after so many seconds without a request.
    longest_s
        A session ends so many seconds after its beginning, whatever was asked in it.
    """

    def __init__(self, kind: type[Kind], secret_of: bytes, pepper: bytes, *, idle_s: float, longest_s: float) -> None:
        self._kind, self._secret = kind, hmac.new(pepper, secret_of, hashlib.sha256).digest()
        self._idle_s, self._longest_s = idle_s, longest_s
        self._ended: OrderedDict[str, None] = OrderedDict()

    def seen(self, session: Kind, now: datetime) -> Kind:
        """Return a session as it is after one more request."""
        return replace(session, seen_s=int(now.timestamp()))

    def end(self, session: Kind) -> None:
        """Let this worker refuse a session from now on; elsewhere a copied cookie ends when it has been idle."""
        self._ended[session.id] = None
        while len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)

    def seal(self, session: Kind) -> str:
        """Return the value of the cookie."""
        body = base64.urlsafe_b64encode(json.dumps(asdict(session), sort_keys=True).encode()).decode()
        return f"{body}.{self._mac('session', body)}"

    def open(self, text: str | None, now: datetime) -> Kind | None:
        """Return the session of a cookie; None where there is none, it was changed, or it is over."""
        body, _, mac = (text or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac("session", body).encode()):
            return None
        try:
            session = self._read(json.loads(base64.urlsafe_b64decode(body)))
        except (binascii.Error, ValueError, TypeError, AttributeError):
            return None
        second = now.timestamp()
        over = second - session.seen_s > self._idle_s or second - session.started_s > self._longest_s
        return None if over or session.id in self._ended else session

    def _read(self, fields: Mapping[str, Any]) -> Kind:
        return self._kind(**fields)

    def _mac(self, what: str, text: str) -> str:
        return hmac.new(self._secret, f"{what}|{text}".encode(), hashlib.sha256).hexdigest()
