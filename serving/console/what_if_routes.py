"""The page on which the inputs of a past decision are moved and the score follows; nothing on it is a new decision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from registry.errors import InvalidRequest
from serving.authorised import request_id
from serving.console.pages import page
from serving.console.visit import visit_of
from serving.console.what_if_view import what_if_view
from serving.levers import check_range

if TYPE_CHECKING:
    from registry.access.grants import Grant
    from registry.decisions import Decision
    from serving.console.parts import Console
    from serving.levers import Lever

ScoreId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
FIELD: Final = "to."
"""Before the name of an input in the form."""
FRAGMENT: Final = "x-fragment"
"""Header with which the page's own script asks for the result alone."""
ONE_LOOK: Final = timedelta(minutes=10)
"""Moving levers this long after the last recorded look is the same look."""
MOST_KEPT: Final = 4096


class Looking:
    """Who has been looking at what since when, so that a hundred moves of a lever are one look and not a hundred."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], datetime] = {}

    def begins(self, session_id: str, score_id: str, now: datetime) -> bool:
        """Return whether this is a new look, and take note of it."""
        key = (session_id, score_id)
        since = self._since.get(key)
        if since is not None and timedelta(0) <= now - since < ONE_LOOK:
            return False
        if len(self._since) >= MOST_KEPT:
            self._since.clear()
        self._since[key] = now
        return True


def what_if_router(console: Console) -> APIRouter:
    """Return the routes of the page."""
    router, looking = APIRouter(), Looking()

    def opened(request: Request, score_id: str) -> tuple[Decision, Grant, list[Lever]]:
        decision = console.past.find(score_id)
        grant = console.door.seeing(request, decision, "explain", request.query_params.get("scenario"))
        session = visit_of(request).session
        look = looking.begins(session.id if session else "", score_id, console.now())
        return decision, grant, console.past.levers(decision, grant, request_id=request_id(request), look=look)

    def shown(
        request: Request, template: str, seen: tuple[Decision, Grant, list[Lever]], changes: Mapping[str, float]
    ) -> Response:
        return page(request, template, view=what_if_view(console, *seen, changes, visit_of(request).language))

    @router.get("/console/decisions/{score_id}/what-if")
    def open_page(score_id: ScoreId, request: Request) -> Response:
        return shown(request, "what_if.html", opened(request, score_id), {})

    @router.post("/console/decisions/{score_id}/what-if")
    def move(score_id: ScoreId, request: Request) -> Response:
        seen = opened(request, score_id)
        changes = check_range(seen[2], changes_of(visit_of(request).form))
        alone = request.headers.get(FRAGMENT) == "result"
        return shown(request, "what_if_result.html" if alone else "what_if.html", seen, changes)

    return router


def changes_of(form: Mapping[str, str]) -> dict[str, float]:
    """Return the values in a form by input.

    Raises
    ------
    InvalidRequest
        If one is no number.
    """
    found = {}
    for name, text in form.items():
        if name.startswith(FIELD):
            try:
                value = float(text)
            except ValueError as error:
                raise InvalidRequest("this is no number", where=name[:64], remedy="Give a number.") from error
            if not math.isfinite(value):
                raise InvalidRequest("this is no finite number", where=name[:64], remedy="Give a number.")
            found[name.removeprefix(FIELD)] = value
    return found
