"""One JSON text per value, for documents that are hashed, signed or compared."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> bytes:
    """Return one JSON text per value: sorted keys, UTF-8, no NaN, a final newline."""
    return (json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def content_digest(value: object) -> str:
    """Return SHA-256 over the canonical JSON of a value, as lower-case hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
