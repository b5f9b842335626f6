"""A position as the stream carries it: one fixed-width record, whatever door it came through.

Speed, odometer and coordinates are the integers that JT/T 808 and 809 send. A record names its vehicle by its place in the
roster's order of pseudonyms only while it is in memory; on disk it carries the first 64 bits of the plate's pseudonym, so that
no plate is written and a roster may change between two starts.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.track import LANE_DEPARTURE

IntArray = npt.NDArray[np.int64]
Records = npt.NDArray[Any]
"""A structured array of `POSITION`."""

NO_ODOMETER: Final = 2**32 - 1
NO_SPEED: Final = 2**16 - 1
E6: Final = 1_000_000.0
_NOWHERE_DEG: Final = 999.0
_CODE: Final = re.compile(r"0[xX][0-9A-Fa-f]{1,4}")
FIRST_S: Final = 946_684_800
"""No terminal tells a time before 2000; one whose clock was lost does."""
FUTURE_S: Final = 300
"""A device time so far after its receipt is no time of this message. [A]"""

POSITION: Final = np.dtype([
    ("vehicle", "<u8"), ("received_us", "<i8"), ("time_s", "<u4"), ("lon_e6", "<i4"), ("lat_e6", "<i4"), ("odometer_m", "<u4"),
    ("alarm_bits", "<u4"), ("status_bits", "<u4"), ("speed", "<u2"), ("recorder", "<u2"), ("heading_deg", "<u2"),
    ("warn", "<u2"), ("door", "<u2"), ("spare", "<u2"), ("satellites", "<u2"), ("altitude_m", "<i2"),
])
"""One message of 56 bytes. `vehicle`: first 64 bits of the plate's pseudonym. `speed`, `recorder`: 0.1 km/h, `NO_SPEED` where
unknown. `odometer_m`: `NO_ODOMETER` where unknown. `warn`: warn type of the platform, 0 where none. `door`: a `Door`."""


class Door(IntEnum):
    """Where a message came in."""

    HTTP = 1
    JT809 = 2
    JT809_RESENT = 3
    REPLAY = 4
    KAFKA = 5


class Refusal(IntEnum):
    """Why a message was refused, or taken and not folded."""

    NONE = 0
    WRONG_PLATE = 1
    FUTURE = 2
    NO_PLACE = 3
    DUPLICATE = 4
    LATE = 5
    NO_TIME = 7


REFUSAL_WORDS: Final[dict[Refusal, tuple[str, str]]] = {
    Refusal.WRONG_PLATE: ("车牌不在营运车辆名册中", "the plate belongs to no vehicle of the roster"),
    Refusal.FUTURE: ("定位时间晚于接收时间", "the device time lies after the receipt"),
    Refusal.NO_PLACE: ("坐标超出范围", "the coordinates lie outside their range"),
    Refusal.NO_TIME: ("定位时间缺失或不可能", "the device time is missing or impossible"),
    Refusal.DUPLICATE: ("重复报文", "the vehicle has sent a message of this device time already"),
    Refusal.LATE: ("迟到超过允许时限，由批处理更正", "it came later than is waited for; the batch corrects it"),
}


def vehicle_number(plate_id: str) -> int:
    """Return what stands for a plate's pseudonym in a record: its first 64 bits."""
    return int(plate_id[:16], 16)


