"""Routes of product 6: alerts, the steps of their life, the ranking of vehicles, and the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from registry.supervision.life_cycle import Alert, Status
from registry.supervision.ranking import ranked
from registry.supervision.rules import SEVERITIES, Severity
from registry.supervision.sight import sees
from serving.authorised import Door, ScenarioHeader
from serving.documents import GET_PROBLEMS, POST_PROBLEMS, problem_responses
from serving.json_response import json_response
from serving.supervision.desk import PRODUCT, AlertDesk
from serving.supervision.shapes import (
    AcknowledgeRequest,
    AlertsOut,
    AlertWithLife,
    DismissRequest,
    HandleRequest,
    RankingOut,
    alert_out,
    alert_with_life,
    ranked_out,
)
from serving.supervision.stream import MEDIA_TYPE, alert_stream

if TYPE_CHECKING:
    from registry.access.grants import Grant

ROOT: Final = f"/v1/{PRODUCT}"
AlertId = Annotated[str, Path(pattern="^[0-9a-f]{24}$", description="`alert_id` of an alert")]
Pseudonym = Annotated[str | None, Query(max_length=64, description="pseudonym")]
Least = Annotated[Severity, Query(description="least severity")]
Limit = Annotated[int, Query(ge=1, le=500)]
_STEP_PROBLEMS: Final = (*POST_PROBLEMS, 409)


def supervision_router(desk: AlertDesk, door: Door) -> APIRouter:
    """Return the routes of supervision."""
    router = APIRouter(tags=["supervision"])
    _add_reading(router, desk, door)
    _add_steps(router, desk, door)
    _add_stream(router, desk, door)
    return router


def at_least(severity: Severity) -> Callable[[Alert], bool]:
    """Return whether an alert has a severity or a worse one."""
    least = SEVERITIES.index(severity)
    return lambda alert: SEVERITIES.index(alert.severity) >= least


def _add_reading(router: APIRouter, desk: AlertDesk, door: Door) -> None:
    @router.get(
        f"{ROOT}/alerts", operation_id="list_alerts", summary="alerts, the newest first",
        description="What a machine noticed; only what a person confirmed is a violation, and what was dismissed never is.",
        responses={200: {"model": AlertsOut}, **problem_responses((*GET_PROBLEMS, 422))},
    )
    def list_alerts(
        request: Request, scenario: ScenarioHeader = None, status: Annotated[Status | None, Query()] = None,
        severity: Least = "yellow",
        rule: Annotated[str | None, Query(max_length=64)] = None, vehicle: Pseudonym = None, enterprise: Pseudonym = None,
        only_open: Annotated[bool, Query(description="only those whose condition goes on")] = False,
        limit: Limit = 100, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Response:
        grant = door.grant(request, PRODUCT, "alerts", scenario)
        wanted = {"status": status, "rule_id": rule, "vehicle_id": vehicle, "enterprise_id": enterprise}
        asked = {name: value for name, value in wanted.items() if value is not None}
        found = desk.book.alerts(_all_of(
            sees(grant), at_least(severity), lambda alert: not only_open or alert.is_open,
            lambda alert: all(getattr(alert, name) == value for name, value in asked.items()),
        ))
        return json_response({"total": len(found), "alerts": [alert_out(alert) for alert in found[offset:offset + limit]]})

    @router.get(
        f"{ROOT}/alerts/{{alert_id}}", operation_id="get_alert", summary="an alert and everything that happened to it",
        responses={200: {"model": AlertWithLife}, **problem_responses((*GET_PROBLEMS, 422))},
    )
    def get_alert(alert_id: AlertId, request: Request, scenario: ScenarioHeader = None) -> Response:
        grant = door.grant(request, PRODUCT, "alerts", scenario)
        return json_response(alert_with_life(desk.book.get(alert_id, sees(grant))))

    @router.get(
        f"{ROOT}/vehicles", operation_id="rank_vehicles", summary="vehicles by their supervision score, most points first",
        description="The sum of declared points over the alerts that go on; every point belongs to one of them.",
        responses={200: {"model": RankingOut}, **problem_responses((*GET_PROBLEMS, 422))},
    )
    def rank_vehicles(request: Request, scenario: ScenarioHeader = None, limit: Limit = 100) -> Response:
        grant = door.grant(request, PRODUCT, "alerts", scenario)
        found = ranked(desk.book.alerts(sees(grant)))
        return json_response({"total": len(found), "vehicles": [ranked_out(one) for one in found[:limit]]})


def _add_steps(router: APIRouter, desk: AlertDesk, door: Door) -> None:
    def answered(alert: Alert) -> Response:
        return json_response(alert_with_life(alert))

    def granted(request: Request, scenario: str | None) -> Grant:
        return door.grant(request, PRODUCT, "handle_alerts", scenario)

    def acknowledge(alert_id: AlertId, body: AcknowledgeRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        return answered(desk.step(granted(request, scenario), alert_id, "acknowledge", body))

    def handle(alert_id: AlertId, body: HandleRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        return answered(desk.step(granted(request, scenario), alert_id, "handle", body, body.outcome))

    def dismiss(alert_id: AlertId, body: DismissRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        return answered(desk.step(granted(request, scenario), alert_id, "dismiss", body, body.reason))

    def escalate(alert_id: AlertId, body: AcknowledgeRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        return answered(desk.step(granted(request, scenario), alert_id, "escalate", body))

    for endpoint, words in (
        (acknowledge, "somebody has taken notice of an alert"), (handle, "what was done about an alert"),
        (dismiss, "an alert was none; it is never counted as a violation"),
        (escalate, "an alert goes to whoever stands above"),
    ):
        router.add_api_route(
            f"{ROOT}/alerts/{{alert_id}}/{endpoint.__name__}", endpoint, methods=["POST"], summary=words,
            operation_id=f"{endpoint.__name__}_alert",
            responses={200: {"model": AlertWithLife}, **problem_responses(_STEP_PROBLEMS)},
        )


def _add_stream(router: APIRouter, desk: AlertDesk, door: Door) -> None:
    @router.get(
        f"{ROOT}/stream", operation_id="stream_alerts", summary="what happens to alerts, as Server-Sent Events",
        description="Each event has the number of its line in the ledger as id: come back with `Last-Event-ID` and nothing is "
        "lost or repeated. The stream ends after less than a minute; an EventSource comes back by itself.",
        responses={
            200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "Events"},
            **problem_responses((*GET_PROBLEMS, 422)),
        },
        response_class=StreamingResponse,
    )
    def stream(
        request: Request, scenario: ScenarioHeader = None, severity: Least = "yellow",
        after: Annotated[int | None, Query(ge=0, le=2**53, description="line to begin behind; the newest by default")] = None,
        last_event_id: Annotated[str | None, Header(pattern="^[0-9]{1,15}$")] = None,
    ) -> Response:
        grant = door.grant(request, PRODUCT, "alerts", scenario)
        desk.book.refresh()
        begin = int(last_event_id) if last_event_id is not None else desk.book.seq if after is None else after
        events = alert_stream(desk, begin, _all_of(sees(grant), at_least(severity)))
        return StreamingResponse(events, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _all_of(*conditions: Callable[[Alert], bool]) -> Callable[[Alert], bool]:
    return lambda alert: all(condition(alert) for condition in conditions)
