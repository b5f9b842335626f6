"""The pages of the authorised operation: catalogue, product registration, scenarios and their life cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from registry.access.changes import Writer
from registry.access.roles import ROLES
from registry.access.scenarios import STEPS, Step
from registry.data_products import DATA_PRODUCTS
from registry.errors import Conflict, InvalidRequest, NotFound
from registry.governance.pack import PAPERS
from registry.governance.registration import product_rows
from registry.resources import RESOURCES
from serving.console.entry_routes import to
from serving.console.governance_view import (
    WAY,
    next_steps,
    product_lines,
    refuse_own,
    resource_lines,
    scenario_seen,
    scenarios_seen,
)
from serving.console.pages import ROOT, page
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from registry.access.parties import Caller
    from registry.access.scenarios import Scenario
    from serving.console.parts import Console

ScenarioId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_.-]{1,63}$")]
SECTIONS = ("catalogue", "scenarios", "corrections", "usage", "ledgers")
"""Sections of these pages in the order of their tabs."""
_GOVERN = frozenset({"ledgers"})
_SEES_ALL = frozenset({"corrections"})


def governance_router(console: Console) -> APIRouter:
    """Return the routes of catalogue, products and scenarios."""
    router = APIRouter()
    _add_catalogue(router, console)
    _add_scenarios(router, console)
    return router


def governs(console: Console, request: Request) -> bool:
    """Return whether the visitor decides about scenarios, takes documents out and verifies ledgers."""
    return "govern" in ROLES[console.door.caller(request).role].actions


def tabs(console: Console, request: Request) -> list[str]:
    """Return the sections that the visitor has."""
    hidden = frozenset() if governs(console, request) else _GOVERN
    if not console.sees_all(console.door.caller(request)):
        hidden |= _SEES_ALL
    return [one for one in SECTIONS if one not in hidden]


def _add_catalogue(router: APIRouter, console: Console) -> None:
    @router.get("/console/governance")
    def start() -> Response:
        return to(f"{ROOT}/governance/catalogue")

    @router.get("/console/governance/catalogue")
    def catalogue(request: Request) -> Response:
        console.door.may(request, "catalogue")
        lines = product_lines(console.door.gate.book.state(), console.desk.live.current.live, console.now())
        return page(
            request, "governance.html", tabs=tabs(console, request), tab="catalogue", products=lines, resources=resource_lines(),
        )

    @router.get("/console/governance/products/{product}")
    def registration(product: str, request: Request) -> Response:
        console.door.may(request, "catalogue")
        if product not in DATA_PRODUCTS:
            raise NotFound("there is no such product", where="product", remedy="Choose one of the catalogue.")
        found, rules = DATA_PRODUCTS[product], console.door.gate.book.rules
        promoted = console.promotion_of(product)
        return page(
            request, "governance_product.html", tabs=tabs(console, request), tab="catalogue", product=found,
            rows=product_rows(found, rules, promoted), resources=[RESOURCES[one] for one in found.resources],
        )


def _add_scenarios(router: APIRouter, console: Console) -> None:
    @router.get("/console/governance/scenarios")
    def listed(request: Request) -> Response:
        console.door.may(request, "catalogue")
        caller, state = console.door.caller(request), console.door.gate.book.state()
        found = scenarios_seen(state, caller, everything=console.sees_all(caller))
        return page(
            request, "governance_scenarios.html", tabs=tabs(console, request), tab="scenarios", scenarios=found, now=console.now(),
            consumers=state.consumers, products=DATA_PRODUCTS, everything=console.sees_all(caller),
        )

    @router.get("/console/governance/scenarios/{scenario}")
    def one(scenario: ScenarioId, request: Request) -> Response:
        console.door.may(request, "catalogue")
        return _shown(console, request, _seen(console, request, scenario))

    @router.post("/console/governance/scenarios/{scenario}/step")
    def step(scenario: ScenarioId, request: Request) -> Response:
        console.door.may(request, "govern")
        found, caller, form = _seen(console, request, scenario), console.door.caller(request), visit_of(request).form
        refuse_own(caller, found)
        try:
            taken = _step_named(form.get("step", ""))
            writer = Writer(console.settings, form.get("by", "")[:64], console.now(), via=via(caller))
            writer.take_step(found.id, taken, reason=form.get("reason", "")[:500])
        except (Conflict, InvalidRequest) as error:
            return _shown(console, request, found, status=422, refused=error, form=form)
        return to(f"{ROOT}/governance/scenarios/{found.id}")


def via(caller: Caller) -> str:
    """Return how a line of a ledger came about: by which key of whom over the console."""
    return f"console {caller.consumer} {caller.key_id}"


def _seen(console: Console, request: Request, scenario: str) -> Scenario:
    caller = console.door.caller(request)
    return scenario_seen(console.door.gate.book.state(), scenario, caller, everything=console.sees_all(caller))


def _shown(console: Console, request: Request, found: Scenario, *, status: int = 200, **values: Any) -> Response:
    now, governing = console.now(), governs(console, request)
    caller = console.door.caller(request)
    own = caller.role != "local" and found.request.consumer == caller.consumer
    return page(
        request, "governance_scenario.html", status=status, tabs=tabs(console, request), tab="scenarios", scenario=found, now=now,
        consumer=console.door.gate.book.state().consumers[found.request.consumer], product=DATA_PRODUCTS.get(found.request.product),
        resources=_resources(found), way=WAY, steps=next_steps(found, now) if governing and not own else [], governing=governing,
        own=own, papers=PAPERS if governing and found.request.product in DATA_PRODUCTS else (),
        **{"refused": None, "form": {}, **values},
    )


def _resources(found: Scenario) -> list[Any]:
    product = DATA_PRODUCTS.get(found.request.product)
    asked = found.request.resources
    names = (product.resources if product else ()) if asked is None else [name for name in RESOURCES if name in asked]
    return [RESOURCES[name] for name in names]


def _step_named(name: str) -> Step:
    found = next((one for one in STEPS if one == name), None)
    if found is None:
        raise InvalidRequest("there is no such step", where="step", remedy="Choose one of the list.")
    return found
