"""`Idempotency-Key`: one request, one decision, however often it is sent.

The answer's bytes are kept in the transaction of the decision, so after a lost connection or a killed process the same key
gets the same bytes. The key belongs to its consumer; another body under it is refused.

References
----------
IETF draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from registry.decisions import StoredAnswer
from registry.errors import InvalidRequest, KeyReused

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
_FORM: Final = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class RequestKey:
    """What names one request.

    Parameters
    ----------
    consumer
        Whose key it is.
    key_hash
        SHA-256 of the key: the key itself may say more than its sender meant to leave here.
    body_hash
        SHA-256 over method, path, scenario and body.
    """

    consumer: str
    key_hash: str
    body_hash: str

    def check_body(self, stored: str) -> None:
        """Refuse a key that came with another request before.

        Raises
        ------
        KeyReused
            If the stored hash is of another request.
        """
        if stored != self.body_hash:
            raise KeyReused(
                "this idempotency key came with another request before", where=HEADER,
                remedy="Use a new key for a new request, and the same body for a repeated one.",
            )

    def stored(self, body: bytes, *, status: int, at: datetime, score_id: str | None = None) -> StoredAnswer:
        """Return an answer as it is kept under this key; with the id of the decision, or of the batch, that it answers."""
        return StoredAnswer(
            consumer=self.consumer, key_hash=self.key_hash, body_hash=self.body_hash, score_id=score_id, status=status,
            body=body, at=at,
        )


def request_key(header: str | None, *, consumer: str, method: str, path: str, scenario: str, body: bytes) -> RequestKey | None:
    """Return the key of a request, None where none was sent.

    Raises
    ------
    InvalidRequest
        If it has not 1 to 255 visible ASCII signs.
    """
    if header is None:
        return None
    if not _FORM.fullmatch(header):
        raise InvalidRequest(
            f"an idempotency key of {len(header)} signs is none", where=HEADER,
            remedy="Send 1 to 255 visible ASCII signs, for example a UUID.",
        )
    request = hashlib.sha256()
    for part in (method.encode(), path.encode(), scenario.encode(), body):
        request.update(len(part).to_bytes(8, "big") + part)
    return RequestKey(consumer, hashlib.sha256(header.encode()).hexdigest(), request.hexdigest())
