"""Promotion: which version of a product is live, since when, by whose decision, on which grounds and why.

The ledger is an HMAC chain (`registry.chain`) of promotions and rollbacks; what is live is computed from it and kept
nowhere else, so that one durable line is the whole switch. MLflow's alias `live` mirrors it for MLflow's own tools and counts for
nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from registry.approvals import check_decision, grounds_of
from registry.canonical_json import content_digest
from registry.chain import Entry, VerifyReport
from registry.errors import NotFound, PromotionRefused
from registry.gate_rules import GateRules, rules_for
from registry.gates import BYTES_GATES, Judged, Verdict, gather, judge
from registry.model_ledgers import LEDGERS, PROMOTIONS, Heads, heads, lines, verify, writing
from registry.models import ModelRegistry, bundle_folder
from registry.promotion_gates import Examination, examine_version

if TYPE_CHECKING:
    from registry.settings import Settings

TABLE: Final = PROMOTIONS
LEDGER_FILE: Final = f"{PROMOTIONS}.db"
OTHER_LEDGERS: Final = tuple(name for name in LEDGERS if name != PROMOTIONS)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One line of the ledger.

    Parameters
    ----------
    seq
        Position in the ledger, from 1.
    at
        When it took effect, aware UTC.
    kind
        Whether a version went live or the one before it came back.
    product, version, digest
        What is live from then on.
    previous
        Version that was live until then; None for a product's first.
    approver, reason
        Who decided it, and why.
    seconded_by
        Who had approved it before, where that was asked for or given.
    gates
        Gate -> what it said.
    rules, profile
        SHA-256 of the rules that were applied, and whether they were the product's own or a demonstration's.
    grounds
        SHA-256 of the card and of each document of evidence, by kind.
    heads
        Newest line of each other ledger about models: whoever takes one of them back to an older state is found out.
    """

    seq: int
    at: datetime
    kind: Literal["promote", "rollback"]
    product: str
    version: int
    digest: str
    previous: int | None
    approver: str
    reason: str
    seconded_by: tuple[str, ...] = ()
    gates: dict[str, str] = field(default_factory=dict)
    rules: str = ""
    profile: str = ""
    grounds: dict[str, str] = field(default_factory=dict)
    heads: Heads = field(default_factory=dict)


@dataclass(frozen=True)
class LiveModel:
    """A version that answers requests; `folder` holds its signed bundle, which must have `digest`."""

    product: str
    version: int
    digest: str
    folder: Path


def promote(
    settings: Settings, product: str, version: int, *, approver: str, reason: str, at: datetime,
    rules: GateRules | None = None,
) -> Promotion:
    """Let a registered version go live from the instant `at` on.

    Parameters
    ----------
    rules
        Instead of the product's own, as for a demonstration; the ledger says so.

    Raises
    ------
    NotFound
        If there is no such version.
    PromotionRefused
        If a gate refuses, the decision is not signed with a name and a reason, or somebody else was faster.
    """
    check_decision(approver, reason)
    past = history(settings, product)
    found = examine_version(
        settings, product, version, live_version=_live_version(past), approver=approver, at=at, rules=rules
    )
    _refuse_failed(product, version, found.verdicts)
    return _append(settings, past, _line("promote", product, found.judged, past, approver, reason) | _grounds(found), at)


def examine(
    settings: Settings, product: str, version: int, *, approver: str | None = None, at: datetime,
    rules: GateRules | None = None,
) -> Examination:
    """Return what every gate says about a version; nothing is written.

    Raises
    ------
    NotFound
        If there is no such version.
    """
    past = history(settings, product)
    return examine_version(
        settings, product, version, live_version=_live_version(past), approver=approver, at=at, rules=rules
    )


def verdicts_on(settings: Settings, product: str, version: int, *, rules: GateRules | None = None) -> list[Verdict]:
    """Return what every gate says about a version that nobody promotes yet; nothing is written."""
    return examine(settings, product, version, at=datetime.max.replace(tzinfo=UTC), rules=rules).verdicts


def rollback(settings: Settings, product: str, *, approver: str, reason: str, at: datetime) -> Promotion:
    """Bring back the version that was live before the present one; rolling back again goes one further back.

    It asks for no second person: going back to what was live must take one command.

    Raises
    ------
    NotFound
        If the product has no live version.
    PromotionRefused
        If there was none before it, its bundle does not hold any more, or somebody else was faster.
    """
    check_decision(approver, reason)
    past = history(settings, product)
    target, verdicts = _rollback_target(settings, product, past)
    judged = Judged(version=target.version, digest=target.digest)
    line = _line("rollback", product, judged, past, approver, reason)
    return _append(settings, past, line | {"gates": {verdict.gate: verdict.verdict for verdict in verdicts}}, at)


def rollback_target(settings: Settings, product: str) -> Promotion:
    """Return the line that a rollback would bring back, if its gates let it; nothing is written.

    Raises
    ------
    NotFound
        If the product has no live version.
    PromotionRefused
        If there was none before it, or its bundle does not hold any more.
    """
    return _rollback_target(settings, product, history(settings, product))[0]


