"""Supplements of a card: what a version was measured to be after its registration, dated, beside the card that stays as it was.

A card is evidence of the moment of registration; approvals and promotions keep its hash. Training the same bytes again, by code
that measures more or better, finds figures that the card does not have. They are kept as evidence of the kind ``supplement``:
only what differs, with the instant and the code that found it. Cards are shown, and gates read, with the newest one laid over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from registry.canonical_json import canonical_json, content_digest
from registry.evidence import evidence_of, write_evidence

if TYPE_CHECKING:
    from registry.settings import Settings

KIND: Final = "supplement"
MEASURED: Final = ("metrics", "evaluation", "calibration", "curves", "importance", "reasons")
"""Parts of a card that are measured on the bundle, and so can be measured again; the others say what was trained, and stay."""
MADE_BY: Final = ("code", "environment", "libraries")

Facts = Mapping[str, Any]


def newly_measured(card: Facts, newer: Facts) -> dict[str, Any]:
    """Return the measured parts of a newer card of the same bundle that differ from the registered one, as plain JSON values."""
    return {
        name: newer[name] for name in MEASURED if name in newer and canonical_json(newer[name]) != canonical_json(card.get(name))
    }


def keep_supplement(settings: Settings, card: Facts, newer: Facts, *, at: datetime) -> bool:
    """Keep what a newer card of the same bundle has measured otherwise; return whether there was anything new.

    Measuring what is known already changes nothing, not even the date, so that approvals on it stay good.

    Parameters
    ----------
    card, newer
        The registered card, and one that was made of the same bytes later.
    at
        When it was made.
    """
    product, digest = str(card["product"]), str(card["digest"])
    facts, before = newly_measured(card, newer), evidence_of(settings, product, digest, KIND)
    if canonical_json(facts) == canonical_json((before or {}).get("facts") or {}):
        return False
    write_evidence(settings, product, digest, KIND, {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"), "facts": facts,
        "made_by": {name: newer[name] for name in MADE_BY if name in newer},
        "card": _hash(card), "previous": _hash(before) if before else None,
    })
    return True


def supplemented(card: Facts | None, evidence: Mapping[str, Facts]) -> dict[str, Any] | None:
    """Return a card with the facts of its supplement laid over; None without a card.

    A supplement of another card than this one (it names the card's hash) is left aside.
    """
    if card is None:
        return None
    found = _laid_over(card, evidence)
    if found is None:
        return dict(card)
    return {**card, **{name: value for name, value in found["facts"].items() if name in MEASURED}}


def told(card: Facts, evidence: Mapping[str, Facts]) -> dict[str, Any] | None:
    """Return what a reader needs to know of the supplement that is laid over: when, what, by which code; None without one."""
    found = _laid_over(card, evidence)
    if found is None:
        return None
    return {
        "at": found["at"], "parts": sorted(found["facts"]), "made_by": found.get("made_by") or {}, "previous": found["previous"],
    }


def _laid_over(card: Facts, evidence: Mapping[str, Facts]) -> Facts | None:
    """Return the supplement of this very card."""
    found = evidence.get(KIND)
    return found if found and found.get("card") == _hash(card) else None


def _hash(document: Facts) -> str:
    return content_digest(dict(document))
