"""Terms in days of Shanghai, both ends included: a term from the 4th to the 4th lasts one day, until its 24:00."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final

from registry.errors import InvalidRequest
from registry.local_time import SHANGHAI

MAX_YEARS: Final = 3
"""Longest term of a scenario: that of the authorised operation itself, from the founding plan. [F1]"""


@dataclass(frozen=True)
class Term:
    """Days from `start` to `end`, both included.

    Raises
    ------
    InvalidRequest
        If it ends before it starts or is longer than `MAX_YEARS`.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise InvalidRequest(f"the term ends on {self.end}, before it starts on {self.start}", where="term")
        if self.end > last_day_of(self.start, MAX_YEARS):
            raise InvalidRequest(
                f"the term from {self.start} to {self.end} is longer than {MAX_YEARS} years", where="term",
                remedy=f"It can last until {last_day_of(self.start, MAX_YEARS)}; after that a new application is needed.",
            )

    @cached_property
    def starts_at(self) -> datetime:
        """Its first instant, aware UTC."""
        return start_of_day(self.start)

    @cached_property
    def ends_at(self) -> datetime:
        """The first instant behind it, aware UTC."""
        return start_of_day(self.end + timedelta(days=1))

    def holds(self, now: datetime) -> bool:
        """Return whether an instant lies in it."""
        return not self.is_before(now) and not self.is_over(now)

    def is_before(self, now: datetime) -> bool:
        """Return whether it has not begun at an instant."""
        return _aware(now) < self.starts_at

    def is_over(self, now: datetime) -> bool:
        """Return whether it has ended at an instant."""
        return _aware(now) >= self.ends_at


def last_day_of(start: date, years: int) -> date:
    """Return the last day of so many years that begin with a day: 4 July 2026 and three years give 3 July 2029.

    Years that begin on 29 February end on 28 February, whether or not the last one is a leap year.
    """
    if (start.month, start.day) == (2, 29):
        return date(start.year + years, 2, 28)
    return start.replace(year=start.year + years) - timedelta(days=1)


def shanghai_day(now: datetime) -> date:
    """Return the day of an instant in Shanghai."""
    return _aware(now).astimezone(SHANGHAI).date()


def period_of(now: datetime) -> str:
    """Return the month of an instant in Shanghai, as usage is counted by: ``2026-07``."""
    return f"{shanghai_day(now):%Y-%m}"


def start_of_day(day: date) -> datetime:
    """Return the midnight that a day of Shanghai begins with, aware UTC."""
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise ValueError(f"instant {now.isoformat()} has no time zone")
    return now
