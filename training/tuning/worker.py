"""Running trials: claim one, fit it, judge it, tell the study; again until enough are finished or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from registry.errors import TrainingError
from training.fit import fit_component
from training.matrix import TrainingData
from training.splits import VALID
from training.task import ComponentTask
from training.tuning.folds import MEMBER, judged_rows
from training.tuning.objectives import measure
from training.tuning.owners import BEAT_S, SIGN_OF_LIFE, counted, give_up, own, sweep
from training.tuning.plan import Plan, study_name
from training.tuning.space import distributions, space_for, starting_point
from training.tuning.store import StudyStore
from training.tuning.trials import ERROR, MEASURES

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler

STARTUP_TRIALS: Final = 8
WARMUP_STEPS: Final = 3
STEP: Final = 1.0
"""Sum of learning rates between two reports: at the same step a slow learner has grown more trees than a fast one."""
SECONDS: Final = "fit_seconds"


class Stopped(Exception):
    """The search was told to stop in the middle of a trial."""


@dataclass(frozen=True)
class Watch:
    """What a worker looks at while it works.

    Parameters
    ----------
    clock
        Seconds since 1970-01-01 UTC.
    stop
        Whether to give up the running trial and end.
    told
        Called with study and component after every trial.
    """

    clock: Callable[[], float] = time.time
    stop: Callable[[], bool] = lambda: False
    told: Callable[[Study, ComponentTask], None] = lambda _study, _component: None


def open_study(store: StudyStore, data: TrainingData, component: ComponentTask, plan: Plan) -> Study:
    """Return the study of a component, made and given its first trial where it does not exist."""
    import optuna

    name = study_name(data, component, plan)
    with store.claiming(name):
        study = optuna.create_study(
            study_name=name, storage=store.storage, directions=["minimize"] * len(plan.objectives), load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=WARMUP_STEPS, n_min_trials=3),
        )
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(starting_point(space_for(data.task.id, component), component))
    return study


def work(store: StudyStore, data: TrainingData, components: tuple[ComponentTask, ...], plan: Plan, watch: Watch) -> None:
    """Run trials of every component until each has as many as the plan asks for, or its share of the time is over.

    Raises
    ------
    Stopped
        If the watch says so; the running trial is handed back before.
    """
    began = watch.clock()
    for position, component in enumerate(components):
        study = open_study(store, data, component, plan)
        until = None
        if plan.timeout_s is not None:
            left = plan.timeout_s - (watch.clock() - began)
            until = watch.clock() + left / (len(components) - position)
        while until is None or watch.clock() < until:
            trial = claim(store, study, data, component, plan, watch)
            if trial is None:
                break
            run(store, study, trial, data, component, plan, watch)
            watch.told(study, component)


def claim(
    store: StudyStore, study: Study, data: TrainingData, component: ComponentTask, plan: Plan, watch: Watch
) -> Trial | None:
    """Return a trial of our own, or None when enough are finished or running.

    One process at a time counts, sweeps and asks, so that no trial too many is begun. The sampler is seeded by how many
    trials count already: a search that was interrupted and one that was not ask the same questions, and no process repeats
    another's.
    """
    with store.claiming(study.study_name):
        sweep(study, watch.clock())
        begun = len(counted(study))
        if begun >= plan.trials:
            return None
        study.sampler = _sampler(plan.seed, begun)
        trial = study.ask(distributions(space_for(data.task.id, component)))
        own(trial, watch.clock())
        return trial


def _sampler(seed: int, index: int) -> BaseSampler:
    import optuna

    mixed = int.from_bytes(blake2b(f"{seed}:{index}".encode(), digest_size=4).digest(), "big")
    return optuna.samplers.TPESampler(seed=mixed, n_startup_trials=STARTUP_TRIALS)


def run(
    store: StudyStore, study: Study, trial: Trial, data: TrainingData, component: ComponentTask, plan: Plan, watch: Watch
) -> None:
    """Fit a claimed trial and tell the study how it ended: complete, pruned, failed, or handed back."""
    import optuna

    began = time.perf_counter()
    try:
        fitted, raw = fit_component(
            data, component, plan.seed, plan.threads, parameters=trial.params,
            callbacks=(_Reporter(trial, plan, watch),), member=MEMBER,
        )
        measures = measure(data, fitted, raw, judged_rows(data, component, plan.seed))
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True)
    except TrainingError as error:
        trial.set_user_attr(ERROR, str(error))
        study.tell(trial, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)
    except BaseException as error:
        with store.claiming(study.study_name):
            blame = not isinstance(error, Stopped | KeyboardInterrupt)
            give_up(study, _frozen(study, trial), type(error).__name__, blame=blame)
        raise
    else:
        trial.set_user_attr(MEASURES, {**measures.flat, SECONDS: round(time.perf_counter() - began, 3)})
        study.tell(trial, [measures.values[name] for name in plan.objectives], skip_if_finished=True)


def _frozen(study: Study, trial: Trial) -> Any:
    return next(one for one in study.get_trials(deepcopy=False) if one.number == trial.number)


class _Reporter:
    """LightGBM's callback: reports the loss for pruning, shows that it lives, and stops when it shall.

    With several objectives nothing is pruned: a trial with a high loss may be the cheapest to explain.
    """

    def __init__(self, trial: Trial, plan: Plan, watch: Watch) -> None:
        self._trial, self._watch = trial, watch
        self._prunes = plan.objectives == ("loss",)
        # A report is a transaction of several milliseconds: not one per tree.
        self._every = max(1, round(STEP / trial.params["learning_rate"]))
        self._next_beat = watch.clock() + BEAT_S

    def __call__(self, environment: Any) -> None:
        if self._watch.stop():
            raise Stopped
        if self._watch.clock() >= self._next_beat:
            self._trial.set_user_attr(SIGN_OF_LIFE, self._watch.clock())
            self._next_beat = self._watch.clock() + BEAT_S
        step, left = divmod(environment.iteration + 1, self._every)
        if self._prunes and not left:
            self._report(environment, step)

    def _report(self, environment: Any, step: int) -> None:
        import optuna

        (score,) = [value for fold, _, value, *_ in environment.evaluation_result_list if fold == VALID]
        self._trial.report(score, step)
        if self._trial.should_prune():
            raise optuna.TrialPruned
