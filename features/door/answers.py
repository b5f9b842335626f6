"""What the services of the door answer: problem documents (RFC 9457), and who may ask."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from features.door.source import KEY_HEADER
from registry.errors import RoadRiskError

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:roadrisk:problem:"


def problem(
    status: int, slug: str, detail: str, *, remedy: str = "", errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document; it repeats no value of the request, because that may identify a person."""
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + slug, "title": slug.replace("-", " ").capitalize(), "status": status, "detail": detail,
        "remedy": remedy,
    }
    if errors:
        document["errors"] = list(errors)
    return Response(
        json.dumps(document, ensure_ascii=False).encode(), status_code=status, media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def problem_of(error: RoadRiskError) -> Response:
    """Return the problem of one of our errors; where it was met stays inside."""
    return problem(error.http_status, error.slug, error.message, remedy=error.remedy)


def may_ask(request: Request, key: str) -> bool:
    """Return whether a request carries the key, in constant time; an empty key is asked of nobody."""
    if not key:
        return True
    given = request.headers.get(KEY_HEADER, "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(key.encode()).digest())


def unknown_key() -> Response:
    """Return the one answer to a missing and to a wrong key."""
    return problem(401, "unknown-key", "the request carries no key that is known here", remedy=f"Send {KEY_HEADER}.")
