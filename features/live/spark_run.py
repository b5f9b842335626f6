"""A run of the live fold inside Spark: files of positions in, rows of the view `duty` where the embedded engine pushes them.

Each micro-batch is written once its steps are taken; a run that dies takes the last one again from the state before it, and the
store, the corrections and the late messages hold everything once.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow.compute as pc

from features.live.buckets import Fleet
from features.live.corrections import Corrections
from features.live.journal import PRIVATE_FILE, PRIVATE_FOLDER, PositionJournal
from features.live.online_push import OnlinePush
from features.live.pushing import MAX_PUSH
from features.live.roster import Roster, read_roster
from features.live.spark_fold import CORRECTION, COUNT, LATE, ROW, PlateKeys, positions_in, rows_of, steps_of, warm
from registry.errors import ConfigurationError, InvalidRequest, RoadRiskError, ServiceUnavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from registry.output import ProgressCallback
    from registry.settings import Settings

FOLDER: Final = "spark"
"""Folder of checkpoints inside that of the live state."""
_LAYOUT_FILE: Final = "roadrisk.json"
_STREAM: Final = "stream"
_ATTEMPTS: Final = 30
_LOOK_S: Final = 1
_RAISED: Final = re.compile(r"^[A-Za-z_][\w.]*(Error|Refused|NotFound): |\[[A-Z][A-Z_0-9.]+\] ")
"""What a line looks like that says what was wrong: the last of a Python traceback, or one of Spark's with its class of error."""


@dataclass(frozen=True, kw_only=True)
class StreamPlan:
    """How a run goes.

    Parameters
    ----------
    source, kind
        Folder of files of `vehicle_location`, and their format (`spark_fold.FORMATS`).
    checkpoint
        Folder of Spark's checkpoints; a run goes on from what it holds.
    n_buckets
        Over how many buckets the vehicles lie; it stays as it is for as long as the checkpoints do.
    files_at_once
        Files of a micro-batch, at most.
    every_s
        From one micro-batch to the next, until the run is stopped; None takes what is there and ends.
    """

    source: Path
    checkpoint: Path
    kind: str = "parquet"
    n_buckets: int = 64
    files_at_once: int = 1_000
    every_s: float | None = None


@dataclass
class Streamed:
    """What a run did.

    Parameters
    ----------
    micro_batches, rows, corrected, late
        Micro-batches, rows that the store was given, rows corrected, messages left to the batch.
    messages
        Messages by what became of them.
    """

    micro_batches: int = 0
    rows: int = 0
    corrected: int = 0
    late: int = 0
    messages: dict[str, int] = field(default_factory=dict)


@dataclass
class StreamSink:
    """Takes what comes of micro-batches to the store and to the corrections.

    Parameters
    ----------
    roster, push, corrections
        The vehicles, and where their rows and what changed in them go.
    """

    roster: Roster
    push: OnlinePush
    corrections: Corrections
    sleep: Callable[[float], None] = time.sleep
    done: Streamed = field(default_factory=Streamed)

    def take(self, steps: pa.Table) -> None:
        """Write what a micro-batch said; doing it again changes nothing.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer for half a minute.
        """
        rows = rows_of(steps, ROW)
        slots = self.roster.slots_of(rows.numbers)
        for start in range(0, len(slots), MAX_PUSH):
            part = slice(start, start + MAX_PUSH)
            self._write(slots[part], rows.cutoff_s[part], rows.values[part], rows.made_us[part])
        corrected, late = rows_of(steps, CORRECTION), rows_of(steps, LATE)
        assert corrected.before is not None
        self.corrections.note(
            self.roster.slots_of(corrected.numbers), corrected.cutoff_s, corrected.before, corrected.values, corrected.made_us,
        )
        self.corrections.note_late(self.roster.slots_of(late.numbers), late.cutoff_s)
        counts = steps.filter(pc.equal(steps["kind"], COUNT))
        self.done.micro_batches += 1
        self.done.rows += len(slots)
        self.done.corrected += len(corrected.numbers)
        self.done.late += len(late.numbers)
        for name, n in zip(counts["name"].to_pylist(), counts["n"].to_pylist(), strict=True):
            self.done.messages[name] = self.done.messages.get(name, 0) + n

    def _write(self, slots: Any, cutoff_s: Any, values: Any, made_us: Any) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                self.push.write(slots, cutoff_s, values, made_us)
            except ServiceUnavailable:
                if attempt == _ATTEMPTS - 1:
                    raise
                self.sleep(1.0)
            else:
                return


