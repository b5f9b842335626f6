"""Live reads under a scenario: an operator reads its own vehicles, an authority all, each with its own key.

Under `vehicle_supervision` the duty ledger and, where the scenario covers what it draws on, the score; under `driver_fatigue` the
score as an answer of its own, recorded and counted as every other. Insurers and engineers read neither: where a vehicle is now and
how tired its driver may be is for who can stop it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from features.live.roster import no_vehicle
from registry.access.usage import counts_of
from registry.data_products import DATA_PRODUCTS, SUPERVISION
from registry.errors import AccessRefused, InvalidRequest, RoadRiskError
from registry.ledger_beside import Beside
from registry.products import DRIVER_FATIGUE
from registry.supervision.sight import RESOURCES
from serving.asked import Asked
from serving.desk import new_score_id
from serving.detail import reduced
from serving.encode import encoded
from serving.fatigue.frames import ScoreFrames, read_mark
from serving.fatigue.stream import MEDIA_TYPE as MEDIA_EVENTS
from serving.fatigue.stream import STREAM_S, Places, score_stream
from serving.gate import SCENARIO
from serving.problems import MEDIA_TYPE, problem_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from starlette.requests import Request

    from features.live.service import LiveService
    from registry.access.grants import Grant
    from registry.access.roles import Action
    from registry.decisions import DecisionLedger
    from serving.fatigue.care import CareNotices
    from serving.fatigue.frames import Mark
    from serving.fatigue.scorer import LiveFatigue
    from serving.gate import Gate

_ABSTAINS: Final = "grey"


def reader_routes(
    service: LiveService, fatigue: LiveFatigue, gate: Gate, care: CareNotices, decisions: DecisionLedger
) -> list[Route]:
    """Return the paths; uses of the stream are counted beside `decisions`."""
    readers = LiveReaders(service, fatigue, gate, care, decisions)
    return [
        Route(f"/v1/{SUPERVISION}/live/vehicles/{{vehicle_id}}", readers.duty),
        Route(f"/v1/{DRIVER_FATIGUE.id}/live/vehicles/{{vehicle_id}}", readers.score),
        Route(f"/v1/{DRIVER_FATIGUE.id}/live/stream", readers.stream),
    ]


class LiveReaders:
    """Answers consumers.

    Parameters
    ----------
    service, fatigue
        The live service and its scorer.
    gate
        Knows keys and scenarios.
    care
        Says what drivers let their operator see.
    decisions
        Ledger beside which uses of the stream are counted.
    """

    def __init__(
        self, service: LiveService, fatigue: LiveFatigue, gate: Gate, care: CareNotices, decisions: DecisionLedger
    ) -> None:
        self._service, self._fatigue, self._gate, self._care = service, fatigue, gate, care
        self._decisions, self._places = decisions, Places()
        self._frames = ScoreFrames(service.roster.vehicle_id, fatigue.seen)
        self.stream_s = STREAM_S

    async def duty(self, request: Request) -> Response:
        """Answer with the duty of one vehicle now."""
        return await self._answered(request, self._duty)

    async def score(self, request: Request) -> Response:
        """Answer with the live score of one vehicle."""
        return await self._answered(request, self._score)

    async def stream(self, request: Request) -> Response:
        """Stream the newest minute scores of all vehicles that the caller may read."""
        named = new_score_id()
        try:
            grant, slots, after = await run_in_threadpool(self._streaming, request)
        except RoadRiskError as error:
            return _refused(error, named)
        events = score_stream(
            self._frames, after, slots, lambda: self._count(grant), places=self._places, stream_s=self.stream_s,
        )
        return StreamingResponse(events, media_type=MEDIA_EVENTS, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    def _streaming(self, request: Request) -> tuple[Grant, npt.NDArray[np.int64], Mark]:
        grant = self._allowed(request, DRIVER_FATIGUE.id, "score")
        # The scores of the board rest on all that the model reads; what is not covered cannot be left out of them afterwards.
        if not grant.covers(DATA_PRODUCTS[DRIVER_FATIGUE.id].resources):
            raise AccessRefused(
                "the scenario does not cover everything that minute scores rest on", where=f"scenario {grant.scenario}",
                remedy="Ask for single vehicles, or apply for a scenario of all resources.", details={"lacking": "resource"},
            )
        self._gate.check_quota(grant, kind="minute_scores")
        told = request.headers.get("last-event-id")
        after = self._frames.mark() if told is None else read_mark(told)
        if after is None:
            raise InvalidRequest("this is no id of this stream", where="Last-Event-ID", remedy="Send back the last id, or none.")
        owners = np.array(self._service.roster.enterprise_id, dtype=object)
        mine = np.ones(len(owners), bool) if grant.sight == "all" else owners == grant.subject
        return grant, np.flatnonzero(mine), after

    def _count(self, grant: Grant) -> None:
        now = self._gate.clock()
        self._decisions.keep(Beside(counts=counts_of(grant, kind="minute_scores", now=now)), at=now)

    async def _answered(self, request: Request, answer: Callable[[Request, str], dict[str, Any]]) -> Response:
        named = new_score_id()
        try:
            body = encoded(await run_in_threadpool(answer, request, named))
        except RoadRiskError as error:
            return _refused(error, named)
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    def _duty(self, request: Request, _: str) -> dict[str, Any]:
        grant, slot = self._granted(request, SUPERVISION, "alerts")
        found = self._service.duty(request.path_params["vehicle_id"])
        if not grant.covers(RESOURCES["fatigue"]):
            return {**found, "fatigue": None}
        whole = self._fatigue.whole_document(slot, int(self._service.now.timestamp()))
        return {**found, "fatigue": reduced(whole, grant.detail)}

    def _score(self, request: Request, named: str) -> dict[str, Any]:
        started = time.perf_counter()
        grant, slot = self._granted(request, DRIVER_FATIGUE.id, "score")
        at_s = int(self._service.now.timestamp())
        said = self._fatigue.document(slot, at_s)
        beside = {name: said[name] for name in ("why", "as_of", "age_s", "forecast")}
        beside["health_notice"] = self._care.of_vehicle(grant, request.path_params["vehicle_id"], at_s)
        if said["tier"]["code"] == _ABSTAINS:
            # Nothing was scored, so nothing is recorded or counted.
            return {**beside, "answer": None}
        self._gate.check_quota(grant, kind="score")
        return {**beside, "answer": self._fatigue.answered(slot, at_s, Asked(named, started, grant))}

    def _granted(self, request: Request, product: str, action: Action) -> tuple[Grant, int]:
        """Return the grant and the vehicle's slot; raises NotFound too where it is none of the caller's, as if there were none."""
        grant = self._allowed(request, product, action)
        roster = self._service.roster
        slot = roster.slot(request.path_params["vehicle_id"])
        if grant.sight != "all" and roster.enterprise_id[slot] != grant.subject:
            raise no_vehicle()
        return grant, slot

    def _allowed(self, request: Request, product: str, action: Action) -> Grant:
        """Return the grant of a caller who has live vehicles.

        Raises
        ------
        Unauthenticated
            If there is no live key.
        AccessRefused
            If no scenario covers it.
        """
        caller = self._gate.caller(request.headers)
        grant = self._gate.grant(caller, product=product, action=action, scenario=request.headers.get(SCENARIO))
        if grant.sight != "all" and grant.subject is None:
            raise AccessRefused(
                f"the role {grant.role} has no vehicles of its own", where=f"consumer {grant.consumer}",
                remedy="Live reads are for transport operators and authorities.", details={"lacking": "role", "action": action},
            )
        if not grant.covers(RESOURCES["duty"]):
            raise AccessRefused(
                "the scenario does not cover positions", where=f"scenario {grant.scenario}",
                remedy="Apply for a scenario that covers vehicle_location.", details={"lacking": "resource"},
            )
        return grant


def _refused(error: RoadRiskError, named: str) -> Response:
    problem = problem_of(error)
    return Response(problem.body(named), status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers))
