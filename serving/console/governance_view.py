"""What the pages of the authorised operation show, from declarations and ledgers: plain values for the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from registry.access.scenarios import LIFE_CYCLE
from registry.data_products import DATA_PRODUCTS
from registry.errors import AccessRefused, NotFound
from registry.products import PRODUCTS
from registry.resources import ANNEX_RESOURCES
from registry.working_days import local_day

if TYPE_CHECKING:
    from registry.access.parties import Caller
    from registry.access.scenarios import Scenario, Status, Step
    from registry.access.state import AccessState
    from registry.corrections import Correction
    from registry.data_products import DataProduct
    from registry.resources.schema import Resource

WAY: Final[tuple[Status, ...]] = ("applied", "reviewed", "approved", "active")
"""The stations that a scenario passes on its way into force."""
Clock = Literal["done", "late", "soon", "running"]
SOON_D: Final = 2
"""Days before its end at which a running clock is shown as urgent. [A]"""


@dataclass(frozen=True, kw_only=True)
class ProductLine:
    """One product of Annex 2: whether it is built, and how many scenarios are in force for it."""

    product: DataProduct
    state: Literal["live", "built", "declared"]
    resources: int
    in_force: int


@dataclass(frozen=True, kw_only=True)
class ResourceLine:
    """One resource of Annex 1: the products that draw on it, and of those the ones that are built."""

    resource: Resource
    products: tuple[int, ...]
    built: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CorrectionLine:
    """A correction with its clock: where it stands, and the days until its end (negative behind it)."""

    correction: Correction
    clock: Clock
    left_d: int


def product_lines(state: AccessState, live: Mapping[str, object], now: datetime) -> list[ProductLine]:
    """Return the products of Annex 2 in its order."""
    in_force = [one.request.product for one in state.scenarios.values() if one.in_force(now)]
    return [
        ProductLine(
            product=one, state="live" if one.id in live else "built" if one.id in PRODUCTS else "declared",
            resources=len(one.resources), in_force=in_force.count(one.id),
        )
        for one in DATA_PRODUCTS.values()
    ]


def resource_lines() -> list[ResourceLine]:
    """Return the resources of Annex 1 in its order."""
    return [
        ResourceLine(
            resource=one, products=tuple(p.no for p in DATA_PRODUCTS.values() if one.id in p.resources),
            built=tuple(p.no for p in DATA_PRODUCTS.values() if one.id in p.resources and p.id in PRODUCTS),
        )
        for one in ANNEX_RESOURCES
    ]


def scenarios_seen(state: AccessState, caller: Caller, *, everything: bool) -> list[Scenario]:
    """Return the scenarios that a caller may know of: all of them, or its own."""
    found = (one for one in state.scenarios.values() if everything or one.request.consumer == caller.consumer)
    return sorted(found, key=lambda one: (one.decided[0].at, one.id), reverse=True)


def scenario_seen(state: AccessState, scenario: str, caller: Caller, *, everything: bool) -> Scenario:
    """Return a scenario that a caller may know of.

    Raises
    ------
    NotFound
        If there is none; one of somebody else looks like none.
    """
    found = state.scenarios.get(scenario)
    if found is None or not (everything or found.request.consumer == caller.consumer):
        raise NotFound("there is no such scenario", where="scenario", remedy="Choose one of the list.")
    return found


def next_steps(scenario: Scenario, now: datetime) -> list[Step]:
    """Return the steps that may be taken from where a scenario stands."""
    over = scenario.request.term.is_over(now)
    ending = {"refuse", "suspend", "expire"}
    found = [step for step, (stands, _) in LIFE_CYCLE.items() if scenario.standing in stands and (not over or step in ending)]
    # What leads on stands before what ends it.
    return sorted(found, key=lambda step: step in ending)


def refuse_own(caller: Caller, scenario: Scenario) -> None:
    """Refuse a step of somebody about its own scenario: who applies does not decide; this machine alone may, [A].

    Raises
    ------
    AccessRefused
        If the scenario is the caller's own.
    """
    if caller.role != "local" and scenario.request.consumer == caller.consumer:
        raise AccessRefused(
            f"scenario {scenario.id} is your own", where=f"scenario {scenario.id}",
            remedy="Somebody else takes this step: who applies does not decide.", details={"lacking": "role"},
        )


def correction_lines(found: Sequence[Correction], now: datetime) -> list[CorrectionLine]:
    """Return corrections with their clocks, those that run first, the most urgent at the top."""
    lines = [_line(one, now) for one in found]
    order = {"late": 0, "soon": 1, "running": 2, "done": 3}
    return sorted(lines, key=lambda one: (order[one.clock], one.correction.due_at, one.correction.id))


def _line(one: Correction, now: datetime) -> CorrectionLine:
    # The deadline is the midnight behind the last day.
    left = (local_day(one.due_at - timedelta(seconds=1)) - local_day(one.decided_at or now)).days
    clock: Clock = "running"
    if one.overdue(now):
        clock = "late"
    elif one.decided_at is not None:
        clock = "done"
    elif left <= SOON_D:
        clock = "soon"
    return CorrectionLine(correction=one, clock=clock, left_d=left)
