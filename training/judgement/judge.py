"""The judgement of one version: everything of this package in one document, written as evidence beside the version's card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd

from features.judged_context import with_context
from registry.encoding import Matrix
from registry.errors import NotFound, TrainingError
from registry.evidence import read_evidence, write_evidence
from registry.models import ModelRegistry, ModelVersion
from registry.output import ProgressCallback
from registry.scorer import load_scorer
from registry.settings import Settings
from registry.test_reads import record_read
from training.judgement.baselines import Candidate
from training.judgement.challenger import double_lift
from training.judgement.comparison import compare, point_measures
from training.judgement.proxies import audit
from training.judgement.resampling import LEVEL, Draws
from training.judgement.rivals import formula_rivals, glass_rivals, tweedie_rival
from training.judgement.robustness import judge_robustness
from training.judgement.segments import judge_segments
from training.judgement.stability import calibration, over_time, population
from training.judgement.subject import Part, Subject
from training.judgement.thresholds import THRESHOLDS, Thresholds
from training.judgement.verdicts import verdicts
from training.products import task_for, training_frame
from training.splits import FOLD, NONE, TEST
from training.thin import as_trained

KIND: Final = "judgement"
FORMAT: Final = 1
REPLICATES: Final = 200
QUICK_REPLICATES: Final = 100
LIMITS: Final = (
    "Intervals draw whole enterprises; they speak of another sample of enterprises in the same period, not of another period.",
    "The Poisson bands of the calibration take events for independent; those of one enterprise are not quite.",
    "Stability is judged against development rows, which the finished score has seen; months of them flatter it and are marked.",
    "Segments and proxies see attributes that the registers hold; what no register holds cannot be audited.",
    "A stale source is one whose inputs are those of the entity's previous cut-off in the frame, whatever its distance.",
    "Thresholds are assumptions [A]; an institution sets its own.",
)
SIMULATED: Final = "The rows come from the simulated province; no figure is a statement about real carriers, vehicles or drivers."

Document = dict[str, Any]


def judge(
    settings: Settings, product: str, version: int | None = None, *, at: datetime, glass_box: bool = True,
    replicates: int = REPLICATES, seed: int | None = None, again: bool = False, progress: ProgressCallback | None = None,
    limits: Thresholds = THRESHOLDS,
) -> Document:
    """Judge a registered version on its test period and keep the document as evidence.

    The reading of the test period is recorded before a figure of it is seen. A version that has been judged on the snapshot
    before is not judged again unless that is asked for: the kept document is returned.

    Parameters
    ----------
    settings
        Where bundles, features and evidence lie; its threads are used.
    product, version
        What to judge; the newest version by default.
    at
        When, aware; it is written into the ledger of readings.
    glass_box
        False leaves out what has to be fitted (GLM, EBM, Tweedie challenger) and what explains (proxies).
    replicates
        Bootstrap draws.
    seed
        Instead of the settings' seed.
    again
        Whether to judge anew what has been judged.
    progress
        Told about each step.
    limits
        Thresholds of the verdicts [A].

    Raises
    ------
    NotFound
        If there is no such version.
    TrainingError
        If the version does not fit the task of today's code.
    """
    made = _version(settings, product, version)
    tell = progress or (lambda _label, _share: None)
    tell("frame", 0.0)
    frame, snapshot = training_frame(product, settings)
    kept = read_evidence(settings, product, made.digest).get(KIND)
    if kept is not None and not again and _same(kept, snapshot, glass_box):
        return kept
    subject, notes = _subject(settings, made, frame)
    window = _window(subject)
    read = record_read(settings, product=product, digest=made.digest, snapshot=snapshot, test_window=window, at=at)
    card = ModelRegistry(settings).card(made)
    document = judge_subject(
        subject, glass_box=glass_box, replicates=replicates, seed=settings.seed if seed is None else seed,
        threads=settings.threads, tell=tell, limits=limits, card=card,
    )
    provenance = subject.scorer.manifest.provenance
    document |= {
        "version": made.version, "snapshot": snapshot, "trained_on_snapshot": provenance.snapshot,
        "test_window": list(window), "evaluated_at": at.astimezone(UTC).isoformat(),
        "test_read": {"position": read.position, "position_in_window": read.position_in_window, "first": read.first},
        "notes": notes + _overlap(provenance.train_window, provenance.valid_window, window),
    }
    write_evidence(settings, product, made.digest, KIND, document)
    tell("done", 1.0)
    return read_evidence(settings, product, made.digest)[KIND]


def judge_subject(
    subject: Subject, *, glass_box: bool, replicates: int, seed: int, threads: int,
    tell: ProgressCallback = lambda _label, _share: None, limits: Thresholds = THRESHOLDS, card: Document | None = None,
) -> Document:
    """Return the judgement of a bundle on its rows: plain values, the same for the same bundle, rows and seed.

    Parameters
    ----------
    subject
        The bundle, its task and its rows; rows of the fold none may be left out.
    glass_box, replicates, seed, limits
        As in `judge`.
    threads
        Of LightGBM and of the explainable boosting machine.
    tell
        Told about each step.
    card
        The version's card: its honest measures of the validation period are the reference of stability over time.
    """
    main, task = subject.main, subject.task
    step = _Steps(tell, glass_box)
    step.at("score")
    _check_test(subject)
    step.at("glass boxes" if glass_box else "baselines")
    glass, facts = glass_rivals(subject, seed=seed, threads=threads, tell=step.note) if glass_box else ({}, {})
    if glass_box and task.answer == "pure_premium":
        step.note("tweedie")
        glass.setdefault("score", []).append(tweedie_rival(subject, seed=seed, threads=threads))
    step.at("comparison")
    comparison, skipped = _comparison(subject, glass, replicates, seed, step.note)
    rows = subject.test & main.used
    draws = Draws.of(subject.frame[task.group].to_numpy()[rows], replicates=replicates, seed=seed)
    lifts = {
        rival.id: double_lift(main, rival.prediction, rows, draws)
        for rival in glass.get(main.name, []) if task.answer == "pure_premium"
    }
    step.at("calibration and stability")
    calibrated = {part.name: calibration(part, *_drawn(subject, part, replicates, seed)) for part in _judged(subject, limits)}
    stability = population(subject, limits) | {
        "over_time": over_time(main, subject, replicates=replicates, seed=seed, limits=limits, reference=_valid_measure(card, main))
    }
    step.at("segments")
    segments = judge_segments(subject, main, replicates=replicates, seed=seed, limits=limits)
    step.at("proxies")
    proxies = audit(subject, seed=seed, threads=threads, limits=limits) if glass_box else None
    step.at("robustness")
    robustness = judge_robustness(subject, main, seed=seed, limits=limits, max_rows=3_000 if glass_box else 1_000, tell=step.part)
    document = {
        "kind": KIND, "format": FORMAT, "product": task.id, "digest": subject.scorer.digest, "simulated": task.simulated,
        "statement": SIMULATED if task.simulated else "", "seed": seed, "replicates": replicates, "level": LEVEL,
        "quick": not glass_box, "main": main.name, "measure": main.measure,
        "rows": {fold: int((subject.fold == fold).sum()) for fold in ("train", "valid", "test")},
        "metrics": {part.name: _measures(subject, part) for part in _judged(subject, limits)},
        "comparison": comparison, "skipped_baselines": skipped, "baselines": _summary(comparison[main.name]),
        "glass_box": facts, "double_lift": lifts, "calibration": calibrated, "stability": stability, "segments": segments,
        "proxies": proxies, "robustness": robustness, "thresholds": asdict(limits), "limits": list(LIMITS),
    }
    return document | {"verdicts": verdicts(document)}


def _comparison(
    subject: Subject, glass: dict[str, list[Candidate]], replicates: int, seed: int, note: Callable[[str], None]
) -> tuple[Document, list[dict[str, str]]]:
    """Return the table of every part that makes the score: components with a weight, and what it answers with."""
    weightless = {component.name for component in subject.task.components if not component.score_weight}
    groups, tables = subject.frame[subject.task.group].to_numpy(), {}
    skipped: list[dict[str, str]] = []
    for name, part in subject.parts.items():
        if name in weightless or (subject.task.answer == "hazard" and part is not subject.main):
            continue
        rivals, skipped = formula_rivals(subject, part)
        tables[name] = compare(
            part, [*rivals, *glass.get(name, [])], subject.test, groups, subject.axes, replicates=replicates, seed=seed,
            tell=lambda rival, name=name: note(f"{name} {rival}"),  # type: ignore[misc]
        )
    return tables, skipped


def _judged(subject: Subject, limits: Thresholds) -> list[Part]:
    """Return the parts that have enough events in the test period to be measured."""
    return [
        part for part in subject.parts.values()
        if int((part.label[subject.test & part.used] > 0).sum()) >= limits.min_events
        and not (part.binary and bool((part.label[subject.test & part.used] > 0).all()))
    ]


def _drawn(subject: Subject, part: Part, replicates: int, seed: int) -> tuple[Any, Draws]:
    rows = subject.test & part.used
    return rows, Draws.of(subject.frame[subject.task.group].to_numpy()[rows], replicates=replicates, seed=seed)


def _measures(subject: Subject, part: Part) -> dict[str, Any]:
    rows = subject.test & part.used
    pick: Callable[[Matrix], Matrix] = lambda values: values[rows]  # noqa: E731
    found = point_measures(
        part.objective, pick(part.label), pick(part.prediction), pick(part.weight), power=part.power, ranking=pick(part.ranking)
    )
    return {"n_rows": int(rows.sum()), "n_events": int((part.label[rows] > 0).sum()), **found}


def _summary(table: Document) -> Document:
    """Return the main table by rival: what a card shows."""
    return {
        one["id"]: {
            "zh": one["zh"], "en": one["en"], "kind": one["kind"], table["measure"]: one["metrics"][table["measure"]],
            "deviance": one["metrics"]["deviance"], **one["overall"],
            "within": {axis: found["pooled"] for axis, found in one["within"].items()},
        }
        for one in table["rivals"]
    }


def _valid_measure(card: Document | None, main: Part) -> float | None:
    """Return the card's measure of the validation period, which its margins out of fold make honest."""
    figures = (card or {}).get("evaluation", {})
    section = figures.get(main.name) or figures.get("components", {}).get(main.name, {})
    found = section.get("valid", {}).get(main.measure)
    return float(found) if isinstance(found, int | float) else None


