"""The signature of a delivery: HMAC-SHA256 over its instant and body, so that neither an old nor a changed one passes."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

HEADER: Final = "X-RoadRisk-Signature"
TOLERANCE_S: Final = 300
"""An older delivery is refused by whoever checks it. [A]"""
_FORM: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def signed(secret: str, at_s: int, body: bytes) -> str:
    """Return the header's value."""
    return f"t={at_s},v1={_mac(secret, at_s, body)}"


def verify(secret: str, header: str, body: bytes, *, now_s: int, tolerance_s: int = TOLERANCE_S) -> bool:
    """Return whether a delivery is ours, unchanged and fresh: what a consumer does before it reads the body."""
    found = _FORM.fullmatch(header)
    if found is None or abs(now_s - int(found[1])) > tolerance_s:
        return False
    return hmac.compare_digest(_mac(secret, int(found[1]), body), found[2])


def _mac(secret: str, at_s: int, body: bytes) -> str:
    return hmac.new(bytes.fromhex(secret), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
