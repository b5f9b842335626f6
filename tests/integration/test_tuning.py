"""Searches in real storages: stopped, killed and shared among processes, they lose nothing and come to the same end."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from registry.errors import ConfigurationError, IntegrityError, NotFound, TrainingError
from registry.models import ModelRegistry
from registry.settings import Settings
from tests.lib.processes import ROOT, environment_of
from tests.lib.searches import small_frame, small_plan, small_task
from training.matrix import prepare
from training.tuning.choice import Pick
from training.tuning.command import planned, tune_product
from training.tuning.owners import GRACE_S, MAX_RETRIES, OWNER, SIGN_OF_LIFE, counted, sweep, this_process
from training.tuning.plan import Plan, study_name
from training.tuning.search import search
from training.tuning.store import open_store, storage_address
from training.tuning.stored import read_tuned, stored_parameters, tuned_file
from training.tuning.trials import counts, records
from training.tuning.worker import Stopped, Watch, open_study, work

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

WAIT_S = 120
FORMS = ("sqlite:///{0}/studies.db", "journal:///{0}/studies.log")
SLOW = {"n_trees": 1500, "patience": 0}


@pytest.fixture(params=FORMS, ids=["sqlite", "journal"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def asked(plan: Plan) -> list[tuple[str, Any]]:
    """Return state and parameters of every trial that counts, in order."""
    (found,) = search(small_task(), small_frame(), plan)
    return [(trial.state, trial.parameters) for trial in found.trials if trial.state in ("complete", "pruned", "failed")]


def test_a_search_that_was_stopped_asks_what_one_that_was_not_asked(address: str, tmp_path: Path) -> None:
    undisturbed = asked(small_plan(f"journal:///{tmp_path}/calm.log", 11))
    plan = small_plan(address, 11)
    asked(small_plan(address, 4))
    data, trees = prepare(small_task(), small_frame()), iter(range(10**9))
    with open_store(address) as store, pytest.raises(Stopped):
        work(store, data, data.task.components, plan, Watch(stop=lambda: next(trees) > 60))
    assert asked(plan) == undisturbed
    assert {state for state, _ in undisturbed} >= {"complete"}
    with open_store(address) as store:
        ended = counts(records(open_study(store, data, data.task.components[0], plan)))
    assert (ended["finished"], ended["handed back"], ended["running"]) == (11, 1, 0)


def killed_search(address: str, settings: Settings, study: str) -> set[int]:
    """Kill a searching process in the middle of its third trial or a later one; return the finished trials' numbers."""
    program = (
        "from tests.lib.searches import *; from training.tuning.search import search\n"
        f"search(small_task(**{SLOW!r}), small_frame(), small_plan({address!r}, 6))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment_of(settings))
    try:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            assert process.poll() is None, "the process ended by itself"
            time.sleep(0.02)
            if not Path(address.partition(":///")[2]).exists():
                continue
            process.send_signal(signal.SIGSTOP)
            trials = seen(address, study)
            if len(trials) >= 3 and trials[-1].state.name == "RUNNING" and trials[-1].user_attrs:
                return {trial.number for trial in trials if trial.state.is_finished()}
            process.send_signal(signal.SIGCONT)
        raise AssertionError("no third trial began")
    finally:
        process.kill()
        process.wait()


def seen(address: str, study: str) -> list[FrozenTrial]:
    from optuna import load_study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    # Read without a lock: the stopped process may hold it.
    try:
        storage = JournalStorage(JournalFileBackend(address.partition(":///")[2]))
        return load_study(study_name=study, storage=storage).get_trials()
    except (KeyError, ValueError):
        return []  # its process has not made it yet, or is writing


def test_a_killed_search_goes_on_without_losing_a_finished_trial(tmp_path: Path) -> None:
    address, settings = FORMS[1].format(tmp_path), Settings(home=tmp_path, keys_dir=tmp_path / "keys")
    task, plan = small_task(**SLOW), small_plan(address, 4)
    name = study_name(prepare(task, small_frame()), task.components[0], plan)
    finished = killed_search(address, settings, name)
    (found,) = search(task, small_frame(), plan)
    by_number = {trial.number: trial for trial in found.trials}
    (lost,) = [trial for trial in found.trials if trial.state == "handed back"]
    assert len(finished) >= 2
    assert {by_number[number].state for number in finished} <= {"complete", "pruned"}
    assert lost.note == "its process died"
    assert counts(found.trials)["finished"] == max(4, len(finished) + 1)
    assert lost.parameters in [trial.parameters for trial in found.trials if trial.number > lost.number]


def test_several_processes_make_exactly_as_many_trials_though_one_is_killed(tmp_path: Path) -> None:
    struck: list[int] = []

    def strike(_label: str, share: float) -> None:
        if share >= 0.2 and not struck:
            struck.append(multiprocessing.active_children()[0].pid or 0)
            os.kill(struck[0], signal.SIGKILL)

    plan = small_plan(FORMS[0].format(tmp_path), 10, threads=2, objectives=("loss", "latency"))
    (found,) = search(
        small_task(n_trees=400, patience=0), small_frame(), plan, jobs=2, scratch=tmp_path / "tuned", progress=strike,
        pick=Pick("latency", 0.5),
    )
    ended = counts(found.trials)
    assert struck
    assert (ended["finished"], ended["running"], ended["pruned"]) == (10, 0, 0)
    assert len({str(trial.parameters) for trial in found.trials if trial.state == "complete"}) == 10
    assert found.chosen.measures["latency"] < max(t.measures["latency"] for t in found.trials if t.state == "complete")
    assert list((tmp_path / "tuned").iterdir()) == []


def test_whose_trial_it_is(tmp_path: Path) -> None:
    from optuna import create_study
    from optuna.distributions import FloatDistribution

    now, me = time.time(), this_process()
    owners = {
        "mine": (me, now), "of a dead process": ({**me, "pid": 2**22 + 1}, now),
        "of one that had my number": ({**me, "began": me["began"] - 100}, now),
        "elsewhere, alive": ({**me, "host": "elsewhere"}, now - GRACE_S / 2),
        "elsewhere, silent": ({**me, "host": "elsewhere"}, now - GRACE_S * 2), "unsigned": (None, now),
    }
    with open_store(FORMS[1].format(tmp_path)) as store:
        study = create_study(storage=store.storage)
        for owner, sign in owners.values():
            trial = study.ask({"x": FloatDistribution(0, 1)})
            if owner is not None:
                trial.set_user_attr(OWNER, owner)
                trial.set_user_attr(SIGN_OF_LIFE, sign)
        assert sweep(study, now) == 4
        assert [list(owners)[trial.number] for trial in counted(study)] == ["mine", "elsewhere, alive"]


def test_a_trial_that_ends_its_process_again_and_again_is_left(tmp_path: Path) -> None:
    from optuna import create_study
    from optuna.distributions import FloatDistribution

    with open_store(FORMS[0].format(tmp_path)) as store:
        study = create_study(storage=store.storage)
        study.enqueue_trial({"x": 0.5})
        for _ in range(MAX_RETRIES + 1):
            assert study.ask({"x": FloatDistribution(0, 1)}).params == {"x": 0.5}
            sweep(study, time.time())
        assert [trial.state.name for trial in study.get_trials()] == ["FAIL"] * (MAX_RETRIES + 1)
        assert [trial.number for trial in counted(study)] == [MAX_RETRIES]


def test_a_line_that_a_dying_machine_left_half_written_costs_nothing(tmp_path: Path) -> None:
    address = FORMS[1].format(tmp_path)
    asked(small_plan(address, 2))
    with (tmp_path / "studies.log").open("ab") as journal:
        journal.write(b'{"op_code": 4, "worker_id": "half a l')
    assert len(asked(small_plan(address, 3))) == 3


@pytest.mark.parametrize(
    ("address", "message"),
    [("redis://localhost:6379/0", "of the form 'redis'"), ("sqlite://", "names no file"), ("mysql://a@b/c", "'mysql'")],
)
def test_a_storage_that_is_not_supported_is_refused(address: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message), open_store(address):
        pass


def test_a_search_whose_every_trial_fails_ends_and_says_why(tmp_path: Path) -> None:
    frame = small_frame()
    frame.loc[frame["fold"] == "train", "claims"] = 0.0
    with pytest.raises(TrainingError, match=r"none of 3 trials completed: none of .* rows has an event"):
        search(small_task(), frame, small_plan(FORMS[1].format(tmp_path), 3))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Plan, dict[str, Any]]:
    home = tmp_path_factory.mktemp("tuned")
    settings = Settings(home=home, keys_dir=home / "keys", optuna_storage=f"journal:///{home}/studies.log")
    plan = small_plan(storage_address(settings), 11, objectives=("loss", "calibration", "latency"), snapshot="abc")
    return settings, plan, tune_product(small_task(), small_frame(), plan, settings, pick=Pick("latency", 0.05))


