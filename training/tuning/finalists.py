"""The last round of a search for a score with several members: the best few trials, fitted with every member.

A trial fits one member, which costs a K-th of the score. Its loss is taken on a K-th of the validation groups, and the
least of many such losses is partly luck; so the best few, and the starting point, are fitted as training would fit them,
and the choice is made among them by their margins out of fold on the whole validation fold. What was fitted is kept in the
study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from registry.output import ProgressCallback
from training.fit import fit_members
from training.matrix import TrainingData, outcome
from training.splits import VALID
from training.task import ComponentTask
from training.tuning.choice import Pick, eligible
from training.tuning.objectives import measure
from training.tuning.plan import Plan
from training.tuning.trials import TrialRecord

if TYPE_CHECKING:
    from optuna import Study

PREFIX: Final = "finalist."


def last_round(
    study: Study, data: TrainingData, component: ComponentTask, plan: Plan, trials: Sequence[TrialRecord], pick: Pick,
    tell: ProgressCallback,
) -> tuple[TrialRecord, ...]:
    """Return the finalists with the measures of the whole score; empty where there is one member.

    Parameters
    ----------
    study
        Where results are kept and looked for first.
    data
        Of the whole score.
    trials
        All trials of the study.
    pick
        How the choice will be made; it decides who gets into the last round.
    tell
        Told about each fit.
    """
    if data.task.members == 1 or plan.finalists == 0:
        return ()
    chosen = _entrants(trials, pick, plan.finalists)
    finished = []
    for place, trial in enumerate(chosen):
        tell(f"{component.name}: finalist {place + 1} of {len(chosen)}", place / len(chosen))
        finished.append(_with_all_members(study, data, component, plan, trial))
    return tuple(finished)


def _entrants(trials: Sequence[TrialRecord], pick: Pick, limit: int) -> list[TrialRecord]:
    by_pick, by_loss = eligible(trials, pick), eligible(trials, Pick())
    # The best by loss sets the gain that a cheaper one is compared with; the starting point must be beaten.
    wanted = [*by_loss[:1], *by_pick[:limit], *(trial for trial in by_loss if trial.number == 0)]
    return list({trial.number: trial for trial in wanted}.values())


def _with_all_members(
    study: Study, data: TrainingData, component: ComponentTask, plan: Plan, trial: TrialRecord
) -> TrialRecord:
    key = f"{PREFIX}{trial.number}"
    found: Mapping[str, float] | None = study.user_attrs.get(key)
    if found is None:
        fitted, _, honest = fit_members(data, component, plan.seed, plan.threads, parameters=trial.parameters)
        valid = outcome(component, data.frame).used & data.in_fold(VALID)
        found = measure(data, fitted, honest, valid).flat
        study.set_user_attr(key, found)
    return replace(trial, measures=found)
