"""`roadrisk explain audit`: the audit of explanations of a version, with the truth where there is a simulated one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.explanation_truth import against_truth
from features.changes import keep_changes
from registry.cli_options import chosen
from registry.errors import NotFound
from registry.evidence import write_evidence
from registry.scorer import load_scorer
from training.explained.audit import KIND, audited
from training.explained.sample import ROWS, draw_sample
from training.products import training_frame

if TYPE_CHECKING:
    from registry.output import ProgressCallback
    from registry.settings import Settings


def audit_explanations(
    settings: Settings, product: str, version: int | None = None, *, rows: int = ROWS, seed: int | None = None,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Audit the explanations of a version and keep the document as evidence beside its card.

    Parameters
    ----------
    product, version
        What to audit; the live version by default, or else the newest.
    rows
        Rows of the test period.
    seed
        Instead of the settings' seed.
    progress
        Told about each step.

    Raises
    ------
    NotFound
        If there is no such version.
    """
    tell = progress or (lambda _label, _share: None)
    made = chosen(settings, product, version)
    drawn_by = settings.seed if seed is None else seed
    tell("rows", 0.0)
    scorer = load_scorer(settings.bundle_dir / f"{product}-{made.digest[:16]}", settings.keys_dir, digest=made.digest)
    frame, snapshot = training_frame(product, settings)
    sample = draw_sample(scorer, frame, seed=drawn_by, rows=rows)
    found = audited(sample, seed=drawn_by, tell=lambda label, share: tell(label, 0.1 + 0.6 * share))
    tell("truth", 0.7)
    found["truth"] = None
    if scorer.manifest.provenance.simulated:
        try:
            found["truth"] = against_truth(sample, product, settings, frame)
        except NotFound:
            tell("no truth", 0.9)
    document = {
        **found, "version": made.version, "snapshot": snapshot, "seed": drawn_by, "simulated": scorer.manifest.provenance.simulated,
    }
    write_evidence(settings, product, made.digest, KIND, document)
    tell("changes", 0.9)
    keep_changes(settings, product, made.digest, scorer.manifest.features)
    tell("done", 1.0)
    return {**document, "product": product, "digest": made.digest}
