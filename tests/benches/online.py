"""Read the features of a request from the online store, by our reader and by Feast's own way.

Rows of 5,000 vehicles and their 500 operators are made up for every view that a product reads, and written into Feast's own
SQLite store, and packed into ours, in SQLite and, where a server is installed, in Redis. One read is what a scored request
needs: first the operator of the vehicle, then all inputs of `insurance_pricing` with their freshness. Feast's side is
`get_online_features` with the service kept, `to_dict`, on its stock SQLite store; in bulk it is asked for 1,000 vehicles at a
time. The values are equal; the bench ends with an error if they are not.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.feast_door import import_feast
from features.online import OnlineInputs, OnlineStore
from features.products import PRODUCT_FEATURES
from features.snapshot import FeatureSnapshot
from features.views import IDENTITY_VIEW, PLATE_KEY, PROJECT, feast_objects, open_store, service_of
from registry.entities import ENTERPRISE, VEHICLE
from registry.settings import Settings
from registry.signing import init_keys
from tests.lib.feature_tables import entity_ids
from tests.lib.redis_server import RedisServer
from tests.lib.timing import medians

TITLE: Final = "Online reads"
FIGURES: Final = {
    "read_vs_stock_ratio": "one vehicle, all inputs: our time on SQLite / Feast's on its SQLite store",
    "read_redis_vs_stock_ratio": "the same with ours on Redis; 0 where no server is installed",
    "bulk_vs_stock_ratio": "10,000 vehicles: our time on SQLite / Feast's on its SQLite store",
    "bulk_redis_vs_stock_ratio": "the same with ours on Redis; 0 where no server is installed",
    "read_us": "our time for one read on SQLite, in microseconds",
    "bulk_us_per_entity": "our time in bulk on SQLite, in microseconds for each vehicle",
}
PRODUCT: Final = "insurance_pricing"
N_VEHICLES, N_OPERATORS, N_BULK, N_READS, STEP = 5_000, 500, 10_000, 200, 1_000
AT: Final = datetime(2026, 7, 1, tzinfo=UTC)


def run() -> dict[str, float]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(home=folder / "home", keys_dir=folder / "keys", store_timeout_s=30.0)
        init_keys(settings.keys_dir)
        stock = _stock(settings)
        with _server(folder) as url:
            places = {"": settings} | ({"redis_": settings.model_copy(update={"online_url": url})} if url else {})
            for place in places.values():
                _fill(place)
            return _measure({name: OnlineStore(place) for name, place in places.items()}, stock)


def _measure(ours: dict[str, OnlineStore], stock: Any) -> dict[str, float]:
    service = service_of(stock, PRODUCT)
    ids = list(map(str, entity_ids(N_VEHICLES)))
    bulk = [ids[place % N_VEHICLES] for place in range(N_BULK)]
    for store in ours.values():
        _assert_equal(store, stock, service, ids[:50])
    reads: dict[str, Callable[[], Any]] = {
        name: lambda store=store: [store.read(PRODUCT, key) for key in ids[:N_READS]]  # type: ignore[misc]
        for name, store in ours.items()
    }
    many: dict[str, Callable[[], Any]] = {
        name: lambda store=store: store.read_many(PRODUCT, bulk) for name, store in ours.items()  # type: ignore[misc]
    }
    one = medians({**reads, "stock": lambda: [_by_feast(stock, service, [key]) for key in ids[:N_READS]]}, rounds=5)
    all_of = medians({
        **many, "stock": lambda: [_by_feast(stock, service, bulk[at:at + STEP]) for at in range(0, N_BULK, STEP)],
    }, rounds=3)
    figures = {f"read_{name}vs_stock_ratio": one[name] / one["stock"] if name in one else 0.0 for name in ("", "redis_")}
    figures |= {f"bulk_{name}vs_stock_ratio": all_of[name] / all_of["stock"] if name in all_of else 0.0 for name in ("", "redis_")}
    figures |= {"read_us": one[""] / N_READS * 1e6, "bulk_us_per_entity": all_of[""] / N_BULK * 1e6}
    return {name: figures[name] for name in FIGURES}


def _by_feast(stock: Any, service: Any, ids: list[str]) -> dict[str, list[Any]]:
    """Read as a service on Feast's own interface has to."""
    keys = {VEHICLE.id_column: ids}
    link = f"vehicle_profile:{ENTERPRISE.id_column}"
    keys[ENTERPRISE.id_column] = stock.get_online_features([link], keys).to_dict()[ENTERPRISE.id_column]
    found: dict[str, list[Any]] = stock.get_online_features(service, keys).to_dict(include_event_timestamps=True)
    return found


