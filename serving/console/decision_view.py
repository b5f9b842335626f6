"""What the page of a decision shows: everything that the interface answers about it, laid out for a reader."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from registry.access.duties import Recorded, due, unanswered
from registry.access.duty_book import recorded
from registry.entities import ENTERPRISE
from registry.errors import IntegrityError, NotFound
from registry.evidence import JUDGEMENT, evidence_of
from registry.feature_spec import GROUPS
from registry.products import PRODUCTS
from registry.resources import RESOURCES
from serving.authorised import request_id
from serving.console.charts import Bar, Scale, diverging, scale, waterfall

if TYPE_CHECKING:
    from datetime import date

    from fastapi import Request

    from registry.access.grants import Grant
    from registry.access.scenarios import Scenario
    from registry.bundle import Manifest
    from registry.decisions import Decision, Look
    from serving.console.parts import Console

CLAMP: Final = "coefficient_clamp"
CONDUCT: Final = (
    "calibrated", "stable", "balanced_segments", "no_proxy", "robust", "loses_to_none", "beats_formulas", "beats_glass_boxes",
)
"""Questions of the evaluation that have words on the page."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One objection or request for review: what was recorded, until when a person answers it, and whether it is open."""

    recorded: Recorded
    due: date | None


@dataclass(frozen=True, kw_only=True)
class DecisionView:
    """A decision, laid out.

    Parameters
    ----------
    decision, answer
        The record, and what of its answer the visitor may see.
    explanation
        The exact explanation, at the visitor's detail; None where the bundle is gone, and `broken` says why.
    manifest
        Of the model that answered; None where its bundle is gone.
    bars, scale, groups
        Pictures: waterfall, scale, and x and width of each group's bar.
    check
        The sums that must agree, in numbers; None where there is no exact decomposition.
    price
        The factor table with its checks; None for other products.
    scenario
        Under which authorisation it was asked for; None where it is not known or not for the visitor.
    names
        Enterprise pseudonym -> name; empty unless the visitor sees every decision.
    looks, contests
        Who looked at it, and what was asked about it.
    conduct
        Verdicts of the evaluation of the version that scored; None where it was not evaluated.
    """

    decision: Decision
    grant: Grant
    answer: Mapping[str, Any]
    explanation: Mapping[str, Any] | None
    broken: str
    manifest: Manifest | None
    bars: list[Bar]
    scale: Scale | None
    groups: list[tuple[Mapping[str, Any], float, float]]
    check: Mapping[str, float] | None
    price: Mapping[str, Any] | None
    scenario: Scenario | None
    names: Mapping[str, str]
    looks: list[Look] | None
    contests: list[Contest]
    conduct: list[Mapping[str, Any]] | None

    @property
    def inputs(self) -> list[tuple[Mapping[str, str], list[Mapping[str, Any]]]]:
        """Inputs by group, the group with the most points first."""
        found = self.explanation["inputs"] if self.explanation else []
        by_group: dict[str, list[Mapping[str, Any]]] = {}
        for one in sorted(found, key=lambda one: -abs(one["points"] or 0.0)):
            by_group.setdefault(one["group"], []).append(one)
        return [({"zh": GROUPS[name][0], "en": GROUPS[name][1]}, entries) for name, entries in by_group.items()]


