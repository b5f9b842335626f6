"""Under which of several scenarios a visitor looks: chosen once, kept in the session, taken by every page and form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from registry.data_products import DATA_PRODUCTS
from registry.errors import AccessRefused
from serving.authorised import Door
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fastapi import Request

    from registry.access.grants import Grant
    from registry.access.parties import Caller
    from registry.access.roles import Action
    from registry.access.scenarios import Scenario

_MOST: Final = 16
"""Choices that a session keeps, one per product; the cookie that holds them shall stay small."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A product for which a visitor has several scenarios in force, and the one that was chosen; None for none yet."""

    product: str
    words: Mapping[str, str]
    scenarios: tuple[Scenario, ...]
    chosen: str | None


@dataclass(frozen=True)
class ConsoleDoor(Door):
    """The door of the console: where a call names its scenario in a header, a visitor chose it in his session."""

    def grant(self, request: Request, product: str, action: Action, scenario: str | None = None) -> Grant:
        """Return what the visitor may do with a product; a scenario that is named holds from then on. Raises as `Door.grant`."""
        named = scenario or (_chosen(request, product, self._in_force(request)) if product else None)
        found = super().grant(request, product, action, named)
        if scenario:
            self.choose(request, scenario)
        return found

    def choose(self, request: Request, scenario: str) -> None:
        """Keep the choice of a scenario in the session.

        Raises
        ------
        AccessRefused
            If it is none of the visitor's that are in force.
        """
        visit, in_force = visit_of(request), self._in_force(request)
        found = in_force.get(scenario)
        if found is None or visit.renewed is None:
            raise AccessRefused(
                "this is no scenario of yours that is in force", where="scenario", remedy="Choose one of the list.",
                details={"lacking": "scenario"},
            )
        others = [
            one for one in visit.renewed.scenarios if one in in_force and in_force[one].request.product != found.request.product
        ]
        visit.renewed = replace(visit.renewed, scenarios=(*others, scenario)[-_MOST:])

    def choices(self, request: Request) -> list[Choice]:
        """Return the products for which the visitor has a choice."""
        by_product: dict[str, list[Scenario]] = {}
        in_force = self._in_force(request)
        for one in in_force.values():
            by_product.setdefault(one.request.product, []).append(one)
        return [
            Choice(
                product=product, words=_words(product), scenarios=tuple(sorted(found, key=lambda one: one.id)),
                chosen=_chosen(request, product, in_force),
            )
            for product, found in sorted(by_product.items()) if len(found) > 1
        ]

    def _in_force(self, request: Request) -> dict[str, Scenario]:
        caller: Caller = self.caller(request)
        now: datetime = self.gate.clock()
        state = self.gate.book.state(just_asked=True)
        return {
            name: one for name, one in state.scenarios.items()
            if one.request.consumer == caller.consumer and one.in_force(now)
        }


def _chosen(request: Request, product: str, in_force: Mapping[str, Scenario]) -> str | None:
    session = visit_of(request).renewed
    kept = session.scenarios if session else ()
    return next((one for one in kept if one in in_force and in_force[one].request.product == product), None)


def _words(product: str) -> Mapping[str, str]:
    found = DATA_PRODUCTS.get(product)
    return {"zh": found.zh, "en": found.en} if found else {"zh": product, "en": product}
