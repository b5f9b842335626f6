"""A small search: one component on made-up rows, quick to fit, with an honest choice between parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pandas as pd

from tests.lib.frames import COMPONENTS, FAST, made_up, task
from training.task import TrainingTask
from training.tuning.plan import Plan

SEED: Final = 7


def small_task(**parameters: Any) -> TrainingTask:
    """Return a task of claim frequency; the parameters replace those that make it quick."""
    (component,) = COMPONENTS["rate"]
    return task("rate", id="enterprise_risk", components=(replace(component, parameters=FAST | parameters),))


def small_frame() -> pd.DataFrame:
    """Return its rows."""
    return made_up(900)


def small_plan(address: str, trials: int, **others: Any) -> Plan:
    """Return a plan for it."""
    return Plan(address=address, trials=trials, seed=SEED, **others)
