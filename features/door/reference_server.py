"""A small source for tests and demonstrations: the simulated province behind the interface that a real source would have."""

from __future__ import annotations

import asyncio
import itertools
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.door.answers import may_ask, problem, problem_of, unknown_key
from features.door.outbox_pages import OutboxPages, json_rows
from registry.errors import InvalidRequest, RoadRiskError
from registry.resources import RESOURCES

DEFAULT_LIMIT: Final = 1_000
MAX_LIMIT: Final = 50_000


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong on purpose.

    Parameters
    ----------
    share
        Share of requests for rows that fail, 0..1: by turns 503 with `Retry-After`, 429, 500, and an answer cut off.
    slow_s
        Seconds before each answer.
    seed
        Decides which requests fail.
    """

    share: float = 0.0
    slow_s: float = 0.0
    seed: int = 0


def create_source(pages: OutboxPages, *, key: str = "", faults: Faults | None = None) -> Starlette:
    """Return the application.

    Parameters
    ----------
    pages
        What is served.
    key
        Key that every request must carry; empty: none.
    """
    wrong, counter = faults or Faults(), itertools.count()

    async def rows(request: Request) -> Response:
        if not may_ask(request, key):
            return unknown_key()
        if wrong.slow_s:
            await asyncio.sleep(wrong.slow_s)
        try:
            body = await run_in_threadpool(_page, pages, request)
        except RoadRiskError as error:
            return problem_of(error)
        return _fails(body, next(counter), wrong) or Response(body, media_type="application/json")

    async def listed(request: Request) -> Response:
        if not may_ask(request, key):
            return unknown_key()
        return JSONResponse({"resources": sorted(RESOURCES)})

    async def ready(_: Request) -> Response:
        return JSONResponse({"ready": True})

    async def absent(_: Request, __: Exception) -> Response:
        return problem(404, "no-such-path", "there is nothing at this path")

    return Starlette(
        routes=[
            Route("/v1/resources", listed), Route("/v1/resources/{resource}/rows", rows), Route("/readyz", ready),
        ],
        exception_handlers={404: absent},
    )


def _page(pages: OutboxPages, request: Request) -> bytes:
    asked = request.query_params
    limit = asked.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 8 and 1 <= int(limit) <= MAX_LIMIT):
        raise InvalidRequest(f"limit is no number from 1 to {MAX_LIMIT}")
    page = pages.page(
        request.path_params["resource"], asked.get("after", ""), limit=int(limit), until=_instant(asked.get("until", ""))
    )
    told = page.complete_until.astimezone(UTC).isoformat() if page.complete_until else None
    tail = json.dumps({"next": page.next.cursor(), "more": page.more, "complete_until": told})
    return b'{"rows":[' + b",".join(json_rows(page.rows)) + b"]," + tail[1:].encode()


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InvalidRequest("until is no instant with a zone", remedy="Send 2026-07-01T00:00:00+08:00.")
    return instant.astimezone(UTC)


def _fails(body: bytes, number: int, wrong: Faults) -> Response | None:
    drawn = zlib.crc32(f"{wrong.seed}:{number}".encode())
    if drawn / 2**32 >= wrong.share:
        return None
    kind = drawn % 4
    if kind == 0:
        return problem(503, "unavailable", "a fault on purpose", headers={"Retry-After": "0"})
    if kind == 1:
        return problem(429, "too-many-requests", "a fault on purpose", headers={"Retry-After": "0"})
    if kind == 2:
        return problem(500, "internal", "a fault on purpose")
    # The length promises more than is sent, so the connection breaks in the middle of the answer.
    return Response(body[: len(body) // 2], media_type="application/json", headers={"Content-Length": str(len(body))})
