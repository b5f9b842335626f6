"""Boundaries of terms: days of Shanghai, both ends included, at most three years."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from registry.access.terms import Term, last_day_of, period_of, shanghai_day
from registry.errors import InvalidRequest
from registry.local_time import SHANGHAI

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("start", "last"),
    [
        (date(2026, 7, 4), date(2029, 7, 3)),
        (date(2026, 1, 1), date(2028, 12, 31)),
        (date(2028, 2, 29), date(2031, 2, 28)),
        (date(2025, 3, 1), date(2028, 2, 29)),
        (date(2025, 2, 28), date(2028, 2, 27)),
        (date(2029, 3, 1), date(2032, 2, 29)),
    ],
)
def test_three_years_end_the_day_before_their_anniversary(start: date, last: date) -> None:
    assert last_day_of(start, 3) == last
    assert Term(start, last).end == last
    with pytest.raises(InvalidRequest, match="is longer than 3 years"):
        Term(start, last + timedelta(days=1))


def test_a_term_of_one_day_lasts_one_day() -> None:
    term = Term(date(2026, 7, 4), date(2026, 7, 4))
    assert term.ends_at - term.starts_at == timedelta(days=1)
    with pytest.raises(InvalidRequest, match="ends on 2026-07-03, before it starts"):
        Term(date(2026, 7, 4), date(2026, 7, 3))


@pytest.mark.parametrize(
    ("term", "instant", "holds"),
    [
        # 4 July in Shanghai begins at 16:00 UTC of the 3rd.
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 3, 15, 59, 59, tzinfo=UTC), False),
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 3, 16, 0, 0, tzinfo=UTC), True),
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 5, 15, 59, 59, 999999, tzinfo=UTC), True),
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 5, 16, 0, 0, tzinfo=UTC), False),
        # The same instants in the words of Shanghai and of Honolulu.
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 4, 0, 0, 0, tzinfo=SHANGHAI), True),
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 5, 23, 59, 59, tzinfo=SHANGHAI), True),
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 6, 0, 0, 0, tzinfo=SHANGHAI), False),
        (Term(date(2026, 7, 4), date(2026, 7, 5)), datetime(2026, 7, 3, 6, 0, 0, tzinfo=timezone(timedelta(hours=-10))), True),
        # Leap day as first and as last day.
        (Term(date(2028, 2, 29), date(2028, 3, 1)), datetime(2028, 2, 28, 15, 59, 59, tzinfo=UTC), False),
        (Term(date(2028, 2, 29), date(2028, 3, 1)), datetime(2028, 2, 28, 16, 0, 0, tzinfo=UTC), True),
        (Term(date(2028, 2, 1), date(2028, 2, 29)), datetime(2028, 2, 29, 15, 59, 59, tzinfo=UTC), True),
        (Term(date(2028, 2, 1), date(2028, 2, 29)), datetime(2028, 2, 29, 16, 0, 0, tzinfo=UTC), False),
        # Years' end.
        (Term(date(2026, 1, 1), date(2026, 12, 31)), datetime(2025, 12, 31, 16, 0, 0, tzinfo=UTC), True),
        (Term(date(2026, 1, 1), date(2026, 12, 31)), datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC), False),
    ],
)
def test_a_term_holds_from_its_first_midnight_to_its_last(term: Term, instant: datetime, holds: bool) -> None:
    assert term.holds(instant) is holds
    assert sum((term.is_before(instant), term.holds(instant), term.is_over(instant))) == 1


def test_one_second_decides_on_both_ends() -> None:
    term = Term(date(2026, 7, 4), date(2029, 7, 3))
    assert [term.holds(term.starts_at + step) for step in (-SECOND, 0 * SECOND, SECOND)] == [False, True, True]
    assert [term.holds(term.ends_at + step) for step in (-SECOND, 0 * SECOND, SECOND)] == [True, False, False]


def test_a_clock_that_steps_back_goes_by_the_calendar_again() -> None:
    term = Term(date(2026, 7, 4), date(2026, 7, 5))
    seen = [term.holds(term.ends_at + step) for step in (-SECOND, SECOND, -SECOND)]
    assert seen == [True, False, True]


@pytest.mark.parametrize(
    ("instant", "day", "period"),
    [
        (datetime(2026, 7, 31, 15, 59, 59, tzinfo=UTC), date(2026, 7, 31), "2026-07"),
        (datetime(2026, 7, 31, 16, 0, 0, tzinfo=UTC), date(2026, 8, 1), "2026-08"),
        (datetime(2026, 12, 31, 16, 0, 0, tzinfo=UTC), date(2027, 1, 1), "2027-01"),
        (datetime(2028, 2, 29, 0, 0, 0, tzinfo=SHANGHAI), date(2028, 2, 29), "2028-02"),
    ],
)
def test_usage_is_counted_by_months_of_shanghai(instant: datetime, day: date, period: str) -> None:
    assert (shanghai_day(instant), period_of(instant)) == (day, period)


def test_a_naive_instant_names_no_day() -> None:
    naive = datetime(2026, 7, 4)  # noqa: DTZ001 - that is what is refused
    term = Term(date(2026, 7, 4), date(2026, 7, 5))
    for ask in (term.holds, term.is_before, term.is_over, shanghai_day, period_of):
        with pytest.raises(ValueError, match="has no time zone"):
            ask(naive)
