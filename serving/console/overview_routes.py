"""The overview of what is scored and how fresh the sources are, and the page of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from registry.access.duty_book import open_requests
from registry.corrections import LEDGER_FILE, corrections, service_level
from registry.products import PRODUCTS
from serving.console.decision_counts import DecisionCounts, largest
from serving.console.freshness import freshness
from serving.console.model_history import instant_of, live_versions, promotions
from serving.console.model_view import card_name, versions_of
from serving.console.monitoring_routes import alert_counts, may_monitor
from serving.console.pages import page

if TYPE_CHECKING:
    from registry.corrections import ServiceLevel
    from serving.console.parts import Console


def overview_router(console: Console) -> APIRouter:
    """Return the routes of the overview and of the models."""
    router = APIRouter()
    counter = DecisionCounts(console.desk.decisions, min_cell=console.door.gate.book.rules.min_cell)

    @router.get("/console/overview")
    def overview(request: Request) -> Response:
        console.door.may(request, "catalogue")
        all_seen = console.sees_all(console.door.caller(request))
        at, sources = freshness(console.settings, console.now)
        return page(
            request, "overview.html", counts=counter.counts() if all_seen else None, largest=largest, at=at, sources=sources,
            min_cell=console.door.gate.book.rules.min_cell, live=sorted(console.desk.live.current.live.items()), products=PRODUCTS,
            objections=len(open_requests(console.desk.decisions)) if all_seen else None,
            level=_level(console) if all_seen else None,
            alerts=alert_counts(console.settings) if may_monitor(console.door.caller(request).role) else None,
        )

    @router.get("/console/models")
    def models(request: Request) -> Response:
        console.door.may(request, "catalogue")
        asked = request.query_params.get("at", "")
        past = promotions(console.settings)
        found = live_versions(console.settings, past, instant_of(asked[:32]))
        return page(request, "models.html", asked=asked[:32], versions=found, past=past[::-1], products=PRODUCTS,
                    cards=versions_of(console.settings), card_name=card_name)

    return router


def _level(console: Console) -> ServiceLevel | None:
    settings = console.settings
    if not settings.ledger_url and not (settings.ledger_dir / LEDGER_FILE).exists():
        return None
    return service_level(corrections(settings), console.now())
