"""The live fold inside Spark: rows, corrections and counts are those of the embedded engine, also across restarts and deaths."""

from __future__ import annotations

import gc
import gzip
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from features.live.agreement import LiveAgreement, batch_rows, compared
from features.live.corrections import Corrections
from features.live.engine import EngineTimes
from features.live.http_door import records_from
from features.live.online_push import OnlinePush
from features.live.replay import lines_of
from features.live.roster import Roster, roster_of
from features.live.service import open_service
from features.live.spark_run import Streamed, StreamPlan, run_stream
from features.packed.rows import PackedRows, settled_rows
from features.pseudonyms import pseudonym
from features.simulation.day import day_of_messages
from features.spark import close_spark, connect_spark
from features.views import PROJECT
from registry.errors import ConfigurationError, IntegrityError, InvalidRequest, ServiceUnavailable
from registry.settings import Settings
from registry.signing import init_keys, pseudonym_keys
from tests.lib.provinces import SEED

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(
        shutil.which("java") is None and "JAVA_HOME" not in os.environ, reason="Spark needs Java 17 (Debian: default-jre-headless)",
    ),
    # Spark's client leaves the sockets that it fetched results through to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
N_VEHICLES, N_FILES, N_BUCKETS = 60, 6, 3
FAILS_AT = 1


@dataclass
class Day:
    """A simulated day in files as they arrived, and who sent it."""

    settings: Settings
    roster: Roster
    messages: pa.Table
    parts: list[pa.Table]

    @cached_property
    def by_plate(self) -> list[pa.Table]:
        """The files as the batch reads them: by pseudonym, of vehicles of the roster."""
        known, found = set(self.roster.plate_id), []
        for part in self.parts:
            plates = list(zip(part["plate_no"].to_pylist(), part["plate_color"].to_pylist(), strict=True))
            ids = {plate: pseudonym(self.roster.keys, "plate", *plate) for plate in set(plates)}
            table = part.append_column("plate_id", pa.array([ids[plate] for plate in plates]))
            table = table.drop_columns(["plate_no", "plate_color"])
            found.append(table.filter(pc.is_in(table["plate_id"], pa.array(sorted(known)))))
        return found


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("spark_day")
    settings = Settings(home=folder / "home", keys_dir=folder / "keys", push_key=SecretStr("secret"), store_timeout_s=10.0)
    init_keys(settings.keys_dir)
    messages = day_of_messages("tiny", SEED, date(2026, 6, 3), N_VEHICLES)
    plates = messages.select(["plate_no", "plate_color"]).group_by(["plate_no", "plate_color"]).aggregate([]).to_pylist()
    keys, trades = pseudonym_keys(settings.keys_dir, 1), ("1", "2", "3", "8")
    rows = [
        (f"v{n}", pseudonym(keys, "plate", plate["plate_no"], plate["plate_color"]), "e", trades[n % len(trades)])
        for n, plate in enumerate(sorted(plates, key=lambda plate: plate["plate_no"])[1:])
    ]
    # The first plate is in no roster: its messages are refused.
    places = np.linspace(0, len(messages), N_FILES + 1).astype(int)
    parts = [messages.slice(start, end - start) for start, end in pairwise(places)]
    return Day(settings, roster_of(rows, keys), messages, parts)


@dataclass
class Embedded:
    """What the embedded engine says of the day, a push for each file."""

    answered_s: Any
    answered: Any
    counts: dict[str, int]
    refused: int
    corrections: set[tuple[Any, ...]]


