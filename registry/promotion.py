"""Promotion: which version of a product is live, since when, by whose decision and why.

The ledger is an HMAC chain (`registry.chain`) of promotions and rollbacks; what is live is computed from it and kept
nowhere else. MLflow's alias `live` mirrors it for MLflow's own tools and counts for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from registry.chain import ChainLedger, Entry, VerifyReport
from registry.errors import IntegrityError, NotFound, PromotionRefused
from registry.gates import PROMOTION_GATES, ROLLBACK_GATES, Gate, Verdict, gather, judge
from registry.locks import exclusive
from registry.models import ModelRegistry, bundle_folder
from registry.signing import LEDGER_KEY, read_secret

if TYPE_CHECKING:
    from registry.settings import Settings

TABLE: Final = "promotions"
LEDGER_FILE: Final = "promotions.db"

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


@dataclass(frozen=True)
class LiveModel:
    """A version that answers requests; `folder` holds its signed bundle, which must have `digest`."""

    product: str
    version: int
    digest: str
    folder: Path


def promote(
    settings: Settings, product: str, version: int, *, approver: str, reason: str, at: datetime
) -> Promotion:
    """Let a registered version go live from the instant `at` on.

    Raises
    ------
    NotFound
        If there is no such version.
    PromotionRefused
        If a gate refuses, the decision is not signed with a name and a reason, or somebody else was faster.
    """
    _check_decision(approver, reason)
    past = history(settings, product)
    digest, verdicts = _judge_version(settings, product, version, past)
    _refuse_failed(product, version, verdicts)
    return _append(settings, past, _line("promote", product, version, digest, past, approver, reason), at)


def verdicts_on(settings: Settings, product: str, version: int) -> list[Verdict]:
    """Return what every gate says about a version; nothing is written."""
    return _judge_version(settings, product, version, history(settings, product))[1]


def rollback(settings: Settings, product: str, *, approver: str, reason: str, at: datetime) -> Promotion:
    """Bring back the version that was live before the present one; rolling back again goes one further back.

    Raises
    ------
    NotFound
        If the product has no live version.
    PromotionRefused
        If there was none before it, its bundle does not hold any more, or somebody else was faster.
    """
    _check_decision(approver, reason)
    past = history(settings, product)
    target = rollback_target(settings, product)
    line = _line("rollback", product, target.version, target.digest, past, approver, reason)
    return _append(settings, past, line, at)


def rollback_target(settings: Settings, product: str) -> Promotion:
    """Return the line that a rollback would bring back, if its gates let it; nothing is written.

    Raises
    ------
    NotFound
        If the product has no live version.
    PromotionRefused
        If there was none before it, or its bundle does not hold any more.
    """
    stack = _stack(history(settings, product))
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
        settings, product=product, version=target.version, digest=target.digest,
        folder=bundle_folder(settings, product, target.digest), card=None, live_version=stack[-1].version,
    )
    _refuse_failed(product, target.version, judge(candidate, ROLLBACK_GATES))
    return target


def live(settings: Settings, *, at: datetime | None = None) -> dict[str, LiveModel]:
    """Return what is live now, or what was live at an instant, by product.

    Raises
    ------
    IntegrityError
        If the ledger does not verify.
    """
    if at is not None and at.tzinfo is None:
        raise ValueError(f"instant {at.isoformat()} has no time zone")
    last = {line.product: line for line in _lines(settings) if at is None or line.at <= at}
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
    return [line for line in _lines(settings) if product in (None, line.product)]


def audit(settings: Settings) -> VerifyReport:
    """Walk the whole ledger and say whether anything was changed, removed, reordered or cut off."""
    if not _exists(settings):
        return VerifyReport(0, ())
    with closing(_open(settings)) as ledger:
        return ledger.verify()


def _judge_version(
    settings: Settings, product: str, version: int, past: Sequence[Promotion], gates: Sequence[Gate] = PROMOTION_GATES
) -> tuple[str, list[Verdict]]:
    models = ModelRegistry(settings)
    made = models.get(product, version)
    candidate = gather(
        settings, product=product, version=version, digest=made.digest, folder=made.folder, card=models.card(made),
        live_version=past[-1].version if past else None,
    )
    return made.digest, judge(candidate, gates)


def _check_decision(approver: str, reason: str) -> None:
    if not approver.strip() or not reason.strip():
        raise PromotionRefused(
            f"a promotion needs a named approver and a reason, met {approver!r} and {reason!r}",
            remedy="Give --approver and --reason.",
        )


def _refuse_failed(product: str, version: int, verdicts: Sequence[Verdict]) -> None:
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        raise PromotionRefused(
            "; ".join(f"{verdict.gate}: {verdict.reason}" for verdict in failed),
            where=f"{product} version {version}",
            remedy="Mend what the gates name and register the model again.",
            details={"gates": [asdict(verdict) for verdict in verdicts]},
        )


def _line(
    kind: Literal["promote", "rollback"], product: str, version: int, digest: str, past: Sequence[Promotion],
    approver: str, reason: str,
) -> dict[str, object]:
    return {
        "kind": kind, "product": product, "version": version, "digest": digest,
        "previous": past[-1].version if past else None, "approver": approver.strip(), "reason": reason.strip(),
    }


def _append(
    settings: Settings, past: Sequence[Promotion], payload: dict[str, object], at: datetime
) -> Promotion:
    product = str(payload["product"])
    # The gates took seconds and hold no lock; compare-and-swap on the last line makes one of two promoters the winner.
    with exclusive(settings.ledger_dir / f"{TABLE}.lock"):
        now = history(settings, product)
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
        with closing(_open(settings)) as ledger:
            made = _promotion(ledger.append(payload, at=at))
    _mirror(settings, made)
    return made


def _mirror(settings: Settings, made: Promotion) -> None:
    try:
        ModelRegistry(settings).set_alias(made.product, made.version)
    except Exception:  # noqa: BLE001 - the decision is in the ledger and stands, whatever MLflow's database says
        _log.warning("MLflow's alias of %s was not moved to version %d", made.product, made.version, exc_info=True)


def _stack(past: Sequence[Promotion]) -> list[Promotion]:
    # A rollback takes back the newest promotion, so that a second one does not bring that back.
    stack: list[Promotion] = []
    for line in past:
        if line.kind == "promote":
            stack.append(line)
        else:
            stack.pop()
    return stack


def _lines(settings: Settings) -> list[Promotion]:
    if not _exists(settings):
        return []
    with closing(_open(settings)) as ledger:
        report = ledger.verify()
        if not report.ok:
            raise IntegrityError(
                f"the promotion ledger does not verify: {'; '.join(report.problems)}",
                where=str(settings.ledger_dir / LEDGER_FILE), remedy="Restore ledger and head from the same backup.",
            )
        return [_promotion(entry) for entry in ledger.entries()]


def _promotion(entry: Entry) -> Promotion:
    return Promotion(seq=entry.seq, at=entry.at.astimezone(UTC), **entry.payload)


def _exists(settings: Settings) -> bool:
    # Either file: a head without its database means that the database was removed, and opening it says so.
    return any((settings.ledger_dir / name).exists() for name in (LEDGER_FILE, f"{TABLE}.head"))


def _open(settings: Settings) -> ChainLedger:
    key = read_secret(settings.keys_dir, LEDGER_KEY)
    return ChainLedger(settings.ledger_dir / LEDGER_FILE, key, TABLE)
