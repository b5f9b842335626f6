"""An offline store for Feast whose point-in-time join is direct, beside which all else is Feast's DuckDB store.

Feast's own plan joins every view with the spine by inequality and then sorts the product; it grows with the spine times
the history of its entities. Here each question is one bisection in the history of its entity, and of the features only
the rows of answers are read. Chosen over DuckDB's ASOF JOIN and Polars' `join_asof` by time and memory (`make bench
NAME=point_in_time_join`).

The class is named in Feast's configuration as `offline_store: {type: features.pit.store.PointInTimeOfflineStore}`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.data_format import ParquetFormat  # noqa: TID253 - this module is only imported by Feast
from feast.errors import SavedDatasetLocationAlreadyExists  # noqa: TID253
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig  # noqa: TID253
from feast.infra.offline_stores.file_source import FileSource  # noqa: TID253
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata  # noqa: TID253
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df  # noqa: TID253
from feast.on_demand_feature_view import OnDemandFeatureView  # noqa: TID253

from features.pit import STORE_TYPE
from features.pit.entities import Entities
from features.pit.newest import newest_rows
from features.pit.tables import FeatureTable, instants
from registry.errors import DataError, InvalidRequest

_WHERE: Final = "point-in-time store"
_LONGEST: Final = 1 << 62
_THREADS: Final = 2


class PointInTimeOfflineStoreConfig(DuckDBOfflineStoreConfig):  # type: ignore[misc] # Feast has no types
    """Its configuration; Feast finds it by the store's name."""

    type: str = STORE_TYPE


class PointInTimeOfflineStore(DuckDBOfflineStore):  # type: ignore[misc] # Feast has no types
    """Feast's DuckDB store with a direct point-in-time join.

    It reads Parquet files of this machine. Entity rows come as a pandas frame; they keep their order, and every one of
    them is answered, with nulls where nothing was known.
    """

    @staticmethod
    def get_historical_features(
        config: Any, feature_views: list[Any], feature_refs: list[str], entity_df: Any, registry: Any, project: str,
        full_feature_names: bool = False, filter_by_created_timestamp: bool = False, **further: Any,
    ) -> RetrievalJob:
        """Return the job that joins each entity row with the newest row of every view that had not expired then.

        Parameters
        ----------
        filter_by_created_timestamp
            Whether rows made after an entity row's instant are left out, and what they superseded speaks instead.

        Raises
        ------
        InvalidRequest
            If the entity rows are no frame, or an on-demand view is asked for.
        DataError
            If a source is no local Parquet, or a column is missing, of a type that cannot be compared, or met twice.
        """
        if further or not isinstance(entity_df, pd.DataFrame):
            raise InvalidRequest(
                f"entity rows are {type(entity_df).__name__}, not a pandas frame", where=_WHERE,
                remedy="Read them into a frame first; neither SQL nor a range of time is joined here.",
            )
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        if on_demand:
            raise InvalidRequest(
                f"view {on_demand[0].name!r} is computed on demand", where=_WHERE,
                remedy="Compute its features from the joined ones.",
            )
        root = Path(config.repo_path) if config.repo_path else Path()
        views = [_view(view, feature_refs, root, full=full_feature_names) for view in feature_views]
        spine = _Spine.of(entity_df)
        spine.refuse_collisions(views)
        metadata = RetrievalMetadata(
            features=feature_refs, keys=[name for name in entity_df.columns if name != spine.event],
            min_event_timestamp=spine.frame[spine.event].min(), max_event_timestamp=spine.frame[spine.event].max(),
        )
        join = lambda: spine.joined(views, only_known=filter_by_created_timestamp)  # noqa: E731 - run by the job
        return PointInTimeJob(join, metadata, full_feature_names, root)


