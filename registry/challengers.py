"""Challengers: versions that score in shadow beside the live one, by whose decision and why.

A product has at most one. A challenger that is declared takes the place of the one before; one that goes live is none any more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from registry.approvals import check_decision
from registry.chain import Entry
from registry.errors import NotFound, PromotionRefused
from registry.gate_rules import rules_for
from registry.gates import BYTES_GATES, Judged, gather, is_not_live, judge
from registry.gates_card import reasons_are_complete
from registry.model_ledgers import CHALLENGERS, lines, writing
from registry.models import ModelRegistry
from registry.promotion import live

if TYPE_CHECKING:
    from registry.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """One line of the ledger: a version was declared a product's challenger, or withdrawn."""

    seq: int
    at: datetime
    kind: Literal["declare", "withdraw"]
    product: str
    version: int
    digest: str
    by: str
    reason: str


def challenge(settings: Settings, product: str, version: int, *, by: str, reason: str, at: datetime) -> Challenge:
    """Declare a registered version the challenger of its product; the service scores it from its next start on.

    Raises
    ------
    NotFound
        If there is no such version, or the product has no live one to be challenged.
    PromotionRefused
        If its bundle does not hold, it is live itself, or name or reason is missing.
    """
    check_decision(by, reason)
    champion = live(settings).get(product)
    if champion is None:
        raise NotFound(
            f"{product} has no live version to be challenged", where="promotion ledger", remedy="Promote a version first."
        )
    made = ModelRegistry(settings).get(product, version)
    candidate = gather(
        settings, product=product, judged=Judged(version=version, digest=made.digest), folder=made.folder,
        rules=rules_for(settings, product), live=Judged(version=champion.version, digest=champion.digest),
    )
    verdicts = judge(candidate, (*BYTES_GATES, reasons_are_complete, is_not_live))
    failed = [f"{verdict.gate}: {verdict.reason}" for verdict in verdicts if not verdict.passed]
    if failed:
        raise PromotionRefused(
            "; ".join(failed), where=f"{product} version {version}", remedy="Challenge with another version.",
            details={"gates": [asdict(verdict) for verdict in verdicts]},
        )
    return _append(settings, _line("declare", product, version, made.digest, by, reason), at)


def withdraw(settings: Settings, product: str, *, by: str, reason: str, at: datetime) -> Challenge:
    """Withdraw a product's challenger.

    Raises
    ------
    NotFound
        If it has none.
    PromotionRefused
        If name or reason is missing.
    """
    check_decision(by, reason)
    now = current(settings).get(product)
    if now is None:
        raise NotFound(f"{product} has no challenger", where="challenger ledger", remedy="See `roadrisk models challengers`.")
    return _append(settings, _line("withdraw", product, now.version, now.digest, by, reason), at)


def current(settings: Settings) -> dict[str, Challenge]:
    """Return the challenger of each product that has one and is not live by now.

    Raises
    ------
    IntegrityError
        If a ledger does not verify.
    """
    last = {line.product: line for line in challenges(settings)}
    champions = live(settings) if last else {}
    return {
        product: line for product, line in last.items()
        if line.kind == "declare" and product in champions and champions[product].digest != line.digest
    }


def challenges(settings: Settings, product: str | None = None) -> list[Challenge]:
    """Return the ledger's lines about a product, or about all of them, oldest first."""
    return [line for line in map(_challenge, lines(settings, CHALLENGERS)) if product in (None, line.product)]


def _line(
    kind: Literal["declare", "withdraw"], product: str, version: int, digest: str, by: str, reason: str
) -> dict[str, Any]:
    return {
        "kind": kind, "product": product, "version": version, "digest": digest, "by": by.strip(), "reason": reason.strip()
    }


def _append(settings: Settings, payload: dict[str, Any], at: datetime) -> Challenge:
    with writing(settings, CHALLENGERS) as ledger:
        return _challenge(ledger.append(payload, at=at))


def _challenge(entry: Entry) -> Challenge:
    return Challenge(seq=entry.seq, at=entry.at.astimezone(UTC), **entry.payload)
