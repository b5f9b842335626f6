"""What the live service tells who watches the whole fleet: frames, whose slots they are, and one vehicle with its last 24 hours.

Readers carry a key of their own (ROADRISK_LIVE_KEY): whoever may push positions of some vehicles need not see where all others are.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from features.door.answers import may_ask, problem, problem_of, unknown_key
from features.live.fatigue import SIGNAL
from features.live.layout import NEWEST
from features.segments import DAY_S, DRIVE, OFFLINE, STOP
from features.supervision.fleet_look import FleetLook, FloatArray
from registry.errors import RoadRiskError

if TYPE_CHECKING:
    from features.live.service import LiveService

FRAME: Final = "application/octet-stream"
STATES: Final = {STOP: "stop", DRIVE: "drive", OFFLINE: "offline"}
_MOST: Final = 2**53


def fleet_routes(service: LiveService, key: str) -> list[Route]:
    """Return the paths for readers of the fleet.

    Parameters
    ----------
    service
        The live service.
    key
        Key of readers.
    """
    def scored(at_s: int) -> dict[str, FloatArray]:
        fatigue = service.fatigue
        return {} if fatigue is None else {SIGNAL: fatigue.board.seen_at(at_s).tier.astype(np.float64)}

    look = FleetLook(service.engine.fold, service.roster, service.engine.lock, service.clock, scored)
    door = FleetDoor(service, look, key)
    return [
        Route("/v1/live/fleet", door.frame), Route("/v1/live/fleet/roster", door.roster),
        Route("/v1/live/fleet/vehicles/{vehicle_id}", door.vehicle), Route("/v1/live/fleet/drivers/{driver_id}", door.driver),
    ]


class FleetDoor:
    """Answers readers of the fleet."""

    def __init__(self, service: LiveService, look: FleetLook, key: str) -> None:
        self._service, self._look, self._key = service, look, key

    async def frame(self, request: Request) -> Response:
        """Return what changed behind `after` of `run`; everything without them."""
        if not may_ask(request, self._key):
            return unknown_key()
        told = [request.query_params.get(name, "0") for name in ("run", "after")]
        if not all(text.isascii() and text.isdigit() and int(text) < _MOST for text in told):
            return problem(422, "invalid-request", "run and after are whole numbers", remedy="Send what the last frame said.")
        return Response(await run_in_threadpool(self._look.since, *map(int, told)), media_type=FRAME)

    async def roster(self, request: Request) -> Response:
        """Return vehicle, enterprise and trade by slot, and the run that they belong to."""
        return await self._json(request, self._roster)

    async def vehicle(self, request: Request) -> Response:
        """Return the duty of one vehicle now, where it is, and what it did in the last 24 hours."""
        return await self._json(request, lambda: self._vehicle(request.path_params["vehicle_id"]))

    async def driver(self, request: Request) -> Response:
        """Return the duty of one driver by his card, for the page that he opens himself."""
        return await self._json(request, lambda: self._service.driver(request.path_params["driver_id"]))

    async def _json(self, request: Request, read: Callable[[], dict[str, Any]]) -> Response:
        if not may_ask(request, self._key):
            return unknown_key()
        try:
            body = orjson.dumps(await run_in_threadpool(read))
        except RoadRiskError as error:
            return problem_of(error)
        if "gzip" in request.headers.get("accept-encoding", ""):
            packed = await run_in_threadpool(gzip.compress, body, 1)
            return Response(packed, media_type="application/json", headers={"Content-Encoding": "gzip"})
        return Response(body, media_type="application/json")

    def _roster(self) -> dict[str, Any]:
        roster = self._service.roster
        return {
            "run": self._look.fleet.run, "replay": self._service.replay, "vehicle_id": roster.vehicle_id,
            "enterprise_id": roster.enterprise_id, "trade": roster.trade,
        }

    def _vehicle(self, vehicle_id: str) -> dict[str, Any]:
        service = self._service
        # Who drives is no business of a page about a vehicle.
        duty = {name: value for name, value in service.duty(vehicle_id).items() if name != "driver"}
        slot = service.roster.slot(vehicle_id)
        with service.engine.lock:
            at_s = int(service.now.timestamp())
            now = service.engine.fold.now(at_s, np.array([slot]))[0]
            kept = service.engine.fold.stretches(slot)
            last_s = int(service.engine.fold.state.vehicle[slot, NEWEST]["last_s"])
        began = max(at_s - DAY_S, 0)
        did = [
            [max(start, began), end, STATES[state]]
            for start, end, state in zip(kept.start_s.tolist(), kept.end_s.tolist(), kept.state.tolist(), strict=True)
            if end > began
        ]
        if int(now["at_s"]) > last_s:
            did.append([last_s, int(now["at_s"]), STATES[int(now["state"])]])
        return duty | {
            "slot": slot, "enterprise_id": service.roster.enterprise_id[slot], "trade": service.roster.trade[slot], "now_s": at_s,
            "lon_deg": float(now["lon_deg"]), "lat_deg": float(now["lat_deg"]), "speed_kmh": float(now["speed_kmh"]),
            "road_class": int(now["road_class"]), "state": STATES[int(now["state"])], "since_s": int(now["state_since_s"]),
            "cont_s": int(now["cont_s"]), "run_since_s": int(now["run_since_s"]), "did": did,
        }
