"""A simulated day through the stream, with all that is wrong in it, against the batch of the same messages; other things differ."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from features.live.agreement import batch_rows, compared
from features.live.duty_rows import COLUMNS
from features.live.fold import OUT_OF_ORDER, LiveFold
from features.live.positions import Door, records_of
from features.reduction import observed_stretches
from features.segments import HOUR_S
from features.simulation.day import day_of_messages


@pytest.fixture(scope="module")
def messages() -> pa.Table:
    return day_of_messages("tiny", 20260704, date(2026, 6, 3), 120, days=9)


def by_plate(messages: pa.Table) -> tuple[list[str], np.typing.NDArray[np.int64], pa.Table]:
    plates = sorted(messages["plate_no"].unique().to_pylist())
    place = {plate: n for n, plate in enumerate(plates)}
    slots = np.array([place[plate] for plate in messages["plate_no"].to_pylist()], dtype=np.int64)
    positions = messages.append_column("plate_id", messages["plate_no"]).drop_columns(["plate_no", "plate_color"])
    return plates, slots, positions


def test_every_value_of_every_row_is_the_batch_s(messages: pa.Table) -> None:
    plates, slots, positions = by_plate(messages)
    fold = LiveFold.empty(len(plates))
    received = messages["recv_time"].cast(pa.int64()).to_numpy()
    applied = fold.apply(slots, records_of(messages, np.zeros(len(slots), np.uint64), received, Door.REPLAY))
    assert (applied.said == OUT_OF_ORDER).sum() > 100
    assert fold.counts["duplicate"] > 100
    assert fold.counts["drifted"] > 0
    assert fold.counts["late"] == 0
    stretches = observed_stretches(positions)[1]
    for slot in range(0, len(plates), 9):
        ours, batch = fold.stretches(slot), stretches.of(slot)
        assert ours.start_s.tolist() == batch.start_s.tolist()[-len(ours):]
        assert ours.state.tolist() == batch.state.tolist()[-len(ours):]
    # Each vehicle's newest row, and one of whoever drove for an hour half an hour before its last message.
    last, _ = fold.duty_rows()
    for cutoff in (last, np.where(last > 0, last - HOUR_S // 2, 0)):
        told, online = fold.duty_rows(np.arange(len(plates)), np.where(cutoff > 0, cutoff, 1))
        found = compared(plates, told, online, batch_rows(positions, told))
        assert found.rows > 10
        assert found.different == 0, found.examples


def test_a_value_that_differs_is_found(messages: pa.Table) -> None:
    plates, slots, positions = by_plate(messages)
    fold = LiveFold.empty(len(plates))
    received = messages["recv_time"].cast(pa.int64()).to_numpy()
    fold.apply(slots, records_of(messages, np.zeros(len(slots), np.uint64), received, Door.REPLAY))
    told, online = fold.duty_rows()
    row = int(np.flatnonzero(told)[0])
    online[row, COLUMNS.index("duty_kss")] += 1e-5
    online[row, COLUMNS.index("duty_drive_h_7d")] = np.nan
    found = compared(plates, told, online, batch_rows(positions, told))
    assert [example[:2] for example in found.examples] == [(plates[row], "duty_drive_h_7d"), (plates[row], "duty_kss")]
