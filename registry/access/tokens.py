"""API keys as their holders carry them: ``rr_<key id>_<secret>``.

The secret has 256 random bits and is shown once. What is kept is its HMAC-SHA-256 under the pepper of this installation, so that
neither the ledger nor a backup of it lets anybody in; a secret of that size needs no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "rr"
SHOWN: Final = 4
"""Signs of a secret that listings show: 24 of its 256 bits."""
_TOKEN: Final = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True)
class Token:
    """A key as it is presented. Its secret is in no representation of it."""

    key_id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What the holder keeps and sends."""
        return f"{PREFIX}_{self.key_id}_{self.secret}"

    @property
    def tail(self) -> str:
        """The last signs, by which a holder recognises it."""
        return self.secret[-SHOWN:]


def make_token() -> Token:
    """Return a new random token."""
    return Token(secrets.token_hex(6), secrets.token_urlsafe(32))


def read_token(text: str | None) -> Token | None:
    """Return a token of the right form; None for anything else."""
    found = _TOKEN.fullmatch(text) if text else None
    return Token(found[1], found[2]) if found else None


def mac_of(token: Token, pepper: bytes) -> str:
    """Return what is kept of a token: the HMAC of its secret and of the id that it belongs to, as hex."""
    return hmac.new(pepper, f"{token.key_id}|{token.secret}".encode(), hashlib.sha256).hexdigest()


def matches(token: Token, mac: str, pepper: bytes) -> bool:
    """Return whether a token is the one of which `mac` was kept, in a time that does not depend on the secret."""
    return hmac.compare_digest(mac_of(token, pepper), mac)
