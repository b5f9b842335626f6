"""How many requests a worker has in hand: one too many is told to come back, before its key or body is looked at.

Without a bound a flood fills memory with waiting bodies, and everybody waits until their own patience ends. What is asked by
whoever watches over the service is always let in.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.envelope import PROBLEM, request_id_of, send_problem
from serving.problems import Problem
from serving.request_log import QUIET

MOST: Final = 256
"""Several times the threads that score, so that short bursts wait instead of being refused. [A]"""
CROWDED: Final = Problem(
    slug="unavailable", title="Service unavailable", status=503, detail="the service has too many requests in hand",
    remedy="Try again shortly, with fewer requests at a time.", headers={"Retry-After": "1"},
)


class Crowd:
    """Answer 503 to a request that comes while `most` are in hand.

    Parameters
    ----------
    app
        The application behind.
    most
        How many requests may be in hand.
    """

    def __init__(self, app: ASGIApp, *, most: int = MOST) -> None:
        self._app, self._most, self._in_hand = app, most, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        if self._in_hand >= self._most:
            scope["state"][PROBLEM] = CROWDED.slug
            await send_problem(send, CROWDED, request_id_of(scope))
            return
        # One event loop serves a worker, so nothing comes between the look and the count.
        self._in_hand += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_hand -= 1
