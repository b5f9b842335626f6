"""One contract over Feast's SQLite store and the packed rows in SQLite and in Redis: what Feast writes, Feast reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.feast_door import import_feast
from features.packed import PACKED_TYPE
from features.pit import ENGINE_TYPE, STORE_TYPE
from registry.errors import InvalidRequest
from tests.lib.redis_server import RedisServer, redis_or_skip

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
STORES = ("stock", "sqlite", "redis")
PACKED = STORES[1:]
FEATURES = ["speed:kmh", "speed:road", "speed:stops", "speed:wet"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    made = redis_or_skip(tmp_path_factory.mktemp("redis"))
    yield made
    made.stop()


@dataclass
class Desk:
    """A Feast store with one view of four types."""

    feast: Any
    entity: Any
    view: Any
    folder: Path

    def write(self, day: float, *, created: float | None = None, **columns: list[Any]) -> None:
        """Write rows as whoever pushes them to Feast does."""
        self.feast.write_to_online_store("speed", self.frame(day, created=created, **columns))

    def frame(self, day: float, *, created: float | None = None, **columns: list[Any]) -> pd.DataFrame:
        count = len(columns["vehicle"])
        given = {"kmh": [1.0] * count, "road": ["国道"] * count, "stops": [2] * count, "wet": [False] * count, **columns}
        at = [pd.Timestamp(BEGIN + timedelta(days=moment)) for moment in (day, day if created is None else created)]
        return pd.DataFrame(given).assign(event_timestamp=at[0], created_timestamp=at[1])

    def load(self, frame: pd.DataFrame, day: float) -> None:
        """Materialise a table up to a day."""
        frame.to_parquet(self.folder / "speed.parquet", index=False)
        with redirect_stdout(StringIO()):
            self.feast.materialize(BEGIN, BEGIN + timedelta(days=day))

    def read(self, *vehicles: str, features: list[str] | None = None) -> dict[str, list[Any]]:
        rows = [{"vehicle": vehicle} for vehicle in vehicles]
        found = self.feast.get_online_features(features or FEATURES, rows).to_dict(include_event_timestamps=True)
        return {name: values for name, values in found.items() if not name.startswith("vehicle")}


def make(kind: str, folder: Path, url: str) -> Desk:
    feast = import_feast()
    from feast.repo_config import RepoConfig
    from feast.types import Bool, Float64, Int64, String

    stores: dict[str, Any] = {
        "stock": {"online_store": {"type": "sqlite", "path": str(folder / "online.db")}, "offline_store": {"type": "duckdb"}},
    }
    packed = {"type": PACKED_TYPE, "path": str(folder / "online.db"), "url": url if kind == "redis" else ""}
    ours = {"online_store": packed, "offline_store": {"type": STORE_TYPE}, "batch_engine": {"type": ENGINE_TYPE}}
    store = feast.FeatureStore(config=RepoConfig(
        project="contract", provider="local", registry={"registry_type": "file", "path": str(folder / "registry.pb")},
        entity_key_serialization_version=3, repo_path=folder, **stores.get(kind, ours),
    ))
    vehicle = feast.Entity(name="vehicle", join_keys=["vehicle"], value_type=feast.ValueType.STRING)
    types = {"kmh": Float64, "road": String, "stops": Int64, "wet": Bool}
    view = feast.FeatureView(
        name="speed", entities=[vehicle], ttl=timedelta(days=400),
        schema=[feast.Field(name=name, dtype=dtype) for name, dtype in types.items()],
        source=feast.FileSource(
            name="speed", path=str(folder / "speed.parquet"), timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
    )
    desk = Desk(store, vehicle, view, folder)
    desk.frame(0, vehicle=["a"]).to_parquet(folder / "speed.parquet", index=False)
    store.apply([vehicle, view])
    return desk


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    url = request.getfixturevalue("server").url if request.param == "redis" else ""
    made = make(request.param, tmp_path, url)
    yield made
    made.feast.teardown()


of_every_store = pytest.mark.parametrize("desk", STORES, indirect=True)
of_packed_stores = pytest.mark.parametrize("desk", PACKED, indirect=True)


@of_every_store
def test_what_was_written_is_read(desk: Desk) -> None:
    desk.write(
        3, vehicle=["a", "b", "c"], kmh=[0.1, 1e300, math.inf], road=["高速公路", "", "x" * 5000], stops=[-7, 0, 2**53],
        wet=[True, False, True],
    )
    at = int((BEGIN + timedelta(days=3)).timestamp())
    assert desk.read("c", "nobody", "a", "b") == {
        "kmh": [math.inf, None, 0.1, 1e300], "road": ["x" * 5000, None, "高速公路", ""],
        "stops": [2**53, None, -7, 0], "wet": [True, None, True, False],
        **{f"{name}__ts": [at, 0, at, at] for name in ("kmh", "road", "stops", "wet")},
    }


@of_every_store
def test_what_was_loaded_is_read(desk: Desk) -> None:
    frame = pd.concat([
        desk.frame(1, vehicle=["a", "b"], kmh=[1.0, 2.0]), desk.frame(2, vehicle=["a"], kmh=[3.0], road=["省道"]),
        desk.frame(9, vehicle=["a"], kmh=[9.0]),
    ])
    desk.load(frame, 5)
    assert desk.read("a", "b")["kmh"] == [3.0, 2.0]
    assert desk.read("a", "b")["road"] == ["省道", "国道"]
    desk.load(frame, 10)
    assert desk.read("a", "b")["kmh"] == [9.0, 2.0]


@of_every_store
def test_a_load_of_nothing_changes_nothing(desk: Desk) -> None:
    desk.write(3, vehicle=["a"], kmh=[7.0])
    desk.load(desk.frame(9, vehicle=["a"], kmh=[9.0]), 5)
    assert desk.read("a")["kmh"] == [7.0]


@of_every_store
def test_a_negative_zero_keeps_its_sign(desk: Desk) -> None:
    desk.load(desk.frame(1, vehicle=["a"], kmh=[-0.0]), 5)
    assert math.copysign(1.0, desk.read("a")["kmh"][0]) == -1.0


@of_every_store
def test_null_and_not_a_number_are_both_unknown(desk: Desk) -> None:
    desk.load(desk.frame(1, vehicle=["a", "b"], kmh=[math.nan, 5.0], road=[None, "乡道"]), 5)
    assert (desk.read("a", "b")["kmh"], desk.read("a", "b")["road"]) == ([None, 5.0], [None, "乡道"])
    desk.write(6, vehicle=["b"], kmh=[math.nan], road=[None])
    assert (desk.read("b")["kmh"], desk.read("b")["road"], desk.read("b")["stops"]) == ([None], [None], [2])


@of_every_store
def test_some_features_of_a_view_are_read_alone(desk: Desk) -> None:
    desk.write(3, vehicle=["a"], kmh=[7.0])
    assert sorted(desk.read("a", features=["speed:kmh"])) == ["kmh", "kmh__ts"]
    assert desk.read("a", features=["speed:kmh"])["kmh"] == [7.0]


@of_every_store
def test_a_newer_row_takes_the_place_of_an_older_one(desk: Desk) -> None:
    desk.write(3, vehicle=["a"], kmh=[7.0])
    desk.write(4, vehicle=["a"], kmh=[8.0])
    assert desk.read("a")["kmh"] == [8.0]


@of_every_store
def test_a_feature_that_a_row_does_not_name_keeps_its_value(desk: Desk) -> None:
    desk.write(3, vehicle=["a"], kmh=[7.0], road=["县道"])
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    key = EntityKey(join_keys=["vehicle"], entity_values=[Value(string_val="a")])
    later = BEGIN + timedelta(days=4)
    view = desk.feast.get_feature_view("speed")
    desk.feast.provider.online_store.online_write_batch(
        desk.feast.config, view, [(key, {"kmh": Value(double_val=9.0)}, later, later)], None
    )
    assert (desk.read("a")["kmh"], desk.read("a")["road"]) == ([9.0], ["县道"])


@of_every_store
def test_a_new_feature_is_unknown_and_the_old_ones_stay(desk: Desk) -> None:
    feast = import_feast()
    from feast.types import Float64

    desk.write(3, vehicle=["a"], kmh=[7.0])
    view = desk.feast.get_feature_view("speed")
    view.features.append(feast.Field(name="slope", dtype=Float64))
    view.projection.features.append(feast.Field(name="slope", dtype=Float64))
    desk.feast.provider.online_store.update(desk.feast.config, [], [view], [], [], True)
    desk.feast.registry.apply_feature_view(view, "contract")
    found = desk.read("a", features=["speed:slope", "speed:kmh"])
    assert (found["slope"], found["kmh"]) == ([None], [7.0])


@of_every_store
def test_a_view_that_is_deleted_takes_its_rows_along(desk: Desk) -> None:
    desk.write(3, vehicle=["a"], kmh=[7.0])
    store, config = desk.feast.provider.online_store, desk.feast.config
    store.update(config, [desk.view], [], [], [], True)
    store.update(config, [], [desk.view], [], [], True)
    assert desk.read("a")["kmh"] == [None]


@of_packed_stores
def test_an_older_row_never_takes_the_place_of_a_newer_one(desk: Desk) -> None:
    desk.write(3, vehicle=["a"], kmh=[7.0])
    desk.write(2, vehicle=["a"], kmh=[6.0])
    assert desk.read("a")["kmh"] == [7.0]
    desk.load(desk.frame(1, vehicle=["a"], kmh=[5.0]), 2)
    assert desk.read("a")["kmh"] == [7.0]


@of_packed_stores
def test_a_row_of_the_future_stays_until_one_that_is_later_still(desk: Desk) -> None:
    desk.write(3000, vehicle=["a"], kmh=[7.0])
    desk.write(30, vehicle=["a"], kmh=[6.0])
    assert desk.read("a")["kmh"] == [7.0]
    desk.write(3000.5, vehicle=["a"], kmh=[5.0])
    assert desk.read("a")["kmh"] == [5.0]


@of_packed_stores
def test_of_rows_of_one_instant_the_one_created_last_counts(desk: Desk) -> None:
    desk.write(3, created=5, vehicle=["a"], kmh=[7.0])
    desk.write(3, created=4, vehicle=["a"], kmh=[6.0])
    assert desk.read("a")["kmh"] == [7.0]
    desk.write(3, created=5, vehicle=["a"], kmh=[5.0])
    assert desk.read("a")["kmh"] == [5.0]


@of_packed_stores
def test_instants_count_to_the_microsecond_and_before_1970(desk: Desk) -> None:
    tick = 1e-6 / 86_400
    desk.write(3 + 2 * tick, vehicle=["a"], kmh=[7.0])
    desk.write(3 + tick, vehicle=["a"], kmh=[6.0])
    assert desk.read("a")["kmh"] == [7.0]
    desk.write(-30_000, vehicle=["b"], kmh=[1.0])
    desk.write(-30_001, vehicle=["b"], kmh=[2.0])
    desk.write(3, vehicle=["b"], kmh=[3.0])
    desk.write(-1, vehicle=["b"], kmh=[4.0])
    assert desk.read("b")["kmh"] == [3.0]


@of_packed_stores
def test_a_value_of_another_type_is_refused(desk: Desk) -> None:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    key = EntityKey(join_keys=["vehicle"], entity_values=[Value(string_val="a")])
    store, config = desk.feast.provider.online_store, desk.feast.config
    with pytest.raises(InvalidRequest, match="a value of kind string_val was given for a float"):
        store.online_write_batch(config, desk.view, [(key, {"kmh": Value(string_val="fast")}, BEGIN, BEGIN)], None)