def test_the_choice_is_kept_where_training_finds_it(tuned: tuple[Settings, Plan, dict[str, Any]]) -> None:
    settings, _, result = tuned
    (component,) = result["components"]
    kept = read_tuned(settings, "enterprise_risk")["components"]["events"]
    assert stored_parameters(settings, "enterprise_risk") == {"events": component["chosen"]["parameters"]}
    assert (kept["snapshot"], kept["seed"], kept["pick"], kept["trial"]) == (
        "abc", 7, "cheapest-within=5%", component["chosen"]["trial"]
    )
    assert kept["measures"] == component["chosen"]["measures"]
    assert kept["starting_point"] == component["starting_point"]["measures"]
    assert component["trials"]["finished"] == 11
    assert component["chosen"]["trial"] in [trial["trial"] for trial in component["front"]]
    json.dumps(result, allow_nan=False)


def test_pictures_are_the_same_for_the_same_trials(tuned: tuple[Settings, Plan, dict[str, Any]]) -> None:
    settings, plan, result = tuned
    files = [Path(file) for file in result["components"][0]["pictures"]]
    before = [file.read_bytes() for file in files]
    assert [file.name for file in files] == ["events-history.png", "events-front.png", "events-importances.png"]
    assert all(content.startswith(b"\x89PNG") for content in before)
    tune_product(small_task(), small_frame(), plan, settings, pick=Pick("latency", 0.05), tracked=False)
    assert [file.read_bytes() for file in files] == before