def _assert_equal(store: OnlineStore, stock: Any, service: Any, ids: list[str]) -> None:
    theirs = _by_feast(stock, service, ids)
    for place, inputs in enumerate(store.read_many(PRODUCT, ids)):
        assert isinstance(inputs, OnlineInputs), "a vehicle is not there"
        assert all(theirs[name][place] == value for name, value in inputs.values.items()), "the two do not read the same"


def _write_tables(objects: list[Any]) -> None:
    """Write for every view a row of each of its entities, a tenth of the values null."""
    for view in objects:
        if not hasattr(view, "batch_source") or view.name == IDENTITY_VIEW:
            continue
        key = view.entities[0] + "_id"
        ids = entity_ids(N_VEHICLES)[:N_OPERATORS if key == ENTERPRISE.id_column else N_VEHICLES]
        rng = np.random.default_rng(len(view.name))
        columns = {field.name: _column(field, len(ids), rng) for field in view.features}
        columns[PLATE_KEY] = columns[key] = pa.array(ids.tolist())
        for name in ("event_timestamp", "created_timestamp"):
            columns[name] = pa.array([AT] * len(ids), pa.timestamp("us", tz="UTC"))
        pq.write_table(pa.table(columns), view.batch_source.path)


def _column(field: Any, count: int, rng: np.random.Generator) -> pa.Array:
    from feast.types import String

    if field.name == ENTERPRISE.id_column:
        return pa.array(entity_ids(N_VEHICLES)[rng.integers(0, N_OPERATORS, count)].tolist())
    null = rng.random(count) < 0.1
    if field.dtype == String:
        return pa.array(np.array(["one", "two", "three"])[rng.integers(0, 3, count)].tolist(), mask=null)
    return pa.array(rng.normal(size=count), mask=null)


def _stock(settings: Settings) -> Any:
    """Return a store on Feast's SQLite with the project's own views, filled."""
    feast = import_feast()
    from feast.repo_config import RepoConfig

    objects = feast_objects(settings.feature_dir)
    settings.feature_dir.mkdir(parents=True)
    _write_tables(objects)
    store = feast.FeatureStore(config=RepoConfig(
        project=PROJECT, provider="local", registry={"registry_type": "file", "path": str(settings.home / "stock.pb")},
        online_store={"type": "sqlite", "path": str(settings.home / "stock.db")}, offline_store={"type": "duckdb"},
        entity_key_serialization_version=3, repo_path=settings.home,
    ))
    store.apply(objects)
    _load(store)
    return store


def _fill(settings: Settings) -> None:
    """Load the same rows, packed, and publish them."""
    store = open_store(settings)
    store.apply(feast_objects(settings.feature_dir))
    rows = store.provider.online_store.rows(store.config)
    rows.begin()
    _load(store)
    rows.publish(FeatureSnapshot(
        warehouse="", digest="", as_of=AT.isoformat(), cutoffs=(AT.isoformat(),), tables={}, complete_until={}, simulated=True,
    ), "bench")
    rows.close()


def _load(store: Any) -> None:
    with redirect_stdout(StringIO()):
        store.materialize(AT - timedelta(days=1), AT, feature_views=list(PRODUCT_FEATURES[PRODUCT].families))


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Lend the address of a Redis server; an empty one where none is installed."""
    if shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None:
        yield ""
        return
    server = RedisServer(folder)
    try:
        yield server.url
    finally:
        server.stop()
