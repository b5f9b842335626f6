"""Fit the boosters of a score: native LightGBM, deterministic, stopped early on the validation fold alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.encoding import Matrix
from registry.errors import TrainingError
from registry.output import ProgressCallback
from training.matrix import Outcome, TrainingData, outcome, prepare
from training.splits import TRAIN, VALID
from training.task import ComponentTask, TrainingTask

MAX_TREES: Final = 1000
PATIENCE: Final = 50

DEFAULTS: Final[dict[str, Any]] = {
    "learning_rate": 0.05,
    "num_leaves": 31,
    "max_depth": 7,  # deeper trees make exact explanations slower than they make scores better
    "min_data_in_leaf": 50,
    "lambda_l2": 1.0,
    "feature_fraction": 0.8,
    "cat_smooth": 20.0,
    "cat_l2": 10.0,
    "max_bin": 255,
}
METRIC: Final = {"binary": "binary_logloss", "poisson": "poisson", "gamma": "gamma_deviance", "tweedie": "tweedie"}


@dataclass(frozen=True)
class FittedComponent:
    """One trained booster and its affine calibration ``slope * raw + intercept``."""

    task: ComponentTask
    text: str
    n_trees: int
    best_score: float
    parameters: Mapping[str, Any]
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class FittedScore:
    """The boosters of a score with the data that they were trained on.

    Parameters
    ----------
    data
        Checked frame and matrix.
    components
        In the order of the task.
    raw
        (n, n_components) raw margins on every row of the frame.
    seed
        Seed of everything random.
    """

    data: TrainingData
    components: tuple[FittedComponent, ...]
    raw: Matrix
    seed: int

    @property
    def task(self) -> TrainingTask:
        """What was trained."""
        return self.data.task

    @property
    def component_margins(self) -> Matrix:
        """(n, n_components) calibrated margins."""
        return self.raw * [c.slope for c in self.components] + [c.intercept for c in self.components]

    @property
    def margin(self) -> Matrix:
        """(n,) margins of the score."""
        margin: Matrix = self.component_margins @ np.array([c.task.score_weight for c in self.components])
        return margin


def fit_score(
    task: TrainingTask, frame: pd.DataFrame, *, seed: int, threads: int, progress: ProgressCallback | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> FittedScore:
    """Fit every component of a task.

    Parameters
    ----------
    task
        What to train.
    frame
        Rows with the task's columns and a `fold` column (train, valid, test, none).
    seed, threads
        The seed decides the trees, the number of threads does not.
    progress
        Told about each component.
    parameters
        LightGBM parameters over the defaults and the components' own. `n_trees` bounds the boosting and `patience` is
        the number of trees without gain on valid after which it stops; 0 grows exactly `n_trees`, for an outcome so
        noisy that the validation fold cannot tell when to stop.

    Raises
    ------
    TrainingError
        If the frame does not hold what the task needs, or LightGBM refuses it.
    """
    data = prepare(task, frame)
    fitted, raw = [], []
    for position, component in enumerate(task.components):
        tell = _within(progress, position, len(task.components))
        one, margins = fit_component(data, component, seed, threads, tell, parameters)
        fitted.append(one)
        raw.append(margins)
    return FittedScore(data, tuple(fitted), np.column_stack(raw), seed)


def fit_component(
    data: TrainingData, component: ComponentTask, seed: int, threads: int, progress: ProgressCallback | None = None,
    parameters: Mapping[str, Any] | None = None, callbacks: tuple[Callable[..., None], ...] = (),
) -> tuple[FittedComponent, Matrix]:
    """Fit one component; return it with its (n,) raw margins on every row."""
    import lightgbm

    target = outcome(component, data.frame)
    train, valid = target.used & data.in_fold(TRAIN), target.used & data.in_fold(VALID)
    _check_fold(component, target, train, TRAIN)
    _check_fold(component, target, valid, VALID)
    settings, n_trees, patience = _parameters(data, component, seed, parameters)
    tell = progress or _silent
    try:
        train_set = _dataset(data, target, train)
        booster = lightgbm.train(
            {**settings, "num_threads": threads},
            train_set,
            num_boost_round=n_trees,
            valid_sets=[_dataset(data, target, valid, reference=train_set)],
            valid_names=[VALID],
            callbacks=[*_stopping(patience), _teller(component.name, n_trees, tell), *callbacks],
        )
    except lightgbm.basic.LightGBMError as error:
        raise TrainingError(f"LightGBM refused the data: {error}", where=f"{data.task.id}.{component.name}") from error
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    # What is calibrated, explained and served is the saved text, so it is the saved text that predicts here.
    saved = lightgbm.Booster(model_str=text)
    raw = saved.predict(data.matrix, raw_score=True, num_threads=threads)
    (score,) = booster.best_score[VALID].values()
    return FittedComponent(component, text, saved.num_trees(), float(score), settings), raw


def _stopping(patience: int) -> list[Any]:
    import lightgbm

    return [lightgbm.early_stopping(patience, verbose=False)] if patience else []


def _dataset(data: TrainingData, target: Outcome, rows: Any, reference: Any = None) -> Any:
    import lightgbm

    features = data.task.features
    return lightgbm.Dataset(
        data.matrix[rows],
        label=target.label[rows],
        weight=target.weight[rows],
        feature_name=[feature.name for feature in features],
        categorical_feature=[j for j, feature in enumerate(features) if feature.dtype == "category"],
        reference=reference,
        free_raw_data=True,
    )


def _parameters(
    data: TrainingData, component: ComponentTask, seed: int, parameters: Mapping[str, Any] | None
) -> tuple[dict[str, Any], int, int]:
    chosen = {**DEFAULTS, **component.parameters, **(parameters or {})}
    n_trees, patience = int(chosen.pop("n_trees", MAX_TREES)), int(chosen.pop("patience", PATIENCE))
    settings = {
        **chosen,
        "objective": component.objective,
        "metric": METRIC[component.objective],
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        "monotone_constraints_method": "basic",
    }
    if component.objective == "tweedie":
        settings["tweedie_variance_power"] = component.tweedie_power
    monotone = _monotone(data.task)
    if any(monotone):
        settings["monotone_constraints"] = monotone
    return settings, n_trees, patience


def _monotone(task: TrainingTask) -> list[int]:
    # A wrong constraint aborts the process inside LightGBM, beyond the reach of `except`: check it here once more.
    for feature in task.features:
        if feature.monotone not in (-1, 0, 1) or (feature.monotone and feature.dtype == "category"):
            raise TrainingError(
                f"{feature.dtype} feature cannot have the monotone direction {feature.monotone}", where=feature.name
            )
    return [int(feature.monotone) for feature in task.features]


def _check_fold(component: ComponentTask, target: Outcome, rows: Any, fold: str) -> None:
    where = f"component {component.name}, fold {fold}"
    if not rows.any():
        raise TrainingError("no rows", where=where, remedy="Widen the window or the share of held-out groups.")
    label = target.label[rows]
    if component.objective != "gamma" and not (label > 0).any():
        raise TrainingError(
            f"none of {len(label)} rows has an event", where=where, remedy="Widen the window or use more groups."
        )
    if fold == TRAIN and float(label.min()) == float(label.max()):
        raise TrainingError(f"the target is {label[0]:g} in all {len(label)} rows: nothing to learn", where=where)


def _teller(name: str, n_trees: int, tell: ProgressCallback) -> Callable[..., None]:
    def callback(environment: Any) -> None:
        if environment.iteration % 10 == 0:
            tell(name, environment.iteration / n_trees)

    return callback


def wait_passively() -> None:
    """Let LightGBM's threads sleep at a barrier instead of spinning; call it at an edge, before LightGBM is imported.

    On busy cores a spinning barrier more than doubles the time of a fit. The OpenMP library reads this once.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _within(progress: ProgressCallback | None, position: int, count: int) -> ProgressCallback:
    tell = progress or _silent
    return lambda label, share: tell(label, (position + share) / count)


def _silent(_name: str, _share: float) -> None:
    return None