def records_of(table: pa.Table, vehicle: npt.NDArray[np.uint64], received_us: IntArray, door: Door) -> Records:
    """Return rows of `vehicle_location` as records.

    Parameters
    ----------
    table
        Rows with the declared columns; `recv_time` is not read.
    vehicle, received_us
        Number and receipt (epoch microseconds) of each row, shape (n,).
    door
        Where they came in.
    """
    records = np.zeros(len(table), POSITION)
    records["vehicle"], records["received_us"], records["door"] = vehicle, received_us, door
    time_us = table["gps_time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).fill_null(0).to_numpy()
    records["time_s"] = np.clip(time_us // 1_000_000, 0, 2**32 - 1)
    for name, column in (("lon_e6", "lon_deg"), ("lat_e6", "lat_deg")):
        records[name] = np.rint(np.clip(_floats(table, column, _NOWHERE_DEG), -_NOWHERE_DEG, _NOWHERE_DEG) * E6)
    for name, column in (("speed", "speed_kmh"), ("recorder", "vec2_kmh")):
        speed = _floats(table, column, np.nan)
        records[name] = np.where(np.isnan(speed), NO_SPEED, np.clip(np.rint(np.nan_to_num(speed) * 10.0), 0, NO_SPEED - 1))
    metres = np.rint(_floats(table, "odometer_km", np.nan) * 1000.0)
    records["odometer_m"] = np.where((metres >= 0) & (metres < NO_ODOMETER), np.nan_to_num(metres), NO_ODOMETER)
    for name, limit in (("heading_deg", 359.0), ("satellites", 64.0), ("alarm_bits", 2.0**32 - 1), ("status_bits", 2.0**32 - 1)):
        records[name] = np.clip(_floats(table, name, 0.0), 0.0, limit)
    records["altitude_m"] = np.clip(_floats(table, "altitude_m", 0.0), -2**15, 2**15 - 1)
    if "warn_type" in table.column_names:
        records["warn"] = _warnings(table["warn_type"])
    return records


def table_of(records: Records, plate_ids: pa.Array) -> pa.Table:
    """Return records as the batch reads them (`features.reduction`): rows of `vehicle_location` by pseudonym.

    Parameters
    ----------
    plate_ids
        Pseudonym of each record's plate.
    """
    known, recorder = records["speed"] != NO_SPEED, records["recorder"] != NO_SPEED
    return pa.table({
        "plate_id": plate_ids,
        "gps_time": pa.array(records["time_s"].astype(np.int64) * 1_000_000, pa.timestamp("us", tz="UTC")),
        "recv_time": pa.array(records["received_us"], pa.timestamp("us", tz="UTC")),
        "lon_deg": pa.array(records["lon_e6"] / E6), "lat_deg": pa.array(records["lat_e6"] / E6),
        "speed_kmh": pa.array(records["speed"] / 10.0, mask=~known),
        "vec2_kmh": pa.array(records["recorder"] / 10.0, mask=~recorder),
        "odometer_km": pa.array(records["odometer_m"] / 1000.0, mask=records["odometer_m"] == NO_ODOMETER),
        "status_bits": pa.array(records["status_bits"].astype(np.int64)),
        "alarm_bits": pa.array(records["alarm_bits"].astype(np.int64)),
        "warn_type": pa.array([f"0x{warn:04X}" if warn else None for warn in records["warn"].tolist()], pa.string()),
    })


def impossible(records: Records) -> npt.NDArray[np.int8]:
    """Return the `Refusal` of each record that can be told from it alone, `NONE` for the others."""
    found = np.zeros(len(records), np.int8)
    place = (np.abs(records["lon_e6"]) > 180_000_000) | (np.abs(records["lat_e6"]) > 90_000_000)
    found[place] = Refusal.NO_PLACE
    found[records["time_s"] < FIRST_S] = Refusal.NO_TIME
    found[records["time_s"].astype(np.int64) > records["received_us"] // 1_000_000 + FUTURE_S] = Refusal.FUTURE
    return found


def _floats(table: pa.Table, name: str, missing: float) -> npt.NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(len(table), missing)
    # Every reader clips to a range that floats hold exactly: an integer beyond it need not survive.
    column = table[name].cast(pa.float64(), safe=False)
    values: npt.NDArray[np.float64] = column.fill_null(missing).to_numpy()
    return values


def _warnings(column: Any) -> npt.NDArray[np.int64]:
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    # What is no code is no warning: the position beside it is good.
    codes = (int(text, 16) if _CODE.fullmatch(text) else 0 for text in encoded.dictionary.to_pylist())
    known = np.array([*codes, 0], dtype=np.int64)
    result: npt.NDArray[np.int64] = known[encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]
    return result


LANE: Final = int(LANE_DEPARTURE, 16)