@pytest.fixture(scope="module")
def embedded(day: Day, tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    settings = day.settings.model_copy(update={"home": tmp_path_factory.mktemp("embedded") / "home"})
    service = open_service(settings, replay=True, roster=day.roster, times=EngineTimes(batch_s=0.01, push_s=0.01))
    service.start()
    for part in day.parts:
        service.intake.take(records_from(part, day.roster, 0, replay=True))[1].result(60)
        while not service.engine.idle:
            time.sleep(0.01)
    assert service.engine.push is not None
    answered_s, answered = service.engine.push.answered()
    found = Embedded(
        answered_s, answered, service.engine.fold.counts, service.intake.refusals["wrong_plate"],
        corrections_of(service.engine.corrections, day.roster),
    )
    service.stop()
    return found


def corrections_of(kept: Corrections, roster: Roster) -> set[tuple[Any, ...]]:
    return {
        (vehicle_id, one["cutoff_s"], one["feature"], one["before"], one["after"])
        for vehicle_id in roster.vehicle_id for one in kept.of(vehicle_id)
    }


@contextmanager
def session(folder: Path) -> Iterator[Any]:
    engine: Any = connect_spark(folder, spark_sql_shuffle_partitions="2")
    try:
        yield engine._session
    finally:
        gc.collect()
        close_spark(engine)


class WatchedPush(OnlinePush):
    """A store that remembers what it was given; behind it the process dies once, some rows of a micro-batch written."""

    def __init__(self, rows: PackedRows, vehicle_ids: tuple[str, ...]) -> None:
        super().__init__(rows, vehicle_ids)
        self.given: list[tuple[Any, Any, Any]] = []
        self.died = False

    def write(self, slots: Any, cutoff_s: Any, values: Any, created_us: Any) -> int:
        if len(self.given) == FAILS_AT and not self.died:
            self.died = True
            super().write(slots[::2], cutoff_s[::2], values[::2], created_us[::2])
            raise IntegrityError("died", where="here")
        self.given.append((slots, cutoff_s, values))
        return super().write(slots, cutoff_s, values, created_us)


def put(day: Day, source: Path, places: range) -> None:
    """Write files as they arrived; Spark takes them by the instant at which they were written."""
    source.mkdir(exist_ok=True)
    for place in places:
        path = source / f"{place}.parquet"
        pq.write_table(day.parts[place], path)
        os.utime(path, (1_780_000_000 + 60 * place,) * 2)


def test_rows_of_a_day_are_those_of_the_embedded_engine_and_of_the_batch(
    day: Day, embedded: Embedded, tmp_path: Path,
) -> None:
    settings, roster = day.settings, day.roster
    plan = StreamPlan(source=tmp_path / "in", checkpoint=tmp_path / "kept", n_buckets=N_BUCKETS, files_at_once=1)
    put(day, plan.source, range(N_FILES // 2))
    rows = settled_rows(settings, PROJECT)
    push = WatchedPush(rows, roster.vehicle_id)
    done: list[Streamed] = []
    with session(tmp_path / "first") as spark:
        with pytest.raises(IntegrityError, match="died"):
            run_stream(spark, settings, plan, roster=roster, push=push)
        done.append(run_stream(spark, settings, plan, roster=roster, push=push))
        with pytest.raises(ConfigurationError, match="3 buckets"):
            run_stream(spark, settings, StreamPlan(source=plan.source, checkpoint=plan.checkpoint, n_buckets=4), roster=roster)
        with pytest.raises(InvalidRequest, match="no folder"):
            run_stream(spark, settings, StreamPlan(source=tmp_path / "no", checkpoint=plan.checkpoint), roster=roster)
    put(day, plan.source, range(N_FILES // 2, N_FILES))
    with session(tmp_path / "second") as spark:
        done.append(run_stream(spark, settings, plan, roster=roster, push=push))
        assert_lines_are_read(spark, day, tmp_path)
    answered_s, answered = push.answered()
    rows.close()

    assert (answered_s > 0).sum() > 10
    np.testing.assert_array_equal(answered_s, embedded.answered_s)
    np.testing.assert_array_equal(answered, embedded.answered)
    kept = Corrections(settings.live_dir, roster.vehicle_id)
    assert corrections_of(kept, roster) == embedded.corrections != set()
    assert len({one[:3] for one in embedded.corrections}) == sum(len(kept.of(vehicle_id)) for vehicle_id in roster.vehicle_id)
    kept.close()
    assert [one.micro_batches for one in done] == [2, 3]
    # What the first micro-batch counted was told to the run that died: the others count what was sent since.
    told = Counter(done[0].messages) + Counter(done[1].messages)
    assert told["folded"] + told["duplicate"] + told["late"] + told["wrong_plate"] == len(day.messages) - len(day.parts[0])
    assert told["out_of_order"] > 20
    assert 0 < told["wrong_plate"] <= embedded.refused

    # Every row that ever came out is the batch's of the messages that had come by then.
    assert len(push.given) == N_FILES
    told_in = np.full(len(roster), -1)
    for place, (slots, cutoff_s, values) in enumerate(push.given):
        told_in[slots] = place
        found = batch_of(day, place, slots, cutoff_s, values)
        assert found.different == 0, found.examples
    # And that of the whole day, but where a late message came when a rest already lay behind the hour: those are the batch's.
    slots = np.flatnonzero(answered_s)
    late = np.array([slot for slot in slots if is_late(day, int(slot), int(told_in[slot]), int(answered_s[slot]))])
    untouched = np.setdiff1d(slots, late)
    assert len(untouched) > 30
    found = batch_of(day, N_FILES - 1, untouched, answered_s[untouched], answered[untouched])
    assert found.rows == len(untouched)
    assert found.different == 0, found.examples


def assert_lines_are_read(spark: Any, day: Day, folder: Path) -> None:
    """NDJSON as over HTTP: what cannot be read, or tells no zone, is refused and counted; the rest is folded."""
    plate = day.messages["plate_no"][0].as_py()
    mine = day.messages.filter(pc.not_equal(day.messages["plate_no"], plate)).slice(0, 3)
    one, zoneless, third = lines_of(mine).splitlines(keepends=True)
    told = re.sub(rb'("gps_time":"[^"]*?)(Z|\+00:00)"', rb'\1"', zoneless)
    assert told != zoneless
    (folder / "lines").mkdir()
    (folder / "lines" / "0.ndjson.gz").write_bytes(gzip.compress(b"".join((one, told, third, b"{no line\n"))))
    settings = day.settings.model_copy(update={"home": folder / "other"})
    plan = StreamPlan(source=folder / "lines", checkpoint=folder / "lines_kept", kind="ndjson", n_buckets=1)
    found = run_stream(spark, settings, plan, roster=day.roster).messages
    assert {name: n for name, n in found.items() if n} == {"folded": 2, "no_time": 2}
    (folder / "wrong").mkdir()
    (folder / "wrong" / "no.parquet").write_text("no parquet")
    with pytest.raises(ServiceUnavailable, match=r"no\.parquet"):
        run_stream(spark, settings, StreamPlan(source=folder / "wrong", checkpoint=folder / "wrong_kept"), roster=day.roster)


def batch_of(day: Day, place: int, slots: Any, cutoff_s: Any, values: Any) -> LiveAgreement:
    """Hold rows against the batch of all messages up to a file."""
    positions = pa.concat_tables(day.by_plate[:place + 1])
    heard = np.array(sorted(day.roster.plate_id.index(plate) for plate in set(positions["plate_id"].to_pylist())))
    wanted, online = np.zeros(len(heard), np.int64), np.full((len(heard), values.shape[1]), np.nan)
    here = np.searchsorted(heard, slots)
    wanted[here], online[here] = cutoff_s, values
    return compared([day.roster.vehicle_id[slot] for slot in heard], wanted, online, batch_rows(positions, wanted))


def is_late(day: Day, slot: int, place: int, cutoff_s: int) -> bool:
    """Say whether a message of a row's past came in a later file than those that the row was told in."""
    later = pa.concat_tables(day.by_plate[place + 1:]) if place + 1 < N_FILES else day.by_plate[0].slice(0, 0)
    mine = later.filter(pc.equal(later["plate_id"], day.roster.plate_id[slot]))
    return bool(pc.any(pc.less_equal(mine["gps_time"].cast(pa.int64()), int(cutoff_s) * 1_000_000)).as_py())
