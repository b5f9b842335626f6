"""What a version must show before it may go live: a list of gates, each a function of the evidence about it.

This module has the gates on the bytes and the judging; `registry.gates_card` has those on the card, `registry.gates_evidence`
those on what was found out after training. Thresholds are in `registry.gate_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from registry.bundle import read_files
from registry.errors import RoadRiskError
from registry.evidence import read_evidence
from registry.gate_rules import GateRules
from registry.scorer import Scorer, load_scorer
from registry.signing import verify_files
from registry.supplements import supplemented

if TYPE_CHECKING:
    from registry.encoding import Matrix
    from registry.settings import Settings

ADDITIVITY_TOLERANCE: Final = 1e-9

Said = Literal["pass", "refuse", "not evaluated"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What is known about a version's quality: its card, and what was found out later, by kind.

    `unreadable` says why the evidence cannot be read or is about another version; empty when it can.
    """

    version: int
    digest: str
    card: Mapping[str, Any] | None = None
    evidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unreadable: str = ""

    @property
    def facts(self) -> Mapping[str, Any] | None:
        """The card with what was measured again since; None without a card."""
        return supplemented(self.card, self.evidence)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The evidence about a version that is to go live.

    Parameters
    ----------
    product
        Product or portfolio.
    judged
        The version, the digest that registry or ledger has recorded for it, its card and evidence.
    rules
        What the product asks for.
    live
        The same about the version that is live now; None where none is.
    unverified
        Why digest or signature do not verify; empty when they do.
    unproven
        Why the bundle cannot be loaded or its golden rows do not reproduce; empty when they do.
    scorer
        The loaded bundle, where there is one.
    """

    product: str
    judged: Judged
    rules: GateRules
    live: Judged | None = None
    unverified: str = ""
    unproven: str = ""
    scorer: Scorer | None = None

    @property
    def card(self) -> Mapping[str, Any] | None:
        """The candidate's model card, with what was measured again since."""
        return self.judged.facts


@dataclass(frozen=True)
class Finding:
    """What a gate found: its verdict, and why. A gate that has nothing to go by has not evaluated."""

    said: Said
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """A finding under the product's rules: `passed` says whether it lets the candidate through."""

    gate: str
    passed: bool
    reason: str
    verdict: Said = "pass"
    required: bool = True


Gate = Callable[[Candidate], Finding]


def passes(reason: str = "") -> Finding:
    """Let a candidate pass; a reason may say with what figure."""
    return Finding("pass", reason)


def refuses(reason: str) -> Finding:
    """Refuse a candidate."""
    return Finding("refuse", reason)


def not_evaluated(reason: str) -> Finding:
    """Say that there is nothing to judge by."""
    return Finding("not evaluated", reason)


def undecided(rules: GateRules, reason: str) -> Finding:
    """Say what the rules want to hear where an interval leaves a question open."""
    return Finding(rules.undecided, reason)


def all_of(findings: Sequence[Finding]) -> Finding:
    """Return the worst of several findings, with the reasons of all that are as bad."""
    order: tuple[Said, ...] = ("refuse", "not evaluated", "pass")
    for said in order:
        reasons = [finding.reason for finding in findings if finding.said == said]
        if reasons:
            return Finding(said, "; ".join(reason for reason in reasons if reason))
    return passes()


def unless(reason: str) -> Finding:
    """Refuse where there is a reason to, else let pass."""
    return refuses(reason) if reason else passes()


def judged_version(
    settings: Settings, *, product: str, version: int, digest: str, card: Mapping[str, Any] | None
) -> Judged:
    """Return what is known about a version's quality."""
    try:
        return Judged(version=version, digest=digest, card=card, evidence=read_evidence(settings, product, digest))
    except RoadRiskError as error:
        return Judged(version=version, digest=digest, card=card, unreadable=str(error))


def gather(
    settings: Settings, *, product: str, judged: Judged, folder: Path, rules: GateRules, live: Judged | None = None
) -> Candidate:
    """Read, verify and load a bundle, and return what was found without judging it."""
    unverified, unproven, scorer = "", "", None
    try:
        verify_files(read_files(folder), settings.keys_dir, where=str(folder), digest=judged.digest)
    except RoadRiskError as error:
        unverified = str(error)
    if unverified:
        # Bytes that do not verify are not parsed: a damaged LightGBM text can take the process down.
        unproven = "not checked, because the bundle does not verify"
    else:
        try:
            scorer = load_scorer(folder, settings.keys_dir, digest=judged.digest)
        except RoadRiskError as error:
            unproven = str(error)
    return Candidate(
        product=product, judged=judged, rules=rules, live=live, unverified=unverified, unproven=unproven, scorer=scorer
    )


def bundle_verifies(candidate: Candidate) -> Finding:
    """Require that digest and signature hold over the exact bytes."""
    return unless(candidate.unverified)


def golden_rows_reproduce(candidate: Candidate) -> Finding:
    """Require that the bundle loads in a child process and its golden rows give their recorded margins."""
    return unless(candidate.unproven)


def explanation_adds_up(candidate: Candidate) -> Finding:
    """Require that base + contributions + clamp equal the predicted points on the golden rows."""
    scorer = candidate.scorer
    if scorer is None:
        return refuses("not checked, because the bundle cannot be loaded")
    rows = golden_matrix(scorer)
    explanation = scorer.explain(rows)
    sums = explanation.base + explanation.contributions.sum(axis=1) + explanation.clamp
    worst = float(np.max(np.abs(sums - scorer.points(rows))))
    if worst <= ADDITIVITY_TOLERANCE:
        return passes(f"largest difference {worst:.1g} points on {len(rows)} golden rows")
    return refuses(f"contributions miss the points by {worst:.3g}, at most {ADDITIVITY_TOLERANCE} is allowed")


def is_not_live(candidate: Candidate) -> Finding:
    """Refuse the version that is live already."""
    is_live = candidate.live is not None and candidate.live.version == candidate.judged.version
    return unless(f"version {candidate.judged.version} is live already" if is_live else "")


def golden_matrix(scorer: Scorer) -> Matrix:
    """Return the golden rows of a bundle as a matrix."""
    return np.array([[math.nan if v is None else v for v in row] for row in scorer.bundle.golden.rows])


BYTES_GATES: Final[tuple[Gate, ...]] = (bundle_verifies, golden_rows_reproduce, explanation_adds_up)
"""A version that was live before has shown its card; only its bytes may have changed since."""


def judge(candidate: Candidate, gates: Sequence[Gate]) -> list[Verdict]:
    """Return the verdict of every gate, in order; a failed gate does not spare the ones after it."""
    return [verdict_of(gate.__name__, gate(candidate), candidate.rules) for gate in gates]


def verdict_of(gate: str, finding: Finding, rules: GateRules) -> Verdict:
    """Return a finding as the product's rules take it."""
    required = gate in rules.required
    passed = finding.said == "pass" or (finding.said == "not evaluated" and not required)
    return Verdict(gate, passed, finding.reason, finding.said, required)
