"""One definition, two readers: what serving reads is what training reads at the same instant."""

from __future__ import annotations

# ruff: noqa: PD011 - `values` are those of OnlineInputs, not of a frame
import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.online import OnlineInputs, OnlineStore
from features.products import PRODUCT_FEATURES
from features.retrieval import materialise
from features.snapshot import read_snapshot, write_snapshot
from features.views import open_store, published
from registry.entities import ENTERPRISE, VEHICLE
from registry.errors import InvalidRequest, NotFound, ServiceUnavailable, UnknownEntity
from registry.settings import Settings
from tests.lib.online import republish

THREADS = 8


@pytest.fixture(scope="module")
def store(tiny: Settings) -> OnlineStore:
    return OnlineStore(tiny)


@pytest.fixture(scope="module")
def fleet(tiny: Settings) -> pd.DataFrame:
    """Every vehicle in operation at the newest cut-off, with its operator."""
    rows = pd.read_parquet(tiny.feature_dir / "vehicle_profile.parquet")
    return rows[rows.event_timestamp == pd.Timestamp(read_snapshot(tiny.feature_dir).as_of)].reset_index(drop=True)


@pytest.fixture(scope="module")
def examples(tiny: Settings) -> dict[str, list[dict[str, str]]]:
    return json.loads((tiny.home / "examples.json").read_text(encoding="utf-8"))


def spine(product_id: str, fleet: pd.DataFrame) -> pd.DataFrame:
    columns = [entity.id_column for entity in PRODUCT_FEATURES[product_id].joins]
    return fleet[columns].drop_duplicates().reset_index(drop=True)


def plain(value: object) -> object:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


@pytest.mark.parametrize("product_id", PRODUCT_FEATURES)
def test_every_value_is_the_same_and_eight_threads_read_it(
    product_id: str, tiny: Settings, store: OnlineStore, fleet: pd.DataFrame
) -> None:
    product, keys = PRODUCT_FEATURES[product_id], spine(product_id, fleet)
    feast = open_store(tiny)
    offline = feast.get_historical_features(
        entity_df=keys.assign(event_timestamp=pd.Timestamp(store.as_of), row=range(len(keys))),
        features=feast.get_feature_service(product_id), filter_by_created_timestamp=True,
    ).to_df().sort_values("row")
    names = [feature.name for feature in product.features]
    with ThreadPoolExecutor(THREADS) as pool:
        read = list(pool.map(lambda key: store.read(product_id, key), keys[product.entity.id_column]))
    assert len(read) > 50
    met = [{name: inputs.values[name] for name in names} for inputs in read]
    # Equal floats are equal bits here: no value is a negative zero, and null is null on both sides.
    assert met == [{name: plain(value) for name, value in row.items()} for row in offline[names].to_dict("records")]
    assert {type(value) for inputs in read for value in inputs.values.values()} <= {float, str, type(None)}
    assert all(inputs.plain for inputs in read)
    assert {inputs.as_of for inputs in read} == {store.as_of}
    if len(product.joins) > 1:
        assert [inputs.related[ENTERPRISE.id] for inputs in read] == keys[ENTERPRISE.id_column].tolist()


def test_most_values_are_there(store: OnlineStore, fleet: pd.DataFrame) -> None:
    inputs = [store.read("maintenance", key) for key in fleet.vehicle_id[:20]]
    share = sum(value is not None for one in inputs for value in one.values.values()) / sum(len(one.values) for one in inputs)
    assert share > 0.85


def test_threads_that_read_the_same_get_the_same(store: OnlineStore, fleet: pd.DataFrame) -> None:
    keys = fleet.vehicle_id[:6].tolist()
    alone = {key: store.read("maintenance", key) for key in keys}
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(lambda key: (key, store.read("maintenance", key)), keys * 20))
    assert all(inputs == alone[key] for key, inputs in together)


def test_a_plate_and_a_vin_name_the_same_vehicle(store: OnlineStore, examples: dict[str, list[dict[str, str]]]) -> None:
    for example in examples["vehicle"]:
        by_plate = store.resolve(VEHICLE, {name: example[name] for name in ("plate_no", "plate_color")})
        assert by_plate == store.resolve(VEHICLE, {"vin": example["vin"]})
        written = f" {example['plate_no'][:2].lower()}·{example['plate_no'][2:].lower()}"
        assert store.resolve(VEHICLE, {"plate_no": written, "plate_color": example["plate_color"]}) == by_plate


