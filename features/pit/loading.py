"""Load feature rows into Feast's SQLite store: by columns, in the order of events, and only what it does not hold.

The tables are those of Feast's own store, value for value, so that whatever reads one reads the other. Feast's way makes
four objects and one statement of each value; here a view is one statement over encoded columns. Feast also lets an older row
overwrite a newer one, which no write here does.

Both classes are named in Feast's configuration, as `online_store` and `batch_engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow.compute as pc
from feast.feature_view import FeatureView  # noqa: TID253 - this module is only imported by Feast
from feast.infra.common.materialization_job import MaterializationJobStatus  # noqa: TID253
from feast.infra.compute_engines.local.compute import LocalComputeEngine, LocalComputeEngineConfig  # noqa: TID253
from feast.infra.compute_engines.local.job import LocalMaterializationJob  # noqa: TID253
from feast.infra.key_encoding_utils import serialize_entity_key  # noqa: TID253
from feast.infra.online_stores.helpers import compute_table_id, extract_text_and_num  # noqa: TID253
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig  # noqa: TID253
from feast.protos.feast.types.EntityKey_pb2 import EntityKey  # noqa: TID253
from feast.protos.feast.types.Value_pb2 import Value  # noqa: TID253
from feast.type_map import python_values_to_proto_values  # noqa: TID253
from feast.types import Float64  # noqa: TID253
from feast.utils import to_naive_utc  # noqa: TID253

from features.pit import ENGINE_TYPE, ONLINE_TYPE

Encoded = tuple[bytes, str | None]
"""A value as the store keeps it: Feast's message, and a text of it for searches."""

_CACHE_KIB: Final = 64 * 1024
_NULL: Final[Encoded] = (b"", None)
_UPSERT: Final = """
    INSERT INTO {table} (entity_key, feature_name, value, value_text, event_ts, created_ts) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (entity_key, feature_name) DO UPDATE SET
        value = excluded.value, value_text = excluded.value_text, event_ts = excluded.event_ts, created_ts = excluded.created_ts
    WHERE excluded.event_ts > {table}.event_ts OR (
        excluded.event_ts = {table}.event_ts AND ifnull(excluded.created_ts, 0) >= ifnull({table}.created_ts, 0))
"""


class OrderedSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):  # type: ignore[misc] # Feast has no types
    """Its configuration; Feast finds it by the store's name.

    Parameters
    ----------
    rewrite
        Whether a load writes rows too that the store holds already, by their instants: needed once the features have been
        defined anew.
    """

    type: str = ONLINE_TYPE
    rewrite: bool = False


class OrderedSqliteOnlineStore(SqliteOnlineStore):  # type: ignore[misc] # Feast has no types
    """Feast's SQLite store, in which a newer row is never overwritten by an older one."""

    def _get_conn(self, config: Any) -> Any:
        fresh = self._conn is None
        connection = super()._get_conn(config)
        if fresh:
            # Readers go on reading what was there while a view is loaded.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            # A view's three trees stay in memory while it is written; SQLite's default of 2 MB would spill them again and again.
            connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        return connection

    def online_write_batch(
        self, config: Any, table: Any, data: Sequence[Any], progress: Callable[[int], Any] | None
    ) -> None:
        """Write rows as Feast hands them over, one by one."""
        rows = (
            (serialize_entity_key(key, config.entity_key_serialization_version), name, *_encoded(value), *map(_stored, times))
            for key, values, *times in data
            for name, value in values.items()
        )
        self._upsert(config, table, rows)
        if progress:
            progress(len(data))

    def write_columns(self, config: Any, view: Any, table: Any) -> int:
        """Write a table of the newest rows of a view; return how many of them the store did not hold.

        Parameters
        ----------
        config
            Feast's configuration.
        view
            The feature view.
        table
            Arrow table with the view's keys, features and instants, one row per entity.
        """
        source = view.batch_source
        event, created = _instants(table, source.timestamp_field), _instants(table, source.created_timestamp_column)
        keys = _entity_keys(table, view, config.entity_key_serialization_version)
        held = {} if config.online_store.rewrite else self._held(config, view)
        order = sorted(range(len(keys)), key=keys.__getitem__)  # neighbours in the table are written together
        order = [row for row in order if held.get(keys[row]) != (event[row], created[row])]
        if not order:
            return 0
        chosen = table.take(order)
        columns = [(field.name, encoded(chosen.column(field.name), field.dtype)) for field in view.features]
        self._upsert(config, view, (
            (keys[row], name, *values[place], event[row], created[row])
            for place, row in enumerate(order)
            for name, values in columns
        ))
        # So that the file alone is the store again, for whoever copies it.
        self._get_conn(config).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(order)

    def _upsert(self, config: Any, view: Any, rows: Iterator[tuple[Any, ...]]) -> None:
        connection = self._get_conn(config)
        with connection:
            connection.executemany(_UPSERT.format(table=_table(config, view)), rows)

    def _held(self, config: Any, view: Any) -> dict[bytes, tuple[int, int | None]]:
        """Return entity key -> instants of the row that the store holds, where it holds every feature of it."""
        found = self._get_conn(config).execute(
            # The cast keeps Feast's converter from making a time of it.
            f"SELECT entity_key, CAST(min(event_ts) AS INT), CAST(min(created_ts) AS INT) FROM {_table(config, view)} "  # noqa: S608
            "GROUP BY entity_key HAVING count(*) = ?", [len(view.features)],
        )
        return {key: (event, created) for key, event, created in found}


