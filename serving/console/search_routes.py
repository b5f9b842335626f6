"""The pages of the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from registry.errors import InvalidRequest
from serving.console.entry_routes import to
from serving.console.pages import ROOT, page
from serving.console.search import COLORS, KINDS, USUAL_COLOR, kind_of, normalised, search
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from typing import Any

    from serving.console.parts import Console


def search_router(console: Console) -> APIRouter:
    """Return the routes of the search; what is searched for is sent by POST, so that no address holds it."""
    router = APIRouter()

    @router.get("/console/search")
    def ask(request: Request) -> Response:
        return page(request, "search.html", **_form("auto", USUAL_COLOR), found=None, error="")

    @router.post("/console/search")
    def results(request: Request) -> Response:
        form = visit_of(request).form
        kind, color = form.get("kind", "auto"), form.get("plate_color", USUAL_COLOR)
        shown = _form(kind, color)
        try:
            written = normalised(form.get("number", "")[:64])
            kind = kind_of(written, kind)
            if kind == "score_id":
                return to(f"{ROOT}/decisions/{_checked_id(written)}")
            found = search(console, request, written=written, kind=kind, color=color)
        except InvalidRequest:
            return page(request, "search.html", status=422, **shown, found=None, error="search.no_number")
        return page(request, "search.html", **shown, found=found, error="")

    return router


def _checked_id(written: str) -> str:
    if len(written) == 32 and set(written) <= set("0123456789ABCDEF"):
        return written.lower()
    raise InvalidRequest("this is no score id", where="search")


def _form(kind: str, color: str) -> dict[str, Any]:
    return {"kinds": KINDS, "colors": COLORS, "kind": kind, "color": color}
