"""Feast's side of the packed rows: the class that is named in Feast's configuration as `online_store`.

Whatever Feast does with an online store it does with this one, value by value and in its own messages. What loads or reads
many rows goes around the messages: `features.pit.loading` and `features.online`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast.infra.key_encoding_utils import serialize_entity_key  # noqa: TID253 - this module is only imported by Feast
from feast.infra.online_stores.online_store import OnlineStore  # noqa: TID253
from feast.protos.feast.types.EntityKey_pb2 import EntityKey  # noqa: TID253
from feast.protos.feast.types.Value_pb2 import Value  # noqa: TID253
from feast.repo_config import FeastConfigBaseModel  # noqa: TID253
from feast.type_map import python_values_to_proto_values  # noqa: TID253
from feast.types import Float64, String  # noqa: TID253

from features.packed import PACKED_TYPE
from features.packed.keys import text_keys
from features.packed.layout import DIGEST, EPOCH, MICROSECOND, STAMP, Kind, Layout
from features.packed.rows import PackedRows, open_rows
from registry.errors import InvalidRequest

_KINDS: Final[dict[Any, Kind]] = {Float64: "float", String: "text"}


class PackedOnlineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc] # Feast has no types
    """Its configuration; Feast finds it by the store's name.

    Parameters
    ----------
    path
        SQLite file; it counts where there is no address.
    url
        Address of a Redis server.
    timeout_s
        How long a read waits.
    rewrite
        Whether a load writes rows too that the store holds already, by their instants: needed once the features have been
        defined anew.
    """

    type: Literal["features.packed.feast_store.PackedOnlineStore"] = PACKED_TYPE
    path: str = "packed.db"
    url: str = ""
    timeout_s: float = 10.0
    rewrite: bool = False


class PackedOnlineStore(OnlineStore):  # type: ignore[misc] # Feast has no types
    """Feast's online store with one packed row per view and entity, in which a newer row is never overwritten by an older one."""

    _rows: PackedRows | None = None

    def rows(self, config: Any) -> PackedRows:
        """Return the place that the configuration names."""
        if self._rows is None:
            chosen = config.online_store
            path = Path(chosen.path)
            # Feast leaves a variable that is not set as it is written.
            url = "" if chosen.url.startswith("$") else chosen.url
            self._rows = open_rows(
                url, path if path.is_absolute() else Path(config.repo_path or "") / path,
                timeout_s=chosen.timeout_s, project=config.project,
            )
        return self._rows

    def online_write_batch(
        self, config: Any, table: Any, data: Sequence[Any], progress: Callable[[int], Any] | None
    ) -> None:
        """Write rows as Feast hands them over; a feature that a row does not name keeps the value that is there."""
        layout, rows = layout_of(table), self.rows(config)
        keys = [_serialised(config, key) for key, *_ in data]
        given = [{name: _plain(value, layout.kinds[name]) for name, value in values.items()} for _, values, *_ in data]
        if any(len(values) < len(layout.columns) for values in given):
            known = self._plain_rows(config, table, keys)
            given = [{**held, **values} for held, values in zip(known, given, strict=True)]
        packed = [
            layout.pack([values.get(name) for name in layout.names], _micros(event), None if created is None else _micros(created))
            for values, (_, _, event, created) in zip(given, data, strict=True)
        ]
        rows.write(table.name, keys, packed)
        if progress:
            progress(len(data))

    def online_read(
        self, config: Any, table: Any, entity_keys: Sequence[Any], requested_features: Sequence[str] | None = None
    ) -> list[tuple[datetime | None, dict[str, Any] | None]]:
        """Return for each entity the instant of its row and the values, as Feast's messages."""
        keys = [_serialised(config, key) for key in entity_keys]
        names = None if requested_features is None else set(requested_features)
        answers: list[tuple[datetime | None, dict[str, Any] | None]] = []
        for layout, event, values in self._read(config, table, keys):
            if layout is None:
                answers.append((None, None))
                continue
            told = {
                name: _message(value, layout.kinds[name])
                for name, value in zip(layout.names, values, strict=True) if names is None or name in names
            }
            answers.append((EPOCH + event * MICROSECOND, told))
        return answers

    def update(
        self, config: Any, tables_to_delete: Sequence[Any], tables_to_keep: Sequence[Any],
        entities_to_delete: Sequence[Any], entities_to_keep: Sequence[Any], partial: bool,
    ) -> None:
        """Make room for new views, and forget those that are no more."""
        rows = self.rows(config)
        for table in tables_to_keep:
            rows.prepare(layout_of(table))
        for table in tables_to_delete:
            rows.drop(table.name)

    def teardown(self, config: Any, tables: Sequence[Any], entities: Sequence[Any]) -> None:
        """Forget everything."""
        self.rows(config).teardown()
        self._rows = None

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
        layout, rows, source = layout_of(view), self.rows(config), view.batch_source
        rows.prepare(layout)
        keys = _entity_keys(table, view, config.entity_key_serialization_version)
        fields = {field.name: field for field in view.features}
        packed = layout.pack_columns(
            [_column(table.column(name), fields[name], layout.kinds[name]) for name in layout.names],
            _instants(table.column(source.timestamp_field)),
            _instants(table.column(source.created_timestamp_column)) if source.created_timestamp_column else None,
        )
        order = sorted(range(len(keys)), key=keys.__getitem__)  # neighbours in the table are written together
        if not config.online_store.rewrite:
            held = rows.held(view.name, keys)
            order = [at for at in order if packed[at][STAMP] != held.get(keys[at])]
        rows.write(view.name, [keys[at] for at in order], [packed[at] for at in order])
        return len(order)

    def _plain_rows(self, config: Any, table: Any, keys: Sequence[bytes]) -> list[dict[str, Any]]:
        return [
            {} if layout is None else dict(zip(layout.names, values, strict=True))
            for layout, _, values in self._read(config, table, keys)
        ]

    def _read(self, config: Any, table: Any, keys: Sequence[bytes]) -> list[tuple[Layout | None, int, list[Any]]]:
        rows = self.rows(config)
        _, (found,) = rows.fetch([table.name], keys)
        known = {layout_of(table).digest: layout_of(table)}
        answers: list[tuple[Layout | None, int, list[Any]]] = []
        for row in found:
            if row is None:
                answers.append((None, 0, []))
                continue
            if row[DIGEST] not in known:
                known = dict(rows.layouts())
            layout = known[row[DIGEST]]
            answers.append((layout, *layout.unpack(row)))
        return answers


