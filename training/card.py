"""The model card: what a score is for, what it was trained on, how good it is, and where it must not be trusted.

`make_card` gathers the facts at training; `training.cards` words them and writes them as Markdown, HTML and PDF in Chinese and
English, then and again whenever something more has been found out about the version.

References
----------
Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.bundle import ScoreBundle
from registry.canonical_json import canonical_json, content_digest
from registry.code_version import code_digest, code_version, environment
from registry.documents.tongue import LANGUAGES, Language
from registry.reasons import dictionary_version
from training.calibration import Affine
from training.evaluation import Figures, headline
from training.fitted import FittedScore
from training.pictures.contributions import Sample, explained, write_sample
from training.pictures.curves import curves_of

Card = dict[str, Any]

SIMULATED = (
    "The rows come from the simulated province, not from Jiangxi. The figures show that the method works on data built "
    "like these; they are no statement about real carriers, vehicles or drivers."
)
SAMPLE = "sample"
"""Held beside the other facts in memory and in a file of its own on disk: a thousand numbers that only pictures need."""


def make_card(
    fitted: FittedScore, bundle: ScoreBundle, figures: Figures, affine: Sequence[Affine],
    isotonic: Sequence[float | None], *, record: Mapping[str, Any] | None = None, threads: int = 1,
) -> Card:
    """Return the card as plain JSON values.

    Parameters
    ----------
    fitted, bundle
        The calibrated score and its bundle.
    figures
        Result of `training.evaluation.evaluate`.
    affine, isotonic
        Calibration of each component, and the share of test deviance that isotonic calibration would save.
    record
        What `training.cards.whole.snapshot_record` gives: hashes of warehouse and feature tables behind the snapshot.
    threads
        Threads for the explanations; the result does not depend on them.
    """
    task, manifest = fitted.task, bundle.manifest
    importance, sample = explained(fitted, bundle, threads=threads)
    return {
        "product": task.id, "zh": task.zh, "en": task.en, "digest": bundle.digest,
        "purpose": task.purpose or f"{task.en}: a risk score of a {task.entity}",
        "outcome": task.outcome,
        "data": {
            "simulated": task.simulated, "statement": SIMULATED if task.simulated else "",
            "snapshot": manifest.provenance.snapshot, "data_cut": manifest.provenance.data_cut,
            "rows": {fold: int(fitted.data.in_fold(fold).sum()) for fold in ("train", "valid", "test")},
            "record": dict(record or {}),
        },
        "windows": {
            "train": manifest.provenance.train_window, "valid": manifest.provenance.valid_window,
            "test": manifest.provenance.test_window,
        },
        "features": [
            {
                "name": f.name, "zh": f.zh, "en": f.en, "group": f.group, "unit": f.unit, "monotone": f.monotone,
                "monotone_reason": f.monotone_reason, "sensitivity": f.sensitivity,
            }
            for f in manifest.features
        ],
        "features_digest": features_digest(bundle),
        "reasons": {
            "version": dictionary_version(), "inputs": len(manifest.features),
            "codes": len({feature.reason_code for feature in manifest.features}),
        },
        "metrics": headline(figures),
        "evaluation": figures,
        "calibration": [
            {
                "component": component.task.name, "slope": component.slope, "intercept": component.intercept,
                "reason": one.reason, "isotonic_would_save": gain, "n_trees": component.n_trees,
            }
            for component, one, gain in zip(fitted.components, affine, isotonic, strict=True)
        ],
        "curves": curves_of(fitted, bundle),
        "importance": importance,
        "limits": [*task.limits, *([SIMULATED] if task.simulated else [])],
        "seed": manifest.provenance.seed, "libraries": manifest.provenance.libraries,
        "code": {"version": code_version(), "digest": code_digest()}, "environment": environment(),
        SAMPLE: sample,
    }


def features_digest(bundle: ScoreBundle) -> str:
    """Return SHA-256 over the definitions of the inputs as the bundle declares them, in their order."""
    return content_digest([f.model_dump(mode="json") for f in bundle.manifest.features])


def save_card(
    card: Card, figures: Figures, folder: Path, *, font: Path | None = None, languages: Sequence[Language] = LANGUAGES,
    documents: bool = True,
) -> Path:
    """Write `card.json`, the sample behind the pictures, pictures and documents into a folder; return the folder.

    Parameters
    ----------
    figures
        What the card's numbers came from; they are in the card already.
    font
        `Settings.cjk_font`; by default the system's folders are searched.
    languages
        Chinese first; `card.md` holds one after the other.
    documents
        False writes the facts alone; `roadrisk card` makes the documents of them at any time.
    """
    from training.cards.render import write_documents

    del figures
    folder.mkdir(parents=True, exist_ok=True)
    facts = {name: value for name, value in card.items() if name != SAMPLE}
    (folder / "card.json").write_bytes(canonical_json(facts))
    sample = card.get(SAMPLE)
    if isinstance(sample, Sample):
        write_sample(sample, folder)
    if documents:
        write_documents(facts, folder, folder, languages=languages, font=font)
    return folder