class ColumnEngineConfig(LocalComputeEngineConfig):  # type: ignore[misc] # Feast has no types
    """Its configuration; Feast finds it by the engine's name."""

    type: str = ENGINE_TYPE


class ColumnEngine(LocalComputeEngine):  # type: ignore[misc] # Feast has no types
    """Feast's engine, which hands a view to the store by columns where the store takes them.

    Views that transform, aggregate or map names, and other online stores, go Feast's way.
    """

    def __init__(self, **configured: Any) -> None:
        configured.pop("type", None)
        super().__init__(**configured)

    def _materialize_one(self, registry: Any, task: Any, **further: Any) -> Any:
        view, store = task.feature_view, self.online_store
        plain = type(view) is FeatureView and view.online and not view.offline and not view.batch_source.field_mapping
        if not (plain and isinstance(store, OrderedSqliteOnlineStore)):
            return super()._materialize_one(registry, task, **further)
        source, name = view.batch_source, f"{view.name}-{task.start_time}-{task.end_time}"
        try:
            newest = self.offline_store.pull_latest_from_table_or_query(
                config=self.repo_config, data_source=source, join_key_columns=[key.name for key in view.entity_columns],
                feature_name_columns=[field.name for field in view.features], timestamp_field=source.timestamp_field,
                created_timestamp_column=source.created_timestamp_column, start_date=task.start_time,
                end_date=task.end_time,
            ).to_arrow()
            store.write_columns(self.repo_config, view, newest)
        except Exception as error:  # noqa: BLE001 - Feast raises what a job reports
            return LocalMaterializationJob(job_id=name, status=MaterializationJobStatus.ERROR, error=error)
        return LocalMaterializationJob(job_id=name, status=MaterializationJobStatus.SUCCEEDED)


def encoded(column: Any, dtype: Any) -> list[Encoded]:
    """Return the values of a column as the store keeps them, a null as the empty message."""
    if dtype == Float64:
        # A not-a-number is a null to Feast, as it is to pandas.
        return [
            _NULL if value is None or value != value else (Value(double_val=value).SerializeToString(), str(value))
            for value in column.to_pylist()
        ]
    # Texts and codes repeat: each distinct one is encoded once.
    distinct = pc.unique(column).drop_null()
    messages = python_values_to_proto_values(distinct.to_numpy(zero_copy_only=False), dtype.to_value_type())
    known = dict(zip(distinct.to_pylist(), map(_encoded, messages), strict=True))
    return [_NULL if value is None else known[value] for value in column.to_pylist()]


def _encoded(message: Any) -> Encoded:
    return message.SerializeToString(), extract_text_and_num(message, False)[0]


def _entity_keys(table: Any, view: Any, version: int) -> list[bytes]:
    names = [key.name for key in view.entity_columns]
    columns = [
        python_values_to_proto_values(table.column(key.name).to_numpy(), key.dtype.to_value_type())
        for key in view.entity_columns
    ]
    return [
        serialize_entity_key(EntityKey(join_keys=names, entity_values=list(values)), version)
        for values in zip(*columns, strict=True)
    ]


def _instants(table: Any, name: str) -> list[int | None]:
    if not name:
        return [None] * table.num_rows
    made: dict[datetime | None, int | None] = {}
    return [made[at] if at in made else made.setdefault(at, _stored(at)) for at in table.column(name).to_pylist()]


def _stored(at: datetime | None) -> int | None:
    """Return an instant as Feast keeps it: the hands of a clock in UTC, read as local time."""
    return None if at is None else int(to_naive_utc(at).timestamp())


def _table(config: Any, view: Any) -> str:
    name: str = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
    return '"' + name.replace('"', '""') + '"'
