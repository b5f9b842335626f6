"""The HTTP contract of scoring: a plain ASGI application that runs inside BentoML and, unchanged, in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from registry.errors import RoadRiskError
from registry.settings import Settings
from serving.adapter_routes import adapter_router
from serving.app_version import API_VERSION
from serving.authorised import Door
from serving.batches.desk import BatchDesk, open_batches
from serving.batches.routes import batch_router
from serving.catalogue_routes import add_pages, catalogue_router, health_router
from serving.changes import Changes, kept_changes, no_changes
from serving.console.app import Fork, create_console
from serving.console.parts import open_console
from serving.crowd import Crowd
from serving.desk import ScoringDesk
from serving.documents import DESCRIPTION, finish
from serving.envelope import PROBLEM, Envelope, request_id_of
from serving.framework import bare_app
from serving.gate import Gate, KeyCheck, open_gate
from serving.limits import DEFAULT_MAX_BODY_BYTES, BodyLimits
from serving.metrics import Metrics
from serving.past import PastScores, RowsBehind
from serving.past_routes import past_router
from serving.problems import MEDIA_TYPE, Problem, invalid_fields, method_not_allowed, not_found, of_status, problem_of
from serving.report import Reports
from serving.schemas import field_parts, field_problem
from serving.score_routes import score_lanes, score_router
from serving.short_way import ShortWay
from serving.supervision.desk import AlertDesk, open_alerts
from serving.supervision.routes import supervision_router
from serving.supervision.webhook_routes import webhook_router

if TYPE_CHECKING:
    from serving.tracing import Tracer

SWITCH_S: Final = 0.0005
"""For how long the thread that commits waits for the interpreter's lock at each statement: by default ten times as long. [A]"""


def create_app(
    desk: ScoringDesk, gate: Gate, *, rows_behind: RowsBehind | None = None, batches: BatchDesk | None = None,
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES, tracer: Tracer | None = None, console_of: Settings | None = None,
    changes: Changes = no_changes, alerts: AlertDesk | None = None, at_once: bool = False,
) -> FastAPI:
    """Return the application over a scoring desk.

    Parameters
    ----------
    desk
        Models, online store and decision ledger, ready to use.
    gate
        Who may ask what.
    rows_behind
        Finds the rows of the sources behind a decision; None where there is no warehouse.
    batches
        Takes batches in; None where there is no folder for them.
    max_body_bytes
        Longest body of a request.
    tracer
        Makes spans of requests; None where nobody collects any.
    console_of
        Settings of the installation that the console shows; None for no console.
    changes
        Finds the evidence of changes beside a model's card.
    alerts
        Answers about supervision; None where there is no ledger of alerts.
    at_once
        Whether store and ledger lie on this machine, so that the event loop may make scores itself.
    """
    metrics, door = Metrics(), Door(gate)
    past = PastScores(desk.live, desk.decisions, desk.clock, rows_behind, changes)
    app = bare_app(title="roadrisk", version=API_VERSION, description=DESCRIPTION)
    app.include_router(score_router(desk, door, metrics, changes))
    reports = Reports(past, console_of)
    app.include_router(past_router(past, door, reports))
    if batches is not None:
        app.include_router(batch_router(batches, door))
    if alerts is not None:
        app.include_router(supervision_router(alerts, door))
        app.include_router(webhook_router(alerts, door))
    app.include_router(adapter_router(desk, door))
    app.include_router(catalogue_router(desk, door))
    app.include_router(health_router(desk, door, metrics))
    add_pages(app)
    _add_document(app)
    app.add_exception_handler(RoadRiskError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(ShortWay, lanes=score_lanes(desk, door, metrics, at_once=at_once), respond=_ours)
    app.add_middleware(BodyLimits, max_body_bytes=max_body_bytes)
    app.add_middleware(KeyCheck, gate=gate)
    if console_of is not None:
        app.add_middleware(Fork, console=create_console(open_console(console_of, desk, door, past, reports, alerts)))
    app.add_middleware(Crowd)
    app.add_middleware(Envelope, metrics=metrics, tracer=tracer)
    return app


def open_app(settings: Settings) -> FastAPI:
    """Return the application of a worker: real models, store, ledger and access, warmed up; no collector looks at them again."""
    import gc
    import sys
    from functools import partial

    from features.rows_behind import rows_behind
    from serving.start import open_desk
    from serving.tracing import open_tracer

    desk = open_desk(settings)
    gate = open_gate(settings, desk.decisions, desk.clock)
    made = create_app(
        desk, gate, rows_behind=partial(rows_behind, settings), batches=open_batches(settings, desk), tracer=open_tracer(settings),
        console_of=settings, changes=kept_changes(settings), alerts=open_alerts(settings, desk.clock),
        at_once=not (settings.online_url or settings.ledger_url),
    )
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
    return made


def _add_document(app: FastAPI) -> None:
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = finish(generate())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way to extend the document

    @app.get("/openapi.json", include_in_schema=False)
    def document() -> dict[str, Any]:
        return app.openapi()


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoadRiskError)
    return _respond(request, problem_of(error))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _respond(request, invalid_fields([_field_problem(found) for found in error.errors()]))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _respond(request, not_found())
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET")
        return _respond(request, method_not_allowed(request.method, allowed))
    return _respond(request, of_status(error.status_code, str(error.detail)))


def _respond(request: Request, problem: Problem) -> Response:
    request.scope["state"][PROBLEM] = problem.slug
    body = problem.body(request_id_of(request.scope))
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers))


def _field_problem(found: dict[str, Any]) -> dict[str, str]:
    parts = field_parts(found["loc"])
    return field_problem(found, ".".join(parts[1:] if parts[:1] == ["body"] and len(parts) > 1 else parts))
