"""What a search is asked for, and how its studies are named."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from training.fit import DEFAULTS
from training.matrix import TrainingData, outcome
from training.splits import FOLD
from training.task import ComponentTask
from training.tuning.objectives import Objective
from training.tuning.space import space_for

PROTOCOL: Final = 1
"""Counted up whenever a change of the trainer makes the losses of earlier trials incomparable."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A search.

    Parameters
    ----------
    address
        Storage of the studies, as `training.tuning.store.open_store` takes it.
    trials
        Trials of each component that shall be finished in the end, pruned and failed ones included.
    seed
        Seed of the sampler and of every fit.
    objectives
        What is minimised.
    components
        Names of the components to search; when empty all except the causes of a ranking.
    snapshot
        Hash of the data; empty for a frame that has none.
    threads
        Threads of one fit.
    timeout_s
        Wall time after which no further trial begins, shared evenly among the components.
    finalists
        Trials that are fitted once more with every member, where a score has several.
    """

    address: str
    trials: int
    seed: int
    objectives: tuple[Objective, ...] = ("loss",)
    components: tuple[str, ...] = ()
    snapshot: str = ""
    threads: int = 1
    timeout_s: float | None = None
    finalists: int = 3


def study_name(data: TrainingData, component: ComponentTask, plan: Plan) -> str:
    """Return the name of a component's study.

    Product, component, snapshot and seed are for people. The last part is a digest of everything else that makes losses
    comparable: rows, folds, labels, weights, features, objectives, the space and the trainer's defaults. A change of any of
    them begins a new study instead of mixing trials that answer different questions.
    """
    target = outcome(component, data.frame)
    digest = blake2b(digest_size=4)
    space = space_for(data.task.id, component)
    task = data.task
    declared = (PROTOCOL, plan.objectives, component, task.members, task.features, space, sorted(DEFAULTS.items()))
    digest.update(repr(declared).encode())
    if task.group_weights:
        digest.update(repr(sorted(task.group_weights.items())).encode())
    digest.update("".join(fold[0] for fold in data.frame[FOLD]).encode())
    for column in (target.label, target.weight):
        digest.update(np.nan_to_num(column, nan=-1.0).tobytes())
    if not plan.snapshot:
        digest.update(np.ascontiguousarray(data.matrix).tobytes())
    return ".".join(
        (data.task.id, component.name, plan.snapshot[:16] or "frame", str(plan.seed), digest.hexdigest())
    )
