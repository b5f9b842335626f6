"""Routes about past scores: the answer, its explanation, its replay, and what its subject may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from registry.access.duties import Duty, HumanReview, Objection
from registry.decision_report import report_bytes
from serving.authorised import Door, ScenarioHeader, request_id
from serving.documents import GET_PROBLEMS, POST_PROBLEMS, problem_responses
from serving.json_response import json_response
from serving.past import PastScores
from serving.past_schema import DutiesOut, DutyOut, ExplanationOut, PastAnswer, ReplayOut
from serving.recourse_schema import RecourseOut
from serving.report import Reports, file_name
from serving.report_schema import ReportOut
from serving.schemas import ObjectionRequest, ReviewRequest

ScoreId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="`score_id` of an answer")]
_PROBLEMS = (*GET_PROBLEMS, 410, 422)


def past_router(past: PastScores, door: Door, reports: Reports) -> APIRouter:
    """Return the routes of past scores."""
    router = APIRouter(tags=["past scores"])
    _add_reading(router, past, door)
    _add_reports(router, reports, door)
    _add_duties(router, past, door)
    return router


def _add_reading(router: APIRouter, past: PastScores, door: Door) -> None:
    @router.get(
        "/v1/scores/{score_id}", operation_id="get_score", summary="a past answer, as recorded",
        description="With the answer that took its place after a correction or withdrawal, and what moved between them.",
        responses={200: {"model": PastAnswer}, **problem_responses(_PROBLEMS)},
    )
    def get_score(score_id: ScoreId, request: Request, scenario: ScenarioHeader = None) -> Response:
        decision = past.find(score_id)
        grant = door.seeing(request, decision, "read_score", scenario)
        return json_response(past.recorded(decision, grant, request_id=request_id(request)))

    @router.get(
        "/v1/scores/{score_id}/explanation", operation_id="explain_score",
        summary="the exact explanation of a past decision, recomputed from its record",
        responses={200: {"model": ExplanationOut}, **problem_responses(_PROBLEMS)},
    )
    def explain_score(
        score_id: ScoreId, request: Request, scenario: ScenarioHeader = None,
        rows: Annotated[bool, Query(description="name the rows of the sources behind it, which takes longer")] = False,
    ) -> Response:
        decision = past.find(score_id)
        grant = door.seeing(request, decision, "explain", scenario)
        return json_response(past.explanation(decision, grant, request_id=request_id(request), rows=rows))

    @router.get(
        "/v1/scores/{score_id}/replay", operation_id="replay_score",
        summary="the decision computed again from its recorded inputs and bundle, compared byte by byte",
        responses={200: {"model": ReplayOut}, **problem_responses(_PROBLEMS)},
    )
    def replay_score(score_id: ScoreId, request: Request, scenario: ScenarioHeader = None) -> Response:
        decision = past.find(score_id)
        grant = door.seeing(request, decision, "replay", scenario)
        return json_response(past.replay(decision, grant, request_id=request_id(request)))


    @router.get(
        "/v1/scores/{score_id}/recourse", operation_id="recourse_of_score",
        summary="the fewest changes of the recorded inputs that would have brought the subject into the next lower tier",
        responses={200: {"model": RecourseOut}, **problem_responses(_PROBLEMS)},
    )
    def recourse_of_score(score_id: ScoreId, request: Request, scenario: ScenarioHeader = None) -> Response:
        decision = past.find(score_id)
        grant = door.seeing(request, decision, "explain", scenario)
        return json_response(past.recourse(decision, grant, request_id=request_id(request)))


def _add_reports(router: APIRouter, reports: Reports, door: Door) -> None:
    def made(score_id: str, request: Request, scenario: str | None) -> dict[str, Any]:
        decision = reports.past.find(score_id)
        grant = door.seeing(request, decision, "explain", scenario)
        return reports.report(decision, grant, request_id=request_id(request))

    @router.get(
        "/v1/scores/{score_id}/report", operation_id="report_of_score",
        summary="the signed report of a past decision, which anybody can check off line",
        description="Content at the detail of the scenario, the row of the ledger with its signed head, and a signature over all; "
        "`roadrisk decision verify-report` checks it with the public key alone.",
        responses={200: {"model": ReportOut}, **problem_responses(_PROBLEMS)},
    )
    def report_of_score(score_id: ScoreId, request: Request, scenario: ScenarioHeader = None) -> Response:
        return Response(report_bytes(made(score_id, request, scenario)), media_type="application/json")

    @router.get(
        "/v1/scores/{score_id}/report.pdf", operation_id="report_pdf_of_score",
        summary="the same as a PDF, signed as a whole, with the report attached",
        responses={200: {"content": {"application/pdf": {}}, "description": "The document"}, **problem_responses(_PROBLEMS)},
        response_class=Response,
    )
    def report_pdf_of_score(
        score_id: ScoreId, request: Request, scenario: ScenarioHeader = None,
        language: Annotated[Literal["zh", "en"], Query(description="language of the document")] = "zh",
    ) -> Response:
        report = made(score_id, request, scenario)
        return pdf_response(reports.pdf(report, language), report)


def pdf_response(content: bytes, report: Mapping[str, Any]) -> Response:
    """Return a PDF report as a file to be kept."""
    name = file_name(report["content"]["score_id"], report["made_at"], "pdf")
    return Response(content, media_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _add_duties(router: APIRouter, past: PastScores, door: Door) -> None:
    for path, name, body, made, words in (
        ("objections", "object", ObjectionRequest, _objection, "object to a decision (个人信息保护法第24条)"),
        ("reviews", "ask_review", ReviewRequest, _review, "ask that a person reviews a decision (个人信息保护法第24条)"),
    ):
        router.add_api_route(
            f"/v1/scores/{{score_id}}/{path}", _duty(past, door, body, made), methods=["POST"], operation_id=name,
            summary=words, status_code=201, responses={201: {"model": DutyOut}, **problem_responses((*POST_PROBLEMS, 409, 410))},
        )

    @router.get(
        "/v1/scores/{score_id}/duties", operation_id="list_duties",
        summary="objections, requests for review and their results",
        responses={200: {"model": DutiesOut}, **problem_responses(_PROBLEMS)},
    )
    def duties(score_id: ScoreId, request: Request, scenario: ScenarioHeader = None) -> Response:
        decision = past.find(score_id)
        door.seeing(request, decision, "duties", scenario)
        return json_response({"score_id": score_id, "duties": past.duties(score_id)})


def _duty(past: PastScores, door: Door, body: Any, made: Callable[[Any], Duty]) -> Any:
    def ask(score_id: ScoreId, body: Any, request: Request, scenario: ScenarioHeader = None) -> Response:
        decision = past.find(score_id)
        grant = door.seeing(request, decision, "duties", scenario)
        return json_response(past.ask(decision, grant, made(body)), status=201)

    # The framework reads annotations; each duty has a body of its own.
    ask.__annotations__ = {**ask.__annotations__, "score_id": ScoreId, "body": body, "request": Request, "scenario": ScenarioHeader}
    return ask


def _objection(body: ObjectionRequest) -> Duty:
    return Objection(ground=body.ground, reference=body.reference)


def _review(body: ReviewRequest) -> Duty:
    return HumanReview(reference=body.reference)
