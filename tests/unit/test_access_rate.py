from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from registry.access.rate import RateLimiter
from registry.access.usage import QUOTA, check_quota, counts_of, seconds_left
from registry.errors import QuotaExceeded
from registry.local_time import SHANGHAI
from tests.lib.access import NOW, grant

FIVE = grant(rate_per_s=5.0, burst=10)


def passed(limiter: RateLimiter, n: int, *, now_s: float = 0.0, by: object = FIVE) -> int:
    let_through = 0
    for _ in range(n):
        try:
            limiter.take(by, now_s=now_s)  # type: ignore[arg-type]
        except QuotaExceeded:
            continue
        let_through += 1
    return let_through


def test_a_bucket_holds_its_burst_and_refills_at_its_rate() -> None:
    limiter = RateLimiter()
    assert passed(limiter, 50) == 10
    assert passed(limiter, 50, now_s=1.0) == 5
    assert passed(limiter, 50, now_s=1.1) == 0
    assert passed(limiter, 50, now_s=100.0) == 10


def test_workers_share_a_limit() -> None:
    assert passed(RateLimiter(workers=2), 50) == 5
    assert passed(RateLimiter(workers=100), 50) == 1


def test_consumers_and_products_have_buckets_of_their_own() -> None:
    limiter = RateLimiter()
    assert passed(limiter, 50) == 10
    assert passed(limiter, 50, by=grant(rate_per_s=5.0, burst=10, product="maintenance")) == 10
    assert passed(limiter, 50, by=grant(rate_per_s=5.0, burst=10, consumer="d")) == 10


def test_without_a_rate_everything_passes() -> None:
    assert passed(RateLimiter(), 1000, by=grant(rate_per_s=None)) == 1000


def test_a_refusal_says_when_to_come_back() -> None:
    limiter = RateLimiter()
    limiter.take(FIVE, now_s=0.0, calls=10)
    with pytest.raises(QuotaExceeded, match="more often than 5 times a second") as refused:
        limiter.take(FIVE, now_s=0.0)
    assert refused.value.details == {"retry_after_s": 1, "rate_per_s": 5.0}


def test_more_at_once_than_a_bucket_holds_is_paid_off() -> None:
    limiter = RateLimiter()
    limiter.take(FIVE, now_s=0.0, calls=30)
    assert passed(limiter, 5, now_s=3.9) == 0
    assert passed(limiter, 5, now_s=4.3) == 1


def test_a_clock_that_steps_back_gives_nothing_and_takes_nothing() -> None:
    limiter = RateLimiter()
    assert passed(limiter, 10, now_s=100.0) == 10
    assert passed(limiter, 10, now_s=50.0) == 0
    assert passed(limiter, 10, now_s=51.0) == 5


def test_a_changed_limit_holds_from_the_next_call() -> None:
    limiter = RateLimiter()
    assert passed(limiter, 4) == 4
    assert passed(limiter, 50, by=grant(rate_per_s=1.0, burst=2)) == 2
    assert passed(limiter, 50, by=grant(rate_per_s=5.0, burst=10)) == 0


def test_threads_get_no_more_than_the_bucket_holds() -> None:
    limiter, through = RateLimiter(), []
    threads = [threading.Thread(target=lambda: through.append(passed(limiter, 20))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(through) == 10


def test_a_call_counts_for_its_month() -> None:
    (counted,) = counts_of(grant(), kind="score", n=1, now=NOW)
    assert (counted.consumer, counted.product, counted.scenario) == ("c", "insurance_pricing", "s1")
    assert (counted.period, counted.kind, counted.n, counted.limit) == ("2026-07", "score", 1, None)


def test_a_quota_is_counted_over_all_scenarios_by_month_and_day() -> None:
    _, month, day = counts_of(grant(per_month=100, per_day=9), kind="batch", n=7, now=NOW)
    assert (month.period, month.kind, month.scenario, month.n, month.limit) == ("2026-07", QUOTA, "", 7, 100)
    assert (day.period, day.kind, day.scenario, day.n, day.limit) == ("2026-07-10", QUOTA, "", 7, 9)


def test_a_quota_leaves_room_for_exactly_its_limit() -> None:
    _, month = counts_of(grant(per_month=100), kind="score", n=3, now=NOW)
    check_quota(month, 97, NOW)
    with pytest.raises(QuotaExceeded, match="has made 98 of 100 calls for insurance_pricing in 2026-07") as refused:
        check_quota(month, 98, NOW)
    assert refused.value.details["retry_after_s"] == seconds_left("2026-07", NOW)


@pytest.mark.parametrize(
    ("period", "now", "left"),
    [
        ("2026-07", datetime(2026, 7, 31, 23, 59, 59, tzinfo=SHANGHAI), 1),
        ("2026-07", datetime(2026, 7, 31, 15, 0, 0, tzinfo=UTC), 3600),
        ("2026-07-10", datetime(2026, 7, 10, 23, 0, 0, tzinfo=SHANGHAI), 3600),
        ("2026-12", datetime(2026, 12, 31, 12, 0, 0, tzinfo=SHANGHAI), 12 * 3600),
        ("2028-02", datetime(2028, 2, 28, 0, 0, 0, tzinfo=SHANGHAI), 2 * 86400),
    ],
)
def test_a_period_ends_at_midnight_in_shanghai(period: str, now: datetime, left: int) -> None:
    assert seconds_left(period, now) == left
    assert seconds_left(period, now + timedelta(seconds=left) - timedelta(milliseconds=1)) == 1
