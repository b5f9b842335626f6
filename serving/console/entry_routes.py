"""Coming in and going out: login with an API key, logout, and the files of the pages."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from registry.errors import Unauthenticated
from serving.console.pages import HEADERS, ROOT, page
from serving.console.static_files import served
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from serving.console.parts import Console

HOME: Final = f"{ROOT}/search"
_AFTER: Final = re.compile(r"/decisions/[0-9a-f]{32}")


def entry_router(console: Console) -> APIRouter:
    """Return the routes of login and logout."""
    router = APIRouter()
    _add_login(router, console)

    @router.get("/console")
    @router.get("/console/")
    def start() -> Response:
        return to(HOME)

    @router.post("/console/logout")
    def logout(request: Request) -> Response:
        visit = visit_of(request)
        if visit.session is not None:
            console.sessions.end(visit.session)
        visit.renewed = None
        return to(f"{ROOT}/login")

    @router.get("/console/static/{digest}/{name}")
    def static(digest: str, name: str) -> Response:
        return served(digest, name)

    return router


def _add_login(router: APIRouter, console: Console) -> None:
    @router.get("/console/login")
    def ask(request: Request) -> Response:
        if visit_of(request).caller is not None:
            return to(HOME)
        return page(request, "login.html", error="", after=_after(request.query_params.get("next", "")))

    @router.post("/console/login")
    def login(request: Request) -> Response:
        visit, now = visit_of(request), console.now()
        after = _after(visit.form.get("next", ""))
        address = request.client.host if request.client else ""
        if not console.limit.may_try(address, time.monotonic()):
            answer = page(request, "login.html", status=429, error="login.too_often", after=after)
            answer.headers["Retry-After"] = "60"
            return answer
        try:
            caller = console.door.gate.book.authenticate(visit.form.get("key", "").strip(), now)
        except Unauthenticated:
            console.limit.failed(address, time.monotonic())
            return page(request, "login.html", status=401, error="login.wrong", after=after)
        # A new session, so that nobody can have planted this one.
        visit.renewed = console.sessions.begin(caller.key_id, now)
        return to(ROOT + after if after else HOME)


def to(path: str) -> Response:
    """Return the answer that leads to another page."""
    return RedirectResponse(path, status_code=303, headers=HEADERS)


def _after(path: str) -> str:
    # Only pages of ours: an address of somebody else would be an open redirect.
    return path if _AFTER.fullmatch(path) else ""
