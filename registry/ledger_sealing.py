"""The personal part of a record, encrypted, so that it can be erased without a change to the chain (crypto-shredding).

Each record has a data key of its own (AES-256-GCM). The chain holds the ciphertext; the data key, wrapped by the key
`ledger-wrap.key`, lies in a table beside the chain. Deleting the wrapped key leaves a ciphertext that nobody can read any
more, and a chain that verifies. Who an entity is, is known to the tables beside the chain as a keyed tag only.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import zlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from isal import isal_zlib

from registry.errors import ConfigurationError, IntegrityError
from registry.strict_json import strict_json

NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
_FIRST_NONCE: Final = bytes(NONCE_BYTES)


class Sealing:
    """Seals and opens personal parts.

    Parameters
    ----------
    key
        The wrapping key, at least 32 bytes, kept apart from the ledger.

    Raises
    ------
    ConfigurationError
        If it is shorter.
    """

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(key) < KEY_BYTES:
            raise ConfigurationError(f"the wrapping key has {len(key)} bytes, at least {KEY_BYTES} are needed")
        self._cipher = AESGCM
        # One key for each use, so that what is made for one means nothing to another.
        self._wrapping, self._answers = AESGCM(_derived(key, b"wrap")), AESGCM(_derived(key, b"answer"))
        self._tags = _derived(key, b"tag")

    def seal(self, value: dict[str, Any], about: str) -> tuple[str, bytes]:
        """Return a personal part as text for the chain, and the wrapped data key to be kept beside it.

        Parameters
        ----------
        value
            JSON-like, without NaN.
        about
            What the part belongs to, such as a score id; the same is needed to open it.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        key = secrets.token_bytes(KEY_BYTES)
        # A data key seals one record, so its nonce need not vary; later parts under the same key take random ones.
        sealed = self._cipher(key).encrypt(_FIRST_NONCE, _plain_bytes(value), about.encode())
        nonce = secrets.token_bytes(NONCE_BYTES)
        return base64.b64encode(sealed).decode(), nonce + self._wrapping.encrypt(nonce, key, about.encode())

    def open(self, sealed: str, wrapped: bytes, about: str) -> dict[str, Any]:
        """Return the personal part of a record.

        Raises
        ------
        IntegrityError
            If it was sealed with another key or for something else.
        """
        return self._opened(_FIRST_NONCE, base64.b64decode(sealed), wrapped, about)

    def seal_more(self, value: Mapping[str, Any], wrapped: bytes, about: str) -> str:
        """Return a further part under the data key of a record, so that it is erased with it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(self._unwrapped(wrapped, about)).encrypt(nonce, _plain_bytes(dict(value)), about.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open_more(self, sealed: str, wrapped: bytes, about: str) -> dict[str, Any]:
        """Return a further part."""
        content = base64.b64decode(sealed)
        return self._opened(content[:NONCE_BYTES], content[NONCE_BYTES:], wrapped, about)

    def seal_answer(self, body: bytes, about: str) -> bytes:
        """Return an answer's bytes, sealed without a data key of their own: they are deleted whole."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._answers.encrypt(nonce, body, about.encode())

    def open_answer(self, sealed: bytes, about: str) -> bytes:
        """Return the bytes of an answer."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._answers.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about.encode())
        except InvalidTag:
            raise _wrong_key("a stored answer") from None

    def tag(self, entity_id: str) -> bytes:
        """Return the tag of an entity: equal for equal entities, and nothing to whoever lacks the key."""
        return hmac.digest(self._tags, entity_id.encode(), "sha256")[:TAG_BYTES]

    def _unwrapped(self, wrapped: bytes, about: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._wrapping.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], about.encode())
        except InvalidTag:
            raise _wrong_key("the data key of a record") from None

    def _opened(self, nonce: bytes, sealed: bytes, wrapped: bytes, about: str) -> dict[str, Any]:
        from cryptography.exceptions import InvalidTag

        try:
            content = self._cipher(self._unwrapped(wrapped, about)).decrypt(nonce, sealed, about.encode())
        except InvalidTag:
            raise _wrong_key("the personal part of a record") from None
        found: dict[str, Any] = orjson.loads(zlib.decompress(content))
        return found


def _derived(key: bytes, use: bytes) -> bytes:
    return hmac.digest(key, b"roadrisk ledger " + use, "sha256")


def _wrong_key(what: str) -> IntegrityError:
    return IntegrityError(
        f"{what} cannot be opened", where="ledger",
        remedy="Use the ledger-wrap.key that it was sealed with; if that is the one, restore the ledger from a backup.",
    )


def _plain_bytes(value: dict[str, Any]) -> bytes:
    # The length of a sealed part is no secret; a third of the bytes is written, hashed and kept. ISA-L writes what zlib reads.
    return isal_zlib.compress(strict_json(value), 1)
