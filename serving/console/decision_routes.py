"""The page of a decision, its replay, and what its subject may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request, Response

from registry.access.duties import GROUNDS, OUTCOMES, Duty, HumanReview, Objection
from registry.decision_report import report_bytes
from registry.errors import InvalidRequest, NotFound
from registry.reasons import REASONS, dictionary_version
from serving.authorised import request_id
from serving.console.decision_view import decision_view, resource_label
from serving.console.entry_routes import to
from serving.console.pages import HEADERS, ROOT, page
from serving.console.portrait_routes import subjects_of_decision
from serving.console.quantities import quantities
from serving.console.side_by_side import beside
from serving.console.visit import visit_of
from serving.past_routes import pdf_response
from serving.report import file_name
from serving.schemas import ReviewRequest

if TYPE_CHECKING:
    from registry.access.grants import Grant
    from registry.access.roles import Action
    from registry.decisions import Decision
    from serving.console.parts import Console
    from serving.console.portrait_routes import Portraits

ScoreId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]


def decision_router(console: Console, portraits: Portraits) -> APIRouter:
    """Return the routes of past decisions."""
    router = APIRouter()
    _add_reading(router, console, portraits)
    _add_reports(router, console)
    _add_asking(router, console)
    return router


def _add_reading(router: APIRouter, console: Console, portraits: Portraits) -> None:
    @router.get("/console/decisions/{score_id}")
    def show(score_id: ScoreId, request: Request) -> Response:
        decision, grant = _seen(console, request, score_id, "explain")
        rows = request.query_params.get("rows") == "1" and grant.detail == "exact"
        view = decision_view(console, request, decision, grant, rows=rows)
        said = quantities(view.answer, visit_of(request).language)
        return page(
            request, "decision.html", view=view, quantities=said, resource=resource_label, grounds=GROUNDS, outcomes=OUTCOMES,
            rows_asked=rows, dictionary=REASONS, dictionary_version=dictionary_version(),
            others=beside(console, request, decision, grant), subjects=subjects_of_decision(portraits, request, decision),
        )

    @router.post("/console/decisions/{score_id}/replay")
    def replay(score_id: ScoreId, request: Request) -> Response:
        decision, grant = _seen(console, request, score_id, "replay")
        verdict = console.past.replay(decision, grant, request_id=request_id(request))
        return page(request, "replay.html", decision=decision, verdict=verdict)

    @router.post("/console/decisions/{score_id}/recourse")
    def recourse(score_id: ScoreId, request: Request) -> Response:
        decision, grant = _seen(console, request, score_id, "explain")
        found = console.past.recourse(decision, grant, request_id=request_id(request))
        return page(request, "recourse.html", decision=decision, found=found)


def _add_reports(router: APIRouter, console: Console) -> None:
    @router.post("/console/decisions/{score_id}/report")
    def report(score_id: ScoreId, request: Request) -> Response:
        decision, grant = _seen(console, request, score_id, "explain")
        visit = visit_of(request)
        made = console.reports.report(decision, grant, request_id=request_id(request))
        if visit.form.get("form") == "json":
            name = file_name(score_id, made["made_at"], "json")
            return Response(
                report_bytes(made), media_type="application/json",
                headers={**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'},
            )
        return pdf_response(console.reports.pdf(made, "en" if visit.language == "en" else "zh"), made)


def _add_asking(router: APIRouter, console: Console) -> None:
    @router.post("/console/decisions/{score_id}/objection")
    def contest(score_id: ScoreId, request: Request) -> Response:
        decision, grant = _seen(console, request, score_id, "duties")
        console.past.ask(decision, grant, _duty(visit_of(request).form))
        return to(f"{ROOT}/decisions/{score_id}#contest")


def _seen(console: Console, request: Request, score_id: str, action: Action) -> tuple[Decision, Grant]:
    """Return a decision and what the visitor may do with it; what he may not know of looks like what does not exist."""
    decision = console.past.find(score_id)
    return decision, console.door.seeing(request, decision, action, request.query_params.get("scenario"))


def _duty(form: object) -> Duty:
    assert isinstance(form, dict)
    try:
        reference = ReviewRequest(reference=form.get("reference", "")).reference
    except ValueError as error:
        raise InvalidRequest(
            "the case file number has other signs than letters, digits, dot, dash and underscore", where="reference",
            remedy="Give the number of the case file, without names or plates.",
        ) from error
    asked = form.get("ask", "")
    if asked == "review":
        return HumanReview(reference=reference)
    if asked not in GROUNDS:
        raise NotFound("there is no such ground", where="ask", remedy="Choose one of the list.")
    return Objection(ground=asked, reference=reference)
