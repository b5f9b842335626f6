"""From a frame with folds to a registered version: fit, calibrate, assemble, sign, evaluate, card, track, register."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.bundle import ScoreBundle, write_bundle
from registry.encoding import Matrix
from registry.output import ProgressCallback
from registry.scorer import load_scorer
from registry.settings import Settings
from registry.signing import sign_bundle
from training.assemble import assemble
from training.calibration import calibrate, isotonic_gain
from training.card import SAMPLE, Card, make_card, save_card
from training.cards.aside import Aside, Writing
from training.cards.whole import snapshot_record
from training.evaluation import REPLICATES, evaluate
from training.fit import fit_score
from training.fitted import FittedScore
from training.search import Tuned, tune
from training.splits import VALID
from training.task import TrainingTask
from training.thin import without_thin
from training.tracking import track
from training.tuning.store import storage_address

STEPS: Final = ("search", "fit", "calibrate", "bundle", "evaluate", "card", "register")


@dataclass(frozen=True)
class TrainedScore:
    """A trained, signed, tracked and registered score.

    Parameters
    ----------
    bundle_folder, digest
        The signed bundle.
    version, run_id
        In the model registry; None when it was not registered.
    card, card_folder
        The model card, and where it lies with its pictures.
    metrics
        Flat numbers ``<component>_<fold>_<measure>``.
    tuned
        Result of the search, empty without one.
    """

    bundle_folder: Path
    digest: str
    version: int | None
    run_id: str | None
    card: Card
    card_folder: Path
    metrics: Mapping[str, float]
    tuned: tuple[Tuned, ...] = field(default=())


@dataclass(frozen=True)
class Begun:
    """A signed and judged score whose card is being written; `conclude` keeps the card and registers the version.

    Until then nothing is in the card's place or in MLflow. What `conclude` does not get to, a temporary folder takes with it.
    """

    settings: Settings
    bundle: ScoreBundle
    bundle_folder: Path
    card: Card
    staging: tempfile.TemporaryDirectory[str]
    staged: Path
    writing: Writing | None
    tuned: tuple[Tuned, ...]
    register: bool
    tell: Steps
    at: datetime | None = None

    def conclude(self) -> TrainedScore:
        """Wait for the documents, keep the card, register the version.

        Raises
        ------
        TrainingError
            If another process could not write the documents: then nothing is kept or registered.
        """
        with self.staging:
            if self.writing is not None:
                self.writing.wait()
            card_folder = _keep(self.staged, self.settings.home / "cards" / self.bundle_folder.name)
        made = TrainedScore(
            self.bundle_folder, self.bundle.digest, None, None, self.card, card_folder, self.card["metrics"], self.tuned
        )
        if self.register:
            self.tell.at("register")
            made = registered(made, self.bundle, self.settings, at=self.at)
        self.tell.done()
        return made


def registered(made: TrainedScore, bundle: ScoreBundle, settings: Settings, *, at: datetime | None) -> TrainedScore:
    """Track and register a score whose bundle and card are kept; return it with its version and run."""
    tracked = track(settings, bundle, made.bundle_folder, metrics=made.metrics, card_folder=made.card_folder, at=at)
    return replace(made, version=tracked.version, run_id=tracked.run_id)


def train_product(
    task: TrainingTask, frame: pd.DataFrame, *, settings: Settings, snapshot: str,
    progress: ProgressCallback | None = None, trials: int = 0, timeout_s: float | None = None, seed: int | None = None,
    replicates: int = REPLICATES, register: bool = True, documents: bool = True, by: str = "",
) -> TrainedScore:
    """Train one score and register it: `begin_product` and `Begun.conclude` in one."""
    return begin_product(
        task, frame, settings=settings, snapshot=snapshot, progress=progress, trials=trials, timeout_s=timeout_s, seed=seed,
        replicates=replicates, register=register, documents=documents, by=by,
    ).conclude()


def begin_product(
    task: TrainingTask, frame: pd.DataFrame, *, settings: Settings, snapshot: str,
    progress: ProgressCallback | None = None, trials: int = 0, timeout_s: float | None = None, seed: int | None = None,
    replicates: int = REPLICATES, register: bool = True, documents: bool = True, by: str = "", aside: Aside | None = None,
    at: datetime | None = None,
) -> Begun:
    """Train one score up to its card.

    Training the same frame with the same seed again gives the same bundle, and the version that it has already.

    Parameters
    ----------
    task, frame
        As for `training.fit.fit_score`.
    settings
        Where bundles, keys and MLflow lie; its seed and threads are used.
    snapshot
        Hash of the data in the frame.
    trials, timeout_s
        Parameter search before training; 0 trials skip it.
    seed
        Instead of the settings' seed.
    replicates
        Bootstrap draws for the intervals of the card.
    register
        False leaves MLflow alone: the bundle and card are written and nothing else.
    documents
        False writes the card's facts alone; `roadrisk card` makes Markdown, HTML and PDF of them at any time.
    by
        Who trains, for the rule that nobody approves alone what they have trained; empty for unknown.
    aside
        Writes the documents in another process; None writes them here.
    at
        Instant of the training: with it, what is measured again about a registered bundle becomes a dated supplement of its card.

    Raises
    ------
    TrainingError
        If the frame cannot be trained on.
    ConfigurationError
        If the signing key is missing.
    """
    chosen = settings.seed if seed is None else seed
    tell = Steps(progress)
    task = without_thin(task, frame)
    tuned: tuple[Tuned, ...] = ()
    if trials:
        tuned = tune(
            task, frame, trials=trials, storage=storage_address(settings), seed=chosen, timeout_s=timeout_s,
            snapshot=snapshot, threads=settings.threads, progress=tell.within("search"),
        )
        task = with_parameters(task, {one.component: one.parameters for one in tuned})
    fitted = fit_score(task, frame, seed=chosen, threads=settings.threads, progress=tell.within("fit"))
    return _begun(
        fitted, settings=settings, snapshot=snapshot, tell=tell, tuned=tuned, replicates=replicates, register=register,
        documents=documents, by=by, aside=aside, at=at,
    )


def finish(
    fitted: FittedScore, *, settings: Settings, snapshot: str, replicates: int = REPLICATES, register: bool = True,
) -> TrainedScore:
    """Turn fitted boosters into a registered score: everything of `train_product` after the fit."""
    return _begun(
        fitted, settings=settings, snapshot=snapshot, tell=Steps(None), tuned=(), replicates=replicates, register=register,
        documents=True, by="", aside=None, at=None,
    ).conclude()


def _begun(
    fitted: FittedScore, *, settings: Settings, snapshot: str, tell: Steps, tuned: tuple[Tuned, ...], replicates: int,
    register: bool, documents: bool, by: str, aside: Aside | None, at: datetime | None,
) -> Begun:
    tell.at("calibrate")
    calibrated, affine = calibrate(fitted)
    gains = [isotonic_gain(calibrated, component) for component in calibrated.components]
    tell.at("bundle")
    bundle = assemble(calibrated, snapshot=snapshot)
    folder = write_bundle(bundle, settings.bundle_dir)
    digest = sign_bundle(folder, settings.keys_dir)
    # Proof that the service will take it: signature, child process and golden rows, as at its start.
    load_scorer(folder, settings.keys_dir, digest=digest)
    tell.at("evaluate")
    margins = judged_margins(calibrated)
    figures = evaluate(calibrated.data, margins, seed=fitted.seed, replicates=replicates)
    tell.at("card")
    record = snapshot_record(settings, snapshot)
    card = make_card(calibrated, bundle, figures, affine, gains, record=record, threads=settings.threads)
    if by:
        card["trained_by"] = by
    staging = tempfile.TemporaryDirectory(prefix=".card-", dir=settings.home)
    here, writing = documents and aside is None, None
    try:
        staged = save_card(card, figures, Path(staging.name) / "card", font=settings.cjk_font, documents=here)
        if documents and aside is not None:
            facts = {name: value for name, value in card.items() if name != SAMPLE}
            writing = aside.begin(facts, staged, font=settings.cjk_font)
    except BaseException:
        staging.cleanup()
        raise
    return Begun(settings, bundle, folder, card, staging, staged, writing, tuned, register, tell, at)


def judged_margins(fitted: FittedScore) -> Matrix:
    """Return (n, n_components) calibrated margins to judge by: out of fold on valid, of the saved boosters elsewhere."""
    valid = fitted.data.in_fold(VALID)[:, None]
    margins: Matrix = np.where(valid, fitted.honest_margins, fitted.component_margins)
    return margins


def with_parameters(task: TrainingTask, found: Mapping[str, Mapping[str, Any]]) -> TrainingTask:
    """Return the task with found parameters by component over the declared ones."""
    components = tuple(
        replace(component, parameters={**component.parameters, **found.get(component.name, {})})
        for component in task.components
    )
    return replace(task, components=components)


def _keep(made: Path, home: Path) -> Path:
    # The folder is named by the digest; a card written again may speak of other bootstrap draws and replaces the old.
    home.mkdir(parents=True, exist_ok=True)
    for file in sorted(made.iterdir()):
        file.replace(home / file.name)
    return home


class Steps:
    """Progress over the steps of the pipeline, each with its share of the whole."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress

    def at(self, step: str, share: float = 0.0, label: str = "") -> None:
        if self._progress is not None:
            self._progress(f"{step} {label}".rstrip(), (STEPS.index(step) + share) / len(STEPS))

    def within(self, step: str) -> ProgressCallback:
        return lambda label, share: self.at(step, share, label)

    def done(self) -> None:
        if self._progress is not None:
            self._progress("done", 1.0)


def summary(trained: TrainedScore) -> dict[str, Any]:
    """Return what the command line prints of a trained score."""
    return {
        "product": trained.card["product"], "digest": trained.digest, "version": trained.version,
        "bundle": str(trained.bundle_folder), "card": str(trained.card_folder / "card.md"),
        "metrics": {name: value for name, value in trained.metrics.items() if "_test_" in name},
        "trials": {one.component: {"done": one.n_trials, "pruned": one.n_pruned} for one in trained.tuned},
    }
