"""The HTTP door: providers push lines of positions, and hear that they are durable; whoever may ask reads state and status."""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from features.contracts import ARROW_TYPES
from features.door.answers import may_ask, problem, problem_of, unknown_key
from features.live.intake import Overloaded
from features.live.positions import REFUSAL_WORDS, Door, Records, records_of
from features.live.roster import Roster
from registry.errors import InvalidRequest, RoadRiskError
from registry.resources import RESOURCES

if TYPE_CHECKING:
    from features.live.service import LiveService

LINES: Final = "application/x-ndjson"
MAX_ROWS: Final = 20_000
MAX_BODY: Final = 16 * 2**20
"""Bytes of a body, also once it is unpacked."""
BODY_S: Final = 30.0
SHOWN_REFUSALS: Final = 100
_DECLARED: Final = RESOURCES["vehicle_location"].columns
_SCHEMA: Final = pa.schema([
    (column.id, pa.string() if column.dtype == "timestamp" else ARROW_TYPES[column.dtype]) for column in _DECLARED
])
_NEEDED: Final = tuple(column.id for column in _DECLARED if not column.nullable)


def routes(service: LiveService) -> list[Route]:
    """Return the paths of the live service."""
    door = HttpDoor(service)
    return [
        Route("/v1/live/positions", door.push, methods=["POST"]), Route("/v1/live/status", door.status),
        Route("/v1/live/vehicles/{vehicle_id}", door.vehicle), Route("/readyz", door.ready),
        Route("/v1/live/cards", door.cards, methods=["POST"]), Route("/v1/live/drivers/{driver_id}", door.driver),
    ]


def read_lines(body: bytes) -> pa.Table:
    """Return the rows of NDJSON as columns of `vehicle_location`.

    Raises
    ------
    InvalidRequest
        If it is no NDJSON of this resource; a line of another shape refuses the whole body.
    """
    from pyarrow import json

    options = json.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="error")
    try:
        table = json.read_json(io.BytesIO(body), read_options=json.ReadOptions(use_threads=False), parse_options=options)
        times = {name: _instants(table[name]) for name in ("gps_time", "recv_time")}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        raise InvalidRequest(
            "the body is no NDJSON of vehicle_location", where="positions", remedy="Send one object of declared fields per line.",
        ) from None
    if len(table) > MAX_ROWS:
        raise InvalidRequest(f"the body has {len(table)} rows, at most {MAX_ROWS} are taken", remedy="Send several requests.")
    missing = [name for name in _NEEDED if table[name].null_count]
    if missing:
        raise InvalidRequest(f"a row has no {missing[0]}", where="positions", remedy="Send the fields that may not be null.")
    for name, column in times.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _instants(column: Any) -> Any:
    # A text without a zone would be read as UTC and be eight hours off: it is refused.
    zoned = pc.match_substring_regex(column, r"(Z|[+-]\d\d:?\d\d)$")
    if not pc.all(pc.fill_null(zoned, True)).as_py():
        raise pa.ArrowInvalid("an instant without a zone")
    return pc.cast(column, pa.timestamp("us", tz="UTC"))


def records_from(table: pa.Table, roster: Roster, now_us: int, *, replay: bool) -> Records:
    """Return the rows of a push as records; in a replay they tell their own receipt."""
    keys = pc.binary_join_element_wise(table["plate_no"], table["plate_color"], "\0").combine_chunks().dictionary_encode()
    plates = [tuple(text.split("\0", 1)) for text in keys.dictionary.to_pylist()]
    numbers = roster.numbers_of(plates)
    vehicle = numbers[keys.indices.to_numpy(zero_copy_only=False)] if len(table) else np.zeros(0, np.uint64)
    received = np.full(len(table), now_us, np.int64)
    if replay:
        told = pc.fill_null(table["recv_time"].cast(pa.int64()), now_us)
        received = told.to_numpy().astype(np.int64)
    return records_of(table, vehicle, received, Door.REPLAY if replay else Door.HTTP)


def newest_receipt_us(table: pa.Table) -> int:
    """Return the newest receipt that rows tell, in epoch microseconds; 0 where none tells any."""
    found: int | None = pc.max(table["recv_time"].cast(pa.int64())).as_py()
    return found or 0