def test_mlflow_holds_a_run_per_search_and_one_per_trial(tuned: tuple[Settings, Plan, dict[str, Any]]) -> None:
    settings, plan, result = tuned
    again = tune_product(small_task(), small_frame(), plan, settings, pick=Pick("latency", 0.05))
    client = ModelRegistry(settings).client
    experiment = client.get_experiment_by_name("roadrisk-enterprise_risk-tuning")
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    parent, children = client.get_run(result["mlflow_run"]), [run for run in runs if "trial" in run.data.tags]
    chosen = result["components"][0]["chosen"]
    assert again["mlflow_run"] == result["mlflow_run"]
    assert len(runs) == 12
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    (mine,) = [run for run in children if run.data.tags["trial"] == str(chosen["trial"])]
    assert mine.data.params == {name: str(value) for name, value in chosen["parameters"].items()}
    assert mine.data.metrics == pytest.approx(chosen["measures"])
    assert parent.data.tags["events.chosen"] == str(chosen["trial"])
    assert parent.data.metrics["events.loss"] == pytest.approx(chosen["measures"]["loss"])


def test_a_plan_says_how_far_its_studies_are(tuned: tuple[Settings, Plan, dict[str, Any]], tmp_path: Path) -> None:
    _, plan, _ = tuned
    (component,) = planned(small_task(), small_frame(), plan)["components"]
    assert component["trials"]["finished"] == 11
    fresh = planned(small_task(), small_frame(), small_plan(FORMS[0].format(tmp_path), 3))
    assert fresh["components"][0]["trials"]["finished"] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"format": 9}, "format 9"), ({"product": "maintenance"}, "of 'maintenance'"), ({"components": {"a": {}}}, "KeyError"),
     ({"components": {"a": {"parameters": {"n_threads": 3}}}}, "nobody searches a parameter 'n_threads'"),
     ({"components": {"a": {"parameters": {"num_leaves": "31"}}}}, "num_leaves is '31'")],
)
def test_stored_parameters_that_cannot_be_used_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(NotFound, match="no parameters are stored for enterprise_risk"):
        stored_parameters(settings, "enterprise_risk")
    file = tuned_file(settings, "enterprise_risk")
    file.parent.mkdir()
    file.write_text(json.dumps({"format": 1, "product": "enterprise_risk", "components": {}} | changes))
    with pytest.raises(IntegrityError, match=message):
        stored_parameters(settings, "enterprise_risk")
