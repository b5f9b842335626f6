"""The pages of the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from registry.entities import ENTERPRISE
from registry.errors import InvalidRequest
from serving.console.entry_routes import to
from serving.console.pages import ROOT, page
from serving.console.portrait_routes import portrait_address, subject_ids
from serving.console.portrait_scores import portrait_grants
from serving.console.search import COLORS, KINDS, USUAL_COLOR, kind_of, normalised, search
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from typing import Any

    from serving.console.parts import Console
    from serving.console.portrait_routes import Portraits
    from serving.console.search import Found


def search_router(console: Console, portraits: Portraits) -> APIRouter:
    """Return the routes of the search; what is searched for is sent by POST, so that no address holds it."""
    router = APIRouter()

    @router.get("/console/search")
    def ask(request: Request) -> Response:
        return page(request, "search.html", **_form(console, request, "auto", USUAL_COLOR), found=None, error="", subjects=[])

    @router.post("/console/search")
    def results(request: Request) -> Response:
        form = visit_of(request).form
        kind, color = form.get("kind", "auto"), form.get("plate_color", USUAL_COLOR)
        shown = _form(console, request, kind, color)
        try:
            typed = form.get("number", "")[:64]
            written = normalised(typed)
            kind = kind_of(written, kind)
            written = typed.strip() if kind == "name" else written
            if kind == "score_id":
                return to(f"{ROOT}/decisions/{_checked_id(written)}")
            found = search(console, request, written=written, kind=kind, color=color)
        except InvalidRequest:
            return page(request, "search.html", status=422, **shown, found=None, error="search.no_number", subjects=[])
        return page(request, "search.html", **shown, found=found, error="", subjects=subjects_of(portraits, request, found))

    @router.post("/console/scenario")
    def choose(request: Request) -> Response:
        console.door.choose(request, visit_of(request).form.get("scenario", ""))
        return to(f"{ROOT}/search")

    return router


def subjects_of(portraits: Portraits, request: Request, found: Found) -> list[tuple[str, str, str]]:
    """Return (kind, words, address) of the subjects that a search found and whose pages the visitor may see."""
    console = portraits.console
    met = [(found.subject, "")] if found.subject else [((ENTERPRISE.id, one), name) for one, name in found.named.items()]
    shown = []
    for (kind, entity_id), name in met:
        ids = subject_ids(kind, entity_id, portraits.known(kind, entity_id))
        if portrait_grants(console, request, kind, ids):
            words = name or (_name(console, request, entity_id) if kind == ENTERPRISE.id else "") or entity_id[:12]
            shown.append((kind, words, portrait_address(console, request, kind, entity_id)))
    return shown


def _name(console: Console, request: Request, entity_id: str) -> str:
    if not console.sees_all(console.door.caller(request)):
        return ""
    return console.names.known([entity_id], console.now()).get(entity_id, "")


def _checked_id(written: str) -> str:
    if len(written) == 32 and set(written) <= set("0123456789ABCDEF"):
        return written.lower()
    raise InvalidRequest("this is no score id", where="search")


def _form(console: Console, request: Request, kind: str, color: str) -> dict[str, Any]:
    return {"kinds": KINDS, "colors": COLORS, "kind": kind, "color": color, "choices": console.door.choices(request)}
