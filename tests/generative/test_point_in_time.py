"""The point-in-time join on random tables beside a slow one that follows the rule: through Feast, and the rule alone.

A call to Feast takes a fifth of a second and more, whatever the size of its tables. So there are few examples, each with
many rows: one store for all of them, whose Parquet files are written anew for each example.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.pit.newest import NOBODY, Rows, newest_rows
from features.views import open_store
from registry.settings import Settings
from tests.lib.histories import instant

TTL_D = {"driving": 3, "standing": 30}
"""View -> days for which its rows speak; the two views have entities of their own."""
KEYS = {"driving": "vehicle_id", "standing": "enterprise_id"}


@dataclass(frozen=True, order=True)
class FeatureRow:
    """A row of a feature table: whom it is about, when it speaks, when it was made (days)."""

    key: str
    event: int
    created: int
    value: float | None = None


@dataclass
class Tables:
    """A real store and the folder of its feature tables."""

    store: Any
    folder: Path

    def write(self, view: str, rows: list[FeatureRow]) -> None:
        frame = pd.DataFrame({
            KEYS[view]: pd.Series([row.key for row in rows], dtype=object),
            f"{view}_value": pd.Series([row.value for row in rows], dtype="float64"),
            "event_timestamp": times([row.event for row in rows]),
            "created_timestamp": times([row.created for row in rows]),
        })
        frame.to_parquet(self.folder / f"{view}.parquet", index=False)

    def read(self, spine: list[tuple[str, str, int]]) -> pd.DataFrame:
        frame = pd.DataFrame({
            "vehicle_id": [vehicle for vehicle, _, _ in spine], "enterprise_id": [owner for _, owner, _ in spine],
            "event_timestamp": times([day for _, _, day in spine]), "row": range(len(spine)),
        })
        return self.store.get_historical_features(
            entity_df=frame, features=[f"{view}:{view}_value" for view in TTL_D], filter_by_created_timestamp=True
        ).to_df()


def times(days: list[int]) -> pd.Series:
    return pd.Series([instant(day) for day in days], dtype="datetime64[us, UTC]")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    import feast
    from feast.types import Float64

    folder = tmp_path_factory.mktemp("point_in_time")
    made = Tables(open_store(Settings(home=folder)), folder)
    objects: list[Any] = []
    for view, days in TTL_D.items():
        made.write(view, [FeatureRow("a", 0, 0, 0.0)])
        source = feast.FileSource(
            name=view, path=str(folder / f"{view}.parquet"), timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        )
        entity = feast.Entity(name=KEYS[view], join_keys=[KEYS[view]], value_type=feast.ValueType.STRING)
        fields = [feast.Field(name=f"{view}_value", dtype=Float64)]
        objects += [entity, feast.FeatureView(
            name=view, entities=[entity], schema=fields, source=source, ttl=timedelta(days=days)
        )]
    made.store.apply(objects)
    return made


def known_slowly(rows: list[FeatureRow], key: str, day: int, ttl_d: int) -> float | None:
    """The value of the row that speaks last of those that speak by then, were made by then, and have not expired."""
    speaking = [row for row in rows if row.key == key and row.event <= day <= row.event + ttl_d and row.created <= day]
    return max(speaking, key=lambda row: (row.event, row.created)).value if speaking else None


DAYS = st.integers(0, 10)
ROWS = st.lists(
    st.builds(FeatureRow, key=st.sampled_from("abc"), event=DAYS, created=DAYS | st.just(0),
              value=st.none() | st.floats(-1e12, 1e12)),
    min_size=1, max_size=25, unique_by=lambda row: (row.key, row.event, row.created),
)
# "d" is a key of nobody; the same row may be asked for twice.
SPINES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), DAYS), min_size=1, max_size=25)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(driving=ROWS, standing=ROWS, spine=SPINES)
def test_feast_joins_what_the_rule_says(
    tables: Tables, driving: list[FeatureRow], standing: list[FeatureRow], spine: list[tuple[str, str, int]]
) -> None:
    check(tables, driving, standing, spine)


def check(
    tables: Tables, driving: list[FeatureRow], standing: list[FeatureRow], spine: list[tuple[str, str, int]]
) -> pd.DataFrame:
    tables.write("driving", driving)
    tables.write("standing", standing)
    joined = tables.read(spine).sort_values("row").reset_index(drop=True)
    assert joined["row"].tolist() == list(range(len(spine)))
    for position, (vehicle, owner, day) in enumerate(spine):
        expected = (known_slowly(driving, vehicle, day, 3), known_slowly(standing, owner, day, 30))
        met = tuple(none_if_nan(joined.loc[position, f"{view}_value"]) for view in TTL_D)
        assert met == expected, (position, vehicle, owner, day)
    return joined


def none_if_nan(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def test_named_cases(tables: Tables) -> None:
    driving = [
        FeatureRow("a", 1, 1, 10.0), FeatureRow("a", 4, 6, 40.0), FeatureRow("a", 4, 9, 41.0), FeatureRow("b", 5, 5, None),
    ]
    spine = [("a", "a", 0), ("a", "a", 4), ("a", "a", 5), ("a", "a", 6), ("d", "a", 6), ("b", "a", 6), ("a", "a", 6)]
    joined = check(tables, driving, [FeatureRow("a", 0, 0, 1.0)], spine)
    values = [none_if_nan(value) for value in joined["driving_value"]]
    # Before it; made too late; the old one has expired; made by then; unknown; null; the same row again.
    assert values == [None, 10.0, None, 40.0, None, None, 40.0]


def test_the_order_of_the_spine_changes_no_value(tables: Tables) -> None:
    rows = [FeatureRow(key, day, day, float(day)) for key in "abc" for day in range(0, 10, 2)]
    spine = [(key, owner, day) for day in range(10) for key in "abc" for owner in "ab"]
    forwards, backwards = check(tables, rows, rows, spine), check(tables, rows, rows, spine[::-1])
    pd.testing.assert_frame_equal(forwards.drop(columns="row"), backwards[::-1].reset_index(drop=True).drop(columns="row"))


def asked_directly(
    rows: list[FeatureRow], spine: list[tuple[str, int]], *, ttl_d: int | None, only_known: bool, created: bool = True
) -> list[FeatureRow | None]:
    """Ask the join itself, which knows of entities and instants as whole numbers only."""
    table = Rows(
        np.array(["abc".index(row.key) for row in rows], dtype=np.int64), np.array([row.event for row in rows], dtype=np.int64),
        np.array([row.created for row in rows], dtype=np.int64) if created else None, np.arange(len(rows)),
    )
    found = newest_rows(
        table, np.array(["abc".find(key) for key, _ in spine], dtype=np.int64),
        np.array([day for _, day in spine], dtype=np.int64), n_entities=3, ttl=ttl_d, only_known=only_known,
    )
    return [None if number == NOBODY else rows[number] for number in found.tolist()]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.builds(FeatureRow, key=st.sampled_from("abc"), event=DAYS, created=DAYS), max_size=40),
    spine=st.lists(st.tuples(st.sampled_from("abcd"), DAYS), max_size=40),
    ttl_d=st.none() | st.integers(0, 10), only_known=st.booleans(), ordered=st.booleans(),
)
def test_the_rule_alone(
    rows: list[FeatureRow], spine: list[tuple[str, int]], ttl_d: int | None, only_known: bool, ordered: bool
) -> None:
    rows = sorted(rows, key=lambda row: (row.key, row.event, row.created)) if ordered else rows
    met = asked_directly(rows, spine, ttl_d=ttl_d, only_known=only_known)
    for (key, day), found in zip(spine, met, strict=True):
        speaking = [
            row for row in rows if row.key == key and row.event <= day and (row.created <= day or not only_known)
        ]
        newest = max(speaking, key=lambda row: (row.event, row.created), default=None)
        expired = newest is not None and ttl_d is not None and newest.event + ttl_d < day
        assert found == (None if expired else newest), (key, day)


def test_of_rows_that_are_equal_the_last_speaks() -> None:
    rows = [FeatureRow("a", 1, 1, 1.0), FeatureRow("a", 1, 1, 2.0), FeatureRow("b", 1, 1, 3.0), FeatureRow("a", 1, 1, 4.0)]
    for only_known in (False, True):
        met = asked_directly(rows, [("a", 1)], ttl_d=None, only_known=only_known)
        assert [found and found.value for found in met] == [4.0]


def test_without_creation_times_events_alone_decide() -> None:
    rows = [FeatureRow("a", 1, 9, 1.0), FeatureRow("a", 2, 9, 2.0)]
    met = asked_directly(rows, [("a", 1), ("a", 5)], ttl_d=None, only_known=True, created=False)
    assert [found and found.value for found in met] == [1.0, 2.0]
