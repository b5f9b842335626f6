"""Search of LightGBM parameters before a training: the least loss on the validation fold, in this process.

The command `roadrisk tune` and everything beyond it (several processes and objectives, choosing among trials) is in
`training.tuning`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from registry.output import ProgressCallback
from training.task import TrainingTask
from training.tuning.plan import Plan
from training.tuning.search import Found, search
from training.tuning.trials import counts


@dataclass(frozen=True)
class Tuned:
    """Best parameters of one component and the validation loss (mean unit deviance) they reached."""

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

    A second call adds only the trials that the first left undone, and starts from what it learned. The first trial is the
    trainer's own defaults, so that a search can only improve on them. The validation fold decides; the test fold is never
    looked at.

    Parameters
    ----------
    task, frame
        As for `training.fit.fit_score`.
    trials
        Trials per component, pruned ones included.
    storage
        Address of the studies, see `training.tuning.store.open_store`.
    seed, snapshot
        Name the study together with product and component.
    timeout_s
        Wall time after which no further trial begins, shared evenly among the components.

    Raises
    ------
    TrainingError
        If no trial of a component completes.
    """
    plan = Plan(
        address=storage, trials=trials, seed=seed, snapshot=snapshot, threads=threads, timeout_s=timeout_s,
    )
    return tuple(as_tuned(found) for found in search(task, frame, plan, progress=progress))


def as_tuned(found: Found) -> Tuned:
    """Return what training needs of a search."""
    ended = counts(found.trials)
    return Tuned(
        found.component, dict(found.chosen.parameters), found.chosen.measures["loss"], ended["finished"], ended["pruned"]
    )
