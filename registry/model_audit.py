"""The audit of all that was decided about models: chains, anchors, bundles that were live, cards behind decisions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.approvals import approvals, grounds_of, judged_of
from registry.bundle import read_files
from registry.errors import DataError, IntegrityError, NotFound, RoadRiskError
from registry.model_ledgers import DECISIONS, LEDGERS, Heads, heads, missing_heads, verify
from registry.models import ModelRegistry, bundle_folder
from registry.promotion import Promotion, history
from registry.signing import verify_files

if TYPE_CHECKING:
    from datetime import datetime

    from registry.settings import Settings

CARD: Final = "card"
ANCHORED: Final = (*LEDGERS, DECISIONS)


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found.

    Parameters
    ----------
    lines
        Ledger -> lines that were walked.
    anchors
        Heads of other ledgers that were named somewhere and looked up.
    bundles
        Bundles that were ever live and were verified.
    problems
        What was changed, removed, cut off, taken back or replaced; one sentence each.
    notes
        What has become different since a decision and may: evidence that was found out again.
    """

    lines: dict[str, int]
    anchors: int
    bundles: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


def audit_models(settings: Settings, *, anchor: Path | None = None) -> Audit:
    """Walk every ledger about models and hold it against what other records say about it.

    Parameters
    ----------
    anchor
        File of `anchor`, kept outside this machine: a ledger that was taken back since is found out.

    Raises
    ------
    DataError
        If the anchor cannot be read.
    """
    reports = {name: verify(settings, name) for name in LEDGERS}
    problems = [f"ledger {name}: {problem}" for name, report in reports.items() for problem in report.problems]
    lines, named = {name: report.rows for name, report in reports.items()}, 0
    if anchor is not None:
        kept = read_anchor(anchor)
        problems += missing_heads(settings, kept)
        named += len(kept)
    if problems:
        # What follows reads the ledgers, and they are not to be relied on.
        return Audit(lines=lines, anchors=named, bundles=0, problems=tuple(problems), notes=())
    made = history(settings)
    for line in made:
        problems += [f"promotion {line.seq}: {problem}" for problem in missing_heads(settings, line.heads)]
        named += len(line.heads)
    bundles = {(line.product, line.digest): line for line in made}
    problems += [problem for line in bundles.values() if (problem := _bundle_problem(settings, line))]
    changed, notes = _moved_grounds(settings, made)
    return Audit(
        lines=lines, anchors=named, bundles=len(bundles), problems=(*problems, *changed), notes=tuple(notes)
    )


def anchor(settings: Settings, at: datetime) -> dict[str, Any]:
    """Return the newest line of every ledger, to be kept where who can write the ledgers cannot."""
    found = heads(settings, names=ANCHORED)
    return {"at": at.isoformat(), "heads": {name: list(head) for name, head in found.items()}}


def read_anchor(path: Path) -> Heads:
    """Return the heads of an anchor.

    Raises
    ------
    DataError
        If the file is none.
    """
    try:
        return {str(name): (int(seq), str(digest)) for name, (seq, digest) in json.loads(path.read_bytes())["heads"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the anchor cannot be read: {error}", where=str(path), remedy="Make one with `roadrisk models anchor`."
        ) from error


def refuse_problems(found: Audit) -> None:
    """Raise what an audit found.

    Raises
    ------
    IntegrityError
        If it found a problem.
    """
    if not found.ok:
        raise IntegrityError(
            f"the ledgers about models do not verify: {'; '.join(found.problems)}", where="model ledgers",
            remedy="Restore ledgers, heads and bundles from the same backup.",
            details={"problems": list(found.problems), "lines": found.lines},
        )


def _bundle_problem(settings: Settings, line: Promotion) -> str:
    folder = bundle_folder(settings, line.product, line.digest)
    try:
        verify_files(read_files(folder), settings.keys_dir, where=str(folder), digest=line.digest)
    except RoadRiskError as error:
        return f"bundle of {line.product} version {line.version}: {error.message}"
    return ""


def _moved_grounds(settings: Settings, made: list[Promotion]) -> tuple[list[str], list[str]]:
    """Return cards that are not those of the decision, and evidence that has become another since."""
    problems: list[str] = []
    notes: list[str] = []
    for what, product, version, seq, before in _decided(settings, made):
        try:
            judged = judged_of(settings, ModelRegistry(settings).get(product, version))
        except NotFound as error:
            problems.append(f"{what} {seq}: {error.message}")
            continue
        if judged.unreadable:
            problems.append(f"{what} {seq}: {judged.unreadable}")
        now = grounds_of(judged)
        for kind in sorted(kind for kind, digest in before.items() if now.get(kind) != digest):
            said = f"{what} {seq}: {kind} of {product} version {version} is another than it was then"
            (problems if kind == CARD else notes).append(said)
    return problems, notes


def _decided(settings: Settings, made: list[Promotion]) -> Iterator[tuple[str, str, int, int, dict[str, str]]]:
    yield from (("promotion", line.product, line.version, line.seq, line.grounds) for line in made if line.grounds)
    yield from (("approval", one.product, one.version, one.seq, one.grounds) for one in approvals(settings) if one.grounds)
