"""The body of a batch: read in the event loop, with a limit on its length, its time and its type."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from fastapi import Request

from registry.errors import RoadRiskError
from serving.batches.desk import Body
from serving.batches.formats import CHARSETS, CSV, MAX_BODY_BYTES, MEDIA_TYPES
from serving.limits import BODY

BODY_S: Final = 50.0
"""A batch must arrive in this time; BentoML ends a request after 60 s."""
BODIES: Final = 4
"""Bodies that one process receives at the same time."""
_places: Final = asyncio.Semaphore(BODIES)


class BodyRefused(RoadRiskError):
    """A body that is too long, too slow, or of a type that is not taken."""

    exit_code = 20

    def __init__(self, status: int, slug: str, title: str, message: str, remedy: str) -> None:
        super().__init__(message, where="body", remedy=remedy)
        # One family for what HTTP tells apart by status.
        self.http_status, self.slug, self.title = status, slug, title  # type: ignore[misc]


async def batch_body(request: Request) -> Body:
    """Return the body of a request, and keep it where its idempotency key looks for it.

    Raises
    ------
    BodyRefused
        If it is too long (413), too slow (408), or of another type (415).
    """
    media, charset, gzipped = _type_of(request)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_long()
    async with _places:
        content = await _received(request)
    request.scope["state"][BODY] = content
    return Body(content=content, media_type=media, charset=charset, gzipped=gzipped)


async def _received(request: Request) -> bytes:
    chunks, total, deadline = list[bytes](), 0, time.monotonic() + BODY_S
    stream = request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream, None), max(deadline - time.monotonic(), 0.01))
        except TimeoutError:
            raise BodyRefused(
                408, "body-too-slow", "Body too slow", f"the body did not arrive within {BODY_S:.0f} seconds", "Send it again."
            ) from None
        if chunk is None:
            return b"".join(chunks)
        chunks.append(chunk)
        total += len(chunk)
        if total > MAX_BODY_BYTES:
            raise _too_long()


def _type_of(request: Request) -> tuple[str, str, bool]:
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    media, encoding = media.strip().lower(), request.headers.get("content-encoding", "identity").strip().lower()
    charset = parameters.strip().lower().removeprefix("charset=").strip('"') if "charset=" in parameters.lower() else ""
    known = charset in CHARSETS and (media == CSV or charset in ("", "utf-8"))
    if media in MEDIA_TYPES and known and encoding in ("identity", "gzip"):
        return media, charset, encoding == "gzip"
    raise BodyRefused(
        415, "unsupported-media-type", "Unsupported media type", "the body is of no type that a batch can have",
        f"Send one of {', '.join(MEDIA_TYPES)}; text/csv may say charset=gb18030; Content-Encoding may be gzip.",
    )


def _too_long() -> BodyRefused:
    return BodyRefused(
        413, "body-too-long", "Body too long", f"the body is longer than {MAX_BODY_BYTES} bytes", "Send several batches."
    )
