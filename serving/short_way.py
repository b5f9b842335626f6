"""A short way past the framework for the request that the service lives on: one score of one entity.

The framework finds a route among all, opens two stacks of clean-up, parses the content type as that of an e-mail and solves a tree
of dependencies, a third of a millisecond in which nothing is scored. Here the path is looked up, the body checked against the same
model, and the same endpoint called in the same pool of threads; or, where store and ledger lie on this machine, its twin in the
event loop itself (`serving.durable`). Whatever is not plainly right goes on to the framework, which says what is wrong with it; the
contract is the framework's alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.errors import RoadRiskError
from serving.durable import Pace
from serving.limits import PARSED

_MAX_SCENARIO: Final = 64


@dataclass(frozen=True)
class Lane:
    """One path: its template for figures and log, the model of its body, and its endpoint.

    Parameters
    ----------
    path
        The path; it has no parameter.
    body
        Model of the body.
    endpoint
        Takes body, request, scenario and idempotency key.
    at_once
        The same in the event loop itself, while `pace` says that it may; None where it must not.
    pace
        Whether answers before their record take no time.
    """

    path: str
    body: type[BaseModel]
    endpoint: Callable[..., Response]
    at_once: Callable[..., Awaitable[Response]] | None = None
    pace: Pace = field(default_factory=Pace)


class ShortWay:
    """Serve the posts to some paths without the framework.

    Parameters
    ----------
    app
        The application behind, which has the same routes.
    lanes
        Path -> lane.
    respond
        Makes the answer of a refusal.
    """

    def __init__(
        self, app: ASGIApp, *, lanes: Mapping[str, Lane], respond: Callable[[Request, Exception], Response]
    ) -> None:
        self._app, self._lanes, self._respond = app, lanes, respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        lane = self._lanes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        asked = _asked(scope, lane) if lane is not None else None
        if lane is None or asked is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = lane
        request = Request(scope, receive)
        try:
            if lane.at_once is not None and lane.pace.quick:
                response = await lane.at_once(asked[0], request, *asked[1:])
            else:
                response = await run_in_threadpool(lane.endpoint, asked[0], request, *asked[1:])
        except RoadRiskError as error:
            response = self._respond(request, error)
        await response(scope, receive, send)


def _asked(scope: Scope, lane: Lane) -> tuple[Any, str | None, str | None] | None:
    """Return body, scenario and idempotency key; None where the framework has something to say."""
    scenarios, keys = _sent(scope, b"x-scenario"), _sent(scope, b"idempotency-key")
    if len(scenarios) > 1 or len(keys) > 1 or "" in (*scenarios, *keys) or any(len(one) > _MAX_SCENARIO for one in scenarios):
        return None
    try:
        body = lane.body.model_validate(scope["state"][PARSED])
    except (KeyError, ValueError):
        return None
    return body, next(iter(scenarios), None), next(iter(keys), None)


def _sent(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
