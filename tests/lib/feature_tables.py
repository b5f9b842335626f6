"""Made-up feature tables and Feast stores over them, for benchmarks that need size and no meaning."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.feast_door import import_feast

BEGIN = np.datetime64("2025-07-01", "us")
END = datetime(2026, 7, 1, tzinfo=UTC)
KEY = "vehicle_id"
DAY_S = 86_400


@dataclass(frozen=True)
class Shape:
    """How large the tables are."""

    views: int
    rows: int
    entities: int
    features: int = 8

    def names(self, view: int) -> list[str]:
        return [f"v{view}_f{number}" for number in range(self.features)]

    def references(self) -> list[str]:
        return [f"v{view}:{name}" for view in range(self.views) for name in self.names(view)]


def entity_ids(count: int) -> np.ndarray:
    """Return keys as long as our pseudonyms, in no order that their number would give."""
    draws = np.random.default_rng(7).integers(0, 2**48, (count, 2))
    return np.array([f"{a:012x}{b:012x}" for a, b in draws])


def instants(rng: np.random.Generator, count: int, days: int) -> pd.Series:
    seconds = rng.integers(0, days * DAY_S, count).astype("timedelta64[s]")
    return pd.Series(BEGIN + seconds.astype("timedelta64[us]")).dt.tz_localize("UTC")


def write_tables(shape: Shape, folder: Path) -> None:
    """Write the tables of all views, sorted by entity and time, a tenth of the values null."""
    ids = entity_ids(shape.entities)
    for view in range(shape.views):
        rng = np.random.default_rng(view)
        event = instants(rng, shape.rows, 365)
        created = event + pd.to_timedelta(rng.integers(0, 3 * DAY_S, shape.rows), unit="s")
        frame = pd.DataFrame({KEY: ids[rng.integers(0, shape.entities, shape.rows)], "event_timestamp": event,
                              "created_timestamp": created.astype(event.dtype)})
        for name in shape.names(view):
            frame[name] = np.where(rng.random(shape.rows) < 0.1, np.nan, rng.normal(size=shape.rows))
        frame.sort_values([KEY, "event_timestamp", "created_timestamp"]).to_parquet(folder / f"v{view}.parquet", index=False)


def write_weeks(shape: Shape, folder: Path, *, weeks: int) -> None:
    """Write tables with a row of each entity in each of the last weeks before `END`, as our builds do."""
    ids = np.sort(entity_ids(shape.entities))
    for view in range(shape.views):
        rng = np.random.default_rng(view)
        count = shape.entities * weeks
        instant = pd.Series(pd.Timestamp(END) - pd.to_timedelta(np.tile(np.arange(weeks)[::-1] * 7, shape.entities), unit="D"))
        frame = pd.DataFrame({KEY: np.repeat(ids, weeks), "event_timestamp": instant.astype("datetime64[us, UTC]")})
        frame["created_timestamp"] = frame["event_timestamp"]
        for name in shape.names(view):
            frame[name] = np.where(rng.random(count) < 0.1, np.nan, rng.normal(size=count))
        frame.to_parquet(folder / f"v{view}.parquet", index=False)


def spine(shape: Shape, rows: int) -> pd.DataFrame:
    """Return entity rows in no order; one in fifty names nobody, some come before any row or long after."""
    rng = np.random.default_rng(99)
    ids = np.append(entity_ids(shape.entities), "nobody")
    drawn = rng.integers(0, shape.entities, rows)
    drawn[rng.random(rows) < 0.02] = shape.entities
    return pd.DataFrame({KEY: ids[drawn], "event_timestamp": instants(rng, rows, 380), "row": np.arange(rows)})


def open_tables(shape: Shape, folder: Path, name: str, *, ttl: timedelta | None, stores: dict[str, Any]) -> Any:
    """Return a Feast store over the tables, with registry and online store of its own."""
    feast = import_feast()
    from feast.repo_config import RepoConfig
    from feast.types import Float64

    own = folder / name
    own.mkdir(exist_ok=True)
    chosen = {"online_store": {"type": "sqlite"}, **stores}
    chosen["online_store"] = {**chosen["online_store"], "path": str(own / "online.db")}
    store = feast.FeatureStore(config=RepoConfig(
        project="bench", provider="local", registry={"registry_type": "file", "path": str(own / "registry.pb")},
        entity_key_serialization_version=3, repo_path=own, **chosen,
    ))
    vehicle = feast.Entity(name=KEY, join_keys=[KEY], value_type=feast.ValueType.STRING)
    made = [
        feast.FeatureView(
            name=f"v{view}", entities=[vehicle], schema=[feast.Field(name=field, dtype=Float64) for field in shape.names(view)],
            ttl=ttl, source=feast.FileSource(
                name=f"v{view}", path=str(folder / f"v{view}.parquet"), timestamp_field="event_timestamp",
                created_timestamp_column="created_timestamp",
            ),
        )
        for view in range(shape.views)
    ]
    store.apply([vehicle, *made])
    return store
