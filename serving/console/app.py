"""The console as an application of its own, below `/console`, and the fork that leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from registry.errors import RoadRiskError
from serving.console.correction_routes import correction_router
from serving.console.decision_routes import decision_router
from serving.console.driver_guard import DriverGuard
from serving.console.driver_routes import driver_router
from serving.console.entry_routes import entry_router
from serving.console.governance_exports import export_router
from serving.console.governance_records import record_router
from serving.console.governance_routes import governance_router
from serving.console.guard import Guard
from serving.console.live_routes import live_router
from serving.console.model_routes import model_router
from serving.console.monitoring_routes import monitoring_router
from serving.console.overview_routes import overview_router
from serving.console.pages import ROOT, problem_page
from serving.console.portrait_routes import portrait_router, portraits_of
from serving.console.search_routes import search_router
from serving.console.warm import warm_up
from serving.console.what_if_routes import what_if_router
from serving.framework import bare_app
from serving.problems import Problem, internal, of_status, problem_of

if TYPE_CHECKING:
    from serving.console.parts import Console


def create_console(console: Console) -> ASGIApp:
    """Return the console behind its guard."""
    app = bare_app()
    portraits = portraits_of(console)
    for router in (search_router(console, portraits), decision_router(console, portraits), portrait_router(console, portraits)):
        app.include_router(router)
    for router_of in (
        entry_router, what_if_router, model_router, overview_router, governance_router, record_router, correction_router,
        export_router, monitoring_router, live_router,
    ):
        app.include_router(router_of(console))
    app.add_exception_handler(RoadRiskError, _ours)
    app.add_exception_handler(RequestValidationError, _nothing_here)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _defect)
    warm_up(portraits.panel)
    app.include_router(driver_router(console, portraits.dossier))
    guarded = Guard(app, gate=console.door.gate, sessions=console.sessions, https=console.settings.console_https)
    return DriverGuard(app, guarded, console=console)


class Fork:
    """An ASGI layer that leads what is below `/console` to the console and everything else on.

    Parameters
    ----------
    app
        Everything else.
    console
        The console.
    """

    def __init__(self, app: ASGIApp, *, console: ASGIApp) -> None:
        self._app, self._console = app, console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        ours = scope["type"] == "http" and (scope["path"] == ROOT or scope["path"].startswith(f"{ROOT}/"))
        await (self._console if ours else self._app)(scope, receive, send)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoadRiskError)
    return problem_page(request, problem_of(error))


def _nothing_here(request: Request, error: Exception) -> Response:
    del error
    return problem_page(request, Problem(slug="no-such-path", title="No such page", status=404, detail="there is no such page"))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return _nothing_here(request, error)
    return problem_page(request, of_status(error.status_code, str(error.detail)))


def _defect(request: Request, error: Exception) -> Response:
    # The framework raises it again afterwards, so that the envelope logs it.
    del error
    return problem_page(request, internal())
