"""From a request that came through the gate to what may be done for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Header, Request

from registry.decisions import no_such_score
from registry.errors import AccessRefused
from serving.asked import Asked
from serving.envelope import REQUEST_ID, STARTED, TRACEPARENT
from serving.gate import CALLER, Gate
from serving.idempotency import HEADER, request_key
from serving.limits import BODY
from serving.stages import stage

if TYPE_CHECKING:
    from registry.access.grants import Grant
    from registry.access.parties import Caller
    from registry.access.roles import Action
    from registry.decisions import Decision

ScenarioHeader = Annotated[
    str | None, Header(alias="X-Scenario", max_length=64, description="场景: the scenario under which the call is made; "
                       "needed where the caller has several active ones for the product")
]
IdempotencyHeader = Annotated[
    str | None, Header(alias=HEADER, description="1 to 255 visible ASCII signs; the same key and body get the stored answer")
]


@dataclass(frozen=True)
class Door:
    """What the routes ask of the gate."""

    gate: Gate

    def caller(self, request: Request) -> Caller:
        """Return who calls; the key was checked when the request came in."""
        caller: Caller = request.scope["state"][CALLER]
        return caller

    def may(self, request: Request, action: Action) -> None:
        """Refuse a caller whose role does not have an action that belongs to no product; raises `AccessRefused`."""
        self.grant(request, "", action)

    def seeing(self, request: Request, decision: Decision, action: Action, scenario: str | None = None) -> Grant:
        """Return what the caller may do with a past decision.

        Raises
        ------
        NotFound
            If it is none that the caller may know of: it looks like one that does not exist.
        AccessRefused
            If it is the caller's own, and no scenario covers the action any more.
        """
        caller = self.caller(request)
        try:
            grant = self.grant(request, decision.product, action, scenario)
        except AccessRefused:
            if decision.consumer != caller.consumer:
                raise no_such_score() from None
            raise
        if not grant.may_see(decision.consumer, (decision.entity_id, *decision.related.values())):
            raise no_such_score()
        return grant

    def grant(self, request: Request, product: str, action: Action, scenario: str | None = None) -> Grant:
        """Return what the caller may do with a product; raises as `Gate.grant` does."""
        return self.gate.grant(self.caller(request), product=product, action=action, scenario=scenario)

    def asked(
        self, request: Request, product: str, action: Action, *, scenario: str | None = None, key: str | None = None
    ) -> Asked:
        """Return a request for a score with its grant, checked against quota and rate.

        Raises
        ------
        AccessRefused
            If no active scenario covers it.
        QuotaExceeded
            If it comes too often.
        InvalidRequest
            If the idempotency key is none.
        """
        state = request.scope["state"]
        with stage("auth"):
            grant = self.grant(request, product, action, scenario)
            self.gate.check_quota(grant, kind=action)
        named = request_key(
            key, consumer=grant.consumer, method=request.method, path=request.scope["path"], scenario=grant.scenario,
            body=state.get(BODY, b""),
        )
        return Asked(state[REQUEST_ID], state[STARTED], grant, named, state.get(TRACEPARENT, ""))


def request_id(request: Request) -> str:
    """Return the id of a request."""
    return str(request.scope["state"][REQUEST_ID])
