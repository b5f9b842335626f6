"""Fit the boosters of a score: native LightGBM, deterministic, stopped early on the validation period alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.encoding import Matrix
from registry.errors import TrainingError
from registry.output import ProgressCallback
from training.binned import Binned, binned, dataset
from training.fitted import FittedComponent, FittedScore
from training.matrix import Mask, Outcome, TrainingData, outcome, prepare
from training.members import mean_of_texts, member_of, shortened
from training.side_by_side import side_by_side
from training.splits import FOLD, TRAIN, VALID
from training.streamed import predicted
from training.task import ComponentTask, TrainingTask

MAX_TREES: Final = 1000
PATIENCE: Final = 50
LEAST_EVENTS: Final = 200
"""A member whose part of the validation period holds fewer events stops on all its own development rows: with some 50
events, the best number of trees is mostly chance. [A]"""

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
CAUTIOUS: Final[dict[str, Any]] = {
    "learning_rate": 0.03, "num_leaves": 8, "max_depth": 3, "min_data_in_leaf": 300, "lambda_l2": 10.0,
    "feature_fraction": 0.3, "bagging_fraction": 0.7, "bagging_freq": 1, "max_bin": 63,
}
"""For rare outcomes on a hundred inputs that say much the same: many small trees, each on some of the inputs and rows."""
BRISK: Final[dict[str, Any]] = {**CAUTIOUS, "learning_rate": 0.07, "patience": 30}
"""With fewer than half the trees, for outcomes with thousands of events whose validation deviance is no higher for it."""
METRIC: Final = {"binary": "binary_logloss", "poisson": "poisson", "gamma": "gamma_deviance", "tweedie": "tweedie"}


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
        noisy that the validation fold cannot tell when to stop. `together`: members of a cross-fitted task all grow
        `n_trees`, and keep K / (K - 1) times the number that has the least mean loss on the rows that each is blind to, where
        one member's few events would stop it early by chance. `negative_share`: of the rows without an event
        each member is fitted on a share of its own, with weights that make up for the rest; it stops on all rows.

    Raises
    ------
    TrainingError
        If the frame does not hold what the task needs, or LightGBM refuses it.
    """
    data = prepare(task, frame)
    fitted, raw, honest = [], [], []
    for position, component in enumerate(task.components):
        tell = _within(progress, position, len(task.components))
        one, margins, out_of_fold = fit_members(data, component, seed, threads, tell, parameters)
        fitted.append(one)
        raw.append(margins)
        honest.append(out_of_fold)
    return FittedScore(data, tuple(fitted), np.column_stack(raw), np.column_stack(honest), seed)


