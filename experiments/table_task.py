"""From a declaration and its rows to the trainer's own task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.table_columns import ROW, require, take_steps
from experiments.table_declaration import (
    LEARN,
    ComponentDeclaration,
    FeatureDeclaration,
    ScoreDeclaration,
    TableDeclaration,
)
from experiments.table_split import OutOfTimeSplit
from registry.encoding import Matrix
from registry.errors import ConfigurationError, DataError
from registry.feature_spec import Feature
from training import metrics
from training.evaluation import PREMIUM_POWER
from training.matrix import Mask, outcome
from training.splits import FOLD, TEST
from training.task import ComponentTask, TrainingTask


@dataclass(frozen=True)
class Prepared:
    """A frame with folds and the task that reads it."""

    task: TrainingTask
    frame: pd.DataFrame


def columns_of(declaration: TableDeclaration, source: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with features under their names: floats as numbers, categories as text.

    Raises
    ------
    DataError
        If a column is missing or a float is none.
    """
    read = {feature.name: feature.column or feature.name for feature in declaration.features}
    require(source, list(read.values()), where=f"features of {declaration.study}")
    made = {
        feature.name: _values(feature, source[read[feature.name]]) for feature in declaration.features
    }
    return source.assign(**made)


def _values(feature: FeatureDeclaration, column: pd.Series) -> pd.Series:
    if feature.type == "category":
        # A code read as a number is still a name: 3 and 3.0 are one category, "3".
        text = column.map(lambda value: f"{value:g}" if isinstance(value, int | float | np.number) else str(value))
        return text.astype(object).where(column.notna(), None)
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"not a number: {error}", where=f"feature {feature.name}", remedy="Declare it with `type: category`."
        ) from error


def prepared(declaration: TableDeclaration, score: ScoreDeclaration, rows: pd.DataFrame, fold: pd.Series) -> Prepared:
    """Return frame and task of one round of a score; `rows` are those of `score_rows`."""
    frame = rows.assign(**{FOLD: fold.to_numpy()})
    return Prepared(_task(declaration, score, frame), frame)


def score_rows(declaration: TableDeclaration, score: ScoreDeclaration, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows after the score's own steps, with every column that it reads."""
    frame = take_steps(rows, score.prepare, where=f"score {score.id}")
    named = [column for component in score.components for column in _reads(component)]
    named += [name for name in (score.amount, score.baseline, declaration.group) if name is not None]
    require(frame, named, where=f"score {score.id}")
    return frame


def _reads(component: ComponentDeclaration) -> tuple[str, ...]:
    named = (component.target, component.exposure, component.weight, component.at_risk)
    return tuple(name for name in named if name is not None)


def _task(declaration: TableDeclaration, score: ScoreDeclaration, frame: pd.DataFrame) -> TrainingTask:
    seen = frame.loc[frame[FOLD] != TEST]
    split = score.split
    try:
        return TrainingTask(
            id=score.id, zh=score.zh, en=score.en, entity="request", answer=score.answer,
            exposure_unit=score.exposure_unit, horizon_d=score.horizon_d,
            features=tuple(_feature(feature, seen) for feature in declaration.features),
            components=tuple(_component(component) for component in score.components),
            group=declaration.group or ROW, simulated=False, purpose=declaration.purpose, outcome=score.outcome,
            limits=declaration.limits, baseline=score.baseline, amount=score.amount, currency=score.currency,
            time=split.time if isinstance(split, OutOfTimeSplit) else None, **_members(score),
        )
    except ValueError as error:
        raise ConfigurationError(str(error), where=f"score {score.id}", remedy="Mend the declaration.") from error


def _members(score: ScoreDeclaration) -> dict[str, Any]:
    return {"members": score.members, "nested": score.nested} if score.members > 1 else {}


def _component(component: ComponentDeclaration) -> ComponentTask:
    return ComponentTask(
        name=component.name, objective=component.objective, target=component.target, exposure=component.exposure,
        weight=component.weight, at_risk=component.at_risk, tweedie_power=component.tweedie_power,
        parameters=component.parameters,
    )


def _feature(feature: FeatureDeclaration, seen: pd.DataFrame) -> Feature:
    vocabulary: tuple[str, ...] = ()
    if feature.type == "category":
        learned = feature.vocabulary in (None, LEARN)
        vocabulary = tuple(sorted(seen[feature.name].dropna().unique())) if learned else tuple(feature.vocabulary or ())
        if not vocabulary:
            raise ValueError(f"feature {feature.name} has no category outside the test rows")
    monotone = feature.monotone
    return Feature(
        name=feature.name, entity="request", zh=feature.zh, en=feature.en, group=feature.group, unit=feature.unit,
        dtype=feature.type, vocabulary=vocabulary, null_rule=feature.null, actionable=feature.actionable,
        sensitivity=feature.sensitivity, reason_code=feature.reason_code,
        monotone=monotone.direction if monotone else 0, monotone_reason=monotone.reason if monotone else "",
    )


@dataclass(frozen=True)
class Part:
    """What one component, or the whole score, is judged by.

    Parameters
    ----------
    objective, power
        Deviance.
    observed, weight
        (n,) outcome per unit of weight, and weight.
    used
        (n,) rows that count.
    """

    objective: Any
    power: float
    observed: Matrix
    weight: Matrix
    used: Mask


def part_of(task: TrainingTask, frame: pd.DataFrame, name: str) -> Part:
    """Return what a component is judged by, or the whole pure premium under the name "score"."""
    component = next((one for one in task.components if one.name == name), None)
    if component is not None:
        target = outcome(component, frame)
        return Part(component.objective, component.tweedie_power, target.label, target.weight, target.used)
    assert task.exposure is not None
    assert task.amount is not None
    exposure = frame[task.exposure].to_numpy(dtype=np.float64)
    amount = frame[task.amount].to_numpy(dtype=np.float64)
    used: Mask = exposure > 0
    return Part("tweedie", PREMIUM_POWER, np.where(used, amount / np.where(used, exposure, 1.0), 0.0), exposure, used)


def predicted(task: TrainingTask, margins: Matrix, name: str) -> Matrix:
    """Return (n,) predictions of a component, or of the whole score, from (n, n_components) calibrated margins."""
    for k, component in enumerate(task.components):
        if component.name == name:
            return metrics.inverse_link(component.objective, margins[:, k])
    premium: Matrix = np.exp(margins.sum(axis=1))
    return premium