def _version(settings: Settings, product: str, version: int | None) -> ModelVersion:
    registry = ModelRegistry(settings)
    if version is not None:
        return registry.get(product, version)
    versions = registry.versions(product)
    if not versions:
        raise NotFound(f"{product} has no version", where="model registry", remedy=f"Run `roadrisk train {product}`.")
    return versions[-1]


def _subject(settings: Settings, made: ModelVersion, frame: pd.DataFrame) -> tuple[Subject, list[str]]:
    scorer = load_scorer(made.folder, settings.keys_dir, digest=made.digest, threads=settings.threads)
    kept = frame[frame[FOLD] != NONE].reset_index(drop=True)
    described, notes = with_context(kept, settings)
    # Lines and causes that had too few events were left out when the version was trained.
    trained = [component.name for component in scorer.manifest.components]
    return Subject(scorer, as_trained(task_for(made.product, settings), trained), described), notes


def _check_test(subject: Subject) -> None:
    rows = subject.test & subject.main.used
    if not (subject.main.label[rows] > 0).any():
        raise TrainingError(
            f"none of {int(rows.sum())} test rows has an event", where=subject.task.id, remedy="Build features of a longer history."
        )


def _window(subject: Subject) -> tuple[str, str]:
    """Return first and last cut-off of the test rows, empty texts where the data have no time."""
    if subject.task.time is None:
        return "", ""
    moments = subject.frame.loc[subject.frame[FOLD] == TEST, subject.task.time]
    first, last = (pd.Timestamp(moment).tz_convert("UTC").isoformat() for moment in (moments.min(), moments.max()))
    return first, last