def fit_members(
    data: TrainingData, component: ComponentTask, seed: int, threads: int, progress: ProgressCallback | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[FittedComponent, Matrix, Matrix]:
    """Fit every member of one component; return their mean, its (n,) raw margins, and the (n,) margins out of fold."""
    count = data.task.members
    if count == 1:
        one, margins = fit_component(data, component, seed, threads, progress, parameters)
        return one, margins, margins
    blind = blind_member(data, seed)
    asked = answerable(data, component)
    honest, raw = np.full(len(asked), np.nan), np.full(len(asked), np.nan)
    development = data.fitted_rows
    shared = binned(data, _parameters(data, component, seed, parameters)[0], seed=seed, threads=threads)
    together = bool(_chosen(component, parameters).get("together"))

    def fit(member: int, share: int, tell: ProgressCallback) -> FittedComponent:
        return _boosted(data, component, seed, share, tell, parameters, shared, own=blind == member, draw=member, whole=together)

    fitted = side_by_side(fit, count, threads=threads, n_rows=len(data.matrix), progress=progress)
    if together:
        fitted = _as_many(fitted)
    if data.task.nested:
        alike = {**(parameters or {}), **({"n_trees": len(fitted[0].losses)} if together else {})}
        honest = _nested(data, component, seed, threads, blind, alike, shared, whole=together)
    else:
        for member, one in enumerate(fitted):
            unseen = asked & development & (blind == member)
            honest[unseen] = _predict(one.text, data, threads, unseen)
    text = mean_of_texts([one.text for one in fitted])
    raw[asked] = _predict(text, data, threads, asked)
    mean = replace(
        fitted[0], text=text, n_trees=sum(one.n_trees for one in fitted),
        best_score=float(np.mean([one.best_score for one in fitted])),
    )
    return mean, raw, np.where(development, honest, raw)


def _as_many(fitted: list[FittedComponent]) -> list[FittedComponent]:
    """Return members of equally many trees, with the losses up to there.

    The least mean loss says how many trees suit one member, who saw K - 1 of K parts of the groups. Served is the mean of all,
    which has seen every part and errs less than any: it bears more, K / (K - 1) times as many.
    """
    least = int(np.argmin(np.mean([one.losses for one in fitted], axis=0))) + 1
    most = min(round(least * len(fitted) / (len(fitted) - 1)), len(fitted[0].losses))
    texts = [shortened(one.text, most) for one in fitted]
    return [
        replace(one, text=text, n_trees=text.count("\nTree="), losses=one.losses[:most], best_score=one.losses[most - 1])
        for one, text in zip(fitted, texts, strict=True)
    ]


def answerable(data: TrainingData, component: ComponentTask) -> Mask:
    """Return (n,) rows that a component of a cross-fitted task answers for: those in a fold; for a cause, those that failed.

    Predicting takes as long as a third of the fit, so what nothing reads is not predicted.
    """
    asked: Mask = (data.frame[FOLD] != "none").to_numpy()
    return asked & outcome(component, data.frame).used if component.cause else asked


def _nested(
    data: TrainingData, component: ComponentTask, seed: int, threads: int, blind: npt.NDArray[np.int64],
    parameters: Mapping[str, Any] | None, shared: Binned | None, *, whole: bool,
) -> Matrix:
    """Return (n,) margins of development rows: the mean of the boosters that are blind to the row's part and to one more."""
    count = data.task.members
    honest = np.zeros(len(data.frame))
    pairs = list(combinations(range(count), 2))

    def fit(position: int, share: int, tell: ProgressCallback) -> FittedComponent:
        own, draw = np.isin(blind, pairs[position]), count + position
        return _boosted(data, component, seed, share, tell, parameters, shared, own=own, draw=draw, whole=whole)

    for pair, one in zip(pairs, side_by_side(fit, len(pairs), threads=threads, n_rows=len(data.matrix)), strict=True):
        held = data.fitted_rows & np.isin(blind, pair)
        honest[held] += _predict(one.text, data, threads, held) / (count - 1)
    return honest


def fit_component(
    data: TrainingData, component: ComponentTask, seed: int, threads: int, progress: ProgressCallback | None = None,
    parameters: Mapping[str, Any] | None = None, callbacks: tuple[Callable[..., None], ...] = (), member: int = 0,
) -> tuple[FittedComponent, Matrix]:
    """Fit one booster of a component; return it with its (n,) raw margins on every row.

    A task with one member is fitted on train and stopped on valid. Member k of several is fitted on the train and valid rows
    of the other groups and stopped on its own groups' rows of the validation period; where those hold fewer than
    `LEAST_EVENTS` events, on all its own groups' development rows.
    """
    shared = binned(data, _parameters(data, component, seed, parameters)[0], seed=seed, threads=threads)
    own = own_rows(data, seed, member)
    made = _boosted(data, component, seed, threads, progress, parameters, shared, callbacks, own, member)
    return made, _predict(made.text, data, threads)


def _boosted(
    data: TrainingData, component: ComponentTask, seed: int, threads: int, progress: ProgressCallback | None,
    parameters: Mapping[str, Any] | None, shared: Binned | None, callbacks: tuple[Callable[..., None], ...] = (),
    own: Mask | None = None, draw: int = 0, whole: bool = False,
) -> FittedComponent:
    """Return the booster that is blind to its own rows; `draw` tells apart what is random, `whole` never stops."""
    import lightgbm

    target = outcome(component, data.frame)
    train, valid = rows_of_fit(data, target, own)
    _check_fold(component, target, train, TRAIN)
    _check_fold(component, target, valid, VALID)
    train, fitted = _thinned(target, train, float(_chosen(component, parameters).get("negative_share", 1.0)), seed=seed, draw=draw)
    settings, n_trees, patience = _parameters(data, component, seed + draw, parameters)
    tell = progress or _silent
    course: dict[str, dict[str, list[float]]] = {}
    try:
        if shared is not None:
            train_set = shared.rows(fitted, train, threads=threads)
            valid_set = shared.rows(target, valid, threads=threads)
        else:
            train_set = dataset(data, fitted, train)
            valid_set = dataset(data, target, valid, reference=train_set)
        booster = lightgbm.train(
            {**settings, "num_threads": threads},
            train_set,
            num_boost_round=n_trees,
            valid_sets=[valid_set],
            valid_names=[VALID],
            callbacks=[
                *_stopping(0 if whole else patience), lightgbm.record_evaluation(course),
                _teller(component.name, n_trees, tell), *callbacks,
            ],
        )
    except lightgbm.basic.LightGBMError as error:
        raise TrainingError(f"LightGBM refused the data: {error}", where=f"{data.task.id}.{component.name}") from error
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    (score,) = booster.best_score[VALID].values()
    (losses,) = course[VALID].values()
    return FittedComponent(component, text, text.count("\nTree="), float(score), settings, losses=tuple(losses))


def blind_member(data: TrainingData, seed: int) -> npt.NDArray[np.int64]:
    """Return (n,) the member of a cross-fitted task that has not seen the row's group."""
    return member_of(data.frame[data.task.group], members=data.task.members, seed=seed, counted=data.fitted_rows)


def own_rows(data: TrainingData, seed: int, member: int) -> Mask | None:
    """Return (n,) the rows whose group a member has not seen; None of a task with one member, which sees all groups."""
    return None if data.task.members == 1 else blind_member(data, seed) == member


def rows_of_fit(data: TrainingData, target: Outcome, own: Mask | None) -> tuple[Mask, Mask]:
    """Return (n,) the rows that a member is fitted on, and (n,) those that it stops on.

    Parameters
    ----------
    own
        Rows that the member is blind to, as `own_rows` returns them.
    """
    if own is None:
        return target.used & data.in_fold(TRAIN), target.used & data.in_fold(VALID)
    usable = target.used & data.fitted_rows
    period = usable & own & data.in_fold(VALID)
    enough = int((target.label[period] > 0).sum()) >= LEAST_EVENTS
    return usable & ~own, period if enough else usable & own


def _thinned(target: Outcome, rows: Mask, share: float, *, seed: int, draw: int) -> tuple[Mask, Outcome]:
    """Return the rows to fit on with a share of those without an event, each of which stands for all that it was drawn from."""
    if not 0.0 < share <= 1.0:
        raise TrainingError(f"a share lies above 0 and up to 1, met {share}", where="negative_share")
    if share == 1.0:
        return rows, target
    event = target.label > 0
    kept = event | (np.random.default_rng([seed, draw]).random(len(event)) < share)
    return rows & kept, replace(target, weight=np.where(event, target.weight, target.weight / share))


def _predict(text: str, data: TrainingData, threads: int, rows: Mask | None = None) -> Matrix:
    # What is calibrated, explained and served is the saved text, so it is the saved text that predicts here.
    import lightgbm

    booster = lightgbm.Booster(model_str=text)
    if rows is not None:
        return predicted(booster, data.matrix, rows, threads=threads)
    margins: Matrix = booster.predict(data.matrix, raw_score=True, num_threads=threads)
    return margins


def _stopping(patience: int) -> list[Any]:
    import lightgbm

    return [lightgbm.early_stopping(patience, verbose=False)] if patience else []


def _chosen(component: ComponentTask, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the parameters of a component's fits, those that are ours among them."""
    return {**DEFAULTS, **component.parameters, **(parameters or {})}


def _parameters(
    data: TrainingData, component: ComponentTask, seed: int, parameters: Mapping[str, Any] | None
) -> tuple[dict[str, Any], int, int]:
    chosen = _chosen(component, parameters)
    n_trees, patience = int(chosen.pop("n_trees", MAX_TREES)), int(chosen.pop("patience", PATIENCE))
    chosen.pop("together", None)
    chosen.pop("negative_share", None)
    settings = {
        **chosen,
        "objective": component.objective,
        "metric": METRIC[component.objective],
        "seed": seed,
        "deterministic": True,
        # The same trees as row-wise, sooner: with a part of the inputs per tree, row-wise copies that part for every tree.
        "force_col_wise": True,
        "verbosity": -1,
        "monotone_constraints_method": "basic",
    }
    if component.objective == "tweedie":
        settings["tweedie_variance_power"] = component.tweedie_power
    monotone = _monotone(data.task)
    if any(monotone):
        settings["monotone_constraints"] = monotone
    if data.task.group_weights:
        settings["feature_contri"] = [data.task.group_weights.get(feature.group, 1.0) for feature in data.task.features]
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
