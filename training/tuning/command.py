"""What `roadrisk tune` does once it has its rows: search, keep the choice, draw, track, and say what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from registry.output import ProgressCallback
from registry.settings import Settings
from training.matrix import prepare
from training.task import TrainingTask
from training.tuning.choice import Pick, front
from training.tuning.pictures import draw_search
from training.tuning.plan import Plan, study_name
from training.tuning.runs import track_search
from training.tuning.search import Found, components_of, search
from training.tuning.space import space_for, starting_point
from training.tuning.store import is_made, open_store
from training.tuning.stored import keep, pictures_folder
from training.tuning.trials import TrialRecord, counts, records


def tune_product(
    task: TrainingTask, frame: pd.DataFrame, plan: Plan, settings: Settings, *, jobs: int = 1, pick: Pick | None = None,
    tracked: bool = True, progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Search a product's parameters, keep the chosen ones in the home, and return what is shown of it.

    Parameters
    ----------
    task, frame, plan, jobs, pick, progress
        As for `training.tuning.search.search`.
    settings
        Where the choice, pictures and MLflow's database lie.
    tracked
        Whether MLflow is told.
    """
    found = search(
        task, frame, plan, jobs=jobs, pick=pick, scratch=settings.home / "tuned", progress=progress
    )
    document = keep(settings, task.id, plan, found)
    folder = pictures_folder(settings, task.id)
    pictures = {one.component: [str(file) for file in draw_search(one, folder)] for one in found}
    run = track_search(settings, task.id, plan, found) if tracked else None
    return {
        "product": task.id, "snapshot": plan.snapshot, "seed": plan.seed, "objectives": list(plan.objectives),
        "pick": str(pick or Pick()), "document": str(document), "mlflow_run": run,
        "components": [_component(one) | {"pictures": pictures[one.component]} for one in found],
    }


def planned(task: TrainingTask, frame: pd.DataFrame, plan: Plan) -> dict[str, Any]:
    """Return what a search would do: studies, trials that they have already, and ranges. Nothing is made."""
    data = prepare(task, frame)
    components = components_of(task, plan.components)
    names = {component.name: study_name(data, component, plan) for component in components}
    made = _made(plan.address, frozenset(names.values()))
    shown = []
    for component in components:
        space = space_for(task.id, component)
        shown.append({
            "component": component.name, "study": names[component.name], "trials": counts(made.get(names[component.name], ())),
            "starting_point": starting_point(space, component),
            "space": [{"name": p.name, "low": p.low, "high": p.high, "log": p.log, "kind": p.kind} for p in space],
        })
    kind = plan.address.partition(":")[0]
    return {"product": task.id, "storage": kind, "members": task.members, "components": shown}


def _made(address: str, names: frozenset[str]) -> dict[str, tuple[TrialRecord, ...]]:
    if not is_made(address):
        return {}
    import optuna

    with open_store(address) as store:
        known = names & {summary.study_name for summary in optuna.get_all_study_summaries(store.storage)}
        return {name: records(optuna.load_study(study_name=name, storage=store.storage)) for name in known}


def _component(found: Found) -> dict[str, Any]:
    start = found.start
    return {
        "component": found.component, "study": found.study, "trials": counts(found.trials),
        "chosen": _trial(found.chosen), "starting_point": _trial(start) if start else None,
        "front": [_trial(trial) for trial in front(found.trials, found.objectives)] if len(found.objectives) > 1 else [],
        "finalists": [_trial(trial) for trial in found.finalists], "importances": dict(found.importances),
    }


def _trial(trial: TrialRecord) -> dict[str, Any]:
    plain = replace(trial, parameters=dict(trial.parameters), measures=dict(trial.measures))
    return {"trial": plain.number, "gain": plain.gain, "parameters": plain.parameters, "measures": plain.measures}
