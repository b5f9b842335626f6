"""A province with trained, registered and live models, for stories that are walked from end to end: a tiny one, or a given home."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner

from features.views import published
from registry.access.changes import Writer
from registry.access.local import init_local
from registry.access.scenarios import Request
from registry.access.terms import Term
from registry.cli import roadrisk
from registry.promotion import live
from registry.settings import Settings
from tests.lib.access import activate, token_of
from tests.lib.corrections import CASES, operator_with_cases
from tests.lib.frames import FAST
from tests.lib.processes import ROOT, command_line, environment_of, free_port, running

ENTERPRISE, PRICING = "enterprise_risk", "insurance_pricing"
RELOADED_S = 60.0
GIVEN_HOME, GIVEN_KEYS = "ROADRISK_TEST_STORY_HOME", "ROADRISK_TEST_STORY_KEYS"
"""Variables that name a home whose copy the stories walk, with its keys: the demonstration that `roadrisk demo` made."""
CLOCK = {"ROADRISK_CLOCK": "snapshot"}
"""The province ends in the past, and what arrives later is no reason to let its sources grow old."""
LENIENT = {"*": {
    "required": [], "undecided": "not evaluated", "few_events": 100_000, "max_unstable_share": 1.0, "max_psi": 10.0,
    "trainer_may_approve": True, "requires_second_person": False, "max_relative_ece": 10.0, "balance_band": [0.01, 100.0],
    "not_worse_by": 1.0, "floors": [], "segment_band": [0.0001, 10000.0],
}}
"""Rules under which a version that was trained for a second on a tiny province may go live."""


@dataclass(frozen=True)
class StoryHome:
    """A home, and what happens outside of the browser."""

    settings: Settings
    url: str
    keys: dict[str, str]
    uscc: str
    cases: list[dict[str, Any]]
    vehicle: dict[str, str]
    given: bool

    def command(self, *arguments: str) -> Any:
        """Run `roadrisk` on this home; return what it printed as JSON where that was asked for."""
        return command(self.settings, *arguments)

    def challenger(self) -> int:
        """Train a second version of the enterprise model: as it is declared on a given home, for a second on a tiny one."""
        return train(self.settings, ENTERPRISE, seed=2, small=not self.given)

    def score(self, product: str, entity: dict[str, str], who: str) -> dict[str, Any]:
        """Ask the running service for a score, as a consumer."""
        answer = httpx.post(
            f"{self.url}/v1/{product}/scores", json={"entity": entity}, timeout=60, trust_env=False,
            headers={"Authorization": f"Bearer {self.keys[who]}"},
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def served_version(self, version: str) -> bool:
        """Wait until the running service answers with a version; return whether it does."""
        deadline = time.monotonic() + RELOADED_S
        while time.monotonic() < deadline:
            if self.score(ENTERPRISE, {"uscc": self.uscc}, "engineer")["model"]["version"] == version:
                return True
            time.sleep(0.5)
        return False

    def withdraw(self, row: dict[str, Any]) -> None:
        """Let the supplier withdraw a case: deliver, take in, build, load."""
        arrived = published(self.settings).snapshot.as_of_time + timedelta(days=2, seconds=3)
        schema = pq.read_schema(next((self.settings.outbox_dir / CASES).glob("*.parquet"))).remove_metadata()
        inbox = self.settings.home / "withdrawals"
        (inbox / CASES).mkdir(parents=True)
        table = pa.Table.from_pylist([row | {"withdrawn": True, "arrived_at": arrived}], schema=schema)
        pq.write_table(table, inbox / CASES / "withdrawals.parquet", coerce_timestamps="us")
        self.command("ingest", "--from", str(inbox), "--json")
        self.command("features", "build", "--json")
        self.command("features", "materialise", "--json")


def command(settings: Settings, *arguments: str) -> Any:
    """Run `roadrisk` in this process."""
    rules = settings.home / "lenient.json"
    environment = {
        "ROADRISK_HOME": str(settings.home), "ROADRISK_KEYS_DIR": str(settings.keys_dir), "ROADRISK_SEED": str(settings.seed),
        "ROADRISK_GATE_RULES": str(rules), "COLUMNS": "200", **CLOCK,
    }
    ran = CliRunner().invoke(roadrisk, list(arguments), env=environment)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout) if "--json" in arguments else ran.stdout


def train(settings: Settings, product: str, seed: int, *, small: bool = True) -> int:
    """Train a version, a small one for a second; return its number."""
    from training.pipeline import train_product
    from training.products import task_for, training_frame

    task = task_for(product, settings)
    if small:
        task = replace(task, components=tuple(replace(one, parameters={**one.parameters, **FAST}) for one in task.components))
    frame, snapshot = training_frame(product, settings)
    made = train_product(
        task, frame, settings=settings, snapshot=snapshot, replicates=0, seed=seed, documents=False, by="赵工"
    )
    assert made.version is not None
    return made.version


def given_home() -> Settings | None:
    """Return the home that the environment names for the stories; None where it names none."""
    home, keys = os.environ.get(GIVEN_HOME), os.environ.get(GIVEN_KEYS)
    if home is None or keys is None:
        return None
    assert (Path(home) / "examples.json").is_file(), f"{home} is no home of a demonstration; make one with `make demo ARGS=--exit`"
    return Settings(home=Path(home), keys_dir=Path(keys))


@contextmanager
def story_home(original: Settings, folder: Path, products: Sequence[str] = (ENTERPRISE, PRICING)) -> Iterator[StoryHome]:
    """Serve a copy of a home in which these products are live, with a regulator, an insurer and an engineer.

    A product that is not live there is trained, small, and promoted.
    """
    shutil.copytree(original.home, folder / "home", copy_function=shutil.copy)
    shutil.copytree(original.keys_dir, folder / "keys")
    settings = original.model_copy(update={"home": folder / "home", "keys_dir": folder / "keys"})
    (settings.home / "lenient.json").write_text(json.dumps(LENIENT))
    now, before = datetime.now(UTC), live(settings)
    init_local(settings, now=now)
    for product in products:
        if product not in before:
            number = train(settings, product, seed=1)
            command(settings, "models", "promote", product, str(number), "--approver", "李工", "--reason", "首个版本", "--json")
    names = {"regulator": "省交通运输厅", "insurer": "某财产保险公司", "engineer": "算法组"}
    keys = {role: _consumer(settings, role, zh, products, now) for role, zh in names.items()}
    uscc, cases = operator_with_cases(settings, published(settings).snapshot.as_of_time)
    examples = json.loads((settings.home / "examples.json").read_text(encoding="utf-8"))
    port, environment = free_port(), {**environment_of(settings), **CLOCK}
    with running(command_line("serve", "--port", str(port)), environment, port, folder / "serve.log", ROOT) as url:
        yield StoryHome(settings, url, keys, uscc, cases, {"vin": examples["vehicle"][0]["vin"]}, given=bool(before))


def _consumer(settings: Settings, role: Any, zh: str, products: Sequence[str], now: datetime) -> str:
    Writer(settings, "李工", now).add_consumer(f"{role}-a", role=role, zh=zh, en=f"{role} a", subject=None)
    purpose = "行业监管" if role == "regulator" else "承保定价"
    for product in products:
        activate(settings, Request(
            consumer=f"{role}-a", product=product, purpose_zh=purpose, purpose_en="a story", resources=None,
            detail="groups" if role == "insurer" else "exact", term=Term(date(2026, 7, 4), date(2029, 7, 3)),
            basis="规范第20条", charge="public",
        ), at=now)
    return token_of(settings, f"{role}-a", at=now)