@pytest.mark.parametrize("key", [{}, {"plate_no": "赣A12345"}, {"uscc": "x"}, {"vin": "x", "plate_no": "y"}])
def test_fields_that_name_no_vehicle_are_an_invalid_request(key: dict[str, str], store: OnlineStore) -> None:
    with pytest.raises(InvalidRequest, match="do not name one commercial vehicle"):
        store.resolve(VEHICLE, key)


def test_nobody_knows_an_unknown_entity(store: OnlineStore, examples: dict[str, list[dict[str, str]]]) -> None:
    with pytest.raises(UnknownEntity, match="no vehicle in operation bears this plate"):
        store.resolve(VEHICLE, {"plate_no": "赣A00000", "plate_color": "2"})
    with pytest.raises(UnknownEntity, match="bears this plate"):
        store.resolve(VEHICLE, {"plate_no": examples["vehicle"][0]["plate_no"], "plate_color": "1"})
    with pytest.raises(UnknownEntity, match="no vehicle in operation with this key"):
        store.read("maintenance", store.resolve(VEHICLE, {"vin": "L99000248R0000017"}))
    with pytest.raises(UnknownEntity, match="no road-transport operator with this key"):
        store.read("enterprise_risk", store.resolve(ENTERPRISE, {"uscc": "913601000000001664"}))


def test_sources_are_fresh_and_named(store: OnlineStore, fleet: pd.DataFrame) -> None:
    inputs = store.read("driver_fatigue", fleet.vehicle_id[0])
    ages = {age.resource: age for age in inputs.sources}
    assert not ages["driving_hour"].stale
    assert {resource for feature in PRODUCT_FEATURES["driver_fatigue"].features for resource in feature.resources} <= set(ages)


@pytest.fixture
def copied(tiny: Settings, tmp_path: Path) -> Settings:
    """A home with feature tables and online store of its own."""
    for name in ("features", "feast"):
        shutil.copytree(tiny.home / name, tmp_path / name)
    return tiny.model_copy(update={"home": tmp_path})


def later(settings: Settings, days: float) -> OnlineStore:
    """Return the store as if its snapshot had been taken later and nothing had come since."""
    moved = (published(settings).snapshot.as_of_time + timedelta(days=days)).isoformat()
    republish(settings, as_of=moved)
    return OnlineStore(settings)


def test_what_has_expired_is_not_read(copied: Settings, store: OnlineStore, fleet: pd.DataFrame) -> None:
    now = {key: store.read("driver_fatigue", key) for key in fleet.vehicle_id}
    key = next(key for key, inputs in now.items() if inputs.values["duty_cont_drive_h"] is not None)
    expired = later(copied, 3).read("driver_fatigue", key)
    assert {name for name, value in expired.values.items() if name.startswith("duty_") and value is not None} == set()
    assert without_duty(expired) == without_duty(now[key])
    with pytest.raises(UnknownEntity, match="no vehicle in operation"):
        later(copied, 60).read("driver_fatigue", key)


def without_duty(inputs: OnlineInputs) -> dict[str, object]:
    return {name: value for name, value in inputs.values.items() if not name.startswith("duty_")}


def test_a_build_that_was_not_loaded_changes_no_answer(copied: Settings, store: OnlineStore) -> None:
    built = read_snapshot(copied.feature_dir)
    write_snapshot(replace(built, as_of="2027-01-01T00:00:00+00:00"), copied.feature_dir)
    assert OnlineStore(copied).as_of == store.as_of


def test_ready_says_whether_the_store_answers(copied: Settings, store: OnlineStore) -> None:
    store.ready()
    before = OnlineStore(copied)
    before.ready()
    (copied.feast_dir / "packed.db").unlink()
    with pytest.raises(ServiceUnavailable, match="the feature store does not answer"):
        before.ready()


def test_a_store_that_was_never_filled_is_not_found(copied: Settings) -> None:
    (copied.feast_dir / "packed.db").unlink()
    with pytest.raises(NotFound, match=r"no feature snapshot.* `materialise`"):
        OnlineStore(copied)


def test_loading_again_changes_no_answer(copied: Settings, store: OnlineStore, fleet: pd.DataFrame) -> None:
    materialise(copied)
    again = OnlineStore(copied)
    keys = fleet.vehicle_id[:10]
    assert [again.read("insurance_pricing", key) for key in keys] == [store.read("insurance_pricing", key) for key in keys]