class PointInTimeJob(RetrievalJob):  # type: ignore[misc] # Feast has no types
    """A join that has been checked and runs when its result is asked for."""

    on_demand_feature_views: tuple[Any, ...] = ()

    def __init__(self, join: Callable[[], Any], metadata: RetrievalMetadata, full: bool, root: Path) -> None:
        super().__init__()
        self._join, self._metadata, self._full, self._root = join, metadata, full, root

    @property
    def full_feature_names(self) -> bool:
        """Whether features bear the names of their views."""
        return self._full

    @property
    def metadata(self) -> RetrievalMetadata:
        """What was asked."""
        return self._metadata

    def persist(self, storage: Any, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the result as one Parquet file."""
        path = _local_parquet(storage.to_data_source(), self._root)
        if path.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=str(path))
        pq.write_table(self.to_arrow(timeout=timeout), path)

    def _to_arrow_internal(self, timeout: int | None = None) -> Any:
        return self._join()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        # The table gives its columns up one by one, so that the answer is not held twice.
        frame: pd.DataFrame = self._join().to_pandas(split_blocks=True, self_destruct=True)
        return frame


@dataclass(frozen=True)
class _View:
    """A feature view: its table, the spine's columns that name its entities, and how long a row speaks."""

    name: str
    table: FeatureTable
    spine_keys: tuple[str, ...]
    ttl: timedelta | None


def _view(view: Any, refs: Sequence[str], root: Path, *, full: bool) -> _View:
    source, projection = view.batch_source, view.projection
    stored = {new: old for old, new in source.field_mapping.items()}
    prefix = f"{projection.name_to_use()}:"
    chosen = [ref.removeprefix(prefix) for ref in refs if ref.startswith(prefix)]
    shown = f"{projection.name_alias or view.name}__" if full else ""
    keys = projection.join_key_map or {column.name: column.name for column in view.entity_columns}
    table = FeatureTable(
        path=_local_parquet(source, root),
        keys=tuple(stored.get(key, key) for key in keys),
        event=stored.get(source.timestamp_field, source.timestamp_field),
        created=stored.get(source.created_timestamp_column, source.created_timestamp_column) or None,
        features={f"{shown}{feature}": stored.get(feature, feature) for feature in chosen},
    )
    return _View(view.name, table, tuple(keys.values()), view.ttl or None)


def _local_parquet(source: Any, root: Path) -> Path:
    """Return where a source lies on this machine; a relative path begins at the repository, as Feast has it."""
    if not isinstance(source, FileSource) or "://" in source.path.removeprefix("file://"):
        raise DataError(
            f"source {getattr(source, 'name', source)!r} is no file of this machine", where=_WHERE,
            remedy="Use one of Feast's own offline stores for it.",
        )
    if not isinstance(source.file_format, ParquetFormat | None):
        raise DataError(f"source {source.name!r} is no Parquet", where=_WHERE, remedy="Write it as Parquet.")
    path: str = source.path
    return root / path.removeprefix("file://")


@dataclass(frozen=True)
class _Spine:
    """The entity rows and the column of their instants, which are in UTC."""

    frame: pd.DataFrame
    event: str

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Spine:
        event = infer_event_timestamp_from_entity_df(dict(zip(frame.columns, frame.dtypes, strict=True)))
        column = frame[event]
        if not pd.api.types.is_datetime64_any_dtype(column):
            frame = frame.assign(**{event: pd.to_datetime(column, utc=True)})
        return cls(frame, event)

    def refuse_collisions(self, views: Sequence[_View]) -> None:
        """Check that the spine has every key, and no two columns of the answer would bear one name."""
        met = set(self.frame.columns)
        for view in views:
            absent = [key for key in view.spine_keys if key not in self.frame.columns]
            if absent:
                raise DataError(
                    f"entity rows have no column {absent[0]!r}, which view {view.name!r} is joined by", where=_WHERE
                )
            twice = [name for name in view.table.features if name in met]
            if twice:
                raise DataError(
                    f"column {twice[0]!r} of view {view.name!r} is there already", where=_WHERE,
                    remedy="Rename the column of the entity rows, or ask for full feature names.",
                )
            met |= set(view.table.features)

    def joined(self, views: Sequence[_View], *, only_known: bool) -> Any:
        """Return the entity rows with the features of every view, as one table."""
        answer = pa.Table.from_pandas(self.frame, preserve_index=False)
        at = answer.column(self.event).combine_chunks()
        fine = at.type.unit == "ns" or any(view.table.finer_than_microseconds() for view in views)
        unit, per_unit = ("ns", 1000) if fine else ("us", 1)
        asked = instants(at, unit, self.event)
        entities = {keys: Entities([answer.column(key) for key in keys]) for keys in {view.spine_keys for view in views}}

        def features_of(view: _View) -> dict[str, Any]:
            named = entities[view.spine_keys]
            chosen = newest_rows(
                view.table.rows_of(named, unit), named.codes, asked, n_entities=len(named),
                ttl=None if view.ttl is None else min(view.ttl // timedelta(microseconds=1) * per_unit, _LONGEST),
                only_known=only_known,
            )
            return view.table.take(chosen)

        # Reading leaves Python's lock to others; more threads than this would only hold more tables at once.
        with ThreadPoolExecutor(_THREADS) as pool:
            for columns in pool.map(features_of, views):
                for name, values in columns.items():
                    answer = answer.append_column(name, values)
        return answer
