"""Working days of China against the State Council's announcements of 2024, 2025 and 2026, and terms counted in them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from registry.errors import ConfigurationError
from registry.working_days import (
    SHANGHAI,
    announced,
    calendar_days_deadline,
    is_working_day,
    working_days_deadline,
)

# Weekend days worked in exchange (调休上班).
MADE_UP = {
    2024: ("02-04", "02-18", "04-07", "04-28", "05-11", "09-14", "09-29", "10-12"),
    2025: ("01-26", "02-08", "04-27", "09-28", "10-11"),
    2026: ("01-04", "02-14", "02-28", "05-09", "09-20", "10-10"),
}
# First and last day of each holiday (放假), as announced.
HOLIDAYS = {
    2024: (("01-01", "01-01"), ("02-10", "02-17"), ("04-04", "04-06"), ("05-01", "05-05"), ("06-10", "06-10"),
           ("09-15", "09-17"), ("10-01", "10-07")),
    2025: (("01-01", "01-01"), ("01-28", "02-04"), ("04-04", "04-06"), ("05-01", "05-05"), ("05-31", "06-02"),
           ("10-01", "10-08")),
    2026: (("01-01", "01-03"), ("02-15", "02-23"), ("04-04", "04-06"), ("05-01", "05-05"), ("06-19", "06-21"),
           ("09-25", "09-27"), ("10-01", "10-07")),
}


def day_of(year: int, text: str) -> date:
    return date.fromisoformat(f"{year}-{text}")


@pytest.mark.parametrize("year", MADE_UP)
def test_every_day_of_a_year_is_as_announced(year):
    off = {
        date.fromordinal(day)
        for first, last in HOLIDAYS[year]
        for day in range(day_of(year, first).toordinal(), day_of(year, last).toordinal() + 1)
    }
    worked = {day_of(year, text) for text in MADE_UP[year]}
    days = [date.fromordinal(day) for day in range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal())]
    expected = {day for day in days if day in worked or (day.weekday() < 5 and day not in off)}
    assert {day for day in days if is_working_day(day)} == expected


# received in Shanghai, last day of the tenth working day after it
TERMS = {
    "two plain weeks": ("2026-03-02T09:00", "2026-03-16"),
    "the minute before midnight counts for its day": ("2026-03-02T23:59", "2026-03-16"),
    "received on a Saturday": ("2026-03-07T12:00", "2026-03-20"),
    "over National Day 2025, with its two worked weekend days": ("2025-09-26T10:00", "2025-10-16"),
    "received on a worked Sunday": ("2025-09-28T10:00", "2025-10-17"),
    "over Spring Festival 2025": ("2025-01-23T10:00", "2025-02-12"),
    "over Spring Festival 2026": ("2026-02-09T10:00", "2026-02-28"),
    "over New Year": ("2025-12-29T10:00", "2026-01-13"),
}


@pytest.mark.parametrize("case", TERMS)
def test_ten_working_days_end_on(case):
    received, last = TERMS[case]
    found = working_days_deadline(datetime.fromisoformat(received).replace(tzinfo=SHANGHAI))
    assert (found.last_day, found.provisional) == (date.fromisoformat(last), False)
    assert found.due_at.astimezone(SHANGHAI).isoformat()[11:16] == "00:00"
    assert (found.due_at.astimezone(SHANGHAI).date() - found.last_day).days == 1


def test_the_day_is_the_one_in_shanghai():
    in_utc = datetime(2026, 3, 2, 17, tzinfo=UTC)
    assert working_days_deadline(in_utc).last_day == date(2026, 3, 17)
    assert calendar_days_deadline(in_utc).last_day == date(2026, 3, 6)


def test_three_days_are_calendar_days():
    found = calendar_days_deadline(datetime(2025, 9, 30, 15, tzinfo=SHANGHAI))
    assert (found.last_day, found.provisional) == (date(2025, 10, 3), False)


def test_a_year_that_is_not_announced_is_refused_or_provisional():
    year = next(year for year in range(2027, 2100) if not announced(year))
    with pytest.raises(ConfigurationError, match=f"the holidays of {year} are not known as announced"):
        is_working_day(date(year, 3, 2))
    assert working_days_deadline(datetime(year, 3, 2, 9, tzinfo=SHANGHAI)).provisional
    # What is announced in the November before can still move a weekend of December.
    assert working_days_deadline(datetime(year - 1, 12, 10, 9, tzinfo=SHANGHAI)).provisional
    assert not working_days_deadline(datetime(year - 1, 11, 2, 9, tzinfo=SHANGHAI)).provisional


def test_a_naive_instant_and_an_empty_term_are_refused():
    with pytest.raises(ValueError, match="has no time zone"):
        working_days_deadline(datetime(2026, 3, 2))  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="a term of 0 days"):
        working_days_deadline(datetime(2026, 3, 2, tzinfo=UTC), 0)
