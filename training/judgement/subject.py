"""What is judged: the outcomes that a score speaks about, each with the score's own prediction on every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.bundle import Objective
from registry.encoding import Matrix
from registry.errors import TrainingError
from registry.scale import POINTS_MAX, POINTS_MIN
from registry.scorer import Scorer
from training import metrics
from training.evaluation import PREMIUM_POWER
from training.matrix import Mask, outcome
from training.splits import FOLD, TEST, TRAIN, VALID
from training.task import TrainingTask

MILEAGE: Final = ("distance_km_90d", "distance_km_per_vehicle_30d", "distance_km_30d")
"""Columns that say how much is driven, the first one found is used: a score must not be a mileage in disguise."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One outcome with the score's prediction, arrays of shape (n,) over all rows of the frame.

    Parameters
    ----------
    name
        Component of the score, or "score" for what it answers with, or "any_event".
    objective, power
        Family in which predictions are judged.
    label, weight, used
        Outcome per unit of weight, weight, and rows that count.
    prediction
        Predicted mean of the label.
    ranking
        What the score orders rows by; for a hazard the points, otherwise as the prediction.
    counts
        Whether ``weight * label`` is a number of events, so that a Poisson band holds for it.
    """

    name: str
    objective: Objective
    power: float
    label: Matrix
    weight: Matrix
    used: Mask
    prediction: Matrix
    ranking: Matrix
    counts: bool

    @property
    def binary(self) -> bool:
        """Whether the outcome is yes or no."""
        return self.objective == "binary"

    @property
    def measure(self) -> str:
        """Name of the rank measure."""
        return "auc" if self.binary else "gini"


@dataclass(frozen=True)
class Subject:
    """A bundle on the rows that it is judged on.

    Parameters
    ----------
    scorer
        The verified bundle.
    task
        The product's task.
    frame
        (n, columns) with a fold; columns of the context (`features.judged_context`) may stand beside the inputs.
    """

    scorer: Scorer
    task: TrainingTask
    frame: pd.DataFrame

    def __post_init__(self) -> None:
        theirs = [component.name for component in self.scorer.manifest.components]
        ours = [component.name for component in self.task.components]
        if theirs != ours:
            raise TrainingError(
                f"the version has components {theirs}, the task {ours}", where=self.task.id,
                remedy="Judge it with the code that it was trained with, or train again.",
            )

    @cached_property
    def matrix(self) -> Matrix:
        """(n, n_features) encoded inputs in the order of the bundle."""
        return self.scorer.encode_frame(self.frame)

    @cached_property
    def component_margins(self) -> Matrix:
        """(n, n_components) calibrated margins."""
        return self.scorer.component_margins(self.matrix)

    @cached_property
    def margin(self) -> Matrix:
        """(n,) margins of the score."""
        weights = np.array([component.weight for component in self.scorer.manifest.components])
        margin: Matrix = self.component_margins @ weights
        return margin

    @cached_property
    def points(self) -> Matrix:
        """(n,) clamped points."""
        return points_of(self.scorer, self.margin)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """Outcomes by name: every component, then what the score answers with where that is another."""
        found = {c.name: _component(self, k) for k, c in enumerate(self.task.components)}
        match self.task.answer:
            case "pure_premium":
                found["score"] = _premium(self)
            case "hazard":
                found["score"] = _within_horizon(self, found)
            case "rate" if self.task.exposure is not None:
                found["any_event"] = _any_event(self, found[self.task.components[0].name])
        return found

    @property
    def main(self) -> Part:
        """The outcome that the score as a whole is judged by."""
        return self.parts.get("score") or self.parts[self.task.components[0].name]

    @cached_property
    def fold(self) -> npt.NDArray[np.object_]:
        """(n,) fold of each row."""
        return self.frame[FOLD].to_numpy(dtype=object)

    @property
    def development(self) -> Mask:
        """Rows of train and valid: what the score was made from, and its reference population."""
        return np.asarray((self.fold == TRAIN) | (self.fold == VALID))

    @property
    def test(self) -> Mask:
        """Rows of the test period."""
        return np.asarray(self.fold == TEST)

    @cached_property
    def axes(self) -> dict[str, Matrix]:
        """Exposure axes within whose quintiles the score must hold: axis -> (n,) values."""
        exposure = self.task.exposure
        names = {"exposure": exposure, "mileage": next((name for name in MILEAGE if name in self.frame), None)}
        return {
            axis: self.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for axis, name in names.items() if name is not None
        }


def points_of(scorer: Scorer, margin: Matrix) -> Matrix:
    """Return (n,) clamped points of (n,) margins, at once."""
    scale = scorer.manifest.scale
    return np.clip(scale.points(0.0) + scale.slope * margin, POINTS_MIN, POINTS_MAX)


def tiers_of(scorer: Scorer, points: Matrix) -> npt.NDArray[np.intp]:
    """Return (n,) tiers of clamped points: 0 blue, 1 yellow, 2 orange, 3 red."""
    return np.searchsorted(np.array(scorer.manifest.cut_points), points, side="right")


def _component(subject: Subject, k: int) -> Part:
    component = subject.task.components[k]
    target, margin = outcome(component, subject.frame), subject.component_margins[:, k]
    prediction = metrics.inverse_link(component.objective, margin)
    return Part(
        name=component.name, objective=component.objective, power=component.tweedie_power, label=target.label,
        weight=target.weight, used=target.used, prediction=prediction, ranking=prediction,
        counts=component.objective in ("binary", "poisson"),
    )


def _premium(subject: Subject) -> Part:
    task, frame = subject.task, subject.frame
    assert task.exposure is not None, "a pure premium has an exposure"
    assert task.amount is not None, "a pure premium has an amount"
    exposure = frame[task.exposure].to_numpy(dtype=np.float64, na_value=np.nan)
    amount = frame[task.amount].to_numpy(dtype=np.float64, na_value=np.nan)
    used = (exposure > 0) & np.isfinite(amount) & (subject.fold != "none")
    prediction = np.exp(subject.margin)
    label = np.divide(amount, exposure, out=np.zeros_like(amount), where=used)
    return Part(
        name="score", objective="tweedie", power=PREMIUM_POWER, label=label, weight=np.where(used, exposure, 0.0),
        used=used, prediction=prediction, ranking=prediction, counts=False,
    )


def _within_horizon(subject: Subject, parts: Mapping[str, Part]) -> Part:
    """Return whether anything happened within the longest horizon; rows censored before its end do not count."""
    components = [parts[component.name] for component in subject.task.components if component.horizon_d is not None]
    happened = np.any([part.used & (part.label > 0) for part in components], axis=0)
    watched = np.all([part.used for part in components], axis=0)
    surviving = np.prod([1.0 - part.prediction for part in components], axis=0)
    used = happened | watched
    return Part(
        name="score", objective="binary", power=1.5, label=happened.astype(np.float64), weight=used.astype(np.float64),
        used=used, prediction=1.0 - surviving, ranking=subject.margin, counts=True,
    )


def _any_event(subject: Subject, events: Part) -> Part:
    """Return whether at least one event happened: Poisson with the row's exposure."""
    prediction = any_event(events.prediction, events.weight)
    return Part(
        name="any_event", objective="binary", power=1.5, label=(events.label > 0).astype(np.float64),
        weight=events.used.astype(np.float64), used=events.used, prediction=prediction, ranking=prediction, counts=True,
    )


def any_event(rate: Matrix, exposure: Matrix) -> Matrix:
    """Return the probability of at least one event at a rate over an exposure, never exactly 0 or 1."""
    return np.clip(-np.expm1(-rate * exposure), 1e-12, 1 - 1e-12)
