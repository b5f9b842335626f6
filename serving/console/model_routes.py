"""The page of one version, its pictures, and the page of a comparison of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from registry.products import PRODUCTS
from serving.console.effect_chart import effect_charts
from serving.console.model_history import promotions
from serving.console.model_view import EXPLAINING, comparison, model_view, picture
from serving.console.pages import page
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from serving.console.parts import Console

Name = Annotated[str, Path(max_length=100)]
TIERS: Final = ("blue", "yellow", "orange", "red")


def model_router(console: Console) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/console/models/compare/{name}")
    def compared(name: Name, request: Request) -> Response:
        console.door.may(request, "catalogue")
        return page(request, "comparison.html", name=name, found=comparison(console.settings, name), products=PRODUCTS, tiers=TIERS)

    @router.get("/console/models/{name}")
    def version(name: Name, request: Request) -> Response:
        console.door.may(request, "catalogue")
        language = visit_of(request).language
        view = model_view(console.settings, name, promotions(console.settings), language)
        audit: dict[str, Any] = dict(view.evidence.get("explanation") or {})
        words = {one["name"]: one for one in view.card["features"]}
        return page(
            request, "model.html", view=view, products=PRODUCTS, explaining=EXPLAINING, audit=audit, words=words,
            charts=effect_charts(audit.get("effects") or []),
        )

    @router.get("/console/models/{name}/pictures/{kind}")
    def drawn(name: Name, kind: Annotated[str, Path(max_length=40)], request: Request) -> Response:
        console.door.may(request, "catalogue")
        content = picture(console.settings, name, kind, visit_of(request).language)
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=300", "Vary": "Cookie"})

    return router
