"""What stands beside a score and has too few events to be learned is left out, and said so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import pandas as pd

from training.splits import FOLD, TRAIN, VALID
from training.task import TrainingTask

LEAST_EVENTS: Final = 50
"""A line or cause with fewer events in the development period has no component. [A]"""


def without_thin(task: TrainingTask, frame: pd.DataFrame) -> TrainingTask:
    """Return the task without lines and causes that have too few events; its limits name them.

    The score's own components always stay: where they have too few events, training refuses.
    """
    development = frame[frame[FOLD].isin([TRAIN, VALID])]
    thin: dict[str, str] = {}
    for component in task.components:
        beside = component.line or component.cause
        if beside and component.objective != "gamma":
            events = int(development[component.target].sum())
            if events < LEAST_EVENTS:
                thin[beside] = f"{beside} is left out: {events} events, {LEAST_EVENTS} are needed."
    if not thin:
        return task
    kept = [c.name for c in task.components if (c.line or c.cause) not in thin]
    return replace(as_trained(task, kept), limits=(*task.limits, *thin.values()))


def as_trained(task: TrainingTask, components: Collection[str]) -> TrainingTask:
    """Return the task with only these components beside the score's own, and the lines that they price."""
    return replace(
        task, components=tuple(c for c in task.components if c.name in components or not (c.line or c.cause)),
        lines=tuple(line for line in task.lines if line.frequency in components),
    )
