"""Working days of China (工作日): weekends, statutory holidays, and the weekends worked in exchange (调休).

The State Council announces the days of a year in the November before. A year of which the library knows no announcement is
estimated and marked so, never taken for known: `is_working_day` refuses it, a `Deadline` is `provisional`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from registry.errors import ConfigurationError
from registry.local_time import SHANGHAI

if TYPE_CHECKING:
    import holidays

CORRECTION_WORKING_DAYS: Final = 10
"""Term for deciding a correction request, from the founding plan. [F1]"""
WITHDRAWAL_DAYS: Final = 3
"""行政处罚法 Art. 48: a published penalty that is changed or revoked is withdrawn within 3 days. Counted as calendar days, the
stricter reading; Art. 85 reads such terms as working days. [G]"""


@dataclass(frozen=True)
class Deadline:
    """The end of a term.

    Parameters
    ----------
    last_day
        Last day on which the term is kept, in Shanghai.
    due_at
        Its end, 24:00 in Shanghai, aware UTC: what happens before this instant is in time.
    provisional
        Whether it rests on holidays that are not announced, or not known to the library.
    """

    last_day: date
    due_at: datetime
    provisional: bool


def announced(year: int) -> bool:
    """Return whether the holidays of a year are known as announced; an announcement always moves some weekends."""
    return any(day.year == year for day in _calendar(year).weekend_workdays)


def is_working_day(day: date) -> bool:
    """Return whether a day is worked in China.

    Raises
    ------
    ConfigurationError
        If the holidays of its year are not known as announced.
    """
    if not announced(day.year):
        raise ConfigurationError(
            f"the holidays of {day.year} are not known as announced", where="working-day calendar",
            remedy="Update the package `holidays`; the State Council announces a year in the November before.",
        )
    return _calendar(day.year).is_working_day(day)


def working_days_deadline(start: datetime, days: int = CORRECTION_WORKING_DAYS) -> Deadline:
    """Return the end of the n-th working day after the Shanghai day of an instant; that day itself is not counted.

    Not counting the first day and ending at 24:00 of the last is the rule for terms of 民法典 Art. 201 and 203. [G]

    Raises
    ------
    ValueError
        If the instant is naive or there is no day to count.
    """
    day, left = local_day(start), _checked(days)
    while left:
        day += timedelta(days=1)
        left -= _calendar(day.year).is_working_day(day)
    return _deadline(day, provisional=not _settled(day))


def calendar_days_deadline(start: datetime, days: int = WITHDRAWAL_DAYS) -> Deadline:
    """Return the end of the n-th calendar day after the Shanghai day of an instant."""
    return _deadline(local_day(start) + timedelta(days=_checked(days)), provisional=False)


def local_day(instant: datetime) -> date:
    """Return the day of an instant in Shanghai."""
    if instant.tzinfo is None:
        raise ValueError(f"instant {instant.isoformat()} has no time zone")
    return instant.astimezone(SHANGHAI).date()


def _settled(day: date) -> bool:
    # An announcement can move a weekend of the December before, as those of 2002, 2007 and 2012 did.
    return announced(day.year) and (day.month < 12 or announced(day.year + 1))


def _deadline(day: date, *, provisional: bool) -> Deadline:
    end = datetime.combine(day + timedelta(days=1), time(), SHANGHAI).astimezone(UTC)
    return Deadline(day, end, provisional)


def _checked(days: int) -> int:
    if days < 1:
        raise ValueError(f"a term of {days} days")
    return days


@functools.cache
def _calendar(year: int) -> holidays.HolidayBase:
    # Only one year at a time: the library estimates years on its own when a date beyond is asked for.
    import holidays

    return holidays.country_holidays("CN", years=year, expand=False)
