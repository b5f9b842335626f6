"""Sessions: who is logged in, in a signed cookie that holds no secret.

Any worker can read a session, and nothing is kept of it. It names the API key that opened it, and every request asks the access
book whether that key still lets anybody in: a revocation bites on the next click.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from serving.console.sealed import Sealed, SealedSessions

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_SECRET_OF: Final = b"roadrisk console/1"


@dataclass(frozen=True, kw_only=True)
class Session(Sealed):
    """One login.

    Parameters
    ----------
    key_id
        Id of the API key that it was opened with.
    scenarios
        Scenarios that were chosen where several fit, one for each product.
    """

    key_id: str
    scenarios: tuple[str, ...] = ()


class Sessions(SealedSessions[Session]):
    """Makes, reads and ends sessions; the secrets of forms and of signs of subjects are its own too."""

    def __init__(self, pepper: bytes, *, idle_s: float, longest_s: float) -> None:
        super().__init__(Session, _SECRET_OF, pepper, idle_s=idle_s, longest_s=longest_s)

    def begin(self, key_id: str, now: datetime) -> Session:
        """Return a new session of a key."""
        second = int(now.timestamp())
        return Session(id=secrets.token_hex(16), key_id=key_id, started_s=second, seen_s=second)

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

    def _read(self, fields: Mapping[str, Any]) -> Session:
        # JSON has no tuples.
        return Session(**{**fields, "scenarios": tuple(fields.get("scenarios", ()))})


@lru_cache(maxsize=64)
def _cipher(secret: bytes, session: str) -> AESSIV:
    """Return the cipher of a session; a page of an enterprise names a hundred subjects with it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(hmac.new(secret, f"subjects|{session}".encode(), hashlib.sha512).digest())
