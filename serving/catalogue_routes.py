"""Routes that say what there is: products, models, reason codes, health, figures, the contract itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from registry.access.notices import notice_of
from registry.bundle import ManifestFeature
from registry.entities import ENTITIES
from registry.products import PRODUCTS, ScoreProduct
from registry.reasons import REASONS, SUPPRESS, Reason, dictionary_version
from serving.authorised import Door
from serving.desk import ScoringDesk
from serving.documents import GET_PROBLEMS, OPEN_PROBLEMS, page, problem_responses
from serving.live import LiveScorer
from serving.metrics import CONTENT_TYPE, Metrics
from serving.past_schema import NoticeOut
from serving.readiness import readiness


def catalogue_router(desk: ScoringDesk, door: Door) -> APIRouter:
    """Return the routes of the catalogue; any live key opens them."""
    router = APIRouter(tags=["catalogue"], responses=problem_responses(GET_PROBLEMS))

    @router.get("/v1/products", operation_id="list_products", summary="scored products and portfolios")
    def products() -> JSONResponse:
        models = desk.live.current
        declared = [_product(product, models.live.get(product.id)) for product in PRODUCTS.values()]
        portfolios = [_portfolio(name, model) for name, model in sorted(models.portfolios.items())]
        return JSONResponse({"products": declared, "portfolios": portfolios})

    @router.get("/v1/models", operation_id="list_models", summary="live models, their inputs and provenance")
    def models() -> JSONResponse:
        return JSONResponse({"models": [_model(name, model) for name, model in sorted(desk.live.current.live.items())]})

    @router.get("/v1/reason-codes", operation_id="list_reason_codes", summary="the reason dictionary")
    def reason_codes() -> JSONResponse:
        entries = [_reason(reason) for reason in REASONS.values()]
        return JSONResponse({"version": dictionary_version(), "suppress": asdict(SUPPRESS), "reasons": entries})

    @router.get(
        "/v1/notices/{product}", operation_id="get_notice",
        summary="what the subject of an automated decision is told (个人信息保护法)",
        responses={200: {"model": NoticeOut}, **problem_responses((422,))},
    )
    def notice(product: Annotated[str, Path(pattern="^[a-z_]{1,64}$")]) -> JSONResponse:
        return JSONResponse(asdict(notice_of(product, door.gate.book.rules)))

    return router


def health_router(desk: ScoringDesk, door: Door, metrics: Metrics) -> APIRouter:
    """Return liveness, readiness and figures."""
    router = APIRouter(tags=["operations"])

    def readyz() -> str:
        told = readiness(desk)
        return "ok\n" + "".join(f"{name}: {value}\n" for name, value in told.items() if value)

    @router.get("/livez", operation_id="livez", summary="the process answers", response_class=PlainTextResponse,
                responses=problem_responses(OPEN_PROBLEMS))
    async def livez() -> str:
        return "ok\n"

    for path in ("/readyz", "/healthz"):
        router.add_api_route(
            path, readyz, operation_id=path[1:], summary="models are loaded, ledger and feature store can be read",
            response_class=PlainTextResponse, responses=problem_responses(OPEN_PROBLEMS), methods=["GET"],
        )

    @router.get("/v2/health/live", operation_id="oip_live", summary="the process answers", responses=_healthy("live"))
    async def oip_live() -> JSONResponse:
        return JSONResponse({"live": True})

    @router.get("/v2/health/ready", operation_id="oip_ready", summary="as /readyz", responses=_healthy("ready"))
    def oip_ready() -> JSONResponse:
        readyz()
        return JSONResponse({"ready": True})

    @router.get("/metrics", operation_id="metrics", summary="figures for Prometheus", response_class=PlainTextResponse,
                responses=problem_responses((401, 403, 405, 413, 429, 500, 503)))
    def figures(request: Request) -> Response:
        door.may(request, "metrics")
        metrics.observe_state(desk)
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return router


def add_pages(app: FastAPI) -> None:
    """Add the page of all paths; it needs no network."""

    @app.get("/docs", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))


def _healthy(name: str) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "object", "properties": {name: {"type": "boolean"}}, "required": [name]}
    return {200: {"content": {"application/json": {"schema": schema}}}, **problem_responses(OPEN_PROBLEMS)}


def _product(product: ScoreProduct, model: LiveScorer | None) -> dict[str, Any]:
    return {
        "id": product.id, "annex_no": product.no, "zh": product.zh, "en": product.en, "entity": product.entity,
        "natural_keys": [list(keys) for keys in ENTITIES[product.entity].natural_keys],
        "outcome": {"zh": product.outcome_zh, "en": product.outcome_en}, "answer": product.answer,
        "horizon_d": product.horizon_d, "exposure_unit": product.exposure_unit, "mandatory": list(product.mandatory),
        "min_coverage": product.min_coverage, "path": f"/v1/{product.id}/scores",
        "live_version": model.version if model else None,
    }


def _portfolio(name: str, model: LiveScorer) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "id": name, "zh": manifest.zh, "en": manifest.en, "answer": manifest.answer,
        "path": f"/v1/portfolios/{name}/scores", "live_version": model.version,
    }


def _model(name: str, model: LiveScorer) -> dict[str, Any]:
    manifest = model.manifest
    yellow, orange, red = manifest.cut_points
    return {
        "name": name, "version": model.version, "digest": model.scorer.digest, "engine": model.scorer.engine,
        "answer": manifest.answer,
        "cut_points": {"yellow": yellow, "orange": orange, "red": red},
        "components": [component.model_dump(mode="json") for component in manifest.components],
        "inputs": [_input(feature) for feature in manifest.features],
        "provenance": manifest.provenance.model_dump(mode="json"),
    }


def _input(feature: ManifestFeature) -> dict[str, Any]:
    fields = (
        "name", "zh", "en", "group", "unit", "dtype", "null_rule", "monotone", "reason_code", "sensitivity", "actionable",
        "resources",
    )
    return {name: getattr(feature, name) for name in fields} | {"vocabulary": list(feature.vocabulary)}


def _reason(reason: Reason) -> dict[str, Any]:
    remedy = {"zh": reason.remedy_zh, "en": reason.remedy_en} if reason.remedy_zh else None
    return {"code": reason.code, "zh": reason.zh, "en": reason.en, "remedy": remedy}
