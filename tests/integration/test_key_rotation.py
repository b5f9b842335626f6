"""Rotation of the pseudonym key: the same as if everything had been delivered under the new key, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from features.directory import Directory
from features.key_rotation import prune_generations, rotate_pseudonyms
from features.key_rotation_cli import keys
from features.landing import ingest_inbox
from features.online import OnlineStore
from features.pseudonyms import forward, pseudonym
from features.snapshot import read_snapshot, write_snapshot
from features.warehouse import Warehouse
from registry.entities import ENTERPRISE
from registry.errors import ConfigurationError, IntegrityError
from registry.generation import current_epoch, data_dir, switch
from registry.resources import RESOURCES
from registry.settings import Settings
from registry.signing import init_pseudonym_key, pseudonym_keys
from tests.lib.processes import ROOT, environment_of, manifests_in

TAKEN = ("operator_basic", "vehicle_transport_permit", "case_vehicle", "vehicle_day")
MONTHS = 2
LATER = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def before(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the first deliveries of four resources, under the first key."""
    folder = tmp_path_factory.mktemp("rotation")
    shutil.copytree(tiny.keys_dir, folder / "keys")
    for name in TAKEN:
        (folder / "home" / "outbox" / name).mkdir(parents=True)
        for path in sorted((tiny.outbox_dir / name).glob("*.parquet"))[:MONTHS]:
            os.link(path, folder / "home" / "outbox" / name / path.name)
    settings = tiny.model_copy(update={"home": folder / "home", "keys_dir": folder / "keys"})
    take_in(settings)
    return settings


def take_in(settings: Settings) -> int:
    """Take everything in; return how many deliveries were new."""
    found = ingest_inbox(
        settings.outbox_dir, Warehouse(settings.warehouse_dir), pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch)
    )
    return sum(not outcome.skipped for outcome in found)


