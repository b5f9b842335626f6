"""Answers as JSON responses, of the one encoding."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from serving.encode import encoded

JSON: Final = "application/json"


def json_response(document: Any, *, status: int = 200) -> Response:
    """Return a document as a response."""
    return Response(encoded(document), status, media_type=JSON)