def _same(kept: Document, snapshot: str, glass_box: bool) -> bool:
    return kept.get("snapshot") == snapshot and kept.get("format") == FORMAT and kept.get("quick") in (False, not glass_box)


def _overlap(train: Sequence[str], valid: Sequence[str], test: Sequence[str]) -> list[str]:
    last = max(train[1], valid[1])
    if last and test[0] and pd.Timestamp(last) >= pd.Timestamp(test[0]):
        return [f"the version was fitted on rows up to {last}, the test period begins at {test[0]}: they overlap"]
    return []


class _Steps:
    """Progress over the steps, each with its share of the whole."""

    def __init__(self, tell: ProgressCallback, glass_box: bool) -> None:
        names = ("score", "glass boxes" if glass_box else "baselines", "comparison", "calibration and stability", "segments",
                 "proxies", "robustness")
        heavy = {"glass boxes": 6.0, "robustness": 2.0}
        self._tell, self._length = tell, {name: heavy.get(name, 1.0) for name in names}
        self._name = names[0]

    def at(self, name: str) -> None:
        self._name = name
        self.part("", 0.0)

    def note(self, label: str) -> None:
        self.part(label, 0.5)

    def part(self, label: str, share: float) -> None:
        names = list(self._length)
        before = sum(self._length[name] for name in names[: names.index(self._name)])
        done = (before + share * self._length[self._name]) / sum(self._length.values())
        self._tell(f"{self._name} {label}".rstrip(), min(done, 0.99))