def layout_of(view: Any) -> Layout:
    """Return the layout of a feature view, from the fields that Feast knows."""
    return Layout(view.name, tuple((field.name, _KINDS.get(field.dtype, "message")) for field in view.features))


def _serialised(config: Any, key: Any) -> bytes:
    made: bytes = serialize_entity_key(key, config.entity_key_serialization_version)
    return made


def _plain(message: Any, kind: Kind) -> float | str | bytes | None:
    """Return a value of Feast as a row holds it."""
    which = message.WhichOneof("val")
    if which is None:
        return None
    if kind == "message":
        told: bytes = message.SerializeToString()
        return told
    value = getattr(message, which)
    wanted = (float, int) if kind == "float" else str
    if not isinstance(value, wanted):
        raise InvalidRequest(f"a value of kind {which} was given for a {kind}", where="online store")
    return float(value) if kind == "float" else str(value)


def _message(value: Any, kind: Kind) -> Any:
    """Return a value of a row as Feast's message, a null as the empty one."""
    if value is None:
        return Value()
    if kind == "message":
        return Value.FromString(value)
    return Value(double_val=value) if kind == "float" else Value(string_val=value)


def _micros(at: datetime) -> int:
    # Feast takes a naive time for one in UTC.
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // MICROSECOND


def _instants(column: Any) -> Any:
    """Return instants in microseconds; a created instant that is null is older than any other."""
    micros = pc.cast(column, pa.timestamp("us", tz="UTC"), safe=False).cast(pa.int64())
    return pc.fill_null(micros, np.iinfo(np.int64).min).to_numpy()


def _column(column: Any, field: Any, kind: Kind) -> Any:
    if kind == "message":
        messages = python_values_to_proto_values(column.to_pylist(), field.dtype.to_value_type())
        return [message.SerializeToString() if message.WhichOneof("val") else None for message in messages]
    return column


def _entity_keys(table: Any, view: Any, version: int) -> list[bytes]:
    names = [key.name for key in view.entity_columns]
    if len(names) == 1 and view.entity_columns[0].dtype == String:
        return text_keys(names[0], table.column(names[0]).to_pylist())
    columns = [
        python_values_to_proto_values(table.column(key.name).to_numpy(), key.dtype.to_value_type())
        for key in view.entity_columns
    ]
    return [
        serialize_entity_key(EntityKey(join_keys=names, entity_values=list(values)), version)
        for values in zip(*columns, strict=True)
    ]
