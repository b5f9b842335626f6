"""Grants: whether a caller may do something now, and within which limits."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from registry.access.parties import Caller, Quota
from registry.access.roles import DETAILS, ROLES, WITHOUT_SCENARIO, Action, Detail, Role, Sight
from registry.access.rules import AccessRules
from registry.access.scenarios import ChargeClass, Scenario
from registry.access.state import AccessState
from registry.errors import AccessRefused


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a caller was let do for one call.

    Parameters
    ----------
    consumer, role, key_id
        Who calls, with which key.
    scenario
        Id of the scenario; empty where the action needs none.
    product, purpose_zh, purpose_en
        For which product or portfolio, and what for.
    detail
        How much of an explanation may leave.
    resources
        Ids of the resources that may be read; None for all that the product draws on.
    actions
        What may be done under it.
    sight, subject, epoch
        Whose decisions may be seen; the enterprise of an operator and the epoch of that pseudonym.
    rate_per_s, burst
        Token bucket of this consumer and product; no limit where the rate is None.
    per_month, per_day
        Calls in a month and a day of Shanghai; None for no limit.
    charge
        Charge class of the scenario.
    """

    consumer: str
    role: Role
    key_id: str
    scenario: str
    product: str
    purpose_zh: str
    purpose_en: str
    detail: Detail
    resources: frozenset[str] | None
    actions: frozenset[Action]
    sight: Sight
    subject: str | None
    epoch: int
    rate_per_s: float | None
    burst: int
    per_month: int | None
    per_day: int | None
    charge: ChargeClass

    def covers(self, resources: Iterable[str]) -> bool:
        """Return whether every one of these resources may be read."""
        return self.resources is None or self.resources.issuperset(resources)

    def may_see(self, consumer: str, entities: Collection[str] = ()) -> bool:
        """Return whether a decision may be seen.

        Parameters
        ----------
        consumer
            Who had asked for it.
        entities
            Pseudonyms of what it is about: the entity and those related to it.
        """
        if self.sight == "all" or consumer == self.consumer:
            return True
        return self.sight == "subject" and self.subject is not None and self.subject in entities

    def may_ask_about(self, entities: Collection[str]) -> bool:
        """Return whether this caller may ask about an entity: an operator only about itself and what belongs to it."""
        return self.subject is None or self.subject in entities


def grant_for(
    state: AccessState, rules: AccessRules, caller: Caller, *, product: str, action: Action, now: datetime,
    scenario: str | None = None,
) -> Grant:
    """Return what a caller may do.

    Raises
    ------
    AccessRefused
        If the role does not do this, or no scenario, or not the one that was named, covers it now.
    """
    if action not in ROLES[caller.role].actions:
        raise AccessRefused(
            f"the role {caller.role} may not {action}", where=f"consumer {caller.consumer}",
            remedy="See docs/access.md for what each role may do.", details={"lacking": "role", "action": action},
        )
    if action in WITHOUT_SCENARIO and scenario is None:
        return _without_scenario(state, rules, caller, product)
    found = _the_scenario(state, caller, product, now, scenario)
    return _grant(state, rules, caller, found)


def _the_scenario(state: AccessState, caller: Caller, product: str, now: datetime, named: str | None) -> Scenario:
    own = state.owned.get(caller.consumer, {})
    if named is not None:
        return _the_named(own.get(named), caller, product, now)
    fitting = [one for one in own.values() if one.request.product == product]
    in_force = [one for one in fitting if one.in_force(now)]
    if len(in_force) == 1:
        return in_force[0]
    if in_force:
        ids = sorted(one.id for one in in_force)
        raise AccessRefused(
            f"{caller.consumer} has several scenarios for {product}: {', '.join(ids)}", where="scenario",
            remedy="Name one of them.", details={"lacking": "choice", "scenarios": ids},
        )
    why = "; ".join(f"{one.id} {one.lacking(now)}" for one in fitting) or "none was applied for"
    raise AccessRefused(
        f"{caller.consumer} has no scenario for {product} that is in force: {why}", where="scenario",
        remedy="Apply for a scenario for this product, or have it activated.",
        details={"lacking": "scenario", "product": product, "scenarios": sorted(one.id for one in fitting)},
    )


def _the_named(found: Scenario | None, caller: Caller, product: str, now: datetime) -> Scenario:
    # Whether a scenario of somebody else exists is nobody's business: it is refused like one that does not.
    if found is None:
        raise AccessRefused(
            f"{caller.consumer} has no scenario of this id", where="scenario", remedy="Name a scenario of your own.",
            details={"lacking": "scenario", "product": product},
        )
    why = found.lacking(now)
    if not why and found.request.product != product:
        why = f"is for {found.request.product}, not for {product}"
    if why:
        raise AccessRefused(
            f"scenario {found.id} {why}", where="scenario", remedy="Call within its product and term.",
            details={"lacking": "scenario", "product": product, "scenarios": [found.id]},
        )
    return found


def _without_scenario(state: AccessState, rules: AccessRules, caller: Caller, product: str) -> Grant:
    return _made(
        state, rules, caller, product, scenario="", purpose=("", ""), detail=DETAILS[0], resources=frozenset(),
        charge="public", actions=ROLES[caller.role].actions & WITHOUT_SCENARIO,
    )


def _grant(state: AccessState, rules: AccessRules, caller: Caller, found: Scenario) -> Grant:
    asked = found.request
    return _made(
        state, rules, caller, asked.product, scenario=found.id, purpose=(asked.purpose_zh, asked.purpose_en),
        detail=asked.detail, resources=asked.resources, charge=asked.charge, actions=ROLES[caller.role].actions,
    )


def _made(
    state: AccessState, rules: AccessRules, caller: Caller, product: str, *, scenario: str, purpose: tuple[str, str],
    detail: Detail, resources: frozenset[str] | None, charge: ChargeClass, actions: frozenset[Action],
) -> Grant:
    agreed, usual = state.quotas.get((caller.consumer, product), Quota()), rules.rate_of(caller.role)
    return Grant(
        consumer=caller.consumer, role=caller.role, key_id=caller.key_id, scenario=scenario, product=product,
        purpose_zh=purpose[0], purpose_en=purpose[1], detail=detail, resources=resources, actions=actions,
        sight=ROLES[caller.role].sight, subject=caller.subject, epoch=caller.epoch,
        rate_per_s=usual.rate_per_s if agreed.rate_per_s is None else agreed.rate_per_s,
        burst=usual.burst if agreed.burst is None else agreed.burst,
        per_month=agreed.per_month, per_day=agreed.per_day, charge=charge,
    )
