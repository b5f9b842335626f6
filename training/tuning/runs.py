"""A search in MLflow: one parent run per product and plan, one child per ended trial, written in batches.

Runs are found again by their tags: a search that goes on adds the children that are missing and changes none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from registry.models import ModelRegistry
from registry.settings import Settings
from training.tracking import EXPERIMENT
from training.tuning.plan import Plan
from training.tuning.search import Found
from training.tuning.trials import State, TrialRecord, counts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STATUS: Final[dict[State, str]] = {"complete": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}
PARENT: Final = "mlflow.parentRunId"
PAGE: Final = 1000


def track_search(settings: Settings, product: str, plan: Plan, found: Sequence[Found]) -> str:
    """Write a search into MLflow and return the id of its parent run.

    A child has the trial's parameters, every measure, and tags with study, component, number and state. A trial that was
    handed back has none: it is tried again under another number.

    Parameters
    ----------
    settings
        Tells where MLflow's database lies.
    found
        Components of one product.
    """
    registry = ModelRegistry(settings)
    client, experiment = registry.client, registry.experiment(f"{EXPERIMENT}-{product}-tuning")
    name = ".".join(("tune", plan.snapshot[:16] or "frame", str(plan.seed), "+".join(plan.objectives)))
    parent = _parent(client, experiment, name, product, plan)
    known = _children(client, experiment, parent)
    for one in found:
        for trial in one.trials:
            if trial.state in STATUS and (one.study, str(trial.number)) not in known:
                _write_child(client, experiment, parent, one, trial)
    _write_summary(client, parent, found)
    client.set_terminated(parent, "FINISHED")
    return parent


def _parent(client: MlflowClient, experiment: str, name: str, product: str, plan: Plan) -> str:
    made = client.search_runs([experiment], f"tags.search = '{name}'", max_results=1)
    if made:
        return str(made[0].info.run_id)
    tags = {"search": name, "product": product, "snapshot": plan.snapshot, "seed": str(plan.seed)}
    return str(client.create_run(experiment, run_name=name, tags=tags).info.run_id)


def _children(client: MlflowClient, experiment: str, parent: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'", max_results=PAGE, page_token=token)
        # A child that was killed while it was written is RUNNING still: it is written again.
        found |= {(run.data.tags["study"], run.data.tags["trial"]) for run in page if _is_whole(client, run)}
        token = page.token
        if not token:
            return found


def _is_whole(client: MlflowClient, run: Run) -> bool:
    if run.info.status != "RUNNING":
        return True
    client.delete_run(run.info.run_id)
    return False


def _write_child(client: MlflowClient, experiment: str, parent: str, found: Found, trial: TrialRecord) -> None:
    from mlflow.entities import Metric, Param

    tags = {
        PARENT: parent, "study": found.study, "component": found.component, "trial": str(trial.number), "state": trial.state,
    }
    if trial.note:
        tags["note"] = trial.note[:500]
    run = client.create_run(
        experiment, start_time=trial.began_ms, run_name=f"{found.component}-{trial.number}", tags=tags
    )
    ended = trial.ended_ms or run.info.start_time
    client.log_batch(
        run.info.run_id,
        metrics=[Metric(name, value, ended, 0) for name, value in sorted(trial.measures.items())],
        params=[Param(name, str(value)) for name, value in sorted(trial.parameters.items())],
    )
    client.set_terminated(run.info.run_id, STATUS[trial.state], end_time=ended)


def _write_summary(client: MlflowClient, parent: str, found: Iterable[Found]) -> None:
    from mlflow.entities import Metric

    figures: dict[str, float] = {}
    for one in found:
        ended = {f"trials_{state.replace(' ', '_')}": count for state, count in counts(one.trials).items()}
        figures |= {f"{one.component}.{name}": value for name, value in {**one.chosen.measures, **ended}.items()}
        client.set_tag(parent, f"{one.component}.chosen", str(one.chosen.number))
    # A later choice replaces the earlier one because its time is later.
    now = int(time.time() * 1000)
    client.log_batch(parent, metrics=[Metric(name, float(value), now, 0) for name, value in sorted(figures.items())])
