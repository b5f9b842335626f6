"""The live page: map, alerts, one vehicle, and the table that says the same; what it loads, and what may be done from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import StreamingResponse

from features.live.fatigue import RANKED_TIERS
from features.live.fleet import SILENT
from features.supervision.fleet_door import STATES
from registry.errors import InvalidRequest, NotFound, RoadRiskError, ServiceUnavailable
from registry.supervision.rules import TRADES
from serving.console.entry_routes import to
from serving.console.live_access import PAGE, Watching, no_vehicle, roster_facts, watching
from serving.console.live_alerts import Filter, alert_list, take_step
from serving.console.live_map import geometry
from serving.console.live_stream import MEDIA_TYPE, Seen, clock_of, live_events
from serving.console.live_vehicle import vehicle_view
from serving.console.pages import HEADERS, page
from serving.console.visit import visit_of
from serving.console.what_if_routes import FRAGMENT, Looking
from serving.json_response import json_response
from serving.panel.dossier import Dossier, dossier_folder
from serving.problems import problem_of

if TYPE_CHECKING:
    from serving.console.parts import Console

Sign = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{20,160}$")]
AlertId = Annotated[str, Path(pattern="^[0-9a-f]{24}$")]
ROWS: Final = 20
"""Vehicles in the table at once."""
MOST_STREAMS: Final = 64
"""Pages that a worker feeds at once; one more is told to come back. [A]"""


def live_router(console: Console) -> APIRouter:
    """Return the routes of the page."""
    router, looking = APIRouter(), Looking()
    _add_page(router, console)
    _add_feed(router, console)
    _add_vehicle(router, console, looking)
    _add_alerts(router, console)
    return router


def _add_page(router: APIRouter, console: Console) -> None:
    dossier = Dossier(dossier_folder(console.settings))

    @router.get("/console/live")
    def show(request: Request) -> Response:
        watch = watching(console, request)
        console.relay.refresh()
        asked = Filter.of(request.query_params)
        return page(
            request, "live.html", live=_shared(watch), list=alert_list(watch, request, asked), table=_table(watch, request),
        )

    @router.get("/console/live/map")
    def province(request: Request) -> Response:
        watching(console, request)
        try:
            places = dossier.places()
        except NotFound:
            places = []
        return json_response(geometry(places))

    @router.get("/console/live/table")
    def table(request: Request) -> Response:
        watch = watching(console, request)
        console.relay.refresh()
        return page(request, "live_table.html", table=_table(watch, request))


def _add_feed(router: APIRouter, console: Console) -> None:
    open_streams = [0]

    @router.get("/console/live/stream")
    def stream(request: Request, last_event_id: Annotated[str | None, Header(max_length=64)] = None) -> Response:
        watch = watching(console, request)
        if open_streams[0] >= MOST_STREAMS:
            raise ServiceUnavailable("too many pages are being fed", where="live page", remedy="The page tries again by itself.")

        async def counted() -> Any:
            open_streams[0] += 1
            try:
                async for events in live_events(watch, Seen.of(last_event_id or request.query_params.get("seen", ""))):
                    yield events
            finally:
                open_streams[0] -= 1

        headers = {**HEADERS, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(counted(), media_type=MEDIA_TYPE, headers=headers)


def _add_vehicle(router: APIRouter, console: Console, looking: Looking) -> None:
    @router.post("/console/live/pick")
    def pick(request: Request) -> Response:
        watch, form = watching(console, request), visit_of(request).form
        seen, told = console.relay.seen, (form.get("run", ""), form.get("slot", ""))
        if not all(text.isascii() and text.isdigit() and len(text) < 16 for text in told):
            raise InvalidRequest("run and slot are whole numbers", where="live page", remedy="Load the page again.")
        run, slot = map(int, told)
        if seen is None or seen[0].run != run or slot >= len(seen[0].vehicle_id):
            raise no_vehicle()
        if not watch.sees_vehicle(seen[0].enterprise_id[slot]):
            raise no_vehicle()
        return json_response({"address": watch.address(request, seen[0].vehicle_id[slot])})

    @router.get("/console/live/vehicles/{sign}")
    def vehicle(sign: Sign, request: Request) -> Response:
        watch = watching(console, request)
        alone = request.headers.get(FRAGMENT) == "live"
        console.relay.refresh()
        vehicle_id = watch.opened(request, sign)
        try:
            view = vehicle_view(watch, request, looking, vehicle_id)
        except RoadRiskError as error:
            if not alone:
                raise
            return page(request, "live_unknown.html", problem=problem_of(error), status=problem_of(error).status)
        return page(request, "live_vehicle.html" if alone else "live_vehicle_page.html", view=view)


def _add_alerts(router: APIRouter, console: Console) -> None:
    @router.get("/console/live/alerts")
    def listed(request: Request) -> Response:
        watch = watching(console, request)
        asked = Filter.of(request.query_params)
        return page(request, "live_alerts.html", list=alert_list(watch, request, asked))

    @router.post("/console/live/alerts/{alert_id}")
    def step(alert_id: AlertId, request: Request) -> Response:
        watch, form = watching(console, request), visit_of(request).form
        alone = request.headers.get(FRAGMENT) == "live"
        try:
            alert = take_step(watch, request, alert_id, form)
        except RoadRiskError as error:
            if not alone:
                raise
            problem = problem_of(error)
            return json_response({"detail": problem.detail, "remedy": problem.remedy}, status=problem.status)
        if alone:
            return json_response({"alert_id": alert.alert_id, "status": alert.status})
        asked = Filter.of(form)
        return to(f"{PAGE}?group={asked.group}&severity={asked.severity}&rule={asked.rule}#alerts")


def _shared(watch: Watching) -> dict[str, Any]:
    relay, rows = watch.console.relay, watch.console.relay.rows()
    counts = dict.fromkeys(RANKED_TIERS, 0)
    if rows is not None:
        mine = _mine(watch, rows)
        for place, name in enumerate(RANKED_TIERS):
            counts[name] = int(np.count_nonzero((rows[1]["look"][mine] & 7) == place))
    return {
        "state": relay.state, "replay": bool(rows and rows[0].replay), "at": clock_of(rows[2]) if rows else "", "counts": counts,
        "n": sum(counts.values()), "tiers": RANKED_TIERS[::-1],
    }


def _mine(watch: Watching, rows: Any) -> Any:
    known, wanted = rows[1]["known"] == 1, watch.wanted(rows[0])
    return known if wanted is None else known & wanted


def _doing(look: int) -> str:
    """Return what a vehicle does; what nobody heard of just now is off line, whatever it did before."""
    if look >> 5 & 1:
        return "rest"
    state = STATES[look >> 3 & 3]
    return "offline" if look & 7 == SILENT and state == "drive" else state


def _table(watch: Watching, request: Request) -> dict[str, Any]:
    """Return the vehicles nearest to their limits: the worst tier first, and in it who reaches a limit first."""
    rows, asked = watch.console.relay.rows(), request.query_params.get("tier", "")
    tier = asked if asked in RANKED_TIERS else ""
    if rows is None:
        return {"vehicles": [], "n": 0, "tier": tier, "tiers": RANKED_TIERS[::-1]}
    roster, fleet, at_s = rows
    slots = np.flatnonzero(_mine(watch, rows))
    if tier:
        slots = slots[(fleet["look"][slots] & 7) == RANKED_TIERS.index(tier)]
    row = fleet[slots]
    due = np.where(row["due_s"] > 0, row["due_s"], 2**32).astype(np.int64)
    order = np.lexsort((slots, due, -(row["look"] & 7).astype(np.int64)))[:ROWS]
    shown = []
    for slot in slots[order].tolist():
        one, facts = fleet[slot], roster_facts(roster, slot)
        look = int(one["look"])
        shown.append(facts | {
            "address": watch.address(request, facts["vehicle_id"]), "tier": RANKED_TIERS[look & 7],
            "doing": _doing(look), "trade": TRADES[look >> 6],
            "left_s": max(int(one["due_s"]) - at_s, 0) if one["due_s"] else None, "speed_kmh": int(one["speed_kmh"]),
            "age_s": max(at_s - int(one["last_s"]), 0),
        })
    names = watch.names([one["enterprise_id"] for one in shown])
    return {"vehicles": shown, "n": len(slots), "tier": tier, "tiers": RANKED_TIERS[::-1], "names": names}
