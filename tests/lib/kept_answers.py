"""Answers of a service under load held against its decision ledger: every answer has its record, every record one answer."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import httpx
import orjson

from registry.bundle import Manifest
from registry.decisions import DecisionLedger
from registry.settings import Settings
from serving.batches.work import whole_answer
from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.homes import key_header
from tests.lib.load import Load, Told, ask
from tests.lib.processes import command_line, environment_of

ANSWERED_WITHIN_S = 10.0
"""Far above every timeout of the service, for a machine that does other things too; a hang is longer."""
ASKED_AGAIN = 100
"""Answers that are asked for again; those that did not come all are."""
SCORES = f"/v1/portfolios/{PORTFOLIO}/scores"
ROWS = tiny_rows(7, 50)


def body_of(number: int) -> dict[str, Any]:
    """Return the body of a request by its number."""
    return {"features": ROWS[number % len(ROWS)]}


def proved_environment(home: Settings) -> dict[str, str]:
    """Return the environment of a service whose bundle need not be proved once more."""
    return {**environment_of(home), "ROADRISK_PROVED_DIGESTS": tiny_bundle(PORTFOLIO).digest}


def refused_by_the_ledger(told: list[Told]) -> None:
    """Each is a problem document that names the ledger's server and says when to come back."""
    assert told
    for one in told:
        problem = json.loads(one.content)
        assert one.headers["content-type"] == "application/problem+json"
        assert problem["type"] == "urn:roadrisk:problem:unavailable"
        assert "PostgreSQL" in problem["detail"]
        assert "the server runs" in problem["remedy"]
        assert int(one.headers["retry-after"]) >= 1


def outlasted(address: str, home: Settings, load: Load, answered: dict[str, Told], rng: random.Random) -> None:
    """Hold a load that met an outage of the ledger's server against what may be answered, and ask again what was refused."""
    assert set(load.statuses()) == {200, 503}, load.statuses()
    assert max(one.took_s for one in load.told) < ANSWERED_WITHIN_S
    refused = [one for one in load.told if one.status == 503]
    refused_by_the_ledger(refused)
    answered |= {one.key: one for one in load.told if one.status == 200}
    # A commit that the end of the server cut off may have gone through: then the key gets what was recorded.
    asked_again(address, home, answered, refused, rng)


def asked_again(
    address: str, home: Settings, answered: dict[str, Told], broken: list[Told], rng: random.Random, *, path: str = SCORES
) -> None:
    """Ask again what was answered, which gets the same bytes, and what broke off, which gets its one answer now."""
    last = list(answered.values())[-1000:]
    with httpx.Client(base_url=address, trust_env=False, headers=key_header(home), timeout=60) as client:
        for one in rng.sample(last, min(ASKED_AGAIN, len(last))):
            again = ask(client, path, one.key, one.body)
            assert (again.status, again.content) == (200, one.content)
            assert again.headers["idempotent-replayed"] == "true"
        for one in broken:
            first, second = (ask(client, path, one.key, one.body) for _ in range(2))
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


def verified(home: Settings) -> bool:
    """Whether the command that an operator has finds nothing wrong."""
    done = subprocess.run(
        command_line("ledger", "verify", "--json"), env=environment_of(home), capture_output=True, text=True, check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return True


def recorded(home: Settings, answered: Mapping[str, Told], manifest: Manifest | None = None) -> None:
    """Every answer is recorded once with its bytes, every record belongs to one answer, and all that was counted is there."""
    with closing(DecisionLedger.open(home)) as ledger:
        held_against(ledger, answered, manifest or tiny_bundle(PORTFOLIO).manifest)


def held_against(ledger: DecisionLedger, answered: Mapping[str, Told], manifest: Manifest) -> None:
    """Hold answers of a bundle against an open ledger that has no other decisions."""
    assert ledger.verify().ok
    kept = {one.score_id: one for one in ledger.decisions()}
    told = {json.loads(one.content)["score_id"]: one.content for one in answered.values()}
    assert len(told) == len(answered), "two keys were given the same decision"
    assert set(told) == set(kept)
    for score_id, content in told.items():
        assert canonical(whole_answer(kept[score_id], manifest)) == canonical(orjson.loads(content))
    assert sum(one.n for one in ledger.usage() if one.kind == "score") == len(kept)


def canonical(answer: dict[str, Any]) -> bytes:
    """Return the bytes of an answer in an order of names that does not depend on who wrote it."""
    # A record keeps its names sorted.
    return orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)
