"""The files that pages load: shipped with the program, named with a digest of their bytes so that browsers may keep them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import Response

from registry.errors import NotFound

TYPES: Final = {
    "console.css": "text/css; charset=utf-8", "governance.css": "text/css; charset=utf-8",
    "monitoring.css": "text/css; charset=utf-8", "portrait.css": "text/css; charset=utf-8", "mark.svg": "image/svg+xml",
    "what_if.js": "text/javascript; charset=utf-8", "live.css": "text/css; charset=utf-8",
    "live_fleet.js": "text/javascript; charset=utf-8", "live_map.js": "text/javascript; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
}
_FOLDER: Final = Path(__file__).with_name("static")


@cache
def asset(name: str) -> tuple[bytes, str]:
    """Return the bytes of a file and the digest in its name."""
    content = (_FOLDER / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


def asset_path(name: str) -> str:
    """Return the path of a file."""
    return f"/console/static/{asset(name)[1]}/{name}"


def served(digest: str, name: str) -> Response:
    """Return a file.

    Raises
    ------
    NotFound
        If there is none of this name and digest.
    """
    if name not in TYPES or asset(name)[1] != digest:
        raise NotFound("there is no such file", where="static", remedy="Load the page again.")
    return Response(asset(name)[0], media_type=TYPES[name], headers={"Cache-Control": "public, max-age=31536000, immutable"})