def run_stream(
    session: SparkSession, settings: Settings, plan: StreamPlan, *, roster: Roster | None = None, push: OnlinePush | None = None,
    progress: ProgressCallback | None = None,
) -> Streamed:
    """Fold what a source holds inside a Spark session, and push the rows.

    Parameters
    ----------
    session
        Of `features.spark.connect_spark`, or a cluster's.
    settings
        Name home and keys; workers read the keys in the same folder of their own machine.
    roster, push
        The vehicles and the online store; those of the home by default.

    Raises
    ------
    ConfigurationError
        If a live service, or another run, works in this home.
    InvalidRequest
        If the source is no folder, or the checkpoints are of other buckets or keys.
    NotFound
        If no features have been built.
    ServiceUnavailable
        If the stream ended with an error; the next run takes its last micro-batch again.
    """
    from features.packed.rows import settled_rows
    from features.views import PROJECT
    from registry.generation import epoch_of
    from registry.signing import pseudonym_keys

    epoch = epoch_of(settings.warehouse_dir)
    known = roster or read_roster(settings.feature_dir, pseudonym_keys(settings.keys_dir, epoch))
    positions = positions_in(session, plan.source, plan.kind, files_at_once=plan.files_at_once)
    _check_layout(plan, epoch)
    held = PositionJournal(settings.live_dir / "journal")  # one folds in a home: its rows would be answered by two states
    corrections = Corrections(settings.live_dir, known.vehicle_id)
    store = push or OnlinePush(settled_rows(settings, PROJECT), known.vehicle_id)
    sink = StreamSink(known, store, corrections)
    try:
        warm()
        steps = steps_of(positions, Fleet.of(known, plan.n_buckets), PlateKeys(settings.keys_dir.absolute(), epoch))
        _drain(steps, sink, plan, progress or (lambda _step, _share: None))
    finally:
        if push is None:
            store.close()
        corrections.close()
        held.close()
    return sink.done


def _drain(steps: DataFrame, sink: StreamSink, plan: StreamPlan, tell: ProgressCallback) -> None:
    met: list[Exception] = []
    writing = threading.Lock()

    def take(frame: DataFrame, _: int) -> None:
        try:
            with writing:
                sink.take(frame.toArrow())  # once: a second look at the frame would take the steps again
        except Exception as error:
            met.append(error)  # what Spark makes of it names neither file nor cause
            raise

    n_files = sum(1 for path in plan.source.rglob("*") if path.is_file())
    writer = steps.writeStream.outputMode("update").option("checkpointLocation", str(plan.checkpoint / _STREAM)).foreachBatch(take)
    trigger = {"availableNow": True} if plan.every_s is None else {"processingTime": f"{round(plan.every_s * 1000)} milliseconds"}
    query = writer.trigger(**trigger).start()
    try:
        while query.isActive:
            taken = min(sink.done.micro_batches * plan.files_at_once, n_files)
            tell(f"{sink.done.messages.get('folded', 0)} messages folded", taken / n_files if n_files else 1.0)
            time.sleep(_LOOK_S)  # an interruption meets this, and no call of Spark's
        _raise_what_ended(query, met, plan.source)
    except KeyboardInterrupt:
        if plan.every_s is None:
            raise
    finally:
        query.stop()
        writing.acquire()  # what is being written is written before its files are closed


def _raise_what_ended(query: StreamingQuery, met: list[Exception], source: Path) -> None:
    ended = query.exception()
    if ended is None:
        return
    error = met[-1] if met else ended
    if isinstance(error, RoadRiskError):
        raise error
    told = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    raised = [line for line in told if _RAISED.search(line)]
    raise ServiceUnavailable(
        f"the stream ended: {(raised or told)[0][:400]}", where=str(source),
        remedy="Mend what it names and run it again; it goes on from its checkpoints.",
    ) from error


def _check_layout(plan: StreamPlan, epoch: int) -> None:
    """Refuse checkpoints whose buckets hold other vehicles."""
    plan.checkpoint.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    path, wanted = plan.checkpoint / _LAYOUT_FILE, {"buckets": plan.n_buckets, "epoch": epoch}
    if not path.exists():
        if any(plan.checkpoint.iterdir()):
            raise InvalidRequest(
                "the folder of checkpoints holds something else", where=str(plan.checkpoint), remedy="Name an empty folder.",
            )
        path.touch(mode=PRIVATE_FILE)
        path.write_text(json.dumps(wanted))
        return
    found = json.loads(path.read_text())
    if found != wanted:
        raise ConfigurationError(
            f"the checkpoints are of {found['buckets']} buckets and key epoch {found['epoch']}, "
            f"this run is of {plan.n_buckets} and {epoch}",
            where=str(plan.checkpoint), remedy="Run it with those, or begin anew with an empty folder of checkpoints.",
        )


