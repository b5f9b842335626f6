"""Load feature rows into the packed online store by columns, and only what it does not hold.

Feast's way makes four objects and one statement of each value; here a view is packed as a table. The class is named in
Feast's configuration as `batch_engine`.
"""

from __future__ import annotations

from typing import Any

from feast.feature_view import FeatureView  # noqa: TID253 - this module is only imported by Feast
from feast.infra.common.materialization_job import MaterializationJobStatus  # noqa: TID253
from feast.infra.compute_engines.local.compute import LocalComputeEngine, LocalComputeEngineConfig  # noqa: TID253
from feast.infra.compute_engines.local.job import LocalMaterializationJob  # noqa: TID253

from features.packed.feast_store import PackedOnlineStore
from features.pit import ENGINE_TYPE


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
        if not (plain and isinstance(store, PackedOnlineStore)):
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