class HttpDoor:
    """Takes requests of a live service."""

    def __init__(self, service: LiveService) -> None:
        self._service = service

    async def ready(self, _: Request) -> Response:
        """Say whether the service takes positions."""
        why = self._service.intake.refusing
        return JSONResponse({"ready": not why, "why": why}, status_code=503 if why else 200)

    async def status(self, request: Request) -> Response:
        """Say what came in and how the service keeps up."""
        return await self._read(request, self._service.status)

    async def vehicle(self, request: Request) -> Response:
        """Say the duty of one vehicle now."""
        return await self._read(request, lambda: self._service.duty(request.path_params["vehicle_id"]))

    async def driver(self, request: Request) -> Response:
        """Say the duty of one driver now."""
        return await self._read(request, lambda: self._service.driver(request.path_params["driver_id"]))

    async def cards(self, request: Request) -> Response:
        """Take card events; the answer comes once they are durable."""
        if not may_ask(request, self._service.key):
            return unknown_key()
        try:
            async with asyncio.timeout(BODY_S):
                body = await _body(request)
        except TimeoutError:
            return problem(408, "body-too-slow", f"the body did not come within {BODY_S:g} s", headers={"Connection": "close"})
        except RoadRiskError as error:
            return problem_of(error)
        now_s = int(self._service.now.timestamp())
        return await self._read(request, lambda: self._service.drivers.take(body, now_s))

    async def _read(self, request: Request, read: Callable[[], dict[str, Any]]) -> Response:
        if not may_ask(request, self._service.key):
            return unknown_key()
        try:
            return JSONResponse(await run_in_threadpool(read))
        except RoadRiskError as error:
            return problem_of(error)

    async def push(self, request: Request) -> Response:
        """Take positions; the answer comes once they are durable."""
        if not may_ask(request, self._service.key):
            return unknown_key()
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        packed = request.headers.get("content-encoding", "identity").lower()
        if media != LINES or packed not in ("identity", "gzip"):
            return problem(
                415, "unsupported-media-type", "the body is no NDJSON, plain or as gzip", remedy=f"Send {LINES}.",
                headers={"Accept-Post": LINES, "Accept-Encoding": "gzip"},
            )
        try:
            async with asyncio.timeout(BODY_S):
                body = await _body(request)
            taken, durable = await run_in_threadpool(self._taken, body, packed == "gzip")
            await asyncio.wrap_future(durable)
        except TimeoutError:
            return problem(408, "body-too-slow", f"the body did not come within {BODY_S:g} s", headers={"Connection": "close"})
        except ClientDisconnect:
            return problem(400, "disconnected", "the sender went away")
        except Overloaded as error:
            return problem(429, error.slug, error.message, remedy=error.remedy, headers={"Retry-After": "1"})
        except RoadRiskError as error:
            return problem_of(error)
        refused = [{"row": place, "reason": reason.name.lower(), "zh": REFUSAL_WORDS[reason][0], "en": REFUSAL_WORDS[reason][1]}
                   for place, reason in taken.refused[:SHOWN_REFUSALS]]
        answer = {"accepted": taken.accepted, "refused": len(taken.refused), "errors": refused}
        return JSONResponse(answer, status_code=202 if taken.accepted or not taken.refused else 422)

    def _taken(self, body: bytes, packed: bool) -> Any:
        service = self._service
        table = read_lines(unpacked(body) if packed else body)
        if service.replay and len(table):
            service.saw(newest_receipt_us(table))
        return service.intake.take(records_from(table, service.roster, service.clock(), replay=service.replay))


async def _body(request: Request) -> bytes:
    parts, total = [], 0
    async for part in request.stream():
        total += len(part)
        if total > MAX_BODY:
            raise InvalidRequest(f"the body is longer than {MAX_BODY} bytes", remedy="Send several requests.")
        parts.append(part)
    return b"".join(parts)


def unpacked(body: bytes) -> bytes:
    """Return what a gzip holds.

    Raises
    ------
    InvalidRequest
        If it is none, or holds more than is taken.
    """
    unpacker = zlib.decompressobj(wbits=31)
    try:
        found = unpacker.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise InvalidRequest("the body is no gzip", remedy="Send gzip, or no Content-Encoding.") from None
    if len(found) > MAX_BODY or not unpacker.eof or unpacker.unused_data:
        raise InvalidRequest(f"the body is no single gzip of at most {MAX_BODY} bytes", remedy="Send several requests.")
    return found
