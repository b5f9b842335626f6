"""A running service whose store or disk fails: refused or marked as degraded, never a hang, never another score; and back."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from features.retrieval import apply_store, materialise
from registry.decisions import DecisionLedger
from registry.settings import Settings
from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.homes import home_over, key_header, make_home
from tests.lib.load import Load, Told, ask
from tests.lib.processes import ROOT, command_line, environment_of, free_port, pids_of, running_process
from tests.lib.real_bundles import enterprise_bundle
from tests.lib.redis_server import RedisServer, redis_or_skip

ENTERPRISE = "enterprise_risk"
SCORES = f"/v1/{ENTERPRISE}/scores"
PORTFOLIO_SCORES = f"/v1/portfolios/{PORTFOLIO}/scores"
STORE_TIMEOUT_S = 1.0
ANSWERED_WITHIN_S = 10.0
"""Far above the store's timeout and the pause of the breaker, for a machine that does other things too; a hang is longer."""
BACK_WITHIN_S = 30.0


@dataclass
class Shop:
    """A home over the enterprises of the tiny province, whose online rows lie in a Redis server."""

    home: Settings
    redis: RedisServer
    entities: list[dict[str, str]]
    folder: Path

    def loaded(self) -> None:
        apply_store(self.home)
        materialise(self.home)

    def back(self) -> None:
        """Start the server that was killed, and load it as an operator would."""
        self.redis.start()
        self.loaded()

    @contextmanager
    def service(self, **environment: str) -> Iterator[str]:
        variables = {"ROADRISK_ONLINE_URL": self.redis.url, "ROADRISK_STORE_TIMEOUT_S": str(STORE_TIMEOUT_S), **environment}
        with service(self.home, self.folder, enterprise_bundle().digest, **variables) as (address, _):
            yield address

    def load(self, address: str, name: str) -> Load:
        return Load(
            address, SCORES, key_header(self.home), lambda number: {"entity": self.entities[number % len(self.entities)]}, name,
            clients=2, pause_s=0.05,
        )


@pytest.fixture(scope="module")
def shop(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    redis = redis_or_skip(folder)
    try:
        home, entities = home_over(tiny, folder, [enterprise_bundle()])
        made = Shop(home.model_copy(update={"online_url": redis.url}), redis, entities, folder)
        made.loaded()
        yield made
    finally:
        redis.stop()


@contextmanager
def service(
    home: Settings, folder: Path, digest: str, **environment: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    command = command_line("serve", "--port", str(port))
    variables = {**environment_of(home), "ROADRISK_PROVED_DIGESTS": digest, **environment}
    with running_process(command, variables, port, folder / "serve.log", ROOT) as made:
        yield made


def test_a_store_that_goes_away_is_told_and_its_return_needs_no_restart(shop: Shop) -> None:
    with shop.service() as address:
        load = shop.load(address, "before")
        with load.running():
            load.wait_for(20)
        assert set(load.statuses()) == {200}
        right = points_by_key(load.told)
        outages = (("paused", shop.redis.pause, shop.redis.resume), ("killed", shop.redis.stop, shop.back))
        for name, fail, mend in outages:
            load = shop.load(address, name)
            with load.running():
                load.wait_for(5)
                fail()
                load.wait_for(40, status=503)
                mend()
                load.wait_for(20, within_s=BACK_WITHIN_S)
            assert set(load.statuses()) == {200, 503}, load.statuses()
            assert max(one.took_s for one in load.told) < ANSWERED_WITHIN_S
            assert points_by_key(load.told).items() <= right.items()
            refused_well([one for one in load.told if one.status == 503])
    with closing(DecisionLedger.open(shop.home)) as ledger:
        assert ledger.verify().ok
        assert not any(one.degraded for one in ledger.decisions())


def test_a_product_that_may_answers_from_the_last_decision_and_says_so(shop: Shop) -> None:
    with shop.service(ROADRISK_DEGRADED_PRODUCTS=json.dumps([ENTERPRISE])) as address:
        load = shop.load(address, "known")
        with load.running():
            load.wait_for(20)
        right = points_by_key(load.told)
        shop.redis.pause()
        try:
            load = shop.load(address, "degraded")
            with load.running():
                load.wait_for(20)
        finally:
            shop.redis.resume()
        assert set(load.statuses()) == {200}
        assert max(one.took_s for one in load.told) < ANSWERED_WITHIN_S
        assert points_by_key(load.told).items() <= right.items()
        assert all(json.loads(one.content)["degraded"] is True for one in load.told)
        load = shop.load(address, "after")
        with load.running():
            deadline = time.monotonic() + BACK_WITHIN_S
            while not any(json.loads(one.content)["degraded"] is False for one in list(load.told)):
                assert time.monotonic() < deadline, "the service stays degraded"
                time.sleep(0.05)


def points_by_key(told: list[Told]) -> dict[str, float | None]:
    """Return key -> points, which no answer may contradict."""
    found: dict[str, float | None] = {}
    for one in told:
        if one.status == 200:
            key, points = json.dumps(one.body), json.loads(one.content)["points"]
            assert found.setdefault(key, points) == points
    return found


def refused_well(told: list[Told]) -> None:
    """Each refusal is a problem document that says when to come back; most came at once, from the breaker."""
    assert told
    for one in told:
        problem = json.loads(one.content)
        assert one.headers["content-type"] == "application/problem+json"
        assert problem["type"] == "urn:roadrisk:problem:unavailable"
        assert problem["remedy"]
        assert int(one.headers["retry-after"]) >= 1
    assert sum("is not asked again yet" in json.loads(one.content)["detail"] for one in told) > len(told) / 3




def test_a_full_disk_lets_no_answer_go_without_its_record(tmp_path: Path) -> None:
    bundle = tiny_bundle(PORTFOLIO)
    home, rows = make_home(tmp_path, [bundle]), tiny_rows(7, 20)
    with service(home, tmp_path, bundle.digest) as (address, process):
        load = Load(
            address, PORTFOLIO_SCORES, key_header(home), lambda number: {"features": rows[number % len(rows)]}, "disk", clients=2,
            pause_s=0.02,
        )
        with load.running():
            load.wait_for(20)
            with files_of_at_most(process, 16_384):
                load.wait_for(20, status=503)
            load.wait_for(20, within_s=BACK_WITHIN_S)
        assert set(load.statuses()) == {200, 503}
        assert max(one.took_s for one in load.told) < ANSWERED_WITHIN_S
        refused = [one for one in load.told if one.status == 503]
        for one in refused:
            problem = json.loads(one.content)
            assert problem["type"] == "urn:roadrisk:problem:unavailable"
            assert "disk has space" in problem["remedy"]
            assert int(one.headers["retry-after"]) >= 1
        answered = [one for one in load.told if one.status == 200]
        with httpx.Client(base_url=address, trust_env=False, headers=key_header(home), timeout=60) as client:
            answered += [ask(client, PORTFOLIO_SCORES, one.key, one.body) for one in refused[:5]]
    with closing(DecisionLedger.open(home)) as ledger:
        assert ledger.verify().ok
        recorded = [one.score_id for one in ledger.decisions()]
    assert sorted(recorded) == sorted(json.loads(one.content)["score_id"] for one in answered)


@contextmanager
def files_of_at_most(process: subprocess.Popen[bytes], n_bytes: int) -> Iterator[None]:
    """Let no process of a service write beyond so many bytes of a file, as if the disk were full there."""
    pids = pids_of(process)
    assert len(pids) > 1, "there is no worker"
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
