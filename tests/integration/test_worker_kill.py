"""Workers of the service killed with SIGKILL under load, one at a time: what was answered is recorded, byte for byte.

Requests are those of a product over the real store, which the event loop of a worker scores together. BentoML starts a worker anew
where one died, so the service is never started again. `ROADRISK_TEST_WORKER_KILLS` says how often; 200 take some ten minutes.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import psutil

from features.retrieval import apply_store, materialise
from registry.settings import Settings
from tests.lib.homes import home_over, key_header
from tests.lib.kept_answers import asked_again, recorded, verified
from tests.lib.load import Load, Told
from tests.lib.processes import ROOT, command_line, environment_of, free_port, running_process
from tests.lib.real_bundles import enterprise_bundle

KILLS = int(os.environ.get("ROADRISK_TEST_WORKER_KILLS", "4"))
SCORES = "/v1/enterprise_risk/scores"
WORKERS = 2
BACK_WITHIN_S = 60.0


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the workers of a service that live."""
    return [one for one in process.children(recursive=True) if _works(one)]


def _works(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "_bentoml_impl.worker.service" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # killed a moment ago, and not yet fetched by its parent
        return False


def wait_for_workers(process: psutil.Process, load: Load) -> None:
    """Wait until as many workers are there as there were, and answers come in again."""
    deadline = time.monotonic() + BACK_WITHIN_S
    while len(workers_of(process)) < WORKERS:
        assert time.monotonic() < deadline, "no worker was started in the place of the one that died"
        time.sleep(0.05)
    load.wait_for(20, within_s=BACK_WITHIN_S)


def test_workers_killed_under_load_have_recorded_all_that_they_answered(tiny: Settings, tmp_path: Path) -> None:
    bundle = enterprise_bundle()
    home, known = home_over(tiny, tmp_path, [bundle])
    apply_store(home)
    materialise(home)

    def body_of(number: int) -> dict[str, Any]:
        return {"entity": known[number % len(known)]}

    rng, port = random.Random(20260704), free_port()
    answered: dict[str, Told] = {}
    command = command_line("serve", "--port", str(port), "--workers", str(WORKERS))
    environment = {**environment_of(home), "ROADRISK_PROVED_DIGESTS": bundle.digest}
    with running_process(command, environment, port, tmp_path / "serve.log", ROOT) as (address, process):
        parent, load = psutil.Process(process.pid), Load(address, SCORES, key_header(home), body_of, "w", clients=12)
        with load.running():
            for _ in range(KILLS):
                wait_for_workers(parent, load)
                load.wait_for(rng.choice((1, 20, 100)))
                time.sleep(rng.uniform(0, 0.02))
                rng.choice(workers_of(parent)).kill()
            wait_for_workers(parent, load)
        assert set(load.statuses()) <= {200, None}, load.statuses()
        broken = [one for one in load.told if one.status is None]
        assert broken, "no kill met a request under way"
        answered |= {one.key: one for one in load.told if one.status == 200}
        asked_again(address, home, answered, broken, rng, path=SCORES)
    assert verified(home)
    recorded(home, answered, bundle.manifest)
