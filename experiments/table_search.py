"""Search of LightGBM parameters for one component of a declared score, on its validation rows alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from experiments.table_declaration import RangeDeclaration, SearchDeclaration
from experiments.table_task import Prepared
from registry.encoding import Matrix
from registry.output import ProgressCallback
from training import metrics
from training.fit import DEFAULTS, MAX_TREES, PATIENCE, fit_members
from training.matrix import TrainingData, outcome, prepare
from training.splits import VALID
from training.task import ComponentTask

if TYPE_CHECKING:
    from optuna import Trial

STARTING_TRIALS: Final = 6
BUILT_IN: Final = {**DEFAULTS, "n_trees": MAX_TREES, "patience": PATIENCE, "bagging_fraction": 1.0, "min_data_in_bin": 3}


@dataclass(frozen=True)
class Tried:
    """One trial: its parameters, the validation loss that it reached, and how long it took."""

    number: int
    parameters: dict[str, Any]
    loss: float
    seconds: float


def search(
    made: Prepared, component: ComponentTask, declared: SearchDeclaration, *, trials: int, seed: int, threads: int,
    progress: ProgressCallback | None = None,
) -> tuple[Tried, ...]:
    """Return the trials of a search in order; the first has the declared parameters. The test rows are not looked at.

    The loss is the declared measure (negative where higher is better) of raw margins out of fold on the validation rows.

    References
    ----------
    Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (the sampler).
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, data, done = declared.space[component.name], prepare(made.task, made.frame), []
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTING_TRIALS))
    study.enqueue_trial(_first(component, space))

    def objective(trial: Trial) -> float:
        started = time.monotonic()
        parameters = {name: _suggested(trial, name, where) for name, where in space.items()}
        loss = _loss(data, component, declared.measure, {**declared.parameters, **parameters}, seed, threads)
        done.append(Tried(trial.number, parameters, loss, round(time.monotonic() - started, 1)))
        if progress is not None:
            progress(f"search {component.name}, trial {len(done)} of {trials}", len(done) / trials)
        return loss

    study.optimize(objective, n_trials=trials, timeout=declared.timeout_s)
    return tuple(done)


def best_of(tried: tuple[Tried, ...]) -> Tried:
    """Return the trial of least loss, the earlier one of equals."""
    return min(tried, key=lambda one: (one.loss, one.number))


def _loss(
    data: TrainingData, component: ComponentTask, measure: str, parameters: Mapping[str, Any], seed: int, threads: int
) -> float:
    _, _, margins = fit_members(data, component, seed, threads, parameters=parameters)
    target = outcome(component, data.frame)
    rows = target.used & data.in_fold(VALID)
    y, w = target.label[rows], target.weight[rows]
    mean: Matrix = metrics.inverse_link(component.objective, margins[rows])
    if measure == "auc":
        return -metrics.auc(y, mean, w)
    return metrics.mean_deviance(component.objective, y, mean, w, power=component.tweedie_power)


def _first(component: ComponentTask, space: Mapping[str, RangeDeclaration]) -> dict[str, Any]:
    known = {**BUILT_IN, **component.parameters}
    return {
        name: where.whole_or_not(min(max(float(known.get(name, where.low)), where.low), where.high))
        for name, where in space.items()
    }


def _suggested(trial: Trial, name: str, where: RangeDeclaration) -> float:
    if where.whole:
        return trial.suggest_int(name, int(where.low), int(where.high), log=where.log)
    return trial.suggest_float(name, where.low, where.high, log=where.log)
