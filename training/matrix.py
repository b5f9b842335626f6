"""From a frame with folds to what LightGBM is given: one float matrix, and label, weight and rows per component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.encoding import Encoder, Matrix
from registry.errors import DataError, TrainingError
from registry.feature_spec import Feature
from training.splits import FOLD, TRAIN, VALID
from training.task import ComponentTask, TrainingTask

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingData:
    """A checked frame and its matrix.

    Parameters
    ----------
    task
        What is trained.
    frame
        (n, columns) with a `fold` column.
    matrix
        (n, n_features), categories as codes; float32 where every number of the frame is, else float64.
    kept
        What several fits on these data share, by what it was made with (`training.binned`).
    """

    task: TrainingTask
    frame: pd.DataFrame
    matrix: Matrix
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def in_fold(self, *names: str) -> Mask:
        """Return (n,) whether a row belongs to one of these folds."""
        mask: Mask = self.frame[FOLD].isin(names).to_numpy()
        return mask

    @property
    def fitted_rows(self) -> Mask:
        """Rows of train and valid: what the score has seen, and its reference population."""
        return self.in_fold(TRAIN, VALID)


@dataclass(frozen=True)
class Outcome:
    """Label and weight of one component on all n rows, and which rows count."""

    label: Matrix
    weight: Matrix
    used: Mask


def evenly_spaced(count: int, most: int) -> npt.NDArray[np.intp]:
    """Return at most `most` of the positions 0 to count - 1, evenly spaced, the first and the last among them."""
    places: npt.NDArray[np.intp] = np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.intp))
    return places


def prepare(task: TrainingTask, frame: pd.DataFrame) -> TrainingData:
    """Return the checked training data of a task.

    Raises
    ------
    TrainingError
        If a column is missing, a fold has an unknown name, or a required or category input cannot be encoded.
    """
    missing = [name for name in (*task.columns, FOLD) if name not in frame.columns]
    if missing:
        raise TrainingError(f"the frame lacks columns {missing}", where=task.id)
    unknown = sorted(set(frame[FOLD].unique()) - {"train", "valid", "test", "none"})
    if unknown:
        raise TrainingError(f"unknown folds {unknown}", where=task.id, remedy="Use train, valid, test and none.")
    return TrainingData(task, frame, encode(task.features, frame, narrow=True))


def encode(features: Sequence[Feature], frame: pd.DataFrame, *, narrow: bool = False) -> Matrix:
    """Return the (n, n_features) matrix by the rule of `registry.encoding`; a required input must be there."""
    try:
        matrix = Encoder(features).frame(frame, narrow=narrow)
    except DataError as error:
        raise TrainingError(error.message, where=error.where) from error
    for j, feature in enumerate(features):
        if feature.null_rule == "required" and np.isnan(matrix[:, j]).any():
            nulls = int(np.isnan(matrix[:, j]).sum())
            raise TrainingError(
                f"{nulls} rows have no value", where=feature.name, remedy="Such rows have no score; drop them earlier."
            )
    return matrix


def outcome(component: ComponentTask, frame: pd.DataFrame) -> Outcome:
    """Return label, weight and used rows of a component.

    Raises
    ------
    TrainingError
        If a used row has no target, a negative or zero exposure or weight, or a target that the objective forbids.
    """
    n = len(frame)
    used: Mask = np.ones(n, dtype=bool)
    if component.at_risk is not None:
        if frame[component.at_risk].isna().any():
            raise TrainingError("nulls where true or false is needed", where=component.at_risk)
        used = frame[component.at_risk].to_numpy(dtype=bool)
    used = used & (frame[FOLD] != "none").to_numpy()
    label = _column(component, frame, component.target)
    weight = np.ones(n)
    if component.exposure is not None:
        exposure = _column(component, frame, component.exposure)
        _check_weight(component, component.exposure, exposure[used])
        label = np.divide(label, exposure, out=np.full(n, np.nan), where=exposure > 0)
        weight = weight * exposure
    if component.weight is not None:
        factor = _column(component, frame, component.weight)
        _check_weight(component, component.weight, factor[used])
        weight = weight * factor
    _check_label(component, label[used])
    return Outcome(np.where(used, label, 0.0), np.where(used, weight, 0.0), used)


def _column(component: ComponentTask, frame: pd.DataFrame, name: str) -> Matrix:
    try:
        values: Matrix = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise TrainingError(f"not a number: {error}", where=f"{component.name}.{name}") from error
    return values


def _check_weight(component: ComponentTask, name: str, values: Matrix) -> None:
    bad = int((~(values > 0) | np.isinf(values)).sum())
    if bad:
        raise TrainingError(
            f"{bad} used rows have an exposure or weight that is null, infinite or not above 0",
            where=f"{component.name}.{name}", remedy="Leave such rows out through `at_risk`.",
        )


def _check_label(component: ComponentTask, label: Matrix) -> None:
    where = f"{component.name}.{component.target}"
    bad = int((~np.isfinite(label)).sum())
    if bad:
        raise TrainingError(f"{bad} used rows have a target that is null or infinite", where=where)
    if component.objective == "binary" and not np.isin(label, (0.0, 1.0)).all():
        raise TrainingError("a binary target is 0 or 1", where=where)
    if component.objective == "gamma" and (label <= 0).any():
        raise TrainingError(
            f"{int((label <= 0).sum())} used rows have a target that is not above 0", where=where,
            remedy="Leave rows without a claim out through `at_risk`.",
        )
    if (label < 0).any():
        raise TrainingError(f"{int((label < 0).sum())} used rows have a negative target", where=where)
