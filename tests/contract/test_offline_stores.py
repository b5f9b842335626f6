"""One contract over Feast's DuckDB store and ours: the same questions, the same answers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.feast_door import import_feast
from features.pit import STORE_TYPE
from registry.errors import DataError, InvalidRequest, NotFound

STORES = {"stock": "duckdb", "ours": STORE_TYPE}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SPEED_TTL = timedelta(days=3)
Days = list[float | None]


def at(days: float | None) -> Any:
    return pd.NaT if days is None else pd.Timestamp(BEGIN) + pd.Timedelta(days=days)


def times(days: Days, unit: str = "us") -> pd.Series:
    return pd.Series([at(day) for day in days], dtype=f"datetime64[{unit}, UTC]")


@dataclass
class Desk:
    """A store with views over tables that a test writes."""

    type: str
    folder: Path
    objects: list[Any] = field(default_factory=list)

    def view(
        self, name: str, keys: list[str], rows: dict[str, Any], *, event: Days, created: Days | None,
        ttl: timedelta | None = None, unit: str = "us", mapping: dict[str, str] | None = None,
    ) -> Any:
        feast = import_feast()
        from feast.types import Float64

        frame = pd.DataFrame(rows).assign(event_timestamp=times(event, unit))
        if created is not None:
            frame["created_timestamp"] = times(created, unit)
        path = self.folder / f"{name}.parquet"
        frame.to_parquet(path, index=False)
        source = feast.FileSource(
            name=name, path=str(path), timestamp_field="event_timestamp", field_mapping=mapping or {},
            created_timestamp_column="created_timestamp" if created is not None else "",
        )
        entities = [
            feast.Entity(name=key, join_keys=[key], value_type=feast.ValueType[
                "STRING" if pd.api.types.is_string_dtype(frame[key].dropna()) else "INT64"
            ])
            for key in keys
        ]
        values = [(mapping or {}).get(column, column) for column in rows if column not in keys]
        made = feast.FeatureView(
            name=name, entities=entities, schema=[feast.Field(name=value, dtype=Float64) for value in values],
            source=source, ttl=ttl,
        )
        self.objects += [*entities, made]
        return made

    def store(self) -> Any:
        feast = import_feast()
        from feast.repo_config import RepoConfig

        store = feast.FeatureStore(config=RepoConfig(
            project="contract", provider="local",
            registry={"registry_type": "file", "path": str(self.folder / "registry.pb")},
            online_store={"type": "sqlite", "path": str(self.folder / "online.db")}, offline_store={"type": self.type},
            entity_key_serialization_version=3, repo_path=self.folder,
        ))
        store.apply(list({(type(made).__name__, made.name): made for made in self.objects}.values()))
        return store

    def read(self, spine: dict[str, Any], features: Any, **further: Any) -> pd.DataFrame:
        return self.store().get_historical_features(entity_df=pd.DataFrame(spine), features=features, **further).to_df()


@pytest.fixture(params=STORES)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    import_feast()  # before the test begins: it changes which warnings are shown
    return Desk(STORES[request.param], tmp_path)


@pytest.fixture
def ours(tmp_path: Path) -> Desk:
    return Desk(STORE_TYPE, tmp_path)


def speed(desk: Desk, **further: Any) -> Any:
    """Two vehicles; of "a" a row on day 1 and two on day 4, made on days 6 and 9; of "b" one without a value."""
    return desk.view(
        "speed", ["vehicle"], {"vehicle": ["a", "a", "a", "b"], "kmh": [10.0, 41.0, 40.0, None]}, event=[1, 4, 4, 5],
        created=[1, 9, 6, 5], **{"ttl": SPEED_TTL, **further},
    )


def asked(vehicles: list[Any], days: Days) -> dict[str, Any]:
    return {"vehicle": vehicles, "event_timestamp": times(days), "row": range(len(vehicles))}


def values(frame: pd.DataFrame, column: str = "kmh") -> list[float | None]:
    ordered = frame.sort_values("row")[column]
    return [None if pd.isna(value) else value for value in ordered]


def test_each_row_gets_the_newest_value_that_has_not_expired(desk: Desk) -> None:
    speed(desk)
    spine = asked(["a", "a", "a", "a", "a", "b", "nobody"], [0.9, 1, 4, 4.1, 7.1, 6, 6])
    # Before the first; at its instant; the one made last of two; the same later; expired; null; unknown.
    assert values(desk.read(spine, ["speed:kmh"])) == [None, 10.0, 41.0, 41.0, None, None, None]


def test_the_end_of_the_time_to_live_is_inside(desk: Desk) -> None:
    speed(desk)
    second = 1 / 86_400
    assert values(desk.read(asked(["a", "a"], [7, 7 + second]), ["speed:kmh"])) == [41.0, None]


def test_a_view_without_time_to_live_never_expires(desk: Desk) -> None:
    speed(desk, ttl=None)
    assert values(desk.read(asked(["a", "a"], [0.5, 3000]), ["speed:kmh"])) == [None, 41.0]


def test_rows_made_later_are_left_out_when_asked(desk: Desk) -> None:
    speed(desk)
    spine = asked(["a"] * 5, [4, 5, 6, 7, 9])
    assert values(desk.read(spine, ["speed:kmh"], filter_by_created_timestamp=True)) == [10.0, None, 40.0, 40.0, None]


def test_a_row_that_superseded_before_it_was_known_is_never_seen(desk: Desk) -> None:
    # The row of day 2 is made after that of day 3, so it is never the newest that is known.
    desk.view("late", ["vehicle"], {"vehicle": ["a"] * 3, "kmh": [1.0, 2.0, 3.0]}, event=[1, 2, 3], created=[1, 8, 5])
    spine = asked(["a"] * 4, [4, 5, 8, 9])
    assert values(desk.read(spine, ["late:kmh"], filter_by_created_timestamp=True)) == [1.0, 3.0, 3.0, 3.0]


def test_without_creation_times_the_filter_changes_nothing(desk: Desk) -> None:
    desk.view("plain", ["vehicle"], {"vehicle": ["a", "a"], "kmh": [1.0, 2.0]}, event=[1, 2], created=None)
    spine = asked(["a", "a"], [1.5, 2])
    assert values(desk.read(spine, ["plain:kmh"], filter_by_created_timestamp=True)) == [1.0, 2.0]


def test_rows_without_instants_do_not_speak(desk: Desk) -> None:
    desk.view(
        "torn", ["vehicle"], {"vehicle": ["a", "a", "a", None], "kmh": [1.0, 2.0, 3.0, 4.0]}, event=[1, None, 2, 2],
        created=[1, 1, None, 2],
    )
    spine = asked(["a", "a", None], [3, None, 3])
    assert values(desk.read(spine, ["torn:kmh"])) == [3.0, None, None]
    assert values(desk.read(spine, ["torn:kmh"], filter_by_created_timestamp=True)) == [1.0, None, None]


def test_rows_keep_number_and_duplicates_each_get_their_value(desk: Desk) -> None:
    speed(desk)
    frame = desk.read(asked(["b", "a", "nobody", "a", "a"], [6, 5, 5, 5, 5]), ["speed:kmh"])
    assert values(frame) == [None, 41.0, None, 41.0, 41.0]
    assert list(frame.columns) == ["vehicle", "event_timestamp", "row", "kmh"]


def test_views_of_several_entities_and_times_to_live_are_joined_at_once(desk: Desk) -> None:
    speed(desk)
    desk.view("size", ["owner"], {"owner": [7, 8], "fleet": [70.0, 80.0]}, event=[0, 0], created=[0, 0], ttl=timedelta(days=30))
    desk.view(
        "pair", ["vehicle", "owner"], {"vehicle": ["a", "a", "b"], "owner": [7, 8, 7], "km": [1.0, 2.0, 3.0]},
        event=[0, 0, 0], created=[0, 0, 0],
    )
    spine = {**asked(["a", "a", "b", "b", "c"], [5, 31, 5, 5, 5]), "owner": [7, 8, 7, 8, 7]}
    frame = desk.read(spine, ["speed:kmh", "size:fleet", "pair:km"])
    assert values(frame) == [41.0, None, None, None, None]
    assert values(frame, "fleet") == [70.0, None, 70.0, 80.0, 70.0]
    assert values(frame, "km") == [1.0, 2.0, 3.0, None, None]


def test_full_names_and_services_choose_the_columns(desk: Desk) -> None:
    feast = import_feast()
    view = speed(desk)
    other = desk.view("other", ["vehicle"], {"vehicle": ["a"], "kmh": [5.0], "unused": [1.0]}, event=[1], created=[1])
    desk.objects.append(feast.FeatureService(name="both", features=[view, other[["kmh"]]]))
    store = desk.store()
    frame = store.get_historical_features(
        entity_df=pd.DataFrame(asked(["a"], [5])), features=store.get_feature_service("both"), full_feature_names=True
    ).to_df()
    assert list(frame.columns) == ["vehicle", "event_timestamp", "row", "speed__kmh", "other__kmh"]
    assert frame.loc[0, ["speed__kmh", "other__kmh"]].tolist() == [41.0, 5.0]


def test_a_view_is_joined_by_other_names_of_its_keys(desk: Desk) -> None:
    feast = import_feast()
    view = speed(desk)
    leading = view.with_name("leading").with_join_key_map({"vehicle": "first_of_convoy"})
    desk.objects.append(feast.FeatureService(name="convoy", features=[leading, view.with_name("following")]))
    store = desk.store()
    spine = pd.DataFrame({**asked(["b", "a"], [5, 5]), "first_of_convoy": ["a", "nobody"]})
    frame = store.get_historical_features(
        entity_df=spine, features=store.get_feature_service("convoy"), full_feature_names=True
    ).to_df()
    assert values(frame, "following__kmh") == [None, 41.0]
    assert values(frame, "leading__kmh") == [41.0, None]


def test_columns_may_have_other_names_in_the_source(desk: Desk) -> None:
    desk.view("mapped", ["vehicle"], {"vehicle": ["a"], "v": [5.0]}, event=[1], created=[1], mapping={"v": "kmh"})
    assert values(desk.read(asked(["a"], [2]), ["mapped:kmh"])) == [5.0]


def test_instants_of_the_spine_may_lack_a_zone_or_have_another(desk: Desk) -> None:
    speed(desk)
    naive, shanghai = times([1, 4]).dt.tz_localize(None), times([1, 4]).dt.tz_convert("Asia/Shanghai")
    for instants in (naive, shanghai, times([1, 4]).astype(str)):
        assert values(desk.read({**asked(["a", "a"], [1, 4]), "event_timestamp": instants}, ["speed:kmh"])) == [10.0, 41.0]


def test_an_unsorted_table_gives_the_same(desk: Desk) -> None:
    rows = [("b", 3, 1.0), ("a", 2, 2.0), ("b", 1, 3.0), ("a", 5, 4.0), ("a", 3, 5.0)]
    desk.view(
        "mixed", ["vehicle"], {"vehicle": [key for key, *_ in rows], "kmh": [value for *_, value in rows]},
        event=[day for _, day, _ in rows], created=[day for _, day, _ in rows],
    )
    assert values(desk.read(asked(["a", "b", "a", "b"], [4, 2, 6, 9]), ["mixed:kmh"])) == [5.0, 3.0, 4.0, 1.0]


def test_an_empty_table_knows_nothing(desk: Desk) -> None:
    speed(desk)
    path = desk.folder / "speed.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert values(desk.read(asked(["a"], [1]), ["speed:kmh"])) == [None]


def test_a_joined_set_can_be_kept(desk: Desk) -> None:
    from feast.errors import SavedDatasetLocationAlreadyExists
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    speed(desk)
    job = desk.store().get_historical_features(entity_df=pd.DataFrame(asked(["a"], [5])), features=["speed:kmh"])
    storage = SavedDatasetFileStorage(str(desk.folder / "kept.parquet"))
    job.persist(storage)
    assert pd.read_parquet(desk.folder / "kept.parquet")["kmh"].tolist() == [41.0]
    with pytest.raises(SavedDatasetLocationAlreadyExists, match="kept"):
        job.persist(storage)


# What only ours promises, or refuses in words of its own.


def test_the_answer_is_in_the_order_of_the_question(ours: Desk) -> None:
    speed(ours)
    vehicles = [key for key, _ in itertools.product(["b", "nobody", "a"], range(50))]
    frame = ours.read(asked(vehicles, [5] * 150), ["speed:kmh"])
    assert frame["row"].tolist() == list(range(150))


def test_no_question_no_answer(ours: Desk) -> None:
    speed(ours)
    frame = ours.read({**asked([], []), "vehicle": pd.Series([], dtype=object)}, ["speed:kmh"])
    assert list(frame.columns) == ["vehicle", "event_timestamp", "row", "kmh"]
    assert frame.empty


def test_nanoseconds_are_not_rounded(ours: Desk) -> None:
    speed(ours, unit="ns")
    nanosecond = pd.Timedelta(nanoseconds=1)
    instants = pd.Series([at(1) - nanosecond, at(1), at(4) + SPEED_TTL, at(4) + SPEED_TTL + nanosecond]).dt.as_unit("ns")
    assert values(ours.read({**asked(["a"] * 4, [0] * 4), "event_timestamp": instants}, ["speed:kmh"])) == [None, 10.0, 41.0, None]


def test_whole_numbers_with_a_hole_are_still_keys(ours: Desk) -> None:
    ours.view("size", ["owner"], {"owner": [7, 8], "kmh": [70.0, 80.0]}, event=[0, 0], created=[0, 0])
    spine = {"owner": [7.0, None], "event_timestamp": times([1, 1]), "row": [0, 1]}
    assert values(ours.read(spine, ["size:kmh"])) == [70.0, None]


def test_a_folder_of_files_is_one_table(ours: Desk) -> None:
    speed(ours)
    path = ours.folder / "speed.parquet"
    whole = pd.read_parquet(path)
    path.unlink()
    path.mkdir()
    for part in range(2):
        whole.iloc[part::2].to_parquet(path / f"{part}.parquet", index=False)
    assert values(ours.read(asked(["a", "a", "b"], [1, 5, 5]), ["speed:kmh"])) == [10.0, 41.0, None]


def test_a_query_is_refused(ours: Desk) -> None:
    speed(ours)
    store = ours.store()
    with pytest.raises(InvalidRequest, match="entity rows are str, not a pandas frame"):
        store.get_historical_features(entity_df="SELECT 1", features=["speed:kmh"])


@pytest.mark.parametrize(("change", "says"), [
    ({"kmh": [1.0]}, "column 'kmh' of view 'speed' is there already"),
    ({"vehicle": [1]}, "key 'vehicle' is int64 in the entity rows and string"),
])
def test_columns_that_cannot_be_joined_are_refused(change: dict[str, Any], says: str, ours: Desk) -> None:
    speed(ours)
    with pytest.raises(DataError, match=says):
        ours.read({**asked(["a"], [5]), **change}, ["speed:kmh"])


def test_a_spine_without_a_key_is_refused(ours: Desk) -> None:
    speed(ours)
    with pytest.raises(DataError, match="no column 'vehicle', which view 'speed' is joined by"):
        ours.read({"event_timestamp": times([5])}, ["speed:kmh"])


@pytest.mark.filterwarnings("ignore:On demand feature view is an experimental:RuntimeWarning")
def test_what_is_computed_on_demand_is_refused(ours: Desk) -> None:
    feast = import_feast()
    from feast.types import Float64

    view = speed(ours)
    twice = feast.on_demand_feature_view.OnDemandFeatureView(
        name="twice", sources=[view], schema=[feast.Field(name="double_kmh", dtype=Float64)], mode="pandas",
        feature_transformation=feast.transformation.pandas_transformation.PandasTransformation(_doubled, "source"),
    )
    ours.objects.append(twice)
    with pytest.raises(InvalidRequest, match="view 'twice' is computed on demand"):
        ours.read(asked(["a"], [5]), ["speed:kmh", "twice:double_kmh"])


def _doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"double_kmh": rows["kmh"] * 2})


def test_a_table_that_is_not_there_is_not_found(ours: Desk) -> None:
    speed(ours)
    store = ours.store()
    (ours.folder / "speed.parquet").unlink()
    job = store.get_historical_features(entity_df=pd.DataFrame(asked(["a"], [5])), features=["speed:kmh"])
    with pytest.raises(NotFound, match="no such feature table"):
        job.to_df()
