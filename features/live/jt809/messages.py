"""Messages of JT/T 809 that matter here: login, link test, real-time and re-sent positions.

GNSS_DATA has 36 bytes: EXCRYPT u1, day u1, month u1, year u2, hour, minute and second u1 in GMT+8, LON u4, LAT u4 (degrees x 1e6),
VEC1 u2 (satellite speed, km/h), VEC2 u2 (recorder, km/h), VEC3 u4 (odometer, km), DIRECTION u2, ALTITUDE u2, STATE u4, ALARM u4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.live.positions import NO_ODOMETER, POSITION, Door, Records
from features.segments import LOCAL_OFFSET_S

UP_CONNECT_REQ, UP_CONNECT_RSP = 0x1001, 0x1002
UP_DISCONNECT_REQ, UP_DISCONNECT_RSP = 0x1003, 0x1004
UP_LINKTEST_REQ, UP_LINKTEST_RSP = 0x1005, 0x1006
UP_EXG_MSG: Final = 0x1200
REAL_LOCATION, HISTORY_LOCATION = 0x1202, 0x1203
GNSS: Final = np.dtype([
    ("encrypted", "u1"), ("day", "u1"), ("month", "u1"), ("year", ">u2"), ("hour", "u1"), ("minute", "u1"), ("second", "u1"),
    ("lon", ">u4"), ("lat", ">u4"), ("vec1", ">u2"), ("vec2", ">u2"), ("vec3", ">u4"), ("direction", ">u2"),
    ("altitude", ">i2"), ("state", ">u4"), ("alarm", ">u4"),
])
_LOGIN: Final = struct.Struct(">I8s32sH")
_LOGIN_ANSWER: Final = struct.Struct(">BI")
_EXCHANGE: Final = struct.Struct(">21sBHI")
_SOUTH, _WEST = 1 << 2, 1 << 3
_MAX_KM: Final = 4_294_967
_FAR_E6: Final = 999_000_000


class LoginResult(IntEnum):
    """What a login is answered."""

    OK = 0
    WRONG_CENTRE = 2
    UNKNOWN_USER = 3
    WRONG_PASSWORD = 4


class BodyFault(Exception):
    """A body that breaks the table of its message."""


@dataclass(frozen=True)
class Login:
    """UP_CONNECT_REQ without the address of the way back, which is not used."""

    user: int
    password: bytes


@dataclass(frozen=True)
class Exchange:
    """UP_EXG_MSG with positions.

    Parameters
    ----------
    plate_no, plate_color
        Vehicle.
    resent
        Whether the positions are re-sent ones.
    gnss
        GNSS_DATA, one after the other.
    """

    plate_no: str
    plate_color: str
    resent: bool
    gnss: bytes

    @property
    def count(self) -> int:
        """Number of positions."""
        return len(self.gnss) // GNSS.itemsize


def login_of(body: bytes) -> Login:
    """Return a login.

    Raises
    ------
    BodyFault
        If the body is none.
    """
    if len(body) != _LOGIN.size:
        raise BodyFault(f"a login of {len(body)} bytes")
    user, password, _, _ = _LOGIN.unpack(body)
    return Login(user, password.rstrip(b"\0"))


def login_body(login: Login) -> bytes:
    """Return the body of a login."""
    return _LOGIN.pack(login.user, login.password, b"", 0)


def login_answer(result: LoginResult, verify: int = 0) -> bytes:
    """Return the body of UP_CONNECT_RSP."""
    return _LOGIN_ANSWER.pack(result, verify)


def exchange_of(body: bytes) -> Exchange | None:
    """Return positions; None where the message is of another kind (registrations, driver cards, waybills).

    Raises
    ------
    BodyFault
        If the body breaks its table.
    """
    if len(body) < _EXCHANGE.size:
        raise BodyFault(f"an exchange of {len(body)} bytes")
    plate, colour, kind, length = _EXCHANGE.unpack_from(body)
    data = body[_EXCHANGE.size:]
    if length != len(data):
        raise BodyFault(f"an exchange that says {length} bytes and has {len(data)}")
    if kind not in (REAL_LOCATION, HISTORY_LOCATION):
        return None
    if kind == HISTORY_LOCATION:
        if not data or len(data) != 1 + data[0] * GNSS.itemsize:
            raise BodyFault("re-sent positions of another number than they say")
        data = data[1:]
    elif len(data) != GNSS.itemsize:
        raise BodyFault(f"a position of {len(data)} bytes")
    try:
        text = plate.split(b"\0", 1)[0].decode("gbk")
    except UnicodeDecodeError:
        raise BodyFault("a plate that is no GBK") from None
    return Exchange(text.strip(), str(colour), kind == HISTORY_LOCATION, data)


def exchange_body(exchange: Exchange) -> bytes:
    """Return the body of UP_EXG_MSG."""
    data = bytes([exchange.count]) + exchange.gnss if exchange.resent else exchange.gnss
    kind = HISTORY_LOCATION if exchange.resent else REAL_LOCATION
    plate = exchange.plate_no.encode("gbk").ljust(21, b"\0")
    return _EXCHANGE.pack(plate, int(exchange.plate_color), kind, len(data)) + data


def records_of_gnss(gnss: bytes, vehicle: npt.NDArray[np.uint64], doors: npt.NDArray[Any], received_us: int) -> Records:
    """Return GNSS_DATA as records.

    Parameters
    ----------
    gnss
        (n x 36 bytes).
    vehicle, doors
        Number of the vehicle and `Door` of each.
    received_us
        Receipt.
    """
    met = np.frombuffer(gnss, GNSS)
    records = np.zeros(len(met), POSITION)
    records["vehicle"], records["door"], records["received_us"] = vehicle, doors, received_us
    records["time_s"] = _instants(met)
    for name, column, bit in (("lon_e6", "lon", _WEST), ("lat_e6", "lat", _SOUTH)):
        degrees = np.minimum(met[column].astype(np.int64), _FAR_E6)
        records[name] = np.where(met["state"] & bit, -degrees, degrees)
    records["lon_e6"][met["encrypted"] != 0] = _FAR_E6
    for name, column in (("speed", "vec1"), ("recorder", "vec2")):
        records[name] = np.minimum(met[column].astype(np.int64) * 10, 2**16 - 2)
    km = met["vec3"].astype(np.int64)
    records["odometer_m"] = np.where(km < _MAX_KM, km * 1000, NO_ODOMETER)
    records["heading_deg"] = met["direction"] % 360
    records["altitude_m"], records["status_bits"], records["alarm_bits"] = met["altitude"], met["state"], met["alarm"]
    return records


def gnss_of(records: Records) -> bytes:
    """Return records as GNSS_DATA; what 809 cannot say (tenths of km/h, metres of the odometer) is rounded down."""
    made = np.zeros(len(records), GNSS)
    local = (records["time_s"].astype(np.int64) + LOCAL_OFFSET_S).astype("datetime64[s]")
    year, month, day = (local.astype(f"datetime64[{unit}]") for unit in "YMD")
    made["year"], made["month"] = year.astype(np.int64) + 1970, (month - year.astype(month.dtype)).astype(np.int64) + 1
    made["day"] = (day - month.astype(day.dtype)).astype(np.int64) + 1
    second = (local - day.astype(local.dtype)).astype(np.int64)
    made["hour"], made["minute"], made["second"] = second // 3600, second // 60 % 60, second % 60
    made["lon"], made["lat"] = np.abs(records["lon_e6"]), np.abs(records["lat_e6"])
    made["vec1"], made["vec2"], made["vec3"] = records["speed"] // 10, records["recorder"] // 10, records["odometer_m"] // 1000
    made["direction"], made["altitude"] = records["heading_deg"], records["altitude_m"]
    made["state"], made["alarm"] = records["status_bits"], records["alarm_bits"]
    return made.tobytes()


def _instants(met: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return epoch seconds; 0 where the digits are no instant."""
    year, month = met["year"].astype(np.int64), met["month"].astype(np.int64)
    whole = (year >= 1970) & (year < 2100) & (month >= 1) & (month <= 12) & (met["day"] >= 1)
    months = (np.where(whole, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (met["day"].astype(np.int64) - 1)
    whole &= days.astype("datetime64[M]") == months
    whole &= (met["hour"] < 24) & (met["minute"] < 60) & (met["second"] < 60)
    second = met["hour"].astype(np.int64) * 3600 + met["minute"].astype(np.int64) * 60 + met["second"]
    return np.where(whole, days.astype(np.int64) * 86_400 + second - LOCAL_OFFSET_S, 0).clip(0)


REAL, RESENT = int(Door.JT809), int(Door.JT809_RESENT)
