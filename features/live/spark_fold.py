"""The same fold inside Spark Structured Streaming, partitioned by bucket of vehicles: for more vehicles than one process holds.

Spark keeps the state of each bucket as the bytes of `buckets` in its own checkpoints and hands it to whoever holds the bucket's
partition; what folds there is the kernel of the embedded engine. A group of Spark is a bucket and not a vehicle: a group costs
milliseconds of Python whatever it holds, a message in the kernel a microsecond. In exchange a micro-batch writes the whole state of
each bucket that it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from features.live.buckets import Fleet, Rows, Step, step
from features.live.duty_rows import COLUMNS
from features.live.positions import POSITION, Records
from registry.errors import InvalidRequest
from registry.resources import RESOURCES

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.state import GroupState

    from features.live.roster import Roster

FORMATS: Final = ("parquet", "ndjson")
ROW, CORRECTION, LATE, COUNT = "row", "correction", "late", "count"
RECORD_SCHEMA: Final = "bucket int, record binary"
STATE_SCHEMA: Final = "kept binary"
STEP_SCHEMA: Final = "kind string, name string, vehicle bigint, n bigint, made_us bigint, now binary, before binary"
"""What comes of steps. `vehicle` is its number as a signed one, `now` and `before` are rows of `duty_rows.COLUMNS` as float64; `n`
is the instant at which the hour of a row ends, the device time of a late message, or how many messages a count names."""
_DECLARED: Final = RESOURCES["vehicle_location"].columns
_KINDS: Final = {"string": "string", "int": "bigint", "float": "double", "bool": "boolean", "timestamp": "timestamp"}
# A text without a zone would be read as UTC and be eight hours off: it tells no time.
_INSTANT: Final = r"if({0} rlike '(Z|[+-]\\d\\d:?\\d\\d)$', try_to_timestamp({0}), null) as {0}"


@dataclass(frozen=True)
class PlateKeys:
    """Where workers find the keys of pseudonyms: they read them on their own machine, keys are never sent to them.

    Parameters
    ----------
    folder, epoch
        Folder of the keys, and the epoch of the warehouse.
    """

    folder: Path
    epoch: int


def positions_in(session: SparkSession, folder: Path, kind: str, *, files_at_once: int) -> DataFrame:
    """Return the stream of a folder's files of `vehicle_location`, in the order in which they were last written.

    Parameters
    ----------
    kind
        One of `FORMATS`; files of NDJSON may be compressed.
    files_at_once
        Files of a micro-batch, at most.

    Raises
    ------
    InvalidRequest
        If it is no folder, or the format is another one.
    """
    if kind not in FORMATS:
        raise InvalidRequest(f"the format is {kind[:20]!r}", where="format", remedy=f"Choose one of {', '.join(FORMATS)}.")
    if not folder.is_dir():
        raise InvalidRequest("the source is no folder", where=str(folder), remedy="Name the folder that positions are written to.")
    reader = session.readStream.option("maxFilesPerTrigger", files_at_once)
    if kind == "parquet":
        return reader.schema(", ".join(f"{column.id} {_KINDS[column.dtype]}" for column in _DECLARED)).parquet(str(folder))
    told = {column.id: "string" if column.dtype == "timestamp" else _KINDS[column.dtype] for column in _DECLARED}
    lines = reader.schema(", ".join(f"{name} {dtype}" for name, dtype in told.items())).json(str(folder))
    return lines.selectExpr(*(_INSTANT.format(c.id) if c.dtype == "timestamp" else c.id for c in _DECLARED))


def steps_of(positions: DataFrame, fleet: Fleet, keys: PlateKeys) -> DataFrame:
    """Return what comes of a stream of `vehicle_location`, of `STEP_SCHEMA`; each row tells its own receipt (`recv_time`)."""
    from pyspark.sql.streaming.state import GroupStateTimeout

    records = positions.mapInArrow(partial(_records_of, fleet, keys), RECORD_SCHEMA)
    return records.groupBy("bucket").applyInPandasWithState(
        partial(_folded, fleet), STEP_SCHEMA, STATE_SCHEMA, "update", GroupStateTimeout.NoTimeout,
    )


def warm() -> None:
    """Compile in this process what workers on this machine then find kept: each for itself would compile it anew, at once."""
    from features.live.fold import LiveFold
    from features.live.road_map import road_map

    LiveFold.empty(1).warm()
    road_map().classes(np.zeros(0), np.zeros(0))


@lru_cache(maxsize=1)
def _plates(keys: PlateKeys) -> Roster:
    """Return what knows numbers of plates and remembers them for as long as a worker lives."""
    from features.live.roster import Roster
    from registry.signing import pseudonym_keys

    return Roster((), (), (), (), pseudonym_keys(keys.folder, keys.epoch))


def _records_of(fleet: Fleet, keys: PlateKeys, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Turn rows into records, so that no plate goes through a shuffle or lies in a checkpoint."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from features.live.http_door import records_from

    for batch in batches:
        table = pa.Table.from_batches([batch])
        for name in ("plate_no", "plate_color"):
            table = table.set_column(table.column_names.index(name), name, pc.fill_null(table[name], ""))
        # A row without a receipt is one of 1970, before its device time: it is refused as such.
        records = records_from(table, _plates(keys), 0, replay=True)
        bucket = pa.array(fleet.bucket_of(records["vehicle"]).astype(np.int32))
        yield pa.RecordBatch.from_arrays([bucket, _binary(records)], ["bucket", "record"])


def _folded(fleet: Fleet, key: Any, frames: Iterable[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
    """Fold what a micro-batch holds of a bucket."""
    from features.live.road_map import road_map

    records = np.frombuffer(b"".join(content for frame in frames for content in frame["record"]), POSITION)
    done = step(fleet, int(key[0]), bytes(state.get[0]) if state.exists else None, records, road_map())
    state.update((done.kept,))
    yield frame_of(done)


def frame_of(done: Step) -> pd.DataFrame:
    """Return what came of a step as a frame of `STEP_SCHEMA`."""
    import pandas as pd

    def part(kind: str, numbers: Any, n: Any, made_us: Any, **values: Any) -> pd.DataFrame:
        told = {"vehicle": np.ascontiguousarray(numbers).view(np.int64), "n": n, "made_us": made_us}
        rows = {name: [row.tobytes() for row in values[name]] if name in values else None for name in ("now", "before")}
        return pd.DataFrame({"kind": kind, "name": None} | told | rows)

    rows, corrected, (late, late_s) = done.rows, done.corrected, done.late
    counts = pd.DataFrame({"kind": COUNT, "name": list(done.counts), "vehicle": 0, "n": list(done.counts.values()), "made_us": 0})
    return pd.concat([
        counts.assign(now=None, before=None),
        part(ROW, rows.numbers, rows.cutoff_s, rows.made_us, now=rows.values),
        part(
            CORRECTION, corrected.numbers, corrected.cutoff_s, corrected.made_us, now=corrected.values, before=corrected.before,
        ),
        part(LATE, late, late_s, np.zeros(len(late), np.int64)),
    ], ignore_index=True)


def rows_of(table: pa.Table, kind: str) -> Rows:
    """Return the rows of a kind that a table of `STEP_SCHEMA` holds."""
    import pyarrow.compute as pc

    chosen = table.filter(pc.equal(table["kind"], kind))
    numbers, n, made_us = (chosen[name].to_numpy() for name in ("vehicle", "n", "made_us"))

    def values(name: str) -> Any:
        return np.frombuffer(b"".join(chosen[name].to_pylist()), np.float64).reshape(len(chosen), len(COLUMNS))

    now = np.full((len(chosen), len(COLUMNS)), np.nan) if kind == LATE else values("now")
    return Rows(numbers.view(np.uint64), n, made_us, now, values("before") if kind == CORRECTION else None)


def _binary(records: Records) -> pa.Array:
    import pyarrow as pa

    offsets = np.arange(len(records) + 1, dtype=np.int32) * np.int32(POSITION.itemsize)
    return pa.Array.from_buffers(pa.binary(), len(records), [None, pa.py_buffer(offsets), pa.py_buffer(records.tobytes())])
