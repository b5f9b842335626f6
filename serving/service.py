"""The BentoML service: processes, workers and packaging are BentoML's, every byte on the wire is ours.

`Doorway` stands in front of BentoML's own routes and hands nothing on to them, so its index page, docs, metrics by raw
path and error bodies do not exist here. `bentoml serve serving.service:RoadRisk` starts it; `roadrisk serve` does the
same and checks bundles first.
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast

import bentoml  # noqa: TID253 - this module is BentoML's entry point
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.errors import RoadRiskError
from registry.settings import Settings
from serving.app import open_app
from serving.envelope import send_problem
from serving.problems import Problem
from serving.request_log import log_to_stderr
from serving.start import check_start, set_environment

TIMEOUT_S = 60.0
"""BentoML answers this one in its own form, so ours come before it; it keeps a timer per request, so it is not long."""
STARTING = Problem(
    slug="unavailable", title="Service unavailable", status=503, detail="the service is starting",
    remedy="Try again shortly.", headers={"Retry-After": "1"},
)

set_environment()
log_to_stderr()


class Doorway:
    """An ASGI layer that gives every request to our application and leaves the life cycle to BentoML."""

    application: ASGIApp | None = None

    def __init__(self, app: ASGIApp) -> None:
        self._bentoml = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._bentoml(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
        elif Doorway.application is None:
            await send_problem(send, STARTING, "none")
        else:
            await Doorway.application(scope, receive, send)


@bentoml.service(
    name="roadrisk",
    workers=Settings().workers,
    traffic={"timeout": TIMEOUT_S},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # Spans are ours (`serving.tracing`); BentoML's would be made for every message of a request and go nowhere.
    tracing={"excluded_urls": ".*"},
)
class RoadRisk:
    """Explained risk scores; see `/openapi.json`."""

    def __init__(self) -> None:
        try:
            Doorway.application = open_app(Settings())
        except RoadRiskError as error:
            # Raised further it would end as a traceback; the parent starts the worker again.
            sys.stderr.write(f"error: {error}\n")
            sys.stderr.flush()
            os._exit(error.exit_code)

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check() -> None:
        """Refuse to start any worker where it would fail: this runs once, in the parent."""
        try:
            check_start(Settings())
        except RoadRiskError as error:
            sys.stderr.write(f"error: {error}\n")
            raise SystemExit(error.exit_code) from None


# The decorator returns a BentoML service under the name of the class.
cast(Any, RoadRisk).add_asgi_middleware(Doorway)
