"""The gate: who calls, under which scenario, how often. Nothing behind it is reached without a grant."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from registry.access.usage import check_quota, counts_of
from registry.errors import RoadRiskError
from serving.envelope import PROBLEM, request_id_of, send_problem
from serving.problems import problem_of
from serving.stages import stage

if TYPE_CHECKING:
    from registry.access.book import AccessBook
    from registry.access.grants import Grant
    from registry.access.parties import Caller
    from registry.access.rate import RateLimiter
    from registry.access.roles import Action
    from registry.decisions import DecisionLedger
    from registry.settings import Settings

CALLER: Final = "caller"
OPEN_PATHS: Final = frozenset(("/livez", "/readyz", "/healthz", "/v2/health/live", "/v2/health/ready"))
"""What answers without a key: whether the service is well, and nothing about anybody."""
SCENARIO: Final = "x-scenario"


@dataclass(frozen=True)
class Gate:
    """Lets calls through that a live key, a role and an active scenario allow.

    Parameters
    ----------
    book
        Consumers, keys and scenarios.
    rates
        How often a consumer may call, by product.
    decisions
        Counts durably what has been used, for quotas over a month.
    clock
        Returns the current instant, aware UTC.
    """

    book: AccessBook
    rates: RateLimiter
    decisions: DecisionLedger
    clock: Callable[[], datetime]

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return who calls.

        Raises
        ------
        Unauthenticated
            If there is no key, or none that is live.
        """
        return self.book.authenticate(token_of(headers), self.clock())

    def grant(self, caller: Caller, *, product: str, action: Action, scenario: str | None = None) -> Grant:
        """Return what a caller may do.

        Raises
        ------
        AccessRefused
            If no active scenario of the caller covers it.
        QuotaExceeded
            If it comes too often.
        """
        grant = self.book.authorise(caller, product=product, action=action, now=self.clock(), scenario=scenario)
        self.rates.take(grant, now_s=time.monotonic())
        return grant

    def check_quota(self, grant: Grant, *, kind: Action | Literal["minute_scores"], calls: int = 1) -> None:
        """Refuse early what the record would refuse: the count itself is made with the record, in one transaction.

        Raises
        ------
        QuotaExceeded
            If a quota of the consumer does not leave room for these calls.
        """
        if grant.per_month is None and grant.per_day is None:
            return
        now = self.clock()
        for count in counts_of(grant, kind=kind, n=calls, now=now):
            if count.limit is not None:
                used = self.decisions.usage(consumer=count.consumer, period=count.period)
                check_quota(count, sum(one.n for one in used if one.limited == count.limited), now)


class KeyCheck:
    """An ASGI layer that answers 401 to whoever brings no live key, before anything of the request is read.

    Parameters
    ----------
    app
        The application behind.
    gate
        Knows the keys.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            try:
                with stage("key"):
                    scope["state"][CALLER] = self._gate.caller(_headers(scope))
            except RoadRiskError as error:
                scope["state"][PROBLEM] = error.slug
                await send_problem(send, problem_of(error), request_id_of(scope))
                return
        await self._app(scope, receive, send)


def open_gate(settings: Settings, decisions: DecisionLedger, clock: Callable[[], datetime]) -> Gate:
    """Return the gate of a worker, on the ledger of access.

    Raises
    ------
    ConfigurationError
        If a key or the rules cannot be used.
    """
    from registry.access.book import AccessBook
    from registry.access.rate import RateLimiter

    return Gate(AccessBook.open(settings), RateLimiter(workers=settings.workers), decisions, clock)


def token_of(headers: Mapping[str, str]) -> str | None:
    """Return the key of a call: `Authorization: Bearer KEY`, or `X-Api-Key: KEY`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip() or None
    return headers.get("x-api-key") or None


def _headers(scope: Scope) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"] if name in (b"authorization", b"x-api-key")
    }
