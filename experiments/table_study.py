"""Run a declared study: fit every score round by round, judge it on its test rows beside its peers, keep what can be served."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.peers import Sample, peer_means
from experiments.results import study_result
from experiments.table_columns import ROW, read_source
from experiments.table_compare import OURS
from experiments.table_declaration import ScoreDeclaration, TableDeclaration, overridden
from experiments.table_judged import Fitted, calibration_of, judged, parts_of
from experiments.table_keep import CARD_REPLICATES, keep, promote_kept
from experiments.table_search import Tried, best_of, search
from experiments.table_split import OutOfTimeSplit, Round, TrainTestSplit, everything, rounds
from experiments.table_task import Prepared, columns_of, predicted, prepared, score_rows
from registry.encoding import Matrix
from registry.output import ProgressCallback
from registry.settings import Settings
from training.calibration import calibrate
from training.fit import fit_score
from training.fitted import FittedScore
from training.matrix import outcome
from training.splits import TRAIN, VALID


@dataclass(frozen=True)
class Run:
    """What a study is run with.

    Parameters
    ----------
    settings
        Where things lie; threads.
    snapshot
        Hash of the data.
    seed
        Of folds, trees, search and bootstrap.
    trials
        Trials of a search instead of the declared number.
    parameters
        LightGBM parameters by component over the declared ones, for a cheaper run.
    peers
        Whether peers are fitted.
    register
        Whether the served score is registered and promoted.
    now
        Instant of the promotion.
    replicates
        Draws of the study's and the card's bootstrap instead of the declared number.
    """

    settings: Settings
    snapshot: str
    seed: int
    trials: int | None = None
    parameters: Mapping[str, Mapping[str, Any]] | None = None
    peers: bool = True
    register: bool = False
    now: datetime | None = None
    replicates: int | None = None


def run_table(
    declaration: TableDeclaration, settings: Settings, *, data: Path | None = None, seed: int | None = None,
    trials: int | None = None, parameters: Mapping[str, Mapping[str, Any]] | None = None, peers: bool = True,
    register: bool = False, now: datetime | None = None, replicates: int | None = None,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Run a declared study and return its result in the common form.

    Parameters
    ----------
    declaration
        What is studied.
    settings
        Where bundles, keys and MLflow lie; its seed and threads are used.
    data
        Folder of the files, by default `settings.real_data_dir`.
    seed, trials, parameters, peers, register, now, replicates
        As in `Run`.
    progress
        Told what is being done.

    Raises
    ------
    ConfigurationError
        If a file or the signing key is not there, or the declaration does not fit the rows.
    DataError
        If the rows do not hold what is declared.
    TrainingError
        If the trainer refuses the rows.
    """
    started, tell = time.monotonic(), progress or _silent
    tell("read the table", 0.0)
    source, snapshot = read_source(declaration.source, data or settings.real_data_dir, obtain=declaration.obtain)
    rows = columns_of(declaration, source)
    settings.home.mkdir(parents=True, exist_ok=True)
    run = Run(
        settings, snapshot, settings.seed if seed is None else seed, trials, parameters, peers, register,
        now or datetime.now(UTC), replicates,
    )
    found: dict[str, dict[str, Any]] = {}
    for position, score in enumerate(declaration.scores):
        within = _within(tell, position, len(declaration.scores), score.id)
        found[score.id] = _run_score(declaration, overridden(score, parameters or {}), rows, run, within)
    tell("done", 1.0)
    figures = {name: figure for one in found.values() for name, figure in one.pop("figures").items()}
    served = next((score.id for score in declaration.scores if score.served), declaration.scores[-1].id)
    return study_result(
        declaration.study, figures, protocol=_protocol(declaration), seconds=time.monotonic() - started,
        rows=len(rows), seed=run.seed, snapshot=snapshot, notes=list(declaration.notes), scores=found,
        **{name: found[served][name] for name in ("bundle", "example_request", "example_expected")},
    )


