"""Which rows a trial is judged on."""

from __future__ import annotations

import numpy as np

from training.fit import LEAST_EVENTS, blind_member
from training.matrix import Mask, TrainingData, outcome
from training.splits import VALID
from training.task import ComponentTask

MEMBER = 0
"""The member that a trial fits where a score has several; the best trials are fitted with all of them in the last round."""


def judged_rows(data: TrainingData, component: ComponentTask, seed: int) -> Mask:
    """Return (n,) the rows that a trial is judged on: those that `training.fit.fit_component` stops on.

    Of a score with one member they are the validation fold. Of one with several they are the rows of the validation period whose
    group the fitted member has not seen, or all development rows of such groups where the period holds too few events. Early
    stopping looked at them too, for every trial alike.
    """
    target = outcome(component, data.frame)
    period: Mask = target.used & data.in_fold(VALID)
    if data.task.members == 1:
        return period
    own: Mask = target.used & data.fitted_rows & (blind_member(data, seed) == MEMBER)
    enough = int((target.label[period & own] > 0).sum()) >= LEAST_EVENTS
    return np.logical_and(period, own) if enough else own
