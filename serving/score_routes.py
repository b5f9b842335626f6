"""Routes that make scores. Every declared product has a path of its own, so that its body is documented."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from registry.entities import ENTITIES
from registry.products import PRODUCTS, ScoreProduct, product_named
from serving.answer_schema import ScoreAnswer
from serving.authorised import Door, IdempotencyHeader, ScenarioHeader
from serving.changes import Changes, no_changes
from serving.desk import Reply, ScoringDesk
from serving.documents import POST_PROBLEMS, problem_responses
from serving.durable import Pace
from serving.idempotency import REPLAYED
from serving.json_response import JSON, json_response
from serving.metrics import Metrics
from serving.past_schema import WhatIfOut
from serving.recourse import recourse_of
from serving.recourse_schema import RecourseOut
from serving.schemas import (
    RECOURSES,
    REQUESTS,
    WHAT_IFS,
    PortfolioRequest,
    RecourseRequest,
    ScoreRequest,
    WhatIfRequest,
)
from serving.short_way import Lane
from serving.together import Together
from serving.what_if import check_changes, compared

NAME: Final = "^[a-z0-9_-]{1,64}$"


def score_router(desk: ScoringDesk, door: Door, metrics: Metrics, changes: Changes = no_changes) -> APIRouter:
    """Return the routes of all products and of portfolios."""
    router = APIRouter(tags=["scores"])
    for product in PRODUCTS.values():
        router.add_api_route(
            f"/v1/{product.id}/scores", _score(desk, door, metrics, product), methods=["POST"],
            summary=f"{product.zh}: {product.en}", description=f"{product.outcome_zh}. {product.outcome_en}.",
            operation_id=f"score_{product.id}", responses=_scored(),
        )
        router.add_api_route(
            f"/v1/{product.id}/what-if", _what_if(desk, door, product), methods=["POST"],
            summary=f"{product.en}: the score with other values of what the subject can change",
            operation_id=f"what_if_{product.id}",
            responses={200: {"model": WhatIfOut}, **problem_responses(POST_PROBLEMS)},
        )
        router.add_api_route(
            f"/v1/{product.id}/recourse", _recourse(desk, door, product, changes), methods=["POST"],
            summary=f"{product.en}: the fewest changes that would bring the subject into a lower tier",
            operation_id=f"recourse_{product.id}",
            responses={200: {"model": RecourseOut}, **problem_responses(POST_PROBLEMS)},
        )
    _add_portfolio(router, desk, door, metrics)
    for path in ("scores", "what-if", "recourse"):
        router.add_api_route(f"/v1/{{product}}/{path}", unknown_product, methods=["POST"], include_in_schema=False)
    return router


def score_lanes(desk: ScoringDesk, door: Door, metrics: Metrics, *, at_once: bool = False) -> dict[str, Lane]:
    """Return the paths that score one entity, for the short way to them.

    Parameters
    ----------
    at_once
        Whether store and ledger lie on this machine, so that the event loop may make answers itself.
    """
    pace = Pace()
    together = Together(desk, pace)
    lanes = (
        Lane(
            f"/v1/{product.id}/scores", REQUESTS[product.entity], _score(desk, door, metrics, product),
            _score_at_once(together, door, metrics, product) if at_once else None, pace,
        )
        for product in PRODUCTS.values()
    )
    return {lane.path: lane for lane in lanes}


def unknown_product(product: str) -> None:
    """Refuse a path of no declared product; raises `NotFound`."""
    # A segment of the path may be anything; only what looks like a name is repeated.
    product_named(product if product.isascii() and product.isidentifier() and len(product) <= 64 else "of this name")


def replied(reply: Reply, metrics: Metrics) -> Response:
    """Return the response of a scored request."""
    if reply.replayed:
        metrics.observe_replay()
        return Response(reply.body, media_type=JSON, headers={REPLAYED: "true"})
    metrics.observe_answer(reply.answer)
    return Response(reply.body, media_type=JSON)


def _scored() -> dict[int | str, dict[str, Any]]:
    return {
        200: {"model": ScoreAnswer, "description": "The answer; tier grey (灰) where there is no score"},
        **problem_responses(POST_PROBLEMS),
    }


def _score(desk: ScoringDesk, door: Door, metrics: Metrics, product: ScoreProduct) -> Callable[..., Response]:
    def score(
        body: ScoreRequest, request: Request, scenario: ScenarioHeader = None, key: IdempotencyHeader = None
    ) -> Response:
        asked = door.asked(request, product.id, "score", scenario=scenario, key=key)
        return replied(desk.score_entity(product.id, body.entity.key, asked), metrics)

    return _with_body(score, REQUESTS[product.entity])


def _score_at_once(
    together: Together, door: Door, metrics: Metrics, product: ScoreProduct
) -> Callable[..., Awaitable[Response]]:
    async def score(body: ScoreRequest, request: Request, scenario: str | None, key: str | None) -> Response:
        asked = door.asked(request, product.id, "score", scenario=scenario, key=key)
        return replied(await together.score(product.id, body.entity.key, asked), metrics)

    return score


def _what_if(desk: ScoringDesk, door: Door, product: ScoreProduct) -> Callable[..., Response]:
    def what_if(body: WhatIfRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        asked = door.asked(request, product.id, "what_if", scenario=scenario)
        model = desk.live.current.product(product.id)
        changes = check_changes(model, body.changes, asked.resources)
        entity_id = desk.source.resolve(ENTITIES[product.entity], body.entity.key)
        inputs = desk.read(model, product.id, entity_id, asked)
        current = desk.score_known(model, inputs, asked, kind="what_if")
        return json_response(compared(model, inputs, current, changes, product=product, detail=asked.detail))

    return _with_body(what_if, WHAT_IFS[product.entity])


def _recourse(desk: ScoringDesk, door: Door, product: ScoreProduct, changes: Changes) -> Callable[..., Response]:
    def recourse(body: RecourseRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        asked = door.asked(request, product.id, "what_if", scenario=scenario)
        model = desk.live.current.product(product.id)
        entity_id = desk.source.resolve(ENTITIES[product.entity], body.entity.key)
        inputs = desk.read(model, product.id, entity_id, asked)
        current = desk.score_known(model, inputs, asked, kind="what_if")
        return json_response(recourse_of(
            model, inputs, current, body.target_tier, asked.resources, product=product,
            evidence=changes(product.id, model.scorer.digest),
        ))

    return _with_body(recourse, RECOURSES[product.entity])


def _with_body(endpoint: Callable[..., Response], body: Any) -> Callable[..., Response]:
    # The framework reads annotations; each product takes the body of its own entity.
    endpoint.__annotations__ = {
        **endpoint.__annotations__, "body": body, "request": Request, "return": Response, "scenario": ScenarioHeader,
        **({"key": IdempotencyHeader} if "key" in endpoint.__annotations__ else {}),
    }
    return endpoint


def _add_portfolio(router: APIRouter, desk: ScoringDesk, door: Door, metrics: Metrics) -> None:
    @router.post(
        "/v1/portfolios/{name}/scores", operation_id="score_portfolio", responses=_scored(),
        summary="one row of a portfolio, every input sent by the caller",
    )
    def score_portfolio(
        name: Annotated[str, Path(pattern=NAME)], body: PortfolioRequest, request: Request,
        scenario: ScenarioHeader = None, key: IdempotencyHeader = None,
    ) -> Response:
        desk.live.current.portfolio(name)
        asked = door.asked(request, name, "score", scenario=scenario, key=key)
        return replied(desk.score_portfolio(name, body.features, body.exposure, asked), metrics)
