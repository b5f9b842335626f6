"""Routes of batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from registry.errors import NotFound
from registry.products import PRODUCTS
from serving.answer_schema import Closed
from serving.authorised import Door, IdempotencyHeader, ScenarioHeader
from serving.batches.body import batch_body
from serving.batches.desk import SYNC_ROWS, BatchDesk, Body
from serving.batches.folder import BatchFolder, Status
from serving.batches.formats import ARROW, CSV, MAX_BODY_BYTES, MOST_ROWS, NDJSON, PARQUET
from serving.batches.results import MEDIA, Format, as_file, chosen_format
from serving.documents import GET_PROBLEMS, POST_PROBLEMS, problem_responses
from serving.idempotency import REPLAYED
from serving.json_response import JSON, json_response
from serving.score_routes import unknown_product

BatchId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="id of a batch")]
FormatQuery = Annotated[Format, Query(alias="format", description="form of the file")]
DESCRIPTION: Final = (
    f"NDJSON lines `{{\"entity\": {{...}}, \"ref\": \"...\"}}`, or a table (CSV, Parquet, Arrow stream without compression) with "
    f"the columns plate_no, plate_color, vin, uscc, ref. At most {MOST_ROWS} rows and {MAX_BODY_BYTES} bytes. Up to {SYNC_ROWS} "
    "rows are answered at once with 200 and one line per row; more of them with 202 and the address of the batch."
)
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_FILE: Final = dict.fromkeys(MEDIA.values(), _BINARY)
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {"schema": {"type": "string"}, "example": '{"entity": {"vin": "L99000248R0000017"}, "ref": "1"}\n'},
            CSV: {"schema": {"type": "string"}, "example": "vin,ref\nL99000248R0000017,1\n"}, PARQUET: _BINARY, ARROW: _BINARY,
        },
    }
}


class BatchLinks(Closed):
    """Where to ask further."""

    self: str
    result: str | None = None
    problems: str | None = None


class BatchTaken(Closed):
    """A batch that was taken in."""

    id: str
    product: str
    status: Status
    rows: int
    created: str
    links: BatchLinks


class BatchOut(BatchTaken):
    """How far a batch is."""

    expires: str = Field(description="when it is removed; its decisions stay in the ledger")
    done: int = Field(description="rows that are finished: scored, grey or a problem")
    scored: int
    grey: int = Field(description="rows with an answer and no score")
    problems: int = Field(description="rows without an answer")
    progress: float
    model_version: str | None = Field(description="the one model of all its rows; null before its start")
    model_digest: str | None
    problem: dict[str, Any] | None = Field(description="why it failed")


class BatchesOut(Closed):
    """The caller's batches, newest first."""

    batches: list[BatchOut]


def batch_router(batches: BatchDesk, door: Door) -> APIRouter:
    """Return the routes of batches."""
    router = APIRouter(tags=["batches"])
    for product in PRODUCTS.values():
        _add_submit(router, batches, door, product.id)
    router.add_api_route("/v1/{product}/batches", unknown_product, methods=["POST"], include_in_schema=False)
    router.add_api_route("/v1/portfolios/{name}/batches", no_portfolio_batches, methods=["POST"], include_in_schema=False)
    _add_status(router, batches, door)
    _add_results(router, batches, door)
    return router


def no_portfolio_batches() -> None:
    """Refuse a batch of rows that the caller would send: a batch names entities, whose inputs are read here; raises `NotFound`."""
    raise NotFound(
        "a portfolio is not scored in batches", where="batches",
        remedy="Send each row to POST /v1/portfolios/{name}/scores, with an Idempotency-Key, several at a time.",
    )


def _add_submit(router: APIRouter, batches: BatchDesk, door: Door, product: str) -> None:
    taken_in = {"model": BatchTaken, "description": "Taken in; its status is at the address in Location"}
    answered = {"description": "One line per row, in the form that Accept names", "content": _FILE}

    @router.post(
        f"/v1/{product}/batches", operation_id=f"batch_{product}", summary=f"scores of many entities: {product}",
        description=DESCRIPTION, openapi_extra=_BODY,
        responses={200: answered, 202: taken_in, **problem_responses((*POST_PROBLEMS, 409))},
    )
    def submit(
        request: Request, body: Annotated[Body, Depends(batch_body)], scenario: ScenarioHeader = None,
        key: IdempotencyHeader = None, accept: Annotated[str | None, Header(include_in_schema=False)] = None,
        prefer: Annotated[str | None, Header(max_length=256, description="`respond-async`: do not answer at once")] = None,
    ) -> Response:
        asked = door.asked(request, product, "batch", scenario=scenario, key=key)
        form = chosen_format(accept)
        wait = "respond-async" not in (prefer or "").lower()
        reply = batches.submit(product, body, door.caller(request), asked, wait=wait)
        headers = {REPLAYED: "true"} if reply.replayed else {}
        if reply.status == 202:
            headers["Location"] = orjson.loads(reply.body)["links"]["self"]
            return Response(reply.body, 202, media_type=JSON, headers=headers)
        return Response(b"".join(as_file([reply.body], form)), media_type=MEDIA[form], headers=headers)


def _add_status(router: APIRouter, batches: BatchDesk, door: Door) -> None:
    @router.get("/v1/batches", operation_id="list_batches", summary="the caller's batches",
                responses={200: {"model": BatchesOut}, **problem_responses(GET_PROBLEMS)})
    def own(request: Request) -> Response:
        return json_response({"batches": batches.own(door.caller(request).consumer)})

    @router.get("/v1/batches/{batch_id}", operation_id="batch_status", summary="how far a batch is",
                responses={200: {"model": BatchOut}, **problem_responses((*GET_PROBLEMS, 422))})
    def status(batch_id: BatchId, request: Request) -> Response:
        return json_response(batches.status(_own(batches, door, request, batch_id)))

    @router.delete("/v1/batches/{batch_id}", operation_id="drop_batch", status_code=204, response_class=Response,
                   summary="cancel a batch, or remove one that has ended", responses=problem_responses((*GET_PROBLEMS, 422)))
    def drop(batch_id: BatchId, request: Request) -> Response:
        batches.drop(_own(batches, door, request, batch_id))
        return Response(status_code=204)


def _add_results(router: APIRouter, batches: BatchDesk, door: Door) -> None:
    problems = problem_responses((*GET_PROBLEMS, 409, 422))

    @router.get("/v1/batches/{batch_id}/result", operation_id="batch_result", summary="one line per row, in order",
                response_class=Response, responses={200: {"content": _FILE}, **problems})
    def result(batch_id: BatchId, request: Request, form: FormatQuery = "ndjson") -> Response:
        folder = _own(batches, door, request, batch_id)
        header = folder.header
        door.grant(request, header.product, "batch", header.scenario)
        return _stream(as_file(batches.result(folder), form), form)

    @router.get("/v1/batches/{batch_id}/problems", operation_id="batch_problems", summary="the lines of rows without an answer",
                response_class=Response, responses={200: {"content": {NDJSON: _BINARY}}, **problems})
    def problem_lines(batch_id: BatchId, request: Request) -> Response:
        return _stream(batches.result(_own(batches, door, request, batch_id), problems_only=True), "ndjson")


def _own(batches: BatchDesk, door: Door, request: Request, batch_id: str) -> BatchFolder:
    return batches.folders.find(batch_id, door.caller(request).consumer)


def _stream(chunks: Iterator[bytes], form: Format) -> Response:
    return StreamingResponse(chunks, media_type=MEDIA[form])
