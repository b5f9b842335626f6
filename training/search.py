"""Search of LightGBM parameters with Optuna: TPE, pruned by early-stopping score, resumable on SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from registry.errors import TrainingError
from registry.output import ProgressCallback
from training.fit import fit_component
from training.matrix import TrainingData, prepare
from training.splits import VALID
from training.task import ComponentTask, TrainingTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna import Study, Trial


@dataclass(frozen=True)
class Tuned:
    """Best parameters of one component and the validation loss they reached."""

    component: str
    parameters: dict[str, Any]
    loss: float
    n_trials: int
    n_pruned: int


def tune(
    task: TrainingTask, frame: pd.DataFrame, *, trials: int, storage: str, seed: int, timeout_s: float | None = None,
    snapshot: str = "", threads: int = 1, progress: ProgressCallback | None = None,
) -> tuple[Tuned, ...]:
    """Return the best parameters found for each component.

    A study is named by product, component, snapshot and seed; a second call adds only the trials that the first left
    undone, and starts from what it learned. The first trial is always the trainer's own defaults, so that a search can
    only improve on them. The validation fold decides; the test fold is never looked at.

    Parameters
    ----------
    task, frame
        As for `training.fit.fit_score`.
    trials
        Trials per component, pruned ones included.
    storage
        SQLAlchemy address of Optuna's database.
    seed, snapshot
        Name the study together with product and component.
    timeout_s
        Wall time after which no further trial of a component begins.

    Raises
    ------
    TrainingError
        If no trial of a component completes.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = prepare(task, frame)
    found = []
    for position, component in enumerate(task.components):
        study = optuna.create_study(
            study_name=f"{task.id}.{component.name}.{snapshot[:16] or 'frame'}.{seed}",
            storage=storage, direction="minimize", load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3),
        )
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(STARTING_POINT)
        left = trials - len([t for t in study.get_trials(deepcopy=False) if t.state.is_finished()])
        if left > 0:
            study.optimize(
                _objective(data, component, seed, threads), n_trials=left, timeout=timeout_s,
                callbacks=[_reporter(component.name, trials, position, len(task.components), progress)],
            )
        found.append(_best(study, task, component))
    return tuple(found)


STARTING_POINT: dict[str, Any] = {
    "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 50, "lambda_l2": 1.0, "feature_fraction": 0.8,
    "cat_smooth": 20.0,
}


def _space(trial: Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 7, 127, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 10, 500, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.01, 100.0, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.4, 1.0),
        "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 100.0, log=True),
    }


def _objective(
    data: TrainingData, component: ComponentTask, seed: int, threads: int
) -> Callable[[Trial], float]:
    def objective(trial: Trial) -> float:
        fitted, _ = fit_component(
            data, component, seed, threads, parameters=_space(trial), callbacks=(_pruner(trial),)
        )
        return fitted.best_score

    return objective


def _pruner(trial: Trial, every: int = 20) -> Callable[..., None]:
    # A report is a database transaction of some 6 ms: report every few trees only.
    def callback(environment: Any) -> None:
        if (environment.iteration + 1) % every:
            return
        (score,) = [value for fold, _, value, *_ in environment.evaluation_result_list if fold == VALID]
        trial.report(score, (environment.iteration + 1) // every)
        if trial.should_prune():
            import optuna

            raise optuna.TrialPruned

    return callback


def _reporter(
    name: str, trials: int, position: int, components: int, progress: ProgressCallback | None
) -> Callable[[Study, Any], None]:
    def callback(study: Study, _trial: Any) -> None:
        if progress is not None:
            done = len(study.get_trials(deepcopy=False))
            progress(f"search {name}", (position + min(done / trials, 1.0)) / components)

    return callback


def _best(study: Study, task: TrainingTask, component: ComponentTask) -> Tuned:
    import optuna

    finished = study.get_trials(deepcopy=False)
    complete = [t for t in finished if t.state is optuna.trial.TrialState.COMPLETE]
    if not complete:
        raise TrainingError(
            f"none of {len(finished)} trials completed", where=f"{task.id}.{component.name}",
            remedy="Allow more trials or more time.",
        )
    pruned = sum(t.state is optuna.trial.TrialState.PRUNED for t in finished)
    return Tuned(component.name, dict(study.best_params), float(study.best_value), len(finished), pruned)
