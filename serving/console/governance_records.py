"""The pages of what was recorded: corrections and withdrawals, use and charges, disclosure, ledgers and their verification."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response

from features.correction_report import PENALTIES
from features.superseded import changes_since
from registry.access.statements import disclosure, statement
from registry.access.terms import period_of
from registry.corrections import LEDGER_FILE, corrections, service_level
from registry.data_products import DATA_PRODUCTS
from registry.errors import ServiceUnavailable
from registry.governance.exports import exports
from registry.ledger_audit import audit_ledgers
from registry.resources import ANNEX_RESOURCES, RESOURCES
from registry.working_days import calendar_days_deadline
from serving.console.freshness import freshness
from serving.console.governance_routes import tabs
from serving.console.governance_view import correction_lines
from serving.console.pages import page

if TYPE_CHECKING:
    from registry.access.statements import Disclosure
    from registry.corrections import Correction
    from registry.ledger_beside import Count
    from serving.console.parts import Console

SHOWN_D: Final = 92
"""Days back in which withdrawn penalties are shown, as `roadrisk corrections report` does."""
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_KEPT_S: Final = 60.0
_verifying = threading.Semaphore(1)


def record_router(console: Console) -> APIRouter:
    """Return the routes of what was recorded."""
    router = APIRouter()
    _add_corrections(router, console)
    _add_usage(router, console)
    _add_ledgers(router, console)
    return router


def _add_corrections(router: APIRouter, console: Console) -> None:
    @router.get("/console/governance/corrections")
    def listed(request: Request) -> Response:
        console.door.may(request, "catalogue")
        console.must_see_all(request)
        now, found = console.now(), _corrections(console)
        at, _ = freshness(console.settings, console.now)
        changed = changes_since(console.settings, PENALTIES, at - timedelta(days=SHOWN_D))
        withdrawn = [(one, calendar_days_deadline(one.new_arrived_at)) for one in changed if one.kind == "withdrawn"]
        return page(
            request, "governance_corrections.html", tabs=tabs(console, request), tab="corrections",
            lines=correction_lines(found, now), level=service_level(found, now), withdrawn=withdrawn[::-1], at=at,
            shown_d=SHOWN_D, resources=RESOURCES,
        )


def _add_usage(router: APIRouter, console: Console) -> None:
    kept = _Kept(console)

    @router.get("/console/governance/usage")
    def used(request: Request) -> Response:
        console.door.may(request, "catalogue")
        caller, book = console.door.caller(request), console.door.gate.book
        month, state = _month(console, request), book.state()
        usage = _usage(console, month)
        names = {one.consumer for one in usage} & set(state.consumers) if console.sees_all(caller) else {caller.consumer}
        found = [statement(state, book.rules, usage, name, month) for name in sorted(names)]
        return page(
            request, "governance_usage.html", tabs=tabs(console, request), tab="usage", month=month, statements=found,
            products=DATA_PRODUCTS, assumed=book.rules.price_source == "[A]",
        )

    @router.get("/console/disclosure")
    def public(request: Request) -> Response:
        month = _month(console, request)
        return page(
            request, "disclosure.html", found=kept.of(month), rules=console.door.gate.book.rules, products=DATA_PRODUCTS,
            resources=ANNEX_RESOURCES, current=period_of(console.now()),
        )


def _add_ledgers(router: APIRouter, console: Console) -> None:
    @router.get("/console/governance/ledgers")
    def listed(request: Request) -> Response:
        console.door.may(request, "govern")
        return page(
            request, "governance_ledgers.html", tabs=tabs(console, request), tab="ledgers", audits=None, took_s=None,
            exports=exports(console.settings)[::-1][:100],
        )

    @router.post("/console/governance/ledgers")
    def verify(request: Request) -> Response:
        console.door.may(request, "govern")
        if not _verifying.acquire(blocking=False):
            raise ServiceUnavailable("the ledgers are being verified already", where="ledgers", remedy="Try again in a minute.")
        begun = time.monotonic()
        try:
            audits = audit_ledgers(console.settings)
        finally:
            _verifying.release()
        return page(
            request, "governance_ledgers.html", tabs=tabs(console, request), tab="ledgers", audits=audits,
            took_s=time.monotonic() - begun, exports=exports(console.settings)[::-1][:100],
        )


class _Kept:
    """Disclosures by month for a while: they are open to everybody, and who asks often shall not make the ledger work."""

    def __init__(self, console: Console) -> None:
        self._console, self._lock = console, threading.Lock()
        self._found: dict[str, tuple[float, Disclosure]] = {}

    def of(self, month: str) -> Disclosure:
        """Return the disclosure of a month."""
        with self._lock:
            held = self._found.get(month)
            if held is not None and time.monotonic() - held[0] < _KEPT_S:
                return held[1]
            book = self._console.door.gate.book
            made = disclosure(book.state(), book.rules, _usage(self._console, month), month)
            if len(self._found) > 100:
                self._found.clear()
            self._found[month] = (time.monotonic(), made)
            return made


def _month(console: Console, request: Request) -> str:
    asked = request.query_params.get("month", "")
    # What is no month is this one: the field of the form is a month already.
    return asked if _MONTH.fullmatch(asked) else period_of(console.now())


def _usage(console: Console, month: str) -> list[Count]:
    return console.desk.decisions.usage(period=month)


def _corrections(console: Console) -> list[Correction]:
    settings = console.settings
    if not settings.ledger_url and not (settings.ledger_dir / LEDGER_FILE).exists():
        return []
    return corrections(settings)
