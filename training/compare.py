"""Two versions of one product on the same test rows: measures with paired intervals, scores, reasons, and what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from registry.errors import TrainingError
from registry.models import bundle_folder
from registry.output import ProgressCallback
from registry.scorer import Scorer, load_scorer
from registry.test_reads import record_read
from training.cards.whole import Version
from training.compare_inputs import changes
from training.compare_measures import measured
from training.compare_scores import dislocation, reasons_changed
from training.judgement.subject import Part, Subject
from training.matrix import Mask
from training.pictures.curves import double_lift
from training.splits import TEST

if TYPE_CHECKING:
    from registry.settings import Settings
    from training.task import TrainingTask

REPLICATES: Final = 200

Comparison = dict[str, Any]


def compare_versions(
    settings: Settings, a: Version, b: Version, *, at: datetime, replicates: int = REPLICATES,
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Compare two versions on the test rows of the home's present features.

    Parameters
    ----------
    a, b
        Candidate, and what it is held against.
    at
        When; the reading of the test period by both is recorded with it.

    Raises
    ------
    TrainingError
        If they are of different products, or no test row lies after what both were made from.
    BundleRefused
        If a bundle does not verify.
    """
    from training.products import task_for, training_frame

    if a.product != b.product:
        raise TrainingError(
            f"{a.name} and {b.name} are versions of different products", where="compare", remedy="Name two of one product."
        )
    tell = progress or _silent
    tell("bundles", 0.0)
    scorers = [
        load_scorer(
            bundle_folder(settings, one.product, one.digest), settings.keys_dir, digest=one.digest, threads=settings.threads
        )
        for one in (a, b)
    ]
    tell("rows", 0.1)
    frame, snapshot = training_frame(a.product, settings)
    for one, scorer in zip((a, b), scorers, strict=True):
        window = scorer.manifest.provenance.test_window
        record_read(settings, product=one.product, digest=one.digest, snapshot=snapshot, test_window=window, at=at)
    found = compare_scorers(
        scorers[0], scorers[1], task_for(a.product, settings), frame, seed=settings.seed, replicates=replicates, progress=tell
    )
    names = {"a": _named(a), "b": _named(b)}
    return {"product": a.product, **names, "snapshot": snapshot, **found}


def compare_scorers(
    a: Scorer, b: Scorer, task: TrainingTask, frame: pd.DataFrame, *, seed: int, replicates: int = REPLICATES,
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Compare two bundles on the test rows of a frame; differences are those of A minus B.

    Parameters
    ----------
    a, b
        Verified bundles; A is the candidate, B what it is held against.
    task, frame
        Outcomes, and rows with a fold.
    seed, replicates
        Of the bootstrap by group.

    Returns
    -------
    dict
        `rows`, `measures` by part, `scores` (dislocation, tiers, rank correlation), `reasons`, `changes`, `double_lift`,
        `simulated`.
    """
    tell = progress or _silent
    rows = judged_rows(task, frame, (a, b))
    chosen = frame[rows].reset_index(drop=True)
    subjects = [_subject(scorer, task, chosen) for scorer in (a, b)]
    groups = chosen[task.group].to_numpy()
    every = np.ones(len(chosen), dtype=bool)
    shared = [name for name in subjects[0].parts if name in subjects[1].parts]
    measures = {}
    for position, name in enumerate(shared):
        tell(f"measures {name}", 0.3 + 0.4 * position / len(shared))
        first, second = (subject.parts[name] for subject in subjects)
        table = measured(first, second, every, groups, replicates=replicates, seed=seed)
        if table is not None:
            measures[name] = table
    tell("scores", 0.7)
    scores = dislocation(*subjects)
    tell("reasons", 0.75)
    reasons = reasons_changed(*subjects)
    tell("done", 1.0)
    return {
        "rows": len(chosen), "groups": int(pd.Series(groups).nunique()), "replicates": replicates,
        "simulated": bool(a.manifest.provenance.simulated or b.manifest.provenance.simulated),
        "main": subjects[0].main.name, "measures": measures, "scores": scores, "reasons": reasons,
        "changes": changes(a.manifest, b.manifest), "double_lift": _double_lift(subjects[0].main, subjects[1].main),
    }


def judged_rows(task: TrainingTask, frame: pd.DataFrame, scorers: tuple[Scorer, Scorer]) -> Mask:
    """Return (n,) test rows that lie after everything that either version was made from.

    Raises
    ------
    TrainingError
        If there is none.
    """
    rows: Mask = (frame["fold"] == TEST).to_numpy()
    if task.time is None:
        return rows
    ends = [end for scorer in scorers for end in (_last(scorer),) if end]
    if ends:
        rows &= (frame[task.time] > max(map(pd.Timestamp, ends))).to_numpy()
    if not rows.any():
        raise TrainingError(
            f"no test row lies after {max(ends, default='')}, until when a version was made from rows", where=task.id,
            remedy="Build newer features, or compare versions of this data cut.",
        )
    return rows


def as_evidence(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a promotion reads of a comparison: paired differences of the rank measures, candidate minus other."""
    differences = {
        f"{part} {table['rank_measure']}": {
            "difference": table["measures"][table["rank_measure"]]["difference"],
            "interval": table["measures"][table["rank_measure"]]["interval"],
        }
        for part, table in comparison["measures"].items()
    }
    return {"against": comparison["b"]["digest"], "differences": differences, "rows": comparison["rows"]}


def _subject(scorer: Scorer, task: TrainingTask, frame: pd.DataFrame) -> Subject:
    missing = [name for name in scorer.manifest.feature_names if name not in frame.columns]
    if missing:
        raise TrainingError(
            f"the features of now lack {len(missing)} inputs of {scorer.digest[:12]}: {', '.join(missing[:5])}", where=task.id,
            remedy="Compare it with the code and features that it was trained with.",
        )
    declared = {component.name: component for component in task.components}
    known = [declared[one.name] for one in scorer.manifest.components if one.name in declared]
    return Subject(scorer, replace(task, components=tuple(known)), frame)


def _double_lift(a: Part, b: Part) -> list[dict[str, float]]:
    rows = a.used & b.used & (a.weight > 0)
    if not rows.any():
        return []
    return double_lift(a.label[rows], a.prediction[rows], b.prediction[rows], a.weight[rows])


def _last(scorer: Scorer) -> str:
    provenance = scorer.manifest.provenance
    return max(provenance.train_window[1], provenance.valid_window[1])


def _named(version: Version) -> dict[str, Any]:
    return {"name": version.name, "version": version.number, "digest": version.digest}


def _silent(_label: str, _share: float) -> None:
    return None
