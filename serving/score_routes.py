"""Routes that make and explain scores. Every declared product has a path of its own, so that its body is documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse

from registry.products import PRODUCTS, ScoreProduct, product_named
from serving.answer_schema import ExplanationOut, PastAnswer, ScoreAnswer
from serving.desk import Asked, ScoringDesk
from serving.documents import GET_PROBLEMS, POST_PROBLEMS, problem_responses
from serving.envelope import REQUEST_ID, STARTED
from serving.metrics import Metrics
from serving.schemas import REQUESTS, PortfolioRequest, ScoreRequest

ScoreId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="`score_id` of an answer")]
_NAME: Final = "^[a-z0-9_-]{1,64}$"


def score_router(desk: ScoringDesk, metrics: Metrics) -> APIRouter:
    """Return the routes of all products, of portfolios and of past scores."""
    router = APIRouter()
    for product in PRODUCTS.values():
        router.add_api_route(
            f"/v1/{product.id}/scores", _endpoint(desk, metrics, product), methods=["POST"], tags=["scores"],
            summary=f"{product.zh}: {product.en}", description=f"{product.outcome_zh}. {product.outcome_en}.",
            operation_id=f"score_{product.id}", responses=_scored(),
        )
    _add_portfolio(router, desk, metrics)
    _add_unknown_product(router)
    _add_past(router, desk)
    return router


def _scored() -> dict[int | str, dict[str, Any]]:
    return {
        200: {"model": ScoreAnswer, "description": "The answer; tier grey (灰) where there is no score"},
        **problem_responses(POST_PROBLEMS),
    }


def _endpoint(desk: ScoringDesk, metrics: Metrics, product: ScoreProduct) -> Callable[..., JSONResponse]:
    def score(body: ScoreRequest, request: Request) -> JSONResponse:
        answer = desk.score_entity(product.id, body.entity.key, _asked(request))
        metrics.observe_answer(answer)
        return JSONResponse(answer)

    # The framework reads annotations; each product takes the body of its own entity.
    score.__annotations__ = {"body": REQUESTS[product.entity], "request": Request, "return": JSONResponse}
    return score


def _add_portfolio(router: APIRouter, desk: ScoringDesk, metrics: Metrics) -> None:
    @router.post(
        "/v1/portfolios/{name}/scores", tags=["scores"], operation_id="score_portfolio", responses=_scored(),
        summary="one row of a portfolio, every input sent by the caller",
    )
    def score_portfolio(
        name: Annotated[str, Path(pattern=_NAME)], body: PortfolioRequest, request: Request
    ) -> JSONResponse:
        answer = desk.score_portfolio(name, body.features, body.exposure, _asked(request))
        metrics.observe_answer(answer)
        return JSONResponse(answer)


def _add_unknown_product(router: APIRouter) -> None:
    @router.post("/v1/{product}/scores", include_in_schema=False)
    def unknown_product(product: str) -> None:
        # A segment of the path may be anything; only what looks like a name is repeated.
        product_named(product if product.isascii() and product.isidentifier() and len(product) <= 64 else "of this name")


def _add_past(router: APIRouter, desk: ScoringDesk) -> None:
    @router.get(
        "/v1/scores/{score_id}", tags=["past scores"], operation_id="get_score", summary="a past answer, as recorded",
        description="With the answer that took its place after a correction or withdrawal, and what moved between them.",
        responses={200: {"model": PastAnswer}, **problem_responses((*GET_PROBLEMS, 422))},
    )
    def get_score(score_id: ScoreId) -> JSONResponse:
        return JSONResponse(desk.recorded(score_id))

    @router.get(
        "/v1/scores/{score_id}/explanation", tags=["past scores"], operation_id="explain_score",
        summary="the exact explanation of a past decision, recomputed from its record",
        responses={200: {"model": ExplanationOut}, **problem_responses((*GET_PROBLEMS, 422))},
    )
    def explain_score(score_id: ScoreId) -> JSONResponse:
        return JSONResponse(desk.explanation(score_id))


def _asked(request: Request) -> Asked:
    state = request.scope["state"]
    return Asked(state[REQUEST_ID], state[STARTED])
