"""What may come in: an ASGI layer that bounds the body, checks its type and its JSON, and hands it on whole."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.envelope import PROBLEM, request_id_of, send_problem
from serving.json_check import RefusedBody, check_json
from serving.problems import Problem

DEFAULT_MAX_BODY_BYTES: Final = 1024 * 1024
BODY: Final = "body"
"""Where the state of a request holds its body, whole and checked."""
PARSED: Final = "parsed"
"""Where it holds what the body means; there is nothing where the body is empty."""
DRAIN_FACTOR: Final = 32
"""A body over the limit is read and dropped up to this many times the limit, so that an ordinary client reads the
answer instead of a broken connection."""
DRAIN_S: Final = 10.0
BODY_S: Final = 30.0


class BodyLimits:
    """Refuse bodies that are too long, of another type than JSON, or no strict JSON.

    Parameters
    ----------
    app
        The application behind.
    max_body_bytes
        Longest body.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int = DEFAULT_MAX_BODY_BYTES) -> None:
        self._app, self._max = app, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body checked, or answer with a problem."""
        if scope["type"] != "http" or is_batch(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
            if body:
                _check_type(scope)
                scope["state"][PARSED] = check_json(body)
        except RefusedBody as refused:
            scope["state"][PROBLEM] = refused.problem.slug
            await send_problem(send, refused.problem, request_id_of(scope))
            return
        scope["state"][BODY] = body
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        declared = header_of(scope, b"content-length")
        if declared.isdigit() and int(declared) > self._max:
            await self._drain(scope, receive, int(declared))
            raise self._too_long()
        chunks, total = [], 0
        deadline = time.monotonic() + BODY_S
        while True:
            message = await _receive_until(receive, deadline)
            if message["type"] != "http.request":
                return b""
            chunks.append(message.get("body", b""))
            total += len(chunks[-1])
            if total > self._max:
                await self._drain(scope, receive, 0)
                raise self._too_long()
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def _drain(self, scope: Scope, receive: Receive, declared: int) -> None:
        expects = header_of(scope, b"expect").lower() == b"100-continue"
        if expects or declared > self._max * DRAIN_FACTOR:
            return
        deadline, total = time.monotonic() + DRAIN_S, 0
        while total <= self._max * DRAIN_FACTOR:
            try:
                message = await _receive_until(receive, deadline)
            except RefusedBody:
                return
            total += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body", False):
                return

    def _too_long(self) -> RefusedBody:
        return RefusedBody(Problem(
            slug="body-too-long", title="Body too long", status=413, headers={"Connection": "close"},
            detail=f"the body is longer than {self._max} bytes", remedy="Send one entity per request.",
        ))


def is_batch(scope: Scope) -> bool:
    """Return whether a request brings a batch, whose body has limits of its own (`serving.batches.body`)."""
    path = str(scope["path"])
    return scope["method"] == "POST" and path.startswith("/v1/") and path.endswith("/batches")


async def next_message(receive: Receive, deadline: float) -> Message:
    """Return the next message of a request; raises `TimeoutError` if none comes before a moment of `time.monotonic`."""
    # `wait_for` would make a task for every message, most of which are there already.
    async with asyncio.timeout(max(deadline - time.monotonic(), 0.01)):
        return await receive()


def header_of(scope: Scope, name: bytes) -> bytes:
    """Return a header of a request, empty where there is none."""
    found: list[bytes] = [value for key, value in scope["headers"] if key == name]
    return found[0] if found else b""


async def _receive_until(receive: Receive, deadline: float) -> Message:
    try:
        return await next_message(receive, deadline)
    except TimeoutError:
        raise RefusedBody(Problem(
            slug="body-too-slow", title="Body too slow", status=408, headers={"Connection": "close"},
            detail=f"the body did not arrive within {BODY_S:.0f} seconds", remedy="Send the request again.",
        )) from None


def _check_type(scope: Scope) -> None:
    media, _, parameters = header_of(scope, b"content-type").decode("latin-1").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    encoding = header_of(scope, b"content-encoding").lower()
    if media.strip().lower() == "application/json" and charset in ("", "utf-8") and encoding in (b"", b"identity"):
        return
    raise RefusedBody(Problem(
        slug="unsupported-media-type", title="Unsupported media type", status=415,
        detail="the body is not declared as plain application/json in UTF-8",
        remedy="Send `Content-Type: application/json`, without compression.",
        headers={"Accept-Post": "application/json"},
    ))


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
