"""From a request that came through the gate to what may be done for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Header, Request

from serving.asked import Asked
from serving.envelope import REQUEST_ID, STARTED, TRACEPARENT
from serving.gate import CALLER, Gate
from serving.idempotency import HEADER, request_key
from serving.limits import BODY

if TYPE_CHECKING:
    from registry.access.grants import Action, Caller, Grant

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
        self.gate.book.permit(self.caller(request), action=action)

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
        grant, state = self.grant(request, product, action, scenario), request.scope["state"]
        self.gate.check_quota(grant)
        named = request_key(
            key, consumer=grant.consumer, method=request.method, path=request.scope["path"], scenario=grant.scenario,
            body=state.get(BODY, b""),
        )
        return Asked(state[REQUEST_ID], state[STARTED], grant, named, state.get(TRACEPARENT, ""))


def request_id(request: Request) -> str:
    """Return the id of a request."""
    return str(request.scope["state"][REQUEST_ID])
