"""Days, months and seasons of the simulated window, in Jiangxi's local time, and their instants in UTC.

Days are `datetime64[D]` of the Asia/Shanghai calendar; instants are `datetime64[us]` in UTC. China keeps UTC+8 all year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]
Instants = npt.NDArray[np.datetime64]

UTC_OFFSET: Final = np.timedelta64(8, "h")
SPRING_FESTIVALS: Final = tuple(
    np.datetime64(day) for day in ("2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26")
)
"""First day of the lunar year (春节)."""


@dataclass(frozen=True)
class Month:
    """One calendar month of the window.

    Parameters
    ----------
    index
        Position in the window, from 0.
    first
        First day.
    """

    index: int
    first: np.datetime64

    @property
    def days(self) -> Days:
        """All days of the month, shape (n_days,)."""
        return np.arange(self.first, self.end)

    @property
    def end(self) -> np.datetime64:
        """First day of the next month."""
        result: np.datetime64 = (self.first.astype("datetime64[M]") + 1).astype("datetime64[D]")
        return result

    @property
    def label(self) -> str:
        """Year and month as YYYYMM."""
        return str(self.first)[:7].replace("-", "")


def months_from(start: date, count: int) -> tuple[Month, ...]:
    """Return the months of a window that starts on the first day of a month."""
    first = np.datetime64(start, "M")
    return tuple(Month(index, (first + index).astype("datetime64[D]")) for index in range(count))


def instants(days: Days, hours: npt.ArrayLike) -> Instants:
    """Return UTC instants of local days and local clock hours, rounded to seconds.

    Parameters
    ----------
    days
        Local days.
    hours
        Hours since local midnight; may exceed 24.
    """
    seconds = np.rint(np.asarray(hours, dtype=np.float64) * 3600.0).astype("timedelta64[s]")
    result: Instants = (days.astype("datetime64[s]") + seconds - UTC_OFFSET).astype("datetime64[us]")
    return result


def local_days(moments: Instants) -> Days:
    """Return the local days of UTC instants."""
    result: Days = (moments + UTC_OFFSET).astype("datetime64[D]")
    return result


def weekday(days: Days) -> npt.NDArray[np.int64]:
    """Return 0 for Monday to 6 for Sunday."""
    result: npt.NDArray[np.int64] = (days.astype(np.int64) + 3) % 7
    return result


def month_of_year(days: Days) -> npt.NDArray[np.int64]:
    """Return 1 to 12."""
    result: npt.NDArray[np.int64] = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return result


def around_spring_festival(days: Days, *, before_d: int, after_d: int) -> npt.NDArray[np.bool_]:
    """Return which days lie from `before_d` days before to `after_d` days after a lunar new year."""
    result = np.zeros(days.shape, dtype=np.bool_)
    for festival in SPRING_FESTIVALS:
        distance = (days - festival).astype(np.int64)
        result |= (distance >= -before_d) & (distance <= after_d)
    return result


def add_months(days: Days, months: npt.ArrayLike) -> Days:
    """Return days moved by whole months; days after the 28th fall on the 28th."""
    month = days.astype("datetime64[M]")
    day_of_month = np.minimum((days - month.astype("datetime64[D]")).astype(np.int64), 27)
    moved = month + np.asarray(months).astype("timedelta64[M]")
    result: Days = moved.astype("datetime64[D]") + day_of_month.astype("timedelta64[D]")
    return result


def whole_days(values: npt.NDArray[Any]) -> npt.NDArray[np.timedelta64]:
    """Return numbers of days, rounded down, as durations."""
    result: npt.NDArray[np.timedelta64] = np.floor(np.asarray(values, dtype=np.float64)).astype("timedelta64[D]")
    return result
