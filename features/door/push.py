"""The receiver of pushed rows: checked against their contract, durable, then acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.contracts import Violation
from features.door.answers import may_ask, problem, problem_of, unknown_key
from features.door.journal import Batch, PushJournal
from features.door.pushed_rows import Arrivals, Examined, examine, rows_of
from features.door.sealing import Clock, Sealer, wall_clock
from features.landing import instant_of
from registry.errors import ConfigurationError, RoadRiskError
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL

PUSHED: Final = frozenset(name for name, resource in RESOURCES.items() if resource.cycle == "realtime")
"""Resources that may be pushed: those of the annex's cycle 实时 (real time), and the driving hours reduced from them."""
ARRAY: Final = "application/json"
LINES: Final = "application/x-ndjson"
MAX_KEY: Final = 128
SHOWN_ERRORS: Final = 100


@dataclass(frozen=True, kw_only=True)
class ReceiverLimits:
    """What a request may be.

    Parameters
    ----------
    body_bytes
        Longest body; compressed bodies are not taken.
    body_s
        Seconds in which the body must have come.
    """

    body_bytes: int = 8 * 1024 * 1024
    body_s: float = 30.0


class _Refused(Exception):
    def __init__(self, answer: Response) -> None:
        self.answer = answer
        super().__init__(answer.status_code)


