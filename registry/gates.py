"""What a model must show before it may go live: a list of gates, each a pure function of the evidence about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.bundle import read_files
from registry.errors import RoadRiskError
from registry.scorer import Scorer, load_scorer
from registry.signing import verify_files

if TYPE_CHECKING:
    from registry.settings import Settings

ADDITIVITY_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The evidence about a version that is to go live.

    Parameters
    ----------
    product, version, digest
        Which version, and the digest that the registry or the ledger has recorded for it.
    card
        Model card; None when there is none.
    live_version
        Version that is live now.
    unverified
        Why digest or signature do not verify; empty when they do.
    unproven
        Why the bundle cannot be loaded or its golden rows do not reproduce; empty when they do.
    scorer
        The loaded bundle, where there is one.
    """

    product: str
    version: int
    digest: str
    card: Mapping[str, Any] | None
    live_version: int | None
    unverified: str = ""
    unproven: str = ""
    scorer: Scorer | None = None


@dataclass(frozen=True)
class Verdict:
    """What a gate said; `reason` is empty when it let the candidate pass."""

    gate: str
    passed: bool
    reason: str


Gate = Callable[[Candidate], str]
"""Returns why a candidate may not pass; nothing when it may."""


def gather(
    settings: Settings, *, product: str, version: int, digest: str, folder: Path, card: Mapping[str, Any] | None,
    live_version: int | None,
) -> Candidate:
    """Read, verify and load a bundle, and return what was found without judging it."""
    unverified, unproven, scorer = "", "", None
    try:
        verify_files(read_files(folder), settings.keys_dir, where=str(folder), digest=digest)
    except RoadRiskError as error:
        unverified = str(error)
    if unverified:
        # Bytes that do not verify are not parsed: a damaged LightGBM text can take the process down.
        unproven = "not checked, because the bundle does not verify"
    else:
        try:
            scorer = load_scorer(folder, settings.keys_dir, digest=digest)
        except RoadRiskError as error:
            unproven = str(error)
    return Candidate(
        product=product, version=version, digest=digest, card=card, live_version=live_version,
        unverified=unverified, unproven=unproven, scorer=scorer,
    )


def bundle_verifies(candidate: Candidate) -> str:
    """Require that digest and signature hold over the exact bytes."""
    return candidate.unverified


def golden_rows_reproduce(candidate: Candidate) -> str:
    """Require that the bundle loads in a child process and its golden rows give their recorded margins."""
    return candidate.unproven


def explanation_adds_up(candidate: Candidate) -> str:
    """Require that base + contributions + clamp equal the predicted points on the golden rows."""
    scorer = candidate.scorer
    if scorer is None:
        return "not checked, because the bundle cannot be loaded"
    rows = np.array([[math.nan if v is None else v for v in row] for row in scorer.bundle.golden.rows])
    explanation = scorer.explain(rows)
    sums = explanation.base + explanation.contributions.sum(axis=1) + explanation.clamp
    worst = float(np.max(np.abs(sums - scorer.points(rows))))
    if worst <= ADDITIVITY_TOLERANCE:
        return ""
    return f"contributions miss the points by {worst:.3g}, at most {ADDITIVITY_TOLERANCE} is allowed"


def card_has_metrics(candidate: Candidate) -> str:
    """Require a model card that says how well the model does."""
    if candidate.card is None:
        return "the version was registered without a model card"
    return "" if candidate.card.get("metrics") else "the model card has no metrics"


def is_not_live(candidate: Candidate) -> str:
    """Refuse the version that is live already."""
    return f"version {candidate.version} is live already" if candidate.version == candidate.live_version else ""


PROMOTION_GATES: Final[tuple[Gate, ...]] = (
    bundle_verifies, golden_rows_reproduce, explanation_adds_up, card_has_metrics, is_not_live,
)
ROLLBACK_GATES: Final[tuple[Gate, ...]] = (bundle_verifies, golden_rows_reproduce, explanation_adds_up)
"""A version that was live before has shown its card; only its bytes may have changed since."""


def judge(candidate: Candidate, gates: Sequence[Gate] = PROMOTION_GATES) -> list[Verdict]:
    """Return the verdict of every gate, in order; a failed gate does not spare the ones after it."""
    reasons = [(gate.__name__, gate(candidate)) for gate in gates]
    return [Verdict(name, not reason, reason) for name, reason in reasons]
