"""From a template to a page: words, escaping, and the headers that keep a page from running anything but what we ship."""

from __future__ import annotations

from functools import cache, partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from registry.access.roles import ROLES
from registry.local_time import SHANGHAI
from serving.app_version import API_VERSION
from serving.console import wording
from serving.console.messages import HTML_LANGUAGE, LANGUAGES, text, text_or, worded
from serving.console.static_files import asset_path
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from fastapi import Request

    from registry.access.parties import Caller
    from serving.problems import Problem

ROOT: Final = "/console"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer a browser hides the origin of our own forms too, and they could not be told from foreign ones.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Cookie",
}
NAVIGATION: Final = (
    ("search", f"{ROOT}/search"), ("live", f"{ROOT}/live"), ("overview", f"{ROOT}/overview"), ("models", f"{ROOT}/models"),
    ("monitoring", f"{ROOT}/monitoring"),
    ("fairness", f"{ROOT}/fairness"), ("governance", f"{ROOT}/governance"),
)

_FOR_EXACT: Final = frozenset({"monitoring", "fairness"})
"""Pages for who may have exact explanations: how models do is nobody else's."""


@cache
def environment() -> Environment:
    """Return the templates; every value is escaped, and a name that does not exist is a defect."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )
    made.globals |= {"root": ROOT, "asset": asset_path, "version": API_VERSION, "languages": LANGUAGES}
    made.filters |= {
        "number": wording.number, "signed": wording.signed, "exact": wording.exact, "when": wording.when, "day": wording.day,
        "percent": wording.percent, "money": wording.money, "zip": zip,
    }
    return made


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page in the language of the visit."""
    visit = visit_of(request)
    language = visit.language
    html = environment().get_template(template).render(
        t=partial(text, language), t_or=partial(text_or, language), w=partial(worded, language),
        pair=itemgetter(LANGUAGES.index(language)), language=language,
        html_language=HTML_LANGUAGE[language],
        visit=visit, person=visit.caller, path=request.scope["path"], navigation=_links(visit.caller),
        request_id=request.scope["state"]["request_id"], zone=SHANGHAI.key, **values,
    )
    return HTMLResponse(html, status_code=status, headers=HEADERS)


def _links(caller: Caller | None) -> list[tuple[str, str]]:
    """Return the links that lead somewhere for whoever is logged in."""
    if caller is None:
        return []
    rules = ROLES[caller.role]
    hidden = {*(() if "exact" in rules.details else _FOR_EXACT), *(() if "alerts" in rules.actions else ("live",))}
    return [(name, address) for name, address in NAVIGATION if name not in hidden]


def problem_page(request: Request, problem: Problem) -> HTMLResponse:
    """Return the page of a problem: what happened, what to do, and the id under which it is logged."""
    request.scope["state"]["problem"] = problem.slug
    known = {401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 503}
    kind = str(problem.status) if problem.status in known else "other"
    answer = page(request, "problem.html", status=problem.status, problem=problem, kind=kind)
    answer.headers.update(problem.headers)
    return answer
