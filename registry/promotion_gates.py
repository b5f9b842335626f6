"""All gates of a promotion over one version: bytes, card, evidence, and the people who stand behind the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from registry.approvals import Approval, approvals, changed, counting, grounds_of, judged_of
from registry.gate_rules import GateRules, rules_for
from registry.gates import (
    BYTES_GATES,
    Finding,
    Gate,
    Judged,
    Verdict,
    gather,
    is_not_live,
    judge,
    not_evaluated,
    passes,
    refuses,
    verdict_of,
)
from registry.gates_card import (
    calibrated,
    card_has_metrics,
    card_is_complete,
    determined,
    discriminates,
    explains_fast_enough,
    reasons_are_complete,
)
from registry.gates_evidence import beats_formulas, evidence_is_of_this_version, fair, not_worse_than_live, stable
from registry.models import ModelRegistry
from registry.persons import same_person

if TYPE_CHECKING:
    from registry.models import ModelVersion
    from registry.settings import Settings

QUALITY_GATES: Final[tuple[Gate, ...]] = (
    *BYTES_GATES, card_has_metrics, card_is_complete, reasons_are_complete, determined, evidence_is_of_this_version,
    discriminates, calibrated, not_worse_than_live, beats_formulas, stable, fair, explains_fast_enough,
)

PROMOTION_GATES: Final[tuple[Gate, ...]] = (*QUALITY_GATES, is_not_live)


@dataclass(frozen=True, kw_only=True)
class Examination:
    """A version with the verdicts on it and the approvals that count."""

    product: str
    version: int
    judged: Judged
    rules: GateRules
    verdicts: list[Verdict]
    seconds: list[Approval]

    @property
    def failed(self) -> list[Verdict]:
        """The verdicts that stand in the way."""
        return [verdict for verdict in self.verdicts if not verdict.passed]


def examine_version(
    settings: Settings, product: str, version: int, *, live_version: int | None, approver: str | None, at: datetime,
    rules: GateRules | None = None,
) -> Examination:
    """Return what every gate says about a version; nothing is written.

    Parameters
    ----------
    live_version
        Version that is live now.
    approver
        Who wants to promote it; None while nobody does: then it does not matter whether it is live.
    at
        Instant of the decision.
    rules
        Instead of the product's own.

    Raises
    ------
    NotFound
        If there is no such version.
    """
    models = ModelRegistry(settings)
    made = models.get(product, version)
    judged, applied = judged_of(settings, made), rules or rules_for(settings, product)
    live = _live(settings, models, product, live_version)
    candidate = gather(settings, product=product, judged=judged, folder=made.folder, rules=applied, live=live)
    given = approvals(settings, product, digest=made.digest)
    trainer = trainer_of(models, made, judged)
    # While nobody promotes, any approval but the trainer's may turn out to be the second person's.
    seconds = [
        one for one in counting(given, judged, approver=approver or "", at=at)
        if applied.trainer_may_approve or trainer is None or not same_person(one.by, trainer)
    ]
    people = [
        verdict_of("approver_did_not_train", approver_did_not_train(applied, approver, trainer), applied),
        verdict_of("second_person_approved", second_person_approved(applied, judged, given, seconds), applied),
    ]
    return Examination(
        product=product, version=version, judged=judged, rules=applied, seconds=seconds,
        verdicts=[*judge(candidate, PROMOTION_GATES if approver else QUALITY_GATES), *people],
    )


def approver_did_not_train(rules: GateRules, approver: str | None, trainer: str | None) -> Finding:
    """Require that who lets a version go live is not who trained it."""
    if rules.trainer_may_approve:
        return passes("the product's rules let the trainer approve")
    if trainer is None or approver is None:
        return not_evaluated("who trained it is not recorded" if trainer is None else f"trained by {trainer}")
    return refuses(f"{approver} trained this version") if same_person(approver, trainer) else passes(f"trained by {trainer}")


def second_person_approved(
    rules: GateRules, judged: Judged, given: Sequence[Approval], seconds: Sequence[Approval]
) -> Finding:
    """Require the approval of somebody else on the evidence there is, where the product asks for it."""
    if not rules.requires_second_person:
        return passes("the product's rules do not ask for one")
    if seconds:
        return passes("; ".join(f"{one.by} on {one.at.isoformat(timespec='seconds')}" for one in seconds))
    moved = sorted({kind for one in given for kind in changed(one, grounds_of(judged))})
    why = f"what was approved has changed since: {', '.join(moved)}" if moved else "nobody else has approved it"
    return refuses(f"{why}; `roadrisk models approve` records a second person's approval")


def trainer_of(models: ModelRegistry, made: ModelVersion, judged: Judged) -> str | None:
    """Return who trained a version, from its card or its run; None where it is not recorded."""
    told = (judged.card or {}).get("trained_by") or models.tag(made, "trained_by")
    return str(told) if told else None


def _live(settings: Settings, models: ModelRegistry, product: str, version: int | None) -> Judged | None:
    found = {made.version: made for made in models.versions(product)}
    if version is None:
        return None
    return judged_of(settings, found[version]) if version in found else Judged(version=version, digest="")
