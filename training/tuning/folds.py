"""Which rows a trial is judged on."""

from __future__ import annotations

from training.fit import own_rows, rows_of_fit
from training.matrix import Mask, TrainingData, outcome
from training.task import ComponentTask

MEMBER = 0
"""The member that a trial fits where a score has several; the best trials are fitted with all of them in the last round."""


def judged_rows(data: TrainingData, component: ComponentTask, seed: int) -> Mask:
    """Return (n,) the rows that a trial is judged on: those that `training.fit.fit_component` stops on.

    Of a score with one member they are the validation fold. Of one with several they are the rows of the validation period whose
    group the fitted member has not seen, or all development rows of such groups where the period holds too few events. Early
    stopping looked at them too, for every trial alike.
    """
    return rows_of_fit(data, outcome(component, data.frame), own_rows(data, seed, MEMBER))[1]
