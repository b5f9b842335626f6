"""The whole service killed with SIGKILL under load: what was answered is recorded, byte for byte, and no key is answered twice.

`ROADRISK_TEST_SERVICE_KILLS` says how often; 200 of them take about half an hour.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import orjson

from registry.decisions import DecisionLedger
from registry.settings import Settings
from serving.batches.work import whole_answer
from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.homes import key_header, make_home
from tests.lib.load import Load, Told, ask
from tests.lib.processes import ROOT, command_line, environment_of, free_port, kill_whole, pids_of, running_process

KILLS = int(os.environ.get("ROADRISK_TEST_SERVICE_KILLS", "5"))
WORKERS = 2
CLIENTS = 6
ASKED_AGAIN = 100
"""Answers of a round that are asked for again after the restart; those whose connection broke all are."""
SCORES = f"/v1/portfolios/{PORTFOLIO}/scores"
ROWS = tiny_rows(7, 50)


def body_of(number: int) -> dict[str, Any]:
    return {"features": ROWS[number % len(ROWS)]}


def test_a_service_killed_under_load_has_recorded_all_that_it_answered(tmp_path: Path) -> None:
    home, rng = make_home(tmp_path, [tiny_bundle(PORTFOLIO)]), random.Random(20260704)
    environment = {**environment_of(home), "ROADRISK_PROVED_DIGESTS": tiny_bundle(PORTFOLIO).digest}
    answered: dict[str, Told] = {}
    broken: list[Told] = []
    for number in range(KILLS + 1):
        port = free_port()
        command = command_line("serve", "--port", str(port), "--workers", str(WORKERS))
        with running_process(command, environment, port, tmp_path / "serve.log", ROOT) as (address, process):
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
        assert verified(environment)
    recorded(home, answered)


def asked_again(address: str, home: Settings, answered: dict[str, Told], broken: list[Told], rng: random.Random) -> None:
    """Ask again what was answered, which gets the same bytes, and what broke off, which gets its one answer now."""
    last = list(answered.values())[-1000:]
    with httpx.Client(base_url=address, trust_env=False, headers=key_header(home), timeout=60) as client:
        for one in rng.sample(last, min(ASKED_AGAIN, len(last))):
            again = ask(client, SCORES, one.key, one.body)
            assert (again.status, again.content) == (200, one.content)
            assert again.headers["idempotent-replayed"] == "true"
        for one in broken:
            first, second = (ask(client, SCORES, one.key, one.body) for _ in range(2))
            assert (first.status, second.status, second.content) == (200, 200, first.content)
            answered[one.key] = first


def read_back(address: str, home: Settings, answered: dict[str, Told], rng: random.Random) -> None:
    """Hold what the service tells of past decisions against what it answered."""
    with httpx.Client(base_url=address, trust_env=False, headers=key_header(home), timeout=60) as client:
        for one in rng.sample(list(answered.values()), min(50, len(answered))):
            answer = json.loads(one.content)
            past = client.get(f"/v1/scores/{answer['score_id']}").json()
            # The decomposition is computed again, which the replay does.
            shared = answer.keys() - {"decomposition"}
            assert {name: past[name] for name in shared} == {name: answer[name] for name in shared}
            assert client.get(f"/v1/scores/{answer['score_id']}/replay").json()["equal"] is True
        another = {"features": {**ROWS[0], "age_year": 1.25}}
        assert ask(client, SCORES, next(iter(answered)), another).status == 422


def verified(environment: dict[str, str]) -> bool:
    done = subprocess.run(
        command_line("ledger", "verify", "--json"), env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return True


def recorded(home: Settings, answered: dict[str, Told]) -> None:
    """Every answer is recorded once with its bytes, every record belongs to one answer, and all that was counted is there."""
    with closing(DecisionLedger.open(home)) as ledger:
        held_against(ledger, answered)


def held_against(ledger: DecisionLedger, answered: dict[str, Told]) -> None:
    assert ledger.verify().ok
    kept = {one.score_id: one for one in ledger.decisions()}
    told = {json.loads(one.content)["score_id"]: one.content for one in answered.values()}
    assert len(told) == len(answered), "two keys were given the same decision"
    assert set(told) == set(kept)
    manifest = tiny_bundle(PORTFOLIO).manifest
    for score_id, content in told.items():
        assert canonical(whole_answer(kept[score_id], manifest)) == canonical(orjson.loads(content))
    assert sum(one.n for one in ledger.usage() if one.kind == "score") == len(kept)


def canonical(answer: dict[str, Any]) -> bytes:
    # A record keeps its names sorted.
    return orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)
