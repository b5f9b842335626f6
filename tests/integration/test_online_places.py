"""The packed rows as serving reads them, in SQLite and in Redis: what Feast reads, of one publication, as far as covered."""

from __future__ import annotations

# ruff: noqa: PD011 - `values` are those of OnlineInputs, not of a frame
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.families import FAMILIES
from features.online import OnlineInputs, OnlineStore
from features.products import PRODUCT_FEATURES
from features.retrieval import apply_store, materialise
from features.verify import verify_online
from features.views import open_store, published, service_of
from registry.entities import ENTERPRISE, VEHICLE
from registry.errors import InvalidRequest, ServiceUnavailable, UnknownEntity
from registry.products import PRODUCTS
from registry.settings import Settings
from registry.signing import init_pseudonym_key
from tests.lib.online import change_rows, republish
from tests.lib.redis_server import RedisServer, redis_or_skip

NOBODY = "0" * 24
MARKED = ("vehicle_age_year", "fleet_size")
COVERED = frozenset({"vehicle_basic", "vehicle_transport_permit", "vehicle_day"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    made = redis_or_skip(tmp_path_factory.mktemp("redis"))
    yield made
    made.stop()


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def home(request: pytest.FixtureRequest, tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose online store is loaded into one of the places."""
    if request.param == "sqlite":
        return tiny
    folder = tmp_path_factory.mktemp("places")
    shutil.copytree(tiny.feature_dir, folder / "features")
    url = request.getfixturevalue("server").url
    settings = tiny.model_copy(update={"home": folder, "online_url": url, "store_timeout_s": 30.0})
    apply_store(settings)
    materialise(settings)
    return settings


@pytest.fixture
def copied(tiny: Settings, tmp_path: Path) -> Settings:
    for name in ("features", "feast"):
        shutil.copytree(tiny.home / name, tmp_path / name)
    return tiny.model_copy(update={"home": tmp_path})


def vehicles(settings: Settings) -> list[str]:
    rows = pd.read_parquet(settings.feature_dir / "vehicle_profile.parquet", columns=["vehicle_id", "event_timestamp"])
    newest = rows[rows.event_timestamp == pd.Timestamp(published(settings).snapshot.as_of)]
    return sorted(newest.vehicle_id)


def entities(settings: Settings, product_id: str) -> list[str]:
    """Return every entity that a table has ever spoken about, and one that none has."""
    families = (FAMILIES[name] for name in PRODUCT_FEATURES[product_id].families)
    entity = PRODUCT_FEATURES[product_id].entity
    ids: set[str] = {NOBODY}
    for family in families:
        if family.entity == entity:
            ids.update(pd.read_parquet(settings.feature_dir / f"{family.id}.parquet", columns=[entity.id_column])[entity.id_column])
    return sorted(ids)


def read_by_feast(settings: Settings, product_id: str, ids: list[str]) -> dict[str, list[Any]]:
    store, product = open_store(settings), PRODUCT_FEATURES[product_id]
    keys: dict[str, list[str]] = {product.entity.id_column: ids}
    if ENTERPRISE in product.joins[1:]:
        link = store.get_online_features([f"vehicle_profile:{ENTERPRISE.id_column}"], keys).to_dict()
        keys[ENTERPRISE.id_column] = [owner or "" for owner in link[ENTERPRISE.id_column]]
    found = store.get_online_features(service_of(store, product_id), keys).to_dict(include_event_timestamps=True)
    as_of = published(settings).snapshot.as_of_time.timestamp()
    ttl_s = {name: FAMILIES[family].ttl_d * 86_400 for family in product.families for name in FAMILIES[family].names}
    return {
        feature.name: [
            value if at + ttl_s[feature.name] >= as_of else None
            for value, at in zip(found[feature.name], found[f"{feature.name}__ts"], strict=True)
        ]
        for feature in product.features
    }


@pytest.mark.parametrize("product_id", PRODUCT_FEATURES)
def test_every_value_is_the_one_that_feast_reads(product_id: str, home: Settings) -> None:
    ids = entities(home, product_id)
    found = OnlineStore(home).read_many(product_id, ids)
    theirs = read_by_feast(home, product_id, ids)
    names = [feature.name for feature in PRODUCT_FEATURES[product_id].features]
    known = 0
    for place, (entity_id, inputs) in enumerate(zip(ids, found, strict=True)):
        expected = {name: theirs[name][place] for name in names}
        if isinstance(inputs, OnlineInputs):
            known += 1
            assert (inputs.entity_id, list(inputs.values), inputs.values) == (entity_id, names, expected)
        else:
            assert isinstance(inputs, UnknownEntity)
            own = {feature.name for feature in PRODUCT_FEATURES[product_id].features
                   if feature.entity == PRODUCT_FEATURES[product_id].entity.id}
            assert product_id != "enterprise_risk" or all(expected[name] is None for name in own)
    assert known > 50
    assert isinstance(found[ids.index(NOBODY)], UnknownEntity)


def test_both_places_verify_against_the_offline_features(home: Settings) -> None:
    found = verify_online(home, sample=100)
    assert all(comparison.different == comparison.missing == 0 for comparison in found.values())


def test_many_are_read_as_one_by_one(home: Settings) -> None:
    store, ids = OnlineStore(home), vehicles(home)[:20]
    together = store.read_many("maintenance", [*ids, NOBODY, ids[0]])
    assert together[:20] == [store.read("maintenance", key) for key in ids]
    assert together[21] == together[0]
    with pytest.raises(UnknownEntity, match="no vehicle in operation with this key"):
        store.read("maintenance", NOBODY)
    assert store.read_many("maintenance", []) == []


def test_many_keys_are_resolved_as_one_by_one(home: Settings, tiny: Settings) -> None:
    store = OnlineStore(home)
    examples = json.loads((tiny.home / "examples.json").read_text(encoding="utf-8"))["vehicle"]
    plates = [{name: one[name] for name in ("plate_no", "plate_color")} for one in examples]
    vins = [{"vin": one["vin"]} for one in examples]
    odd: list[dict[str, str]] = [{"plate_no": "赣A00000", "plate_color": "2"}, {"uscc": "x"}]
    found = store.resolve_many(VEHICLE, [*plates, *odd, *vins])
    count = len(plates)
    assert found[:count] == found[count + 2:] == [store.resolve(VEHICLE, key) for key in plates]
    assert isinstance(found[count], UnknownEntity)
    assert isinstance(found[count + 1], InvalidRequest)


@pytest.mark.parametrize("product_id", ["maintenance", "enterprise_risk"])
def test_what_is_not_covered_is_not_read_and_says_so(product_id: str, home: Settings) -> None:
    store, product = OnlineStore(home), PRODUCT_FEATURES[product_id]
    whole = next(one for one in store.read_many(product_id, entities(home, product_id)) if isinstance(one, OnlineInputs))
    part = store.read(product_id, whole.entity_id, resources=COVERED)
    covered = {feature.name for feature in product.features if COVERED.issuperset(feature.resources)}
    assert 0 < len(covered) < len(product.features)
    assert part.values == {name: value if name in covered else None for name, value in whole.values.items()}
    assert (part.related, part.as_of, list(part.freshness)) == (whole.related, whole.as_of, list(whole.freshness))
    ages = {age.resource: age for age in part.sources}
    assert [age.resource for age in part.sources] == [age.resource for age in whole.sources]
    assert {name for name, age in ages.items() if age.authorised} == COVERED & set(ages)
    for age in ages.values():
        assert age.authorised or (age.complete_until, age.age_d, age.stale) == (None, None, True)
    assert {age for age in part.sources if age.authorised} <= set(whole.sources)


def test_nothing_covered_still_finds_who_it_is_about(home: Settings) -> None:
    store = OnlineStore(home)
    inputs = store.read("maintenance", vehicles(home)[0], resources=frozenset())
    assert set(inputs.values.values()) == {None}
    assert inputs.related[ENTERPRISE.id]
    assert {age.resource for age in inputs.sources if not age.authorised} >= set(PRODUCTS["maintenance"].mandatory)
    with pytest.raises(UnknownEntity, match="no vehicle in operation"):
        store.read("maintenance", NOBODY, resources=frozenset())


def test_views_of_which_nothing_is_covered_are_not_asked_for(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store, asked = OnlineStore(home), []
    fetch = store._rows.fetch
    monkeypatch.setattr(store._rows, "fetch", lambda views, keys: asked.append(tuple(views)) or fetch(views, keys))
    store.read("maintenance", vehicles(home)[0], resources=COVERED)
    assert [set(views) & {"vehicle_service", "vehicle_people", "enterprise_people"} for views in asked] == [set(), set()]
    assert "vehicle_activity" in asked[0]


def test_a_running_reader_meets_a_new_publication_whole(copied: Settings) -> None:
    store, key = OnlineStore(copied), vehicles(copied)[0]
    before = store.read("maintenance", key)
    later = published(copied).snapshot.as_of_time + timedelta(hours=1)
    republish(copied, as_of=later.isoformat())
    after = store.read("maintenance", key)
    assert (before.as_of, after.as_of, store.as_of) == (later - timedelta(hours=1), later, later)
    older = [b.age_d - a.age_d for a, b in zip(before.sources, after.sources, strict=True)
             if a.age_d is not None and b.age_d is not None]
    assert older == pytest.approx([1 / 24] * len(older))
    assert older
    assert not store.refresh()
    republish(copied)
    assert store.refresh()


def test_values_and_cut_off_are_of_one_publication_while_loads_go_on(copied: Settings) -> None:
    """Each load marks a value of two entities of different views with its own hour; no reader meets two marks."""
    store, key = OnlineStore(copied), vehicles(copied)[0]
    begin, ended = store.as_of, threading.Event()
    met: list[OnlineInputs] = []

    def read() -> None:
        while not ended.is_set():
            met.append(store.read("maintenance", key))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for hour in range(1, 6):
            marked_load(copied, key, hour, (begin + timedelta(hours=hour)).isoformat())
    finally:
        ended.set()
        reader.join(60)
    met.append(store.read("maintenance", key))
    hours = {round((inputs.as_of - begin) / timedelta(hours=1)) for inputs in met}
    assert 5 in hours
    for inputs in met:
        hour = (inputs.as_of - begin) / timedelta(hours=1)
        if hour:
            assert [inputs.values[name] for name in MARKED] == [hour, hour]


def marked_load(settings: Settings, key: str, hour: int, as_of: str) -> None:
    from dataclasses import replace

    from features.packed.keys import text_keys
    from features.packed.rows import publication_of, settled_rows
    from features.views import PROJECT

    rows = settled_rows(settings, PROJECT)
    held, layouts = publication_of(rows), {layout.view: layout for layout in rows.layouts().values()}
    operator = OnlineStore(settings).read("maintenance", key).related[ENTERPRISE.id]
    rows.begin()
    for view, column, entity, name in (
        ("vehicle_profile", "vehicle_id", key, MARKED[0]), ("enterprise_profile", "enterprise_id", operator, MARKED[1]),
    ):
        layout, keys = layouts[view], text_keys(column, [entity])
        _, ((row,),) = rows.fetch([view], keys)
        assert row is not None
        event, values = layout.unpack(row)
        values[layout.places[name]] = float(hour)
        rows.write(view, keys, [layout.pack(values, event + hour, event + hour)])
    rows.publish(replace(held.snapshot, as_of=as_of), held.definitions)
    rows.close()


def test_ids_of_an_earlier_key_are_not_looked_for_under_the_next(copied: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    shutil.copytree(copied.keys_dir, keys)
    settings = copied.model_copy(update={"keys_dir": keys})
    store, key = OnlineStore(settings), vehicles(settings)[0]
    before = store.resolve(ENTERPRISE, {"uscc": "913601000000001664"})
    init_pseudonym_key(keys, 2)
    republish(settings, pseudonym_epoch=2)
    with pytest.raises(ServiceUnavailable, match="keys of the feature store have just been rotated"):
        store.read("maintenance", key)
    assert store.snapshot.pseudonym_epoch == 2
    assert store.resolve(ENTERPRISE, {"uscc": "913601000000001664"}) != before


def test_a_store_that_lost_everything_is_unavailable_and_knows_nobody_wrongly(copied: Settings) -> None:
    store, key = OnlineStore(copied), vehicles(copied)[0]
    before = store.read("maintenance", key)
    (copied.feast_dir / "packed.db").unlink()
    apply_store(copied)
    with pytest.raises(ServiceUnavailable, match="the feature store is empty"):
        store.read("maintenance", key)
    materialise(copied)
    assert store.read("maintenance", key) == before


def test_a_damaged_row_makes_no_score(copied: Settings) -> None:
    import sqlite3

    key = vehicles(copied)[0]
    with sqlite3.connect(copied.feast_dir / "packed.db") as connection:
        connection.execute("UPDATE roadrisk_vehicle_profile SET row = CAST(substr(row, 1, 40) || x'99' || substr(row, 42) AS BLOB)")
    connection.close()
    with pytest.raises(ServiceUnavailable, match=r"a row of the feature store is damaged \(view vehicle_profile\)"):
        OnlineStore(copied).read("maintenance", key)


def test_a_vehicle_whose_operator_is_not_named_is_unknown(copied: Settings) -> None:
    change_rows(copied, "vehicle_profile", lambda row: row.update(enterprise_id=None))
    with pytest.raises(UnknownEntity, match="no vehicle in operation"):
        OnlineStore(copied).read("maintenance", vehicles(copied)[0])


def test_a_read_needs_no_feast(tiny: Settings) -> None:
    program = (
        "import sys; from features.online import OnlineStore; from registry.settings import Settings; "
        "OnlineStore(Settings()).ready(); assert not {'feast', 'pyarrow.dataset'} & set(sys.modules), 'heavy'"
    )
    environment = {"ROADRISK_HOME": str(tiny.home), "ROADRISK_KEYS_DIR": str(tiny.keys_dir), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("home", ["redis"], indirect=True)
def test_a_server_that_stands_still_is_waited_for_so_long(home: Settings, server: RedisServer) -> None:
    store, key = OnlineStore(home.model_copy(update={"store_timeout_s": 0.3})), vehicles(home)[0]
    before = store.read("maintenance", key)
    server.pause()
    try:
        with pytest.raises(ServiceUnavailable, match="the feature store does not answer"):
            store.read("maintenance", key)
        with pytest.raises(ServiceUnavailable, match="the feature store does not answer"):
            store.ready()
    finally:
        server.resume()
    assert store.read("maintenance", key) == before
