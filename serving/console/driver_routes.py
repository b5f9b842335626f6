"""A driver's own page: what is known of him, who looked, his consents and declarations, and forms to object."""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request, Response

from registry.access import duty_book
from registry.access.duties import GROUNDS, OUTCOMES, HumanReview, Objection
from registry.care.health import (
    HEALTH_CODES,
    NEEDS,
    PURPOSES,
    checked_declaration,
    consent_notice,
    require_health_data,
)
from registry.errors import InvalidRequest, NotFound, Unauthenticated
from registry.working_days import working_days_deadline
from serving.console.driver_guard import ME, OPEN
from serving.console.driver_view import driver_view
from serving.console.entry_routes import to
from serving.console.pages import page
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from registry.decisions import Decision
    from serving.console.parts import Console
    from serving.console.visit import Visit
    from serving.panel.dossier import Dossier

HIMSELF: Final = "本人 driver"
"""Who a line of the ledgers says did it."""
CHANNEL: Final = "own page"


def driver_router(console: Console, dossier: Dossier) -> APIRouter:
    """Return the routes below `/console/me`; the guard lets nobody but a driver to any but the one that opens a link."""
    router = APIRouter()
    _add_entry(router, console)
    _add_page(router, console, dossier)
    _add_forms(router, console)
    return router


def _add_entry(router: APIRouter, console: Console) -> None:
    @router.get(OPEN)
    def ask(request: Request) -> Response:
        # A look alone opens nothing: programs that fetch links ahead would use it up.
        return page(request, "me_open.html", error="", link=request.query_params.get("link", "")[:100])

    @router.post(OPEN)
    def enter(request: Request) -> Response:
        visit, now = visit_of(request), console.now()
        address = request.client.host if request.client else ""
        if not console.limit.may_try(address, time.monotonic()):
            answer = page(request, "me_open.html", status=429, error="login.too_often", link="")
            answer.headers["Retry-After"] = "60"
            return answer
        try:
            link = console.care.book().open_link(visit.form.get("link", "").strip(), at=now)
        except Unauthenticated:
            console.limit.failed(address, time.monotonic())
            return page(request, "me_open.html", status=401, error="me.link_wrong", link="")
        visit.driver_renewed = console.driver_sessions.begin(link.id, now)
        return to(ME)

    @router.post(f"{ME}/leave")
    def leave(request: Request) -> Response:
        visit = visit_of(request)
        if visit.driver is not None:
            console.driver_sessions.end(visit.driver)
        visit.driver_renewed = None
        return to(OPEN)


def _add_page(router: APIRouter, console: Console, dossier: Dossier) -> None:
    @router.get(ME)
    def show(request: Request) -> Response:
        driver_id, rules = _driver(visit_of(request)), console.door.gate.book.rules
        return page(
            request, "me.html", view=driver_view(console, dossier, driver_id), grounds=GROUNDS, outcomes=OUTCOMES,
            purposes=PURPOSES, needs=NEEDS, codes=HEALTH_CODES, health_on=console.settings.health_data, rules=rules,
            notices={purpose: consent_notice(purpose, rules) for purpose in PURPOSES},
            due=lambda at: working_days_deadline(at, rules.review_working_days).last_day,
        )


def _add_forms(router: APIRouter, console: Console) -> None:
    @router.post(f"{ME}/ask")
    def ask(request: Request) -> Response:
        visit = visit_of(request)
        driver_id, wish, score_id = _driver(visit), visit.form.get("ask", ""), visit.form.get("about", "")
        if wish != "review" and wish not in GROUNDS:
            raise NotFound("there is no such ground", where="ask", remedy="Choose one of the list.")
        if not score_id:
            console.care.book().ask(driver_id, None if wish == "review" else wish, by=HIMSELF, at=console.now())  # type: ignore[arg-type]
            return to(f"{ME}#asked")
        _own(console, driver_id, score_id)
        assert visit.driver is not None
        reference = f"link-{visit.driver.link_id}"
        duty = HumanReview(reference=reference) if wish == "review" else Objection(ground=wish, reference=reference)  # type: ignore[arg-type]
        duty_book.record(console.desk.decisions, score_id, duty, by=HIMSELF, at=console.now())
        return to(f"{ME}#decisions")

    @router.post(f"{ME}/consent")
    def consent(request: Request) -> Response:
        visit = visit_of(request)
        form, driver_id = visit.form, _driver(visit)
        given = form.get("given") == "1"
        purpose: Any = form.get("purpose", "")
        if given:
            require_health_data(console.settings.health_data)
            if form.get("agree") != "1":
                raise InvalidRequest("the box was not ticked: nothing was recorded", where="agree", remedy="Read, tick, send.")
        if purpose not in PURPOSES:
            raise NotFound("there is no such purpose", where="purpose", remedy="Send the form of the page.")
        console.care.book().consent(
            driver_id, purpose, given=given, version=consent_notice(purpose, console.door.gate.book.rules).version,
            channel=CHANNEL, by=HIMSELF, at=console.now(),
        )
        return to(f"{ME}#consents")

    @router.post(f"{ME}/health")
    def declare(request: Request) -> Response:
        visit = visit_of(request)
        require_health_data(console.settings.health_data)
        made = checked_declaration(visit.form.get("code", ""), _day(visit.form.get("until", "")), on=console.today())
        console.care.book().declare(_driver(visit), made, by=HIMSELF, at=console.now())
        return to(f"{ME}#health")


def _driver(visit: Visit) -> str:
    assert visit.driver_id is not None, "the guard lets nobody in without a session"
    return visit.driver_id


def _own(console: Console, driver_id: str, score_id: str) -> Decision:
    """Return a decision that names the driver; every other looks like one that does not exist."""
    decision = console.desk.decisions.known(score_id)
    if decision is None or driver_id not in (decision.entity_id, *decision.related.values()):
        raise NotFound("there is no such decision about you", where="decision", remedy="Send the form of the page.")
    return decision


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest("this is no day", where="until", remedy="Write it as 2026-12-31.") from error