def live(settings: Settings, *, at: datetime | None = None) -> dict[str, LiveModel]:
    """Return what is live now, or what was live at an instant, by product.

    Raises
    ------
    IntegrityError
        If the ledger does not verify.
    """
    if at is not None and at.tzinfo is None:
        raise ValueError(f"instant {at.isoformat()} has no time zone")
    last = {line.product: line for line in history(settings) if at is None or line.at <= at}
    return {
        product: LiveModel(product, line.version, line.digest, bundle_folder(settings, product, line.digest))
        for product, line in last.items()
    }


def history(settings: Settings, product: str | None = None) -> list[Promotion]:
    """Return the ledger's lines about a product, or about all of them, oldest first.

    Raises
    ------
    IntegrityError
        If the ledger does not verify.
    """
    return [line for line in map(_promotion, lines(settings, PROMOTIONS)) if product in (None, line.product)]


def audit(settings: Settings) -> VerifyReport:
    """Walk the promotion ledger and say whether anything was changed, removed, reordered or cut off."""
    return verify(settings, PROMOTIONS)


def _rollback_target(
    settings: Settings, product: str, past: Sequence[Promotion]
) -> tuple[Promotion, list[Verdict]]:
    stack = _stack(past)
    if not stack:
        raise NotFound(
            f"{product} has no live version", where="promotion ledger", remedy="Promote a version first."
        )
    if len(stack) == 1:
        raise PromotionRefused(
            f"version {stack[0].version} of {product} is the first that was live: there is none to go back to",
            where="promotion ledger", remedy="Promote another version.",
        )
    target = stack[-2]
    candidate = gather(
        settings, product=product, judged=Judged(version=target.version, digest=target.digest),
        folder=bundle_folder(settings, product, target.digest), rules=rules_for(settings, product),
    )
    verdicts = judge(candidate, BYTES_GATES)
    _refuse_failed(product, target.version, verdicts)
    return target, verdicts


def _refuse_failed(product: str, version: int, verdicts: Sequence[Verdict]) -> None:
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        raise PromotionRefused(
            "; ".join(f"{verdict.gate}: {verdict.reason}" for verdict in failed),
            where=f"{product} version {version}",
            remedy="Mend what the gates name, evaluate it (`roadrisk evaluate`), and promote again.",
            details={"gates": [asdict(verdict) for verdict in verdicts]},
        )


def _line(
    kind: Literal["promote", "rollback"], product: str, judged: Judged, past: Sequence[Promotion], approver: str, reason: str
) -> dict[str, Any]:
    return {
        "kind": kind, "product": product, "version": judged.version, "digest": judged.digest,
        "previous": _live_version(past), "approver": approver.strip(), "reason": reason.strip(),
    }


def _grounds(found: Examination) -> dict[str, Any]:
    # Sets have no order of their own; the dump is sorted so that the same rules have the same hash.
    rules = found.rules.model_dump(mode="json") | {"required": sorted(found.rules.required)}
    return {
        "seconded_by": [one.by for one in found.seconds], "grounds": grounds_of(found.judged),
        "gates": {verdict.gate: verdict.verdict for verdict in found.verdicts},
        "rules": content_digest(rules), "profile": found.rules.profile,
    }


def _append(settings: Settings, past: Sequence[Promotion], payload: dict[str, Any], at: datetime) -> Promotion:
    product = str(payload["product"])
    # The gates took seconds and hold no lock; compare-and-swap on the last line makes one of two promoters the winner.
    with writing(settings, PROMOTIONS) as ledger:
        now = [line for line in map(_promotion, ledger.entries()) if line.product == product]
        if [line.seq for line in now] != [line.seq for line in past]:
            raise PromotionRefused(
                f"version {now[-1].version} of {product} went live meanwhile, by {now[-1].approver}",
                where="promotion ledger", remedy="Look at it and decide again.",
            )
        if now and at < now[-1].at:
            raise PromotionRefused(
                f"instant {at.isoformat()} is before the last promotion at {now[-1].at.isoformat()}",
                where=product, remedy="Check the clock of this machine.",
            )
        made = _promotion(ledger.append(payload | {"heads": heads(settings, names=OTHER_LEDGERS)}, at=at))
    _mirror(settings, made)
    return made


def _mirror(settings: Settings, made: Promotion) -> None:
    try:
        ModelRegistry(settings).set_alias(made.product, made.version)
    except Exception:  # noqa: BLE001 - the decision is in the ledger and stands, whatever MLflow's database says
        _log.warning("MLflow's alias of %s was not moved to version %d", made.product, made.version, exc_info=True)


def _live_version(past: Sequence[Promotion]) -> int | None:
    return past[-1].version if past else None


def _stack(past: Sequence[Promotion]) -> list[Promotion]:
    # A rollback takes back the newest promotion, so that a second one does not bring that back.
    stack: list[Promotion] = []
    for line in past:
        if line.kind == "promote":
            stack.append(line)
        else:
            stack.pop()
    return stack


def _promotion(entry: Entry) -> Promotion:
    fields = dict(entry.payload)
    fields["seconded_by"] = tuple(fields.get("seconded_by", ()))
    fields["heads"] = {name: (int(seq), str(digest)) for name, (seq, digest) in fields.get("heads", {}).items()}
    return Promotion(seq=entry.seq, at=entry.at.astimezone(UTC), **fields)
