"""Approvals: the word of a second person about a version, before somebody else promotes it.

An approval is given to a digest and to the evidence of that moment. It does not count for a promotion by the same person, nor when
the card or a document that lay before the approver has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from registry.canonical_json import content_digest
from registry.chain import Entry
from registry.errors import PromotionRefused
from registry.gates import Judged, judged_version
from registry.model_ledgers import APPROVALS, lines, writing
from registry.models import ModelRegistry
from registry.persons import same_person

if TYPE_CHECKING:
    from registry.models import ModelVersion
    from registry.settings import Settings
from registry.supplements import KIND as SUPPLEMENT

CARD: Final = "card"


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One line of the ledger.

    Parameters
    ----------
    seq, at
        Position in the ledger and instant, aware UTC.
    product, version, digest
        What was approved.
    by, reason
        Who approved it, and why.
    grounds
        SHA-256 of the card and of each document of evidence that lay before the approver, by kind.
    """

    seq: int
    at: datetime
    product: str
    version: int
    digest: str
    by: str
    reason: str
    grounds: dict[str, str]


def approve(settings: Settings, product: str, version: int, *, by: str, reason: str, at: datetime) -> Approval:
    """Record that a person approves a version on the evidence there is now.

    Raises
    ------
    NotFound
        If there is no such version.
    PromotionRefused
        If name or reason is missing, or the person has approved it on the same evidence already.
    """
    check_decision(by, reason)
    judged = judged_of(settings, ModelRegistry(settings).get(product, version))
    if judged.unreadable:
        raise PromotionRefused(judged.unreadable, where=f"{product} version {version}", remedy="Evaluate the version again.")
    payload = {
        "product": product, "version": version, "digest": judged.digest, "by": by.strip(), "reason": reason.strip(),
        "grounds": grounds_of(judged),
    }
    with writing(settings, APPROVALS) as ledger:
        for entry in ledger.entries():
            made = _approval(entry)
            if made.digest == judged.digest and same_person(made.by, by) and made.grounds == payload["grounds"]:
                raise PromotionRefused(
                    f"{made.by} has approved version {version} of {product} already, on {made.at.isoformat()}",
                    where="approval ledger", remedy="An approval is needed once; promote the version.",
                )
        return _approval(ledger.append(payload, at=at))


def approvals(settings: Settings, product: str | None = None, *, digest: str | None = None) -> list[Approval]:
    """Return the approvals about a product, or about one digest, oldest first.

    Raises
    ------
    IntegrityError
        If the ledger does not verify.
    """
    made = [_approval(entry) for entry in lines(settings, APPROVALS)]
    return [one for one in made if product in (None, one.product) and digest in (None, one.digest)]


def counting(given: Sequence[Approval], judged: Judged, *, approver: str, at: datetime) -> list[Approval]:
    """Return the approvals that count as a second person's for a promotion by `approver` at an instant."""
    now = grounds_of(judged)
    return [
        one for one in given
        if one.digest == judged.digest and one.at <= at and not same_person(one.by, approver) and not changed(one, now)
    ]


def changed(one: Approval, grounds: Mapping[str, str]) -> list[str]:
    """Return what lay before the approver and is another or gone by now; what was added later does not matter.

    A supplement does: it is laid over the card that the approver read.
    """
    replaced = {kind for kind, digest in one.grounds.items() if grounds.get(kind) != digest}
    return sorted(replaced | ({SUPPLEMENT} & (grounds.keys() - one.grounds.keys())))


def judged_of(settings: Settings, made: ModelVersion) -> Judged:
    """Return card and evidence of a registered version."""
    card = ModelRegistry(settings).card(made)
    return judged_version(settings, product=made.product, version=made.version, digest=made.digest, card=card)


def grounds_of(judged: Judged) -> dict[str, str]:
    """Return the SHA-256 of the card and of each document of evidence, by kind."""
    documents: dict[str, Mapping[str, Any]] = dict(judged.evidence)
    if judged.card is not None:
        documents[CARD] = judged.card
    return {kind: content_digest(dict(one)) for kind, one in sorted(documents.items())}


def check_decision(name: str, reason: str) -> None:
    """Refuse a decision that nobody stands behind or that has no reason.

    Raises
    ------
    PromotionRefused
        If either is empty.
    """
    if not name.strip() or not reason.strip():
        raise PromotionRefused(
            f"a decision needs a named approver and a reason, met {name!r} and {reason!r}",
            remedy="Give the name and --reason.",
        )


def _approval(entry: Entry) -> Approval:
    return Approval(seq=entry.seq, at=entry.at.astimezone(UTC), **entry.payload)
