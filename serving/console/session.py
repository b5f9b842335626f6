"""Sessions: who is logged in, in a signed cookie that holds no secret.

Any worker can read a session, and nothing is kept of it. It names the API key that opened it, and every request asks the access
book whether that key still lets anybody in: a revocation bites on the next click.
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
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_SECRET_OF: Final = b"roadrisk console/1"
_MOST_ENDED: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Session:
    """One login.

    Parameters
    ----------
    id
        Random; forms carry a token made from it.
    key_id
        Id of the API key that it was opened with.
    started_s, seen_s
        Seconds since 1970 of the login and of the last request.
    scenarios
        Scenarios that were chosen where several fit, one for each product.
    """

    id: str
    key_id: str
    started_s: int
    seen_s: int
    scenarios: tuple[str, ...] = ()


class Sessions:
    """Makes, reads and ends sessions.

    Parameters
    ----------
    pepper
        Secret of this installation; the signing key is derived from it.
    idle_s
        A session ends after so many seconds without a request.
    longest_s
        A session ends so many seconds after its login, whatever was asked in it.
    """

    def __init__(self, pepper: bytes, *, idle_s: float, longest_s: float) -> None:
        self._secret = hmac.new(pepper, _SECRET_OF, hashlib.sha256).digest()
        self._idle_s, self._longest_s = idle_s, longest_s
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, key_id: str, now: datetime) -> Session:
        """Return a new session of a key."""
        second = int(now.timestamp())
        return Session(id=secrets.token_hex(16), key_id=key_id, started_s=second, seen_s=second)

    def seen(self, session: Session, now: datetime) -> Session:
        """Return a session as it is after one more request."""
        return replace(session, seen_s=int(now.timestamp()))

    def end(self, session: Session) -> None:
        """Let this worker refuse a session from now on; elsewhere a copied cookie ends when it has been idle."""
        self._ended[session.id] = None
        while len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)

    def seal(self, session: Session) -> str:
        """Return the value of the cookie."""
        body = base64.urlsafe_b64encode(json.dumps(asdict(session), sort_keys=True).encode()).decode()
        return f"{body}.{self._mac('session', body)}"

    def open(self, text: str | None, now: datetime) -> Session | None:
        """Return the session of a cookie; None where there is none, it was changed, or it is over."""
        body, _, mac = (text or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac("session", body).encode()):
            return None
        try:
            read = json.loads(base64.urlsafe_b64decode(body))
            session = Session(**{**read, "scenarios": tuple(read.get("scenarios", ()))})
        except (binascii.Error, ValueError, TypeError, AttributeError):
            return None
        second = now.timestamp()
        over = second - session.seen_s > self._idle_s or second - session.started_s > self._longest_s
        return None if over or session.id in self._ended else session

    def form_token(self, bound_to: str) -> str:
        """Return the token that a form of a session, or of a visitor before login, must carry."""
        return self._mac("form", bound_to)

    def form_token_holds(self, token: str, bound_to: str) -> bool:
        """Return whether a form carries the right token."""
        return hmac.compare_digest(token.encode(), self.form_token(bound_to).encode())

    def seal_subject(self, session: Session, kind: str, entity_id: str) -> str:
        """Return the sign under which the pages of a session name a subject; to any other session it says nothing."""
        sealed = self._subjects(session).encrypt(f"{kind}|{entity_id}".encode(), None)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open_subject(self, session: Session, sign: str) -> tuple[str, str] | None:
        """Return kind and pseudonym of a subject; None where the sign is none of this session."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.urlsafe_b64decode(sign + "=" * (-len(sign) % 4))
            kind, _, entity_id = self._subjects(session).decrypt(sealed, None).decode().partition("|")
        except (binascii.Error, ValueError, InvalidTag):
            return None
        return kind, entity_id

    def _subjects(self, session: Session) -> AESSIV:
        # A cipher without a nonce: the same subject has the same address all session long, so that a browser's history works.
        return _cipher(self._secret, session.id)

    def _mac(self, what: str, text: str) -> str:
        return hmac.new(self._secret, f"{what}|{text}".encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=64)
def _cipher(secret: bytes, session: str) -> AESSIV:
    """Return the cipher of a session; a page of an enterprise names a hundred subjects with it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(hmac.new(secret, f"subjects|{session}".encode(), hashlib.sha512).digest())
