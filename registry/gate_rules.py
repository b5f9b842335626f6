"""What each product asks of a version before it may go live: thresholds as plain data.

Every threshold is an assumption [A]: no published rule fixes it. A file of `Settings.gate_rules` replaces single ones, by
product or for all of them under ``*``; what was applied is named by its hash in the promotion ledger.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from registry.errors import ConfigurationError

if TYPE_CHECKING:
    from registry.settings import Settings

ALL_PRODUCTS: Final = "*"


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Floor(_Rule):
    """The lower end of a measure's 95 % interval on the test period must reach `at_least`.

    Parameters
    ----------
    part
        Component of the score, or ``score`` for the measures of the whole.
    measure
        For example ``gini`` or ``auc``; the higher, the better.
    """

    part: str
    measure: str
    at_least: float


class GateRules(_Rule):
    """What one product asks for.

    Parameters
    ----------
    floors
        Least discrimination out of time.
    not_worse_by
        How much a measure of `floors` may fall below that of the live version.
    min_events
        Events in the test period below which a measure is not judged: its interval would say nothing.
    balance_band
        Where predicted over observed may lie; refused when its whole interval lies outside.
    max_relative_ece
        Largest expected calibration error, as a share of the mean outcome.
    max_psi
        Largest population stability index of the score, and of `max_unstable_share` of the inputs.
    felt_points
        Points of the mean score that the shift of an input must be worth to count. [A]
    few_events
        Events of a segment, or of the test period, below which a segment outside its band and a formula that is ahead are
        said and not held against a version. 0: nothing is excused.
    segment_band
        Where actual over expected of a segment may lie; refused when the whole interval of a segment lies outside.
    fairness
        Kinds of segments that are held to `segment_band`; empty for every kind that was judged.
    formulas
        Published formulas that must be beaten with an interval that excludes zero; empty for every one that was judged.
    formulas_within_quintiles
        Whether that must hold within exposure quintiles too.
    max_explanation_ms
        Longest exact explanation of one row.
    undecided
        What a gate says where an interval leaves open whether its threshold is held.
    required
        Gates that refuse when they cannot be evaluated; the others then only say so.
    requires_second_person
        Whether somebody else than the approver must have approved before.
    trainer_may_approve
        Whether who trained a version may approve it.
    """

    floors: tuple[Floor, ...] = ()
    not_worse_by: float = 0.02
    min_events: int = 100
    few_events: int = 0
    balance_band: tuple[float, float] = (0.8, 1.25)
    max_relative_ece: float = 0.35
    max_psi: float = 0.25
    max_unstable_share: float = 0.1
    felt_points: float = 5.0
    segment_band: tuple[float, float] = (0.67, 1.5)
    fairness: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()
    formulas_within_quintiles: bool = False
    max_explanation_ms: float = 50.0
    undecided: Literal["refuse", "not evaluated"] = "refuse"
    required: frozenset[str] = frozenset()
    requires_second_person: bool = False
    trainer_may_approve: bool = False
    profile: Literal["declared", "demonstration"] = "declared"


JUDGED: Final = frozenset({
    "discriminates", "calibrated", "card_is_complete", "reasons_are_complete", "determined", "explains_fast_enough",
    "beats_formulas", "stable", "fair",
})
"""What a declared product must have shown. The comparison with the live version is not among them: a candidate of a later data cut
was judged on another period than the live version's card speaks of."""

RULES: Final[dict[str, GateRules]] = {
    "enterprise_risk": GateRules(
        floors=(Floor(part="events", measure="gini", at_least=0.15),), required=JUDGED,
    ),
    "insurance_pricing": GateRules(
        floors=(Floor(part="frequency", measure="gini", at_least=0.15), Floor(part="score", measure="gini", at_least=0.15)),
        required=JUDGED,
    ),
    "maintenance": GateRules(
        floors=(Floor(part="hazard_90", measure="auc", at_least=0.60),), required=JUDGED,
    ),
    "driver_fatigue": GateRules(
        floors=(Floor(part="event", measure="auc", at_least=0.53),), required=JUDGED,
    ),
}
UNDECLARED: Final = GateRules(
    required=frozenset({"reasons_are_complete"}), undecided="not evaluated", balance_band=(0.5, 2.0), max_relative_ece=1.0
)
"""For a portfolio, which has no entry of its own: what its card and evidence show counts, what they lack does not. [A]"""


def rules_for(settings: Settings, product: str) -> GateRules:
    """Return the rules of a product with what the file of `Settings.gate_rules` replaces.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or names a rule that does not exist.
    """
    declared = RULES.get(product, UNDECLARED)
    if settings.gate_rules is None:
        return declared
    replaced = _replacements(settings.gate_rules)
    changes = {**replaced.get(ALL_PRODUCTS, {}), **replaced.get(product, {})}
    try:
        return GateRules.model_validate({**declared.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            f"rule {'.'.join(map(str, first['loc']))} of {product} cannot be used: {first['msg']}",
            where=str(settings.gate_rules), remedy="See docs/model-registry.md for the rules and their kinds.",
        ) from error


def demonstration(rules: GateRules) -> GateRules:
    """Return rules that judge what there is to judge and let pass what a quick demonstration has too few rows for.

    Dozens of segments and formulas are looked at: with a handful of events each, one of them is far off by chance alone.
    """
    return rules.model_copy(update={
        "few_events": rules.min_events,
        "undecided": "not evaluated", "required": frozenset(), "requires_second_person": False, "trainer_may_approve": True,
        # Measures of a whole city move together; over the few cut-offs and enterprises of a small province up to half of the
        # inputs seem to shift: how many is said, and not held against the version. [A]
        "max_unstable_share": 1.0, "profile": "demonstration",
    })


def _replacements(path: Path) -> dict[str, dict[str, Any]]:
    try:
        replaced = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the file of gate rules cannot be read: {error}", where=str(path), remedy="Mend it or unset ROADRISK_GATE_RULES."
        ) from error
    if not isinstance(replaced, dict) or not all(isinstance(value, dict) for value in replaced.values()):
        raise ConfigurationError("the file of gate rules is no object of objects by product", where=str(path))
    return replaced
