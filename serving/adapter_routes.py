"""Routes for tools that speak other protocols: Open Inference Protocol v2 and MLflow's scoring server."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from serving import mlflow_input, oip
from serving.app_version import API_VERSION
from serving.authorised import Door, ScenarioHeader
from serving.desk import ScoringDesk
from serving.documents import GET_PROBLEMS, POST_PROBLEMS, problem_responses
from serving.json_response import json_response
from serving.live import LiveScorer
from serving.rows import score_rows

ModelName = Annotated[str, Path(pattern="^[a-z0-9_-]{1,64}$", description="product or portfolio")]


class ServerOut(BaseModel):
    """What serves."""

    name: str
    version: str
    extensions: list[str]


class ModelMetadataOut(BaseModel):
    """A model as the protocol describes it."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


def adapter_router(desk: ScoringDesk, door: Door) -> APIRouter:
    """Return the routes of both protocols."""
    router = APIRouter()
    _add_oip(router, desk, door)
    _add_mlflow(router, desk, door)
    return router


def _add_oip(router: APIRouter, desk: ScoringDesk, door: Door) -> None:
    tags: list[Any] = ["Open Inference Protocol"]
    problems = problem_responses((*GET_PROBLEMS, 422))

    @router.get("/v2", tags=tags, operation_id="oip_server", summary="what serves",
                responses={200: {"model": ServerOut}, **problems})
    def server() -> Response:
        return json_response({"name": "roadrisk", "version": API_VERSION, "extensions": ["explain"]})

    @router.get("/v2/models/{name}", tags=tags, operation_id="oip_model", summary="inputs and outputs of a live model",
                responses={200: {"model": ModelMetadataOut}, **problems})
    def model(name: ModelName) -> Response:
        return json_response(oip.metadata(_live(desk, name)))

    @router.get("/v2/models/{name}/ready", tags=tags, operation_id="oip_model_ready", summary="whether a model is live",
                responses=problems)
    def model_ready(name: ModelName) -> Response:
        return json_response({"name": _live(desk, name).manifest.product, "ready": True})

    @router.post("/v2/models/{name}/infer", tags=tags, operation_id="oip_infer", summary="score rows that the caller sends",
                 responses={200: {"model": oip.InferAnswer}, **problem_responses(POST_PROBLEMS)})
    def infer(name: ModelName, body: oip.InferRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        found = _live(desk, name)
        asked = door.asked(request, name, "invoke", scenario=scenario)
        scored = score_rows(desk, found, oip.rows_of(body), asked)
        return json_response(oip.answer(found, body, scored, exact=asked.detail == "exact"))


def _add_mlflow(router: APIRouter, desk: ScoringDesk, door: Door) -> None:
    @router.post(
        "/v1/models/{name}/invocations", tags=["MLflow"], operation_id="mlflow_invocations",
        summary="score rows that an MLflow client sends", description="The base address of a client is `/v1/models/{name}`.",
        responses={200: {"model": mlflow_input.InvocationsAnswer}, **problem_responses(POST_PROBLEMS)},
    )
    def invocations(
        name: ModelName, body: mlflow_input.InvocationsRequest, request: Request, scenario: ScenarioHeader = None
    ) -> Response:
        found = _live(desk, name)
        asked = door.asked(request, name, "invoke", scenario=scenario)
        scored = score_rows(desk, found, mlflow_input.rows_of(body), asked)
        return json_response({"predictions": mlflow_input.predictions_of(scored)})


def _live(desk: ScoringDesk, name: str) -> LiveScorer:
    return desk.live.current.named(name)