@pytest.fixture
def home(before: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(before.home, tmp_path / "home")
    shutil.copytree(before.keys_dir, tmp_path / "keys")
    return before.model_copy(update={"home": tmp_path / "home", "keys_dir": tmp_path / "keys"})


def contents(settings: Settings, resource_id: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in Warehouse(settings.warehouse_dir).files(resource_id))


def test_rotated_is_the_same_as_delivered_under_both_keys(home: Settings, tmp_path: Path) -> None:
    old = {name: contents(home, name) for name in TAKEN}
    done = rotate_pseudonyms(home)
    assert (done.from_epoch, done.to_epoch, done.deliveries) == (1, 2, len(TAKEN) * MONTHS)
    assert home.pseudonym_epoch == 2
    afresh = home.model_copy(update={"home": tmp_path / "afresh"})
    shutil.copytree(home.outbox_dir, afresh.outbox_dir)
    switch(afresh.home, 2)
    take_in(afresh)
    for name in TAKEN:
        table = contents(home, name)
        assert table.equals(contents(afresh, name)), name
        moved = {entry.id for entry in RESOURCES[name].pseudonyms} | {"row_id"}
        assert not {column for column in set(table.column_names) - moved if not table[column].equals(old[name][column])}
        for column in {entry.id for entry in RESOURCES[name].pseudonyms}:
            assert not set(table[column].to_pylist()) & set(old[name][column].to_pylist()) - {None}
        Warehouse(home.warehouse_dir).verify(name)


def test_deliveries_and_names_go_on_under_the_new_key(home: Settings) -> None:
    names = Directory(home.directory_dir)
    old_ids = sorted({str(row[0]) for row in names.rows()})
    old_names = names.names_at(old_ids, LATER)
    rotate_pseudonyms(home)
    assert take_in(home) == 0
    held = pseudonym_keys(home.keys_dir, 2)
    moved = {forward(held, old, epoch=1): name for old, name in old_names.items()}
    assert Directory(home.directory_dir).names_at(list(moved), LATER) == moved
    assert Directory(home.directory_dir).names_at(old_ids, LATER) == {}
    raw = pq.read_table(next((home.outbox_dir / "operator_basic").glob("*.parquet")))["uscc"][0].as_py()
    assert pseudonym(held, ENTERPRISE.namespace, raw) == forward(held, pseudonym(held[:1], ENTERPRISE.namespace, raw), epoch=1)
    rotate_pseudonyms(home)
    third = pseudonym_keys(home.keys_dir, 3)
    assert forward(third, old_ids[0], epoch=1) in set(map(str, (row[0] for row in Directory(home.directory_dir).rows())))


@pytest.mark.parametrize("after", [0, 3, len(TAKEN) * MONTHS])
def test_killed_it_leaves_the_old_or_the_new_and_goes_on(home: Settings, after: int) -> None:
    new = data_dir(home.home, 2) / "warehouse"
    program = "from features.key_rotation_cli import keys; keys(['rotate-pseudonyms', '--json'])"
    with subprocess.Popen([sys.executable, "-c", program], env=environment_of(home), cwd=ROOT,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while process.poll() is None and manifests_in(new) < after:
                assert time.monotonic() < deadline
                time.sleep(0.001)
        finally:
            process.kill()
    epoch = current_epoch(home.home)
    held = Warehouse(home.warehouse_dir)
    assert sum(len(held.deliveries(name)) for name in TAKEN) == len(TAKEN) * MONTHS
    for name in TAKEN:
        held.verify(name)
    assert take_in(home) == 0
    if epoch == 1:
        assert rotate_pseudonyms(home).to_epoch == 2
        assert not (new / ".staging").exists()
    assert sum(1 for path in home.keys_dir.glob("pseudonym*.key")) == 2


def test_a_writer_that_holds_the_old_key_is_refused(home: Settings) -> None:
    old, held = Warehouse(home.warehouse_dir), pseudonym_keys(home.keys_dir)
    rotate_pseudonyms(home)
    shutil.rmtree(old.root / "operator_basic")
    with pytest.raises(ConfigurationError, match="rotated to epoch 2"):
        list(ingest_inbox(home.outbox_dir, old, held))


def test_a_damaged_file_is_not_carried_on(home: Settings) -> None:
    path = Warehouse(home.warehouse_dir).files("case_vehicle")[0]
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(IntegrityError, match="its manifest says"):
        rotate_pseudonyms(home)
    assert home.pseudonym_epoch == 1


def test_old_data_go_only_after_the_features_are_built_again(home: Settings, tiny: Settings) -> None:
    snapshot = read_snapshot(tiny.feature_dir)
    home.feature_dir.mkdir()
    write_snapshot(snapshot, home.feature_dir)
    rotate_pseudonyms(home)
    with pytest.raises(ConfigurationError, match="holds pseudonyms of epoch 1"):
        prune_generations(home)
    write_snapshot(replace(snapshot, pseudonym_epoch=2), home.feature_dir)
    assert prune_generations(home, dry_run=True)
    assert len(list((home.home / "warehouse").iterdir())) > 1
    prune_generations(home)
    assert [path.name for path in (home.home / "warehouse").iterdir()] == [".retired"]
    assert not list((home.home / "directory").iterdir())
    assert len(contents(home, "vehicle_day"))


def test_the_service_answers_from_the_old_pseudonyms_until_then(tiny: Settings, tmp_path: Path) -> None:
    shutil.copytree(tiny.feast_dir, tmp_path / "home" / "feast")
    shutil.copytree(tiny.keys_dir, tmp_path / "keys")
    settings = tiny.model_copy(update={"home": tmp_path / "home", "keys_dir": tmp_path / "keys"})
    init_pseudonym_key(settings.keys_dir, 2)
    switch(settings.home, 2)
    uscc = json.loads((tiny.home / "examples.json").read_text(encoding="utf-8"))["enterprise"][0]["uscc"]
    store = OnlineStore(settings)
    assert store.resolve(ENTERPRISE, {"uscc": uscc}) == OnlineStore(tiny).resolve(ENTERPRISE, {"uscc": uscc})


def test_the_command_says_what_it_will_do_and_shows_no_key(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADRISK_HOME", str(home.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(home.keys_dir))
    said = [CliRunner().invoke(keys, options) for options in
            (["list"], ["rotate-pseudonyms", "--dry-run", "--json"], ["rotate-pseudonyms", "--json"], ["list", "--json"],
             ["prune", "--dry-run"])]
    assert [one.exit_code for one in said] == [0] * 5
    planned, done, listed = (json.loads(said[place].stdout) for place in (1, 2, 3))
    assert planned == done | {"written": False}
    assert [(one["epoch"], one["state"]) for one in listed["keys"]] == [(1, "earlier"), (2, "current")]
    secrets = [key.hex() for key in pseudonym_keys(home.keys_dir, 2)]
    assert not any(secret in one.output for one in said for secret in secrets)
    assert (home.keys_dir / "pseudonym-0002.key").stat().st_mode & 0o777 == 0o600
