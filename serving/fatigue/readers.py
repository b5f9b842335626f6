"""Live reads under a scenario: an operator reads its own vehicles, an authority all, each with its own key.

Under `vehicle_supervision` the duty ledger and, where the scenario covers what it draws on, the score; under `driver_fatigue` the
score as an answer of its own, recorded and counted as every other. Insurers and engineers read neither: where a vehicle is now and
how tired its driver may be is for who can stop it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from features.live.roster import no_vehicle
from registry.data_products import SUPERVISION
from registry.errors import AccessRefused, RoadRiskError
from registry.products import DRIVER_FATIGUE
from registry.supervision.sight import RESOURCES
from serving.asked import Asked
from serving.desk import new_score_id
from serving.detail import reduced
from serving.encode import encoded
from serving.gate import SCENARIO
from serving.problems import MEDIA_TYPE, problem_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from features.live.service import LiveService
    from registry.access.grants import Grant
    from registry.access.roles import Action
    from serving.fatigue.care import CareNotices
    from serving.fatigue.scorer import LiveFatigue
    from serving.gate import Gate

_ABSTAINS: Final = "grey"


def reader_routes(service: LiveService, fatigue: LiveFatigue, gate: Gate, care: CareNotices) -> list[Route]:
    """Return the paths."""
    readers = LiveReaders(service, fatigue, gate, care)
    return [
        Route(f"/v1/{SUPERVISION}/live/vehicles/{{vehicle_id}}", readers.duty),
        Route(f"/v1/{DRIVER_FATIGUE.id}/live/vehicles/{{vehicle_id}}", readers.score),
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
    """

    def __init__(self, service: LiveService, fatigue: LiveFatigue, gate: Gate, care: CareNotices) -> None:
        self._service, self._fatigue, self._gate, self._care = service, fatigue, gate, care

    async def duty(self, request: Request) -> Response:
        """Answer with the duty of one vehicle now."""
        return await self._answered(request, self._duty)

    async def score(self, request: Request) -> Response:
        """Answer with the live score of one vehicle."""
        return await self._answered(request, self._score)

    async def _answered(self, request: Request, answer: Callable[[Request, str], dict[str, Any]]) -> Response:
        named = new_score_id()
        try:
            body = encoded(await run_in_threadpool(answer, request, named))
        except RoadRiskError as error:
            problem = problem_of(error)
            return Response(
                problem.body(named), status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(problem.headers),
            )
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
        """Return the grant and the vehicle's slot; a vehicle that may not be known of looks like none.

        Raises
        ------
        Unauthenticated
            If there is no live key.
        AccessRefused
            If no scenario covers it.
        NotFound
            If the vehicle is none of the caller's.
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
        roster = self._service.roster
        slot = roster.slot(request.path_params["vehicle_id"])
        if grant.sight != "all" and roster.enterprise_id[slot] != grant.subject:
            raise no_vehicle()
        return grant, slot
