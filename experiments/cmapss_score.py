"""The score of remaining life: our own trainer on capped remaining cycles, or its discrete-time hazard on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.cmapss_data import CAP, CYCLE, REMAINING, UNIT
from experiments.cmapss_features import declared, health_axes, inputs
from registry.bundle import Objective
from training.calibration import calibrate
from training.fit import fit_score
from training.fitted import FittedScore
from training.splits import FOLD, TEST, TRAIN, VALID
from training.task import ComponentTask, TrainingTask, hazard_components, hazard_frame

FloatArray = npt.NDArray[np.floating[Any]]

OFFSET: Final = 5.0
"""Added to remaining cycles, so that the label of a log link is above 0 and the last cycles do not outweigh all others."""
MEMBERS: Final = 5
HORIZONS: Final = (10, 25, 50, 75, 100, 125)
EVERY: Final = 2
"""Every how many cycles of a training unit is a row: neighbouring cycles say nearly the same."""
JUDGED_FROM: Final = 20
JUDGED_UNTIL: Final = 150
"""Cross-validation judges cycles from the first of these, at most the second before failure: test units end there too."""
TREES: Final[Mapping[str, Any]] = {
    "num_leaves": 15, "max_depth": -1, "min_data_in_leaf": 25, "feature_fraction": 0.6, "bagging_fraction": 0.5, "bagging_freq": 1,
    "learning_rate": 0.05, "n_trees": 400, "patience": 0,
}
HAZARD_TREES: Final[Mapping[str, Any]] = {**TREES, "n_trees": 120}
OBJECTIVES: Final[tuple[Objective, ...]] = ("gamma", "poisson")
"""Candidates among which cross-validation by unit chooses. Both have a log link, so the answer stays a mean."""


@dataclass(frozen=True)
class Rows:
    """Rows of one record with folds: every second cycle of training units, the last cycle of test units.

    Parameters
    ----------
    frame
        Unit, label, inputs, fold and the columns of the hazard.
    names
        Inputs in order.
    axis_shares
        Share of the smoothed variance along each health axis.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    axis_shares: tuple[float, ...]

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """Training rows that cross-validation judges."""
        frame = self.frame
        last = frame["rul_uncapped"] <= JUDGED_UNTIL
        return ((frame[FOLD] != TEST) & last & (frame[CYCLE] >= JUDGED_FROM)).to_numpy()


def rows_of(train: pd.DataFrame, test: pd.DataFrame, *, every: int = EVERY) -> Rows:
    """Return the rows of one record; the health axes are those of the training units."""
    axes = health_axes(train)
    parts = []
    for frame in (train, test):
        made = inputs(frame, axes)
        last = ~frame.duplicated(UNIT, keep="last")
        parts.append(frame.assign(last=last, test=frame is test).join(made))
    kept = pd.concat([parts[0].loc[parts[0][CYCLE] % every == 0], parts[1].loc[parts[1]["last"]]], ignore_index=True)
    # A cross-fitted task stops nowhere here (patience 0); which rows are called valid changes nothing but a word on the card.
    fold = np.where(kept["test"], TEST, np.where(kept[CYCLE] // every % 2 == 0, VALID, TRAIN)).astype(object)
    unit = np.where(kept["test"], "test-", "train-") + kept[UNIT].astype(str)
    ends = hazard_frame(_event(kept), pd.Series(float(HORIZONS[-1]), index=kept.index), HORIZONS)
    made = kept.assign(label=kept[REMAINING] + OFFSET).join(ends)
    made[FOLD], made[UNIT] = fold, unit
    return Rows(made, tuple(parts[0].columns[parts[0].columns.get_loc("cycles_run"):]), tuple(axes.share.tolist()))


def _event(frame: pd.DataFrame) -> pd.Series:
    # Failure comes within the cycle after the last one that was run: half a cycle keeps it above 0 and between whole numbers.
    day = frame["rul_uncapped"] + 0.5
    return day.where(day <= HORIZONS[-1])


def task_of(dataset: str, rows: Rows, objective: Objective) -> TrainingTask:
    """Return the task whose answer is remaining cycles plus `OFFSET`; the weight -1 makes a short life a high score."""
    component = ComponentTask(name="remaining", objective=objective, target="label", score_weight=-1.0, parameters=TREES)
    return TrainingTask(
        id=f"cmapss_{dataset.lower()}", zh=f"涡扇发动机剩余寿命 {dataset}", en=f"remaining life of turbofan engines, {dataset}",
        entity="request", answer="rate", exposure_unit="1", horizon_d=None, features=declared(list(rows.names)),
        components=(component,), group=UNIT, members=MEMBERS, simulated=True,
        purpose="shows on records with published results that trainer, bundle and explanation foresee wear",
        outcome=f"cycles until failure, at most {CAP:.0f}, plus {OFFSET:.0f}",
        limits=(
            "The engines are simulated by NASA's C-MAPSS: no statement about trucks.",
            f"Beyond {CAP:.0f} cycles the score does not tell engines apart, by the published protocol.",
            "Health axes are made of the sensors before the score sees them; an explanation speaks of axes.",
        ),
    )


def fit_remaining(
    dataset: str, rows: Rows, objective: Objective, *, seed: int, threads: int, parameters: Mapping[str, Any] | None = None
) -> FittedScore:
    """Fit the score, cross-fitted by unit and calibrated."""
    task = task_of(dataset, rows, objective)
    calibrated, _ = calibrate(fit_score(task, rows.frame, seed=seed, threads=threads, parameters=parameters))
    return calibrated


def remaining_of(margins: FloatArray) -> FloatArray:
    """Return remaining cycles, within 0 and the cap, of calibrated margins of the one component, shape (n, 1)."""
    result: FloatArray = np.clip(np.exp(margins[:, 0]) - OFFSET, 0.0, CAP)
    return result


def fit_hazard(
    dataset: str, rows: Rows, *, seed: int, threads: int, parameters: Mapping[str, Any] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return remaining cycles by the discrete-time hazard, (n,) out of fold and (n,) of the merged boosters.

    It is the machinery of the product `maintenance`: the same task, cycles in place of days.
    """
    components = hazard_components(HORIZONS, parameters=HAZARD_TREES)
    base = task_of(dataset, rows, "gamma")
    task = TrainingTask(
        id=base.id, zh=base.zh, en=base.en, entity="request", answer="hazard", exposure_unit="1", horizon_d=None,
        features=base.features, components=components, group=UNIT, members=MEMBERS, simulated=True,
    )
    fitted, _ = calibrate(fit_score(task, rows.frame, seed=seed, threads=threads, parameters=parameters))
    return mean_life(fitted.honest_margins), mean_life(fitted.component_margins)


def mean_life(margins: FloatArray, horizons: tuple[int, ...] = HORIZONS) -> FloatArray:
    """Return the mean life up to the last horizon of the hazard's margins: the area under the survival curve.

    Parameters
    ----------
    margins
        Log-odds of failure within each interval, given life at its beginning, shape (n, n_intervals).
    horizons
        Ends of the intervals; the hazard within each is taken as constant.
    """
    total = np.logaddexp(0.0, margins)
    width = np.diff((0, *horizons))
    start = np.exp(-np.cumsum(np.column_stack([np.zeros(len(total)), total[:, :-1]]), axis=1))
    # Mean of exp(-h t) over an interval: (1 - exp(-H)) / H, 1 where nothing can happen.
    area = np.where(total > 1e-12, -np.expm1(-total) / np.maximum(total, 1e-12), 1.0)
    result: FloatArray = (start * area) @ width
    return result
