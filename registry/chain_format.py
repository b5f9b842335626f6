r"""The bytes of a chained ledger: what a row's digest and its HMAC are over, and the head.

    digest = SHA-256(prev "\\n" table "\\n" seq "\\n" at "\\n" payload)
    hash   = HMAC-SHA-256(key, "row" "\\n" table "\\n" digest "\\n" base)

`prev` is the digest of the row before (64 zeros for the first), `base` the position of the last row before the change that
this row came with. Anybody can recompute the digests; the hashes show whoever holds the key that the service wrote the row.
Of the parts only the payload could hold a line break, and JSON text has none, so no two lists of parts give the same bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from registry.strict_json import strict_json

GENESIS: Final = "0" * 64


@dataclass(frozen=True)
class Head:
    """The newest row of a ledger: its position from 1, its digest and its hash."""

    seq: int
    digest: str
    hash: str


START: Final = Head(0, GENESIS, GENESIS)
"""Where a ledger without a row stands."""


def row_digest(table: str, seq: int, at: str, prev: str, text: str) -> str:
    """Return the digest of a row, as hex."""
    return hashlib.sha256(f"{prev}\n{table}\n{seq}\n{at}\n{text}".encode()).hexdigest()


def row_hash(key: bytes, table: str, digest: str, base: int) -> str:
    """Return the HMAC of a row, as hex."""
    return _mac(key, f"row\n{table}\n{digest}\n{base}")


def head_bytes(key: bytes, table: str, head: Head) -> bytes:
    """Return a head as it is kept."""
    mac = _mac(key, f"head\n{table}\n{head.seq}\n{head.digest}\n{head.hash}")
    return json.dumps({"seq": head.seq, "digest": head.digest, "hash": head.hash, "mac": mac}).encode()


def read_head(key: bytes, table: str, kept: bytes | None) -> Head | None:
    """Return the head that was kept; None where its HMAC does not verify.

    Raises
    ------
    ValueError
        If the bytes are no head.
    """
    if kept is None:
        return START
    try:
        claim = json.loads(kept)
        head, mac = Head(int(claim["seq"]), str(claim["digest"]), str(claim["hash"])), str(claim["mac"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("no head") from error
    made = _mac(key, f"head\n{table}\n{head.seq}\n{head.digest}\n{head.hash}")
    return head if hmac.compare_digest(made.encode(), mac.encode()) else None


def canonical(payload: Mapping[str, Any]) -> str:
    """Return a payload as the text that is chained: sorted names, no spaces, no NaN."""
    return strict_json(dict(payload)).decode()


def instant_text(at: datetime) -> str:
    """Return an instant as it is chained: UTC with microseconds.

    Raises
    ------
    ValueError
        If it has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"instant {at.isoformat()} has no time zone; ledgers keep aware UTC")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _mac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()