def decision_view(console: Console, request: Request, decision: Decision, grant: Grant, *, rows: bool) -> DecisionView:
    """Return the view of a decision, and record the looks that it takes.

    Parameters
    ----------
    rows
        Whether the rows of the sources are named too.
    """
    asked = request_id(request)
    answer = console.past.recorded(decision, grant, request_id=asked)
    explanation, manifest, broken = None, None, ""
    try:
        explanation = console.past.explanation(decision, grant, request_id=asked, rows=rows)
        manifest = console.desk.live.current.with_digest(decision.product, decision.digest).manifest
    except IntegrityError as error:
        # What was recorded is shown all the same: that it cannot be explained any more is itself a finding.
        broken = error.message
    whole = explanation["decomposition"] if explanation else None
    caller = console.door.caller(request)
    all_seen = console.sees_all(caller)
    groups = list((explanation or answer)["groups"])
    return DecisionView(
        decision=decision, grant=grant, answer=answer, explanation=explanation, broken=broken, manifest=manifest,
        bars=waterfall(whole) if whole else [],
        scale=scale(answer["points"], manifest.cut_points, manifest.reference.point_quantiles) if manifest else None,
        groups=[(one, x, width) for one, (x, width) in zip(groups, diverging([g["points"] for g in groups]), strict=True)],
        check=check_of(whole, decision, explanation) if whole and explanation else None, price=price_of(answer),
        scenario=_scenario(console, decision) if all_seen or decision.consumer == caller.consumer else None,
        names=_names(console, decision) if all_seen else {}, looks=console.past.looks(decision.score_id) if all_seen else None,
        contests=contests(console, decision), conduct=conduct_of(console, decision),
    )


def conduct_of(console: Console, decision: Decision) -> list[Mapping[str, Any]] | None:
    """Return what the evaluation says about the fairness and stability of a decision's model; None where there is none."""
    judged = evidence_of(console.settings, decision.product, decision.digest, JUDGEMENT)
    return None if judged is None else [one for one in judged.get("verdicts") or [] if one.get("name") in CONDUCT]


def check_of(whole: Mapping[str, Any], decision: Decision, explanation: Mapping[str, Any]) -> dict[str, float]:
    """Return the sums of an exact decomposition that must agree, in points."""
    contributions = math.fsum(one["points"] for one in whole["contributions"])
    total = whole["base"] + contributions + whole["clamp"]
    return {
        "base": whole["base"], "contributions": contributions, "n": len(whole["contributions"]), "clamp": whole["clamp"],
        "sum": total, "points": decision.answer["points"], "difference": abs(total - decision.answer["points"]),
        "recomputed": explanation["verification"]["max_difference_points"],
    }


def price_of(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the factor table of a price with its checks and the clamp as a line of its own; None where there is none."""
    factors, quantities = answer["factors"], answer["answer"]
    if not factors or not quantities or "relativity" not in quantities:
        return None
    product, amounts = math.prod(one["factor"] for one in factors), math.fsum(one["amount"] for one in factors)
    premium, relativity = quantities["pure_premium"], quantities["relativity"]
    mean = premium / relativity
    clamp = quantities.get(CLAMP)
    return {
        "factors": factors, "mean": mean, "premium": premium, "relativity": relativity, "product": product,
        "product_difference": abs(product - relativity), "amounts": amounts, "amounts_difference": abs(mean + amounts - premium),
        "clamp": clamp, "clamp_amount": None if clamp is None else premium * (clamp - 1.0),
        "coefficient": quantities.get("coefficient"), "at_coefficient": None if clamp is None else premium * clamp,
    }


def contests(console: Console, decision: Decision) -> list[Contest]:
    """Return what was asked and decided about a decision, oldest first."""
    found = recorded(console.desk.decisions, decision.score_id)
    open_now = {one.n for one in unanswered(found)}
    days = console.door.gate.book.rules.review_working_days
    return [Contest(recorded=one, due=due(one, working_days=days).last_day if one.n in open_now else None) for one in found]


def resource_label(resource_id: str) -> Mapping[str, Any]:
    """Return number in Annex 1 and wording of a resource."""
    found = RESOURCES.get(resource_id)
    return {"no": found.no, "zh": found.zh, "en": found.en} if found else {"no": None, "zh": resource_id, "en": resource_id}


def _scenario(console: Console, decision: Decision) -> Scenario | None:
    try:
        return console.door.gate.book.state().scenario(decision.scenario)
    except NotFound:
        return None


def _names(console: Console, decision: Decision) -> Mapping[str, str]:
    declared = PRODUCTS.get(decision.product)
    own = [decision.entity_id] if declared is not None and declared.entity == ENTERPRISE.id else []
    return console.names.known([*own, decision.related.get(ENTERPRISE.id, "")], decision.as_of)