class Receiver:
    """Takes requests in; one per process.

    Parameters
    ----------
    journal, sealer
        Where rows are kept, and who makes deliveries of them.
    key
        Key that every sender must carry.
    replay
        Whether rows tell their own arrival: for simulated rows of the past only, because a sender who could choose it could
        make the platform believe that it had known something earlier.
    """

    def __init__(
        self, journal: PushJournal, sealer: Sealer, key: str, *, replay: bool = False, limits: ReceiverLimits | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        if not key:
            raise ConfigurationError("no key for senders is set", remedy="Set ROADRISK_PUSH_KEY.")
        self._journal, self._sealer, self._key, self._replay = journal, sealer, key, replay
        self._limits, self._clock, self._arrivals = limits or ReceiverLimits(), clock, Arrivals()

    def app(self) -> Starlette:
        """Return the application; its life begins with what a killed process left and ends with nothing waiting."""

        @asynccontextmanager
        async def life(_: Starlette) -> AsyncIterator[None]:
            await run_in_threadpool(self._sealer.start)
            yield
            await run_in_threadpool(self._sealer.stop)
            self._journal.close()

        return Starlette(
            routes=[Route("/v1/push/{resource}", self._push, methods=["POST"]), Route("/readyz", self._ready)],
            exception_handlers={404: _no_path, 405: _no_method, 500: _defect}, lifespan=life,
        )

    async def _ready(self, _: Request) -> Response:
        stuck = len(self._sealer.refused)
        return JSONResponse({"ready": True, "deliveries_refused": stuck})

    async def _push(self, request: Request) -> Response:
        try:
            resource_id, key, array = self._admit(request)
            body = await self._body(request)
        except _Refused as refused:
            return refused.answer
        except ClientDisconnect:
            return problem(400, "disconnected", "the sender went away")
        told = request.query_params.get(COMPLETE_UNTIL, "")
        try:
            return await run_in_threadpool(self._take, resource_id, key, body, array, told)
        except RoadRiskError as error:
            return problem_of(error)

    def _admit(self, request: Request) -> tuple[str, str, bool]:
        if not may_ask(request, self._key):
            raise _Refused(unknown_key())
        resource_id = request.path_params["resource"]
        if resource_id not in PUSHED:
            raise _Refused(problem(
                404, "not-pushed", "nothing of this name is pushed", remedy=f"Push {', '.join(sorted(PUSHED))}.",
            ))
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in (ARRAY, LINES) or request.headers.get("content-encoding", "identity").lower() != "identity":
            raise _Refused(problem(
                415, "unsupported-media-type", "the body is neither plain JSON nor plain NDJSON",
                remedy=f"Send {ARRAY} or {LINES}, without compression.", headers={"Accept-Post": f"{ARRAY}, {LINES}"},
            ))
        key = request.headers.get("idempotency-key", "")
        if not 0 < len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
            raise _Refused(problem(
                400, "no-idempotency-key", f"Idempotency-Key is not 1 to {MAX_KEY} printable characters",
                remedy="Send a new key with each request and the same key when you repeat one.",
            ))
        return resource_id, key, media == ARRAY

    async def _body(self, request: Request) -> bytes:
        parts, total = [], 0
        try:
            async with asyncio.timeout(self._limits.body_s):
                async for part in request.stream():
                    total += len(part)
                    if total > self._limits.body_bytes:
                        raise _Refused(problem(
                            413, "body-too-long", f"the body is longer than {self._limits.body_bytes} bytes",
                            remedy="Send several requests.", headers={"Connection": "close"},
                        ))
                    parts.append(part)
        except TimeoutError:
            raise _Refused(problem(
                408, "body-too-slow", f"the body did not come within {self._limits.body_s:g} seconds",
                remedy="Send it again.", headers={"Connection": "close"},
            )) from None
        return b"".join(parts)

    def _take(self, resource_id: str, key: str, body: bytes, array: bool, told: str) -> Response:
        digest = hashlib.sha256(told.encode() + b"\0" + body).hexdigest()
        earlier = self._journal.answered(resource_id, key)
        if earlier is not None:
            return _again(earlier, digest)
        now = self._clock()
        rows = rows_of(body, array=array)
        vouched = instant_of(told, where=f"push of {resource_id}")
        if not rows and not vouched:
            return problem(422, "no-rows", "the body has no rows", remedy=f"Send rows, or {COMPLETE_UNTIL} when there are none.")
        stamps = None if self._replay else self._arrivals.stamps(now, len(rows))
        examined = examine(rows, RESOURCES[resource_id], stamps, now)
        if rows and not examined.accepted:
            return problem(
                422, "rows-refused", f"none of the {len(rows)} rows holds its contract", errors=_errors(examined.violations),
                remedy="Correct the rows named in `errors`; docs/reference/resources.md has the contract.",
            )
        return self._keep(resource_id, key, digest, examined, vouched)

    def _keep(self, resource_id: str, key: str, digest: str, examined: Examined, vouched: str) -> Response:
        answer = json.dumps({
            "resource": resource_id, "accepted": examined.accepted, "refused": examined.refused,
            "errors": _errors(examined.violations),
        }, ensure_ascii=False)
        last = examined.last_arrival.isoformat() if examined.last_arrival else ""
        batch = Batch(
            resource=resource_id, key=key, digest=digest, answer=answer, lines=examined.lines, rows=examined.accepted,
            violations=examined.violations, refused=examined.refused, complete_until=max(vouched, last),
            received_at=self._clock(),
        )
        if not self._journal.append(batch):
            earlier = self._journal.answered(resource_id, key)
            assert earlier is not None
            return _again(earlier, digest)
        self._sealer.nudge()
        return _accepted(answer)


def _again(earlier: tuple[str, str], digest: str) -> Response:
    if earlier[0] == digest:
        return _accepted(earlier[1], repeated=True)
    return problem(
        409, "key-used", "the Idempotency-Key was used with another body", remedy="Send a new key with each new request.",
    )


def _accepted(answer: str, *, repeated: bool = False) -> Response:
    headers = {"Idempotent-Replay": "true"} if repeated else {}
    return Response(answer, status_code=202, media_type="application/json", headers=headers)


def _errors(violations: tuple[Violation, ...]) -> list[dict[str, Any]]:
    # The value stays out: the sender has it, and logs on the way should not.
    return [{"row": found.row, "field": found.column, "problem": found.rule} for found in violations[:SHOWN_ERRORS]]


async def _no_path(_: Request, __: Exception) -> Response:
    return problem(404, "no-such-path", "there is nothing at this path", remedy="Push to /v1/push/<resource>.")


async def _no_method(_: Request, __: Exception) -> Response:
    return problem(405, "method-not-allowed", "this method is not possible here", remedy="Use POST.", headers={"Allow": "POST"})


async def _defect(_: Request, __: Exception) -> Response:
    return problem(500, "internal", "the receiver met a defect of its own", remedy="Send the request again with the same key.")
