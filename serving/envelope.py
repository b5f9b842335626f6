"""What every answer carries: request id, trace context, security headers; and the last resort for a defect of ours."""

from __future__ import annotations

import logging
import re
import time
import traceback
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import Metrics
from serving.problems import MEDIA_TYPE, Problem, internal
from serving.request_log import log_request
from serving.stages import begin, end

if TYPE_CHECKING:
    from serving.tracing import Tracer

REQUEST_ID: Final = "request_id"
STARTED: Final = "started"
TRACEPARENT: Final = "traceparent"
PROBLEM: Final = "problem"
"""Where the state of a request names the problem that it was answered with."""
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SECURITY: Final = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in SECURITY_HEADERS.items())
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_log = logging.getLogger(__name__)


class Envelope:
    """The outermost layer of our application.

    Parameters
    ----------
    app
        The application behind.
    metrics
        Where requests are counted.
    tracer
        Makes spans of them; None where nobody collects any.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, tracer: Tracer | None = None) -> None:
        self._app, self._metrics, self._tracer = app, metrics, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        request_id, extra = _request_headers(scope)
        marks, token = begin()
        scope.setdefault("state", {}).update(
            {REQUEST_ID: request_id, STARTED: started, TRACEPARENT: extra.get("traceparent", "")}
        )

        async def wrapped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _complete(message["headers"], extra)
            await send(message)

        try:
            await self._app(scope, receive, wrapped)
        except Exception as error:  # noqa: BLE001 - the edge: a defect becomes a problem document, never a traceback
            _log_defect(error, request_id)
            if not status:
                scope["state"][PROBLEM] = internal().slug
                await send_problem(wrapped, internal(), request_id)
        finally:
            end(token)
            seconds = time.perf_counter() - started
            self._metrics.observe_request(scope, status, seconds, marks)
            log_request(scope, status, seconds)
            if self._tracer is not None:
                self._tracer.record(scope, status, started, marks)


def request_id_of(scope: Scope) -> str:
    """Return the id of a request that came through the envelope."""
    return str(scope["state"][REQUEST_ID])


async def send_problem(send: Send, problem: Problem, instance: str) -> None:
    """Answer with a problem document."""
    body = problem.body(instance)
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **problem.headers}
    await send({"type": "http.response.start", "status": problem.status, "headers": _encoded(headers.items())})
    await send({"type": "http.response.body", "body": body})


def _request_headers(scope: Scope) -> tuple[str, dict[str, str]]:
    # Ids of a caller go into logs and the ledger, so only a closed alphabet may.
    names = (b"x-request-id", b"traceparent")
    sent = {name: value.decode("latin-1") for name, value in scope["headers"] if name in names}
    claimed = sent.get(b"x-request-id", "")
    request_id = claimed if _REQUEST_ID.fullmatch(claimed) else uuid.uuid4().hex
    extra = {"X-Request-Id": request_id}
    if _TRACEPARENT.fullmatch(trace := sent.get(b"traceparent", "")):
        extra["traceparent"] = trace
    return request_id, extra


def _complete(headers: Iterable[tuple[bytes, bytes]], extra: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    present = list(headers)
    names = {name.lower() for name, _ in present}
    return present + [pair for pair in (*_encoded(extra.items()), *_SECURITY) if pair[0] not in names]


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _log_defect(error: Exception, request_id: str) -> None:
    # Frames only: the message of an exception may repeat what a caller sent.
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("request %s met a defect: %s\n%s", request_id, type(error).__name__, frames)
