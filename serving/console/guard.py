"""What every request of the console passes: language, session, and, where something is sent, the form's own token."""

from __future__ import annotations

import re
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.errors import RoadRiskError
from serving.console.forms import TOKEN, FormRefused, check_origin, foreign_form, header, read_form
from serving.console.messages import LANGUAGES
from serving.console.pages import HEADERS, ROOT, problem_page
from serving.console.visit import VISIT, Visit
from serving.gate import CALLER
from serving.problems import Problem, problem_of

if TYPE_CHECKING:
    from serving.console.session import Session, Sessions
    from serving.gate import Gate

SESSION_COOKIE: Final = "roadrisk_session"
FORM_COOKIE: Final = "roadrisk_form"
LANGUAGE_COOKIE: Final = "roadrisk_language"
YEAR_S: Final = 365 * 24 * 3600
STREAM: Final = f"{ROOT}/live/stream"
_LOGIN: Final = f"{ROOT}/login"
_OPEN: Final = frozenset((_LOGIN, f"{ROOT}/disclosure"))
"""What is shown to whoever comes: the way in, and what the plan (section 7 (1) 3) discloses to the public."""
FORM_ID: Final = re.compile(r"[0-9a-f]{32}")


class Guard:
    """An ASGI layer in front of the console.

    Parameters
    ----------
    app
        The console behind.
    gate
        Knows keys, and what time it is.
    sessions
        Reads session cookies.
    https
        Whether people reach the service over https: then cookies are sent over nothing else.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, sessions: Sessions, https: bool) -> None:
        self._app, self._gate, self._sessions, self._https = app, gate, sessions, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cookies, now = cookies_of(scope), self._gate.clock()
        # It goes back into a header, so only our own form of it is taken.
        held = cookies.get(FORM_COOKIE, "")
        before_login = held if FORM_ID.fullmatch(held) else secrets.token_hex(16)
        problem: Problem | None = None
        session = self._sessions.open(cookies.get(SESSION_COOKIE), now)
        try:
            caller = self._gate.book.caller_of(session.key_id, now) if session else None
        except RoadRiskError as error:
            caller, problem = None, problem_of(error)
        session = session if caller else None
        bound_to = session.id if session else before_login
        visit = Visit(
            language=language_of(scope, cookies), session=session, caller=caller, form_token=self._sessions.form_token(bound_to),
            renewed=self._sessions.seen(session, now) if session else None,
        )
        silent = scope["path"].startswith(f"{ROOT}/static/") or in_background(scope)
        scope["state"][VISIT] = visit
        if caller is not None:
            scope["state"][CALLER] = caller

        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start" and not silent:
                had = SESSION_COOKIE in cookies
                message["headers"] = [*message["headers"], *self._set_cookies(visit, before_login, had=had)]
            await send(message)

        answer = problem_page(Request(scope), problem) if problem else await self._refused(scope, receive, visit, bound_to)
        await (answer or self._app)(scope, receive, wrapped)

    async def _refused(self, scope: Scope, receive: Receive, visit: Visit, bound_to: str) -> Response | None:
        path, method = scope["path"], scope["method"]
        request = Request(scope)
        if method == "POST":
            try:
                check_origin(scope)
                visit.form = await read_form(scope, receive)
            except FormRefused as refused:
                return problem_page(request, refused.problem)
            if not self._sessions.form_token_holds(visit.form.get(TOKEN, ""), bound_to):
                return problem_page(request, foreign_form())
        if visit.caller is None and path not in _OPEN and not path.startswith(f"{ROOT}/static/"):
            after = f"?next={path.removeprefix(ROOT)}" if path.startswith(f"{ROOT}/decisions/") and method == "GET" else ""
            return RedirectResponse(_LOGIN + after, status_code=303, headers=HEADERS)
        return None

    def _set_cookies(self, visit: Visit, before_login: str, *, had: bool) -> list[tuple[bytes, bytes]]:
        made = [self._cookie(LANGUAGE_COOKIE, visit.language, f"Max-Age={YEAR_S}")]
        renewed: Session | None = visit.renewed
        if renewed is not None:
            made.append(self._cookie(SESSION_COOKIE, self._sessions.seal(renewed)))
        elif had:
            made.append(self._cookie(SESSION_COOKIE, "", "Max-Age=0"))
        if renewed is None:
            made.append(self._cookie(FORM_COOKIE, before_login))
        return [(b"set-cookie", cookie.encode("latin-1")) for cookie in made]

    def _cookie(self, name: str, value: str, *attributes: str) -> str:
        parts = [f"{name}={value}", f"Path={ROOT}", "HttpOnly", "SameSite=Strict", *attributes]
        return "; ".join([*parts, "Secure"] if self._https else parts)


def in_background(scope: Scope) -> bool:
    """Return whether a page asks by itself: that is no sign that somebody is there, so the session's idle time goes on."""
    return scope["path"] == STREAM or (scope["method"] == "GET" and header(scope, b"x-fragment") == "live")


def cookies_of(scope: Scope) -> dict[str, str]:
    """Return the cookies of a request, none where they cannot be read."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header(scope, b"cookie")).items()}
    except CookieError:
        return {}


def language_of(scope: Scope, cookies: dict[str, str]) -> str:
    """Return the language that a visitor asks for, or chose before."""
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[-1]
    wishes = (asked, cookies.get(LANGUAGE_COOKIE, ""))
    return next((wish for wish in wishes if wish in LANGUAGES), LANGUAGES[0])
