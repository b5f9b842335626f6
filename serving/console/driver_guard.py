"""What every request of a driver's own page passes. It knows no API key: who is logged in elsewhere is nobody here, and back."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.errors import RoadRiskError
from serving.console.forms import TOKEN, FormRefused, check_origin, foreign_form, read_form
from serving.console.guard import FORM_COOKIE, FORM_ID, LANGUAGE_COOKIE, YEAR_S, cookies_of, language_of
from serving.console.pages import HEADERS, ROOT, problem_page
from serving.console.visit import VISIT, Visit
from serving.problems import Problem, problem_of

if TYPE_CHECKING:
    from serving.console.parts import Console

ME: Final = f"{ROOT}/me"
OPEN: Final = f"{ME}/open"
DRIVER_COOKIE: Final = "roadrisk_driver"


def is_own_page(path: str) -> bool:
    """Return whether a path belongs to a driver's own page."""
    return path == ME or path.startswith(f"{ME}/")


class DriverGuard:
    """An ASGI layer in front of the console: it takes what is below `/console/me`, and leads everything else on.

    Parameters
    ----------
    app
        The console itself.
    others
        The console behind the guard of everybody else.
    console
        Links, sessions, and what time it is.
    """

    def __init__(self, app: ASGIApp, others: ASGIApp, *, console: Console) -> None:
        self._app, self._others, self._console = app, others, console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not is_own_page(scope["path"]):
            await self._others(scope, receive, send)
            return
        console, cookies, now = self._console, cookies_of(scope), self._console.now()
        session = console.driver_sessions.open(cookies.get(DRIVER_COOKIE), now)
        problem: Problem | None = None
        try:
            driver_id = console.care.book().driver_of(session.link_id) if session else None
        except RoadRiskError as error:
            driver_id, problem = None, problem_of(error)
        session = session if driver_id else None
        held = cookies.get(FORM_COOKIE, "")
        before = held if FORM_ID.fullmatch(held) else secrets.token_hex(16)
        bound_to = session.id if session else before
        visit = Visit(
            language=language_of(scope, cookies), session=None, caller=None,
            form_token=console.sessions.form_token(bound_to), driver=session, driver_id=driver_id,
            driver_renewed=console.driver_sessions.seen(session, now) if session else None,
        )
        scope["state"][VISIT] = visit

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                made = self._set_cookies(visit, before, had=DRIVER_COOKIE in cookies)
                message["headers"] = [*message["headers"], *made]
            await send(message)

        answer = problem_page(Request(scope), problem) if problem else await self._refused(scope, receive, visit, bound_to)
        await (answer or self._app)(scope, receive, wrapped)

    async def _refused(self, scope: Scope, receive: Receive, visit: Visit, bound_to: str) -> Response | None:
        request = Request(scope)
        if scope["method"] == "POST":
            try:
                check_origin(scope)
                visit.form = await read_form(scope, receive)
            except FormRefused as refused:
                return problem_page(request, refused.problem)
            if not self._console.sessions.form_token_holds(visit.form.get(TOKEN, ""), bound_to):
                return problem_page(request, foreign_form())
        if visit.driver is None and scope["path"] != OPEN:
            return RedirectResponse(OPEN, status_code=303, headers=HEADERS)
        return None

    def _set_cookies(self, visit: Visit, before: str, *, had: bool) -> list[tuple[bytes, bytes]]:
        made = [self._cookie(LANGUAGE_COOKIE, visit.language, ROOT, f"Max-Age={YEAR_S}")]
        if visit.driver_renewed is not None:
            made.append(self._cookie(DRIVER_COOKIE, self._console.driver_sessions.seal(visit.driver_renewed), ME))
        else:
            made += [self._cookie(DRIVER_COOKIE, "", ME, "Max-Age=0")] if had else []
            made.append(self._cookie(FORM_COOKIE, before, ROOT))
        return [(b"set-cookie", cookie.encode("latin-1")) for cookie in made]

    def _cookie(self, name: str, value: str, path: str, *attributes: str) -> str:
        parts = [f"{name}={value}", f"Path={path}", "HttpOnly", "SameSite=Strict", *attributes]
        return "; ".join([*parts, "Secure"] if self._console.settings.console_https else parts)
