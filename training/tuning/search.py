"""A search from its plan to a chosen trial per component."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from registry.errors import NotFound, TrainingError
from registry.output import ProgressCallback
from training.matrix import TrainingData, prepare
from training.task import ComponentTask, TrainingTask
from training.tuning.choice import Pick, eligible
from training.tuning.finalists import last_round
from training.tuning.objectives import Objective
from training.tuning.plan import Plan
from training.tuning.processes import work_in_processes
from training.tuning.store import StudyStore, open_store
from training.tuning.trials import TrialRecord, complete, counts, records
from training.tuning.worker import Watch, open_study, work

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

LAST_SHARE: Final = 0.2
"""Share of the progress that belongs to the last round."""
MIN_FOR_IMPORTANCE: Final = 10
"""Complete trials below which the importance of a parameter is not worth a picture."""


@dataclass(frozen=True)
class Found:
    """What the search of one component came to.

    Parameters
    ----------
    product, component, study
        Names.
    objectives
        What was minimised.
    trials
        Every trial of the study, of this call and of earlier ones.
    finalists
        The trials of the last round with the measures of the whole score; empty for a score with one member.
    chosen
        The trial taken.
    pick
        How it was chosen.
    importances
        Share of each parameter in how far trials differ in their loss; empty where trials are few.
    """

    product: str
    component: str
    study: str
    objectives: tuple[Objective, ...]
    trials: tuple[TrialRecord, ...]
    finalists: tuple[TrialRecord, ...]
    chosen: TrialRecord
    pick: Pick
    importances: Mapping[str, float]

    @property
    def start(self) -> TrialRecord | None:
        """The starting point beside the chosen trial, measured alike; None where it did not complete."""
        return next((trial for trial in self.finalists or complete(self.trials) if trial.number == 0), None)


def search(
    task: TrainingTask, frame: pd.DataFrame, plan: Plan, *, jobs: int = 1, pick: Pick | None = None,
    scratch: Path | None = None, progress: ProgressCallback | None = None,
) -> tuple[Found, ...]:
    """Search the parameters of a score's components and return a choice for each.

    Trials that the studies have already count; a search that was interrupted, or killed, goes on where it stood. Only train and
    valid rows are looked at, never the test fold. With one job, the same plan on the same frame gives the same trials.

    Parameters
    ----------
    task, frame
        As for `training.fit.fit_score`.
    plan
        What is searched.
    jobs
        Worker processes; with one, trials run in this process.
    pick
        How a trial is chosen; the one with the least loss by default.
    scratch
        Folder for the frame that worker processes read; needed with more than one job.
    progress
        Told after each trial.

    Raises
    ------
    NotFound
        If the plan names a component that the task has not.
    TrainingError
        If no trial of a component completes.
    """
    data, rule, tell = prepare(task, frame), pick or Pick(), progress or _silent
    components = components_of(task, plan.components)
    last = LAST_SHARE if task.members > 1 and plan.finalists else 0.0
    with open_store(plan.address) as store:
        told = _Teller(components, plan, _between(tell, 0.0, 1.0 - last))
        if jobs == 1:
            work(store, data, components, plan, Watch(told=told.one))
        else:
            studies = [open_study(store, data, component, plan) for component in components]
            work_in_processes(
                task, frame, plan, tuple(component.name for component in components), jobs=jobs, scratch=scratch,
                studies=studies, poll=lambda: told.all(studies),
            )
        return tuple(
            _found(store, data, component, plan, rule, _between(
                tell, 1.0 - last * (1 - place / len(components)), 1.0 - last * (1 - (place + 1) / len(components))
            ))
            for place, component in enumerate(components)
        )


def _found(
    store: StudyStore, data: TrainingData, component: ComponentTask, plan: Plan, pick: Pick,
    tell: ProgressCallback,
) -> Found:
    study = open_study(store, data, component, plan)
    trials = records(study)
    if not complete(trials):
        notes = sorted({trial.note for trial in trials if trial.note})
        raise TrainingError(
            f"none of {len(trials)} trials completed{': ' if notes else ''}{'; '.join(notes[:3])}",
            where=f"{data.task.id}.{component.name}", remedy="Allow more trials or more time.",
        )
    finalists = last_round(study, data, component, plan, trials, pick, tell)
    chosen = eligible(finalists or trials, pick)[0]
    return Found(
        data.task.id, component.name, study.study_name, plan.objectives, trials, finalists, chosen, pick, _importances(study)
    )


def _importances(study: Study) -> dict[str, float]:
    import optuna

    done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(done) < MIN_FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings():
        # It warns that low values are what it looks for: so do we.
        warnings.simplefilter("ignore", category=UserWarning)
        # PED-ANOVA is deterministic and needs numpy alone; fANOVA grows a random forest.
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=_first_value)
    return {name: round(float(value), 6) for name, value in found.items()}


def _first_value(trial: FrozenTrial) -> float:
    values: list[float] = trial.values  # noqa: PD011 - Optuna's, not pandas'
    return values[0]


def components_of(task: TrainingTask, names: tuple[str, ...]) -> tuple[ComponentTask, ...]:
    """Return the components with these names in the order of the task.

    Without names they are all except a ranking's causes, whose few events tell parameters apart by luck only.

    Raises
    ------
    NotFound
        If the task has no such component.
    """
    known = {component.name: component for component in task.components}
    for name in names:
        if name not in known:
            raise NotFound(f"no component {name!r}", where=task.id, remedy=f"Components: {', '.join(known)}.")
    return tuple(component for name, component in known.items() if name in names or not (names or component.cause))


class _Teller:
    """Turns the state of the studies into one fraction and one line about the component that is being searched."""

    def __init__(self, components: tuple[ComponentTask, ...], plan: Plan, tell: ProgressCallback) -> None:
        self._components, self._plan, self._tell = components, plan, tell
        self._finished = dict.fromkeys((component.name for component in components), 0)

    def all(self, studies: Sequence[Study]) -> None:
        for study, component in zip(studies, self._components, strict=True):
            before = self._finished[component.name]
            if before < self._plan.trials and not self._say(study, component):
                return

    def one(self, study: Study, component: ComponentTask) -> None:
        self._say(study, component)

    def _say(self, study: Study, component: ComponentTask) -> bool:
        """Tell about a component; return whether all its trials are finished."""
        trials = records(study)
        ended, done = counts(trials), complete(trials)
        self._finished[component.name] = min(ended["finished"], self._plan.trials)
        best = f", best {min(trial.measures['loss'] for trial in done):.6g}" if done else ""
        failed = f", {ended['failed']} failed" if ended["failed"] else ""
        self._tell(
            f"{component.name}: {ended['finished']}/{self._plan.trials} trials, {ended['pruned']} pruned{failed}{best}",
            sum(self._finished.values()) / (self._plan.trials * len(self._finished)),
        )
        return ended["finished"] >= self._plan.trials


def _between(tell: ProgressCallback, low: float, high: float) -> ProgressCallback:
    return lambda label, share: tell(label, low + share * (high - low))


def _silent(_label: str, _share: float) -> None:
    return None
