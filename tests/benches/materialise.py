"""Load feature rows into the packed online store by our engine, and into Feast's SQLite store by Feast's own.

Four views of 20 numbers for 5,000 entities, a row of each a week; both sides are `FeatureStore.materialize` from the same
Parquet files into stores of their own, in turns. A full load begins with an empty store. The daily load that follows
finds the store one week old, so that every entity has a newer row. A load with nothing new is what a repeated command
costs. In the end both stores answer the same, or the bench ends with an error.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import redirect_stdout
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final

from features.packed import PACKED_TYPE
from features.pit import ENGINE_TYPE, STORE_TYPE
from tests.lib.feature_tables import END, KEY, Shape, entity_ids, open_tables, write_weeks

TITLE: Final = "Materialisation"
FIGURES: Final = {
    "full_rows_per_s": "rows (one of an entity in a view, 20 values) into an empty store: ours, per second",
    "full_rows_per_s_feast": "the same by Feast's engine",
    "full_time_ratio": "a full load: our time / Feast's",
    "incremental_rows_per_s": "rows into a store that is a week old: ours, per second",
    "incremental_rows_per_s_feast": "the same by Feast's engine",
    "incremental_time_ratio": "a load into a store that is a week old: our time / Feast's",
    "repeated_time_ratio": "a load with nothing new: our time / Feast's",
}
HIGHER_IS_BETTER: Final = frozenset(name for name in FIGURES if "rows_per_s" in name)
SHAPE: Final = Shape(views=4, rows=0, entities=5000, features=20)
TTL: Final = timedelta(days=45)
SAMPLED: Final = 5
LOADS: Final = {"full": END - timedelta(days=7), "incremental": END, "repeated": END}


def run() -> dict[str, float]:
    """Return the figures."""
    rows = SHAPE.views * SHAPE.entities
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_weeks(SHAPE, folder, weeks=8)
        ours = {"offline_store": {"type": STORE_TYPE}, "online_store": {"type": PACKED_TYPE}, "batch_engine": {"type": ENGINE_TYPE}}
        stores = {
            "feast": open_tables(SHAPE, folder, "feast", ttl=TTL, stores={"offline_store": {"type": "duckdb"}}),
            "ours": open_tables(SHAPE, folder, "ours", ttl=TTL, stores=ours),
        }
        spent = {(load, side): _load(store, end) for load, end in LOADS.items() for side, store in stores.items()}
        assert _held(stores["feast"]) == _held(stores["ours"]), "the two stores do not hold the same"
    figures = {f"{load}_time_ratio": spent[load, "ours"] / spent[load, "feast"] for load in LOADS}
    for load in ("full", "incremental"):
        figures[f"{load}_rows_per_s"] = rows / spent[load, "ours"]
        figures[f"{load}_rows_per_s_feast"] = rows / spent[load, "feast"]
    return {name: figures[name] for name in FIGURES}


def _load(store: Any, end: datetime) -> float:
    started = time.perf_counter()
    with redirect_stdout(StringIO()):
        store.materialize(end - TTL, end)
    return time.perf_counter() - started


def _held(store: Any) -> dict[str, list[Any]]:
    keys = [{KEY: key} for key in entity_ids(SHAPE.entities)[::SAMPLED]]
    found: dict[str, list[Any]] = store.get_online_features(SHAPE.references(), keys).to_dict(include_event_timestamps=True)
    return found
