"""Loading the online store: the values that Feast writes, in the order of events, and only what is new; and what `verify` finds."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from features.packed import PACKED_TYPE
from features.pit import ENGINE_TYPE, STORE_TYPE
from features.retrieval import materialise
from features.snapshot import read_snapshot, write_snapshot
from features.verify import verify_online
from features.verify_command import verify
from features.views import open_store, published
from registry.errors import DataError, NotFound
from registry.settings import Settings
from tests.lib.feature_tables import END, KEY, Shape, entity_ids, open_tables, write_weeks
from tests.lib.online import change_rows, republish

SHAPE = Shape(views=1, rows=0, entities=20, features=3)
OURS = {"offline_store": {"type": STORE_TYPE}, "online_store": {"type": PACKED_TYPE}, "batch_engine": {"type": ENGINE_TYPE}}
TTL = timedelta(days=45)


def load(store: Any, end: datetime) -> None:
    with redirect_stdout(StringIO()):
        store.materialize(end - TTL, end)


def held(store: Any) -> dict[str, list[Any]]:
    keys = [{KEY: key} for key in (*sorted(entity_ids(SHAPE.entities)), "nobody")]
    return store.get_online_features(SHAPE.references(), keys).to_dict(include_event_timestamps=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_weeks(SHAPE, tmp_path, weeks=3)
    path = tmp_path / "v0.parquet"
    frame = pd.read_parquet(path)
    frame.loc[1, SHAPE.names(0)] = [0.0, -0.0, 1e300]
    frame.to_parquet(path, index=False)
    return tmp_path


def test_the_store_holds_what_feast_would_have_written(folder: Path) -> None:
    stock = open_tables(SHAPE, folder, "stock", ttl=TTL, stores={"offline_store": {"type": "duckdb"}})
    ours = open_tables(SHAPE, folder, "ours", ttl=TTL, stores=OURS)
    for end in (END - timedelta(days=7), END, END):
        load(stock, end)
        load(ours, end)
        met = held(ours)
        assert met == held(stock)
        assert len([value for name in SHAPE.names(0) for value in met[name] if value is not None]) > 40


def test_an_older_row_never_overwrites_a_newer_one(folder: Path) -> None:
    store = open_tables(SHAPE, folder, "ours", ttl=TTL, stores=OURS)
    load(store, END)
    newest = held(store)
    load(store, END - timedelta(days=14))
    older = pd.read_parquet(folder / "v0.parquet").iloc[::3].assign(v0_f0=7.0)
    store.write_to_online_store("v0", older)
    assert held(store) == newest
    later = older.assign(event_timestamp=pd.Timestamp(END) + pd.Timedelta(days=1))
    store.write_to_online_store("v0", later)
    first = store.get_online_features(["v0:v0_f0"], [{KEY: later[KEY].iloc[0]}]).to_dict()
    assert first["v0_f0"] == [7.0]


@pytest.fixture
def copied(tiny: Settings, tmp_path: Path) -> Settings:
    for name in ("features", "feast"):
        shutil.copytree(tiny.home / name, tmp_path / name)
    return tiny.model_copy(update={"home": tmp_path})


def test_the_online_store_equals_the_offline_features(tiny: Settings) -> None:
    found = verify_online(tiny)
    assert all(comparison.different == comparison.missing == 0 for comparison in found.values())
    assert min(comparison.compared for comparison in found.values()) > 5000


def test_a_planted_difference_is_found_and_named(copied: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[bool] = []

    def once(row: dict[str, Any]) -> None:
        row["fleet_size"] += not first
        first.append(True)

    assert change_rows(copied, "enterprise_profile", once) == 1
    monkeypatch.setattr("registry.settings.Settings", lambda: copied)
    answer = CliRunner().invoke(verify, ["--json", "--product", "enterprise_risk"])
    content = json.loads(answer.stdout)
    assert answer.exit_code == 40
    assert (content["different"], content["missing"]) == (1, 0)
    (example,) = content["examples"]
    assert example["feature"] == "fleet_size"
    assert example["online"] != example["offline"]


def test_a_value_that_was_not_loaded_is_missing(copied: Settings) -> None:
    change_rows(copied, "enterprise_profile", lambda row: row.update(fleet_size=None))
    (found,) = verify_online(copied, products=["enterprise_risk"], sample=30).values()
    assert (found.entities, found.different) == (30, 0)
    assert found.missing > 0
    assert {example.feature for example in found.examples} == {"fleet_size"}


def test_what_the_store_holds_is_not_written_again_unless_asked(copied: Settings) -> None:
    def mark(row: dict[str, Any]) -> None:
        row["fleet_size"] = -1.0

    def unmarked() -> int:
        return change_rows(copied, "enterprise_profile", mark)

    assert unmarked() > 0
    materialise(copied)
    assert unmarked() == 0
    materialise(copied, full=True)
    assert unmarked() > 0
    republish(copied, definitions="of another version")
    materialise(copied)
    assert unmarked() > 0


def test_a_load_that_fails_half_way_leaves_what_was_there(copied: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    change_rows(copied, "vehicle_profile", lambda row: row.update(enterprise_id="somebody"))
    before = published(copied)
    monkeypatch.setattr("features.retrieval.IDENTITY_VIEW", "no_such_view")
    with pytest.raises(NotFound, match="no view 'no_such_view' in Feast"):
        materialise(copied, full=True)
    assert published(copied) == before
    assert change_rows(copied, "vehicle_profile", lambda row: row.update(enterprise_id="somebody")) == 0


def test_an_older_build_is_refused(copied: Settings) -> None:
    built = read_snapshot(copied.feature_dir)
    earlier = (built.as_of_time - timedelta(days=7)).isoformat()
    write_snapshot(replace(built, as_of=earlier), copied.feature_dir)
    with pytest.raises(DataError, match=r"the online store holds .*, the newest build is of"):
        materialise(copied)


def test_an_empty_home_has_nothing_to_verify(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no feature snapshot"):
        verify_online(Settings(home=tmp_path))


def test_an_unknown_product_is_wrong_usage() -> None:
    answer = CliRunner().invoke(verify, ["--product", "weather"])
    assert answer.exit_code == 2
    assert "'weather' is none of" in answer.stderr


def test_the_store_that_is_opened_is_ours(tiny: Settings) -> None:
    config = open_store(tiny).config
    assert (config.offline_store.type, config.online_store.type) == (STORE_TYPE, PACKED_TYPE)
