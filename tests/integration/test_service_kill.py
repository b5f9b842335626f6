"""The whole service, or the server of its ledgers, killed with SIGKILL under load: what was answered is recorded, byte for byte,
and no key is answered twice.

The ledgers lie in SQLite and in a real PostgreSQL. `ROADRISK_TEST_SERVICE_KILLS` says how often each is killed; 200 kills of the
service over one of the two take about half an hour.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from registry.settings import Settings
from tests.lib.bundles import PORTFOLIO, tiny_bundle
from tests.lib.homes import key_header, make_home
from tests.lib.kept_answers import (
    SCORES,
    asked_again,
    body_of,
    outlasted,
    proved_environment,
    read_back,
    recorded,
    verified,
)
from tests.lib.load import Load, Told
from tests.lib.postgresql import DRIVER, INSTALLED, kill, postgresql, start, stop
from tests.lib.processes import ROOT, command_line, free_port, kill_whole, pids_of, running_process

KILLS = int(os.environ.get("ROADRISK_TEST_SERVICE_KILLS", "3"))
SERVER_KILLS = int(os.environ.get("ROADRISK_TEST_SERVICE_KILLS", "2"))
WORKERS = 2
CLIENTS = 6
BACK_WITHIN_S = 30.0


@pytest.fixture
def server() -> Iterator[str]:
    if not INSTALLED or not DRIVER:
        pytest.skip("PostgreSQL's programs or psycopg are not installed")
    with postgresql(fsync=True) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A home whose ledgers lie in one of the two databases."""
    ledger_url = request.getfixturevalue("server") if request.param == "postgresql" else ""
    return make_home(tmp_path, [tiny_bundle(PORTFOLIO)], ledger_url=ledger_url)


@contextmanager
def service(home: Settings) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    command = command_line("serve", "--port", str(port), "--workers", str(WORKERS))
    with running_process(command, proved_environment(home), port, home.home.parent / "serve.log", ROOT) as made:
        yield made


def test_a_service_killed_under_load_has_recorded_all_that_it_answered(home: Settings) -> None:
    rng = random.Random(20260704)
    answered: dict[str, Told] = {}
    broken: list[Told] = []
    for number in range(KILLS + 1):
        with service(home) as (address, process):
            asked_again(address, home, answered, broken, rng)
            if number == KILLS:
                read_back(address, home, answered, rng)
                break
            load = Load(address, SCORES, key_header(home), body_of, f"r{number}", clients=CLIENTS)
            with load.running():
                load.wait_for(rng.choice((1, 20, 100, 300)))
                time.sleep(rng.uniform(0, 0.01))
                assert len(pids_of(process)) == 1 + WORKERS
                kill_whole(process)
        assert set(load.statuses()) <= {200, None}, load.statuses()
        answered |= {one.key: one for one in load.told if one.status == 200}
        # After the kill every client breaks off again and again; only those that were under way can have left a record.
        broken = [one for one in load.told if one.status is None]
        assert verified(home)
    recorded(home, answered)


def test_a_ledger_server_killed_under_load_leaves_no_answer_without_its_record(server: str, tmp_path: Path) -> None:
    home, rng = make_home(tmp_path, [tiny_bundle(PORTFOLIO)], ledger_url=server), random.Random(20260704)
    answered: dict[str, Told] = {}
    with service(home) as (address, process):
        workers = pids_of(process)
        for number in range(SERVER_KILLS):
            load = Load(address, SCORES, key_header(home), body_of, f"s{number}", clients=CLIENTS)
            with load.running():
                load.wait_for(rng.choice((5, 20, 100)))
                time.sleep(rng.uniform(0, 0.01))
                (kill if number % 2 == 0 else stop)(server)
                # Refusals come at once, and each is asked for twice afterwards.
                load.pause_s = 0.2
                load.wait_for(CLIENTS, status=503)
                assert httpx.get(f"{address}/readyz", trust_env=False).status_code == 503
                assert httpx.get(f"{address}/livez", trust_env=False).status_code == 200
                start(server)
                load.wait_for(20, within_s=BACK_WITHIN_S)
            outlasted(address, home, load, answered, rng)
        read_back(address, home, answered, rng)
        assert pids_of(process) == workers, "a worker was started anew"
    assert verified(home)
    recorded(home, answered)