def _run_score(
    declaration: TableDeclaration, score: ScoreDeclaration, rows: pd.DataFrame, run: Run, tell: ProgressCallback
) -> dict[str, Any]:
    frame = score_rows(declaration, score, rows)
    group = declaration.group or ROW
    made = rounds(score.split, frame, group=group, seed=run.seed)
    fitted = []
    for position, one in enumerate(made):
        fitted.append(_fit(declaration, score, frame, one, run, _at(tell, 0.8 * position / len(made))))
    last = fitted[-1] if len(fitted) == 1 else _fit(
        declaration, score, frame, everything(score.split, frame, group=group, seed=run.seed), run, _at(tell, 0.8),
        judge=False,
    )
    tell("bundle, card and explanation", 0.85)
    kept = keep(
        last.score, run.settings, run.snapshot, register=run.register and score.served,
        replicates=run.replicates or CARD_REPLICATES,
    )
    if run.register and score.served and run.now is not None:
        promote_kept(run.settings, kept, study=declaration.study, at=run.now)
    tell("judge", 0.92)
    models = (OURS, *(score.peers if run.peers else ()))
    found = judged(
        score, fitted, models, group=group, replicates=run.replicates or declaration.replicates, seed=run.seed
    )
    if score.again:
        found["calibration"]["again"] = [
            _again(declaration, score, frame, state, run, _at(tell, 0.95)) for state in score.again
        ]
    return found | kept.told()


def _again(
    declaration: TableDeclaration, score: ScoreDeclaration, frame: pd.DataFrame, state: int, run: Run, tell: ProgressCallback
) -> dict[str, Any]:
    """Return the calibration on another division of the rows, fitted with a seed of its own, without search and peers."""
    other = replace(run, seed=run.seed + state, peers=False, trials=0)
    assert isinstance(score.split, TrainTestSplit), "the declaration has checked it"
    split = score.split.model_copy(update={"random_states": (state,)})
    (one,) = rounds(split, frame, group=declaration.group or ROW, seed=other.seed)
    fitted = _fit(declaration, score, frame, one, other, tell)
    found = calibration_of(
        str(score.calibration), [fitted], replicates=run.replicates or declaration.replicates, seed=other.seed
    )
    return {"name": one.name, "seed": other.seed, **found}


def _fit(
    declaration: TableDeclaration, score: ScoreDeclaration, frame: pd.DataFrame, one: Round, run: Run,
    tell: ProgressCallback, *, judge: bool = True,
) -> Fitted:
    made = prepared(declaration, score, frame, _fold(score, one))
    tell(f"{one.name}: search", 0.0)
    tried = _search(score, made, run, tell)
    task = replace(made.task, components=tuple(
        replace(c, parameters={**c.parameters, **(best_of(tried[c.name]).parameters if c.name in tried else {})})
        for c in made.task.components
    ))
    tell(f"{one.name}: fit", 0.0)
    calibrated, _ = calibrate(fit_score(task, made.frame, seed=run.seed, threads=run.settings.threads))
    parts = parts_of(score) if judge else ()
    means: dict[str, dict[str, Matrix]] = {
        part: {OURS: predicted(task, calibrated.component_margins, part)} for part in parts
    }
    for kind in score.peers if run.peers and judge else ():
        tell(f"{one.name}: {kind}", 0.0)
        theirs = _peer(kind, calibrated, run)
        for part in parts:
            means[part][kind] = theirs[part] if part in theirs else np.prod(list(theirs.values()), axis=0)
    return Fitted(one.name, calibrated, means, tried)


def _fold(score: ScoreDeclaration, one: Round) -> pd.Series:
    if score.members == 1 or isinstance(score.split, OutOfTimeSplit):
        return one.fold
    # Each development row is a validation row of the member that is blind to it; none has to be set aside.
    return one.fold.replace(TRAIN, VALID)


def _search(score: ScoreDeclaration, made: Prepared, run: Run, tell: ProgressCallback) -> dict[str, tuple[Tried, ...]]:
    trials = score.search.trials if run.trials is None else run.trials
    if not trials:
        return {}
    return {
        component.name: search(
            made, component, score.search, trials=trials, seed=run.seed, threads=run.settings.threads, progress=tell
        )
        for component in made.task.components if component.name in score.search.space
    }


def _peer(kind: str, fitted: FittedScore, run: Run) -> dict[str, Matrix]:
    data, means = fitted.data, {}
    for component in fitted.task.components:
        target = outcome(component, data.frame)
        sample = Sample(
            fitted.task.features, data.matrix, target.label, target.weight, target.used & data.in_fold(TRAIN, VALID),
            component.objective, component.tweedie_power,
        )
        means[component.name] = peer_means(kind, sample, seed=run.seed, threads=run.settings.threads)
    return means


def _protocol(declaration: TableDeclaration) -> dict[str, str]:
    told = {score.id: score.protocol for score in declaration.scores}
    return told | ({"source": declaration.cited} if declaration.cited else {})


def _within(tell: ProgressCallback, position: int, count: int, name: str) -> ProgressCallback:
    return lambda label, share: tell(f"{name}: {label}", (position + share) / count)


def _at(tell: ProgressCallback, share: float) -> ProgressCallback:
    return lambda label, _: tell(label, share)


def _silent(_label: str, _share: float) -> None:
    return None


