"""What a fit leaves: boosters with their calibration, and their margins on the rows that they were fitted on and on others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from registry.encoding import Matrix
from training.matrix import TrainingData
from training.task import ComponentTask, TrainingTask


@dataclass(frozen=True)
class FittedComponent:
    """One trained booster, or the mean of several, and its affine calibration ``slope * raw + intercept``.

    Parameters
    ----------
    task
        What was trained.
    text
        LightGBM model text.
    n_trees
        Trees in it, of all members together.
    best_score
        Loss on the validation fold at the best iteration, mean over members.
    parameters
        LightGBM parameters.
    slope, intercept
        Calibration.
    dispersion
        Variance of the true rate between scored units around its prediction, as a square of the coefficient of variation;
        None where it is not estimated.
    losses
        Loss of the booster on its own validation rows after each tree that was grown; of several members, of the first.
    """

    task: ComponentTask
    text: str
    n_trees: int
    best_score: float
    parameters: Mapping[str, Any]
    slope: float = 1.0
    intercept: float = 0.0
    dispersion: float | None = None
    losses: tuple[float, ...] = field(default=(), repr=False)


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
        (n, n_components) raw margins of the saved boosters on every row of the frame; of a cross-fitted task NaN where nobody
        asks (`answerable`).
    out_of_fold
        (n, n_components) raw margins of a booster that has not seen the row's group, or of a mean of such boosters where the
        task is nested. Equal to `raw` where no booster has seen it: on test, and on valid of a task with one member. Train
        rows of such a task have no honest margin; theirs are those of `raw`.
    seed
        Seed of everything random.
    """

    data: TrainingData
    components: tuple[FittedComponent, ...]
    raw: Matrix
    out_of_fold: Matrix
    seed: int

    @property
    def task(self) -> TrainingTask:
        """What was trained."""
        return self.data.task

    @property
    def component_margins(self) -> Matrix:
        """(n, n_components) calibrated margins of the saved boosters."""
        return self.raw * [c.slope for c in self.components] + [c.intercept for c in self.components]

    @property
    def honest_margins(self) -> Matrix:
        """(n, n_components) calibrated margins out of fold."""
        return self.out_of_fold * [c.slope for c in self.components] + [c.intercept for c in self.components]

    @property
    def margin(self) -> Matrix:
        """(n,) margins of the score, of the saved boosters."""
        return self._of_score(self.component_margins)

    @property
    def honest_margin(self) -> Matrix:
        """(n,) margins of the score out of fold."""
        return self._of_score(self.honest_margins)

    def _of_score(self, margins: Matrix) -> Matrix:
        # What has no weight may not be predicted everywhere: NaN times 0 is NaN.
        weighty = self.weights != 0
        margin: Matrix = margins[:, weighty] @ self.weights[weighty]
        return margin

    @property
    def weights(self) -> Matrix:
        """(n_components,) weights of the components in the score's margin."""
        return np.array([c.task.score_weight for c in self.components])
