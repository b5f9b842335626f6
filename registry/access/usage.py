"""What a call counts for: the lines of usage that are written in the same transaction as its decision.

Every call is counted by month for the statement. Where a quota was agreed, it is counted once more under the kind `QUOTA`, by month
or by day, with the limit that the transaction holds: so exactly so many calls pass, over all workers and restarts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from registry.access.grants import Grant
from registry.access.terms import period_of, shanghai_day, start_of_day
from registry.errors import QuotaExceeded

QUOTA: Final = "quota"
"""Kind of the counts that hold a limit; statements pass over them."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """So many calls of one kind by a consumer for a product under a scenario, in a month or on a day.

    Parameters
    ----------
    consumer, product, scenario
        Who, for what; the scenario is empty in counts of a quota, which holds over all scenarios of a product.
    period
        Month or day of Shanghai: ``2026-07`` or ``2026-07-04``.
    kind
        Action, or `QUOTA`.
    n
        Calls.
    limit
        The most that `n` may become; None for no limit.
    """

    consumer: str
    product: str
    scenario: str
    period: str
    kind: str
    n: int
    limit: int | None = None


def usage_of(grant: Grant, *, kind: str, n: int, now: datetime) -> tuple[Usage, ...]:
    """Return what to count for calls under a grant."""
    month = Usage(
        consumer=grant.consumer, product=grant.product, scenario=grant.scenario, period=period_of(now), kind=kind, n=n
    )
    limits = ((period_of(now), grant.per_month), (shanghai_day(now).isoformat(), grant.per_day))
    held = (
        Usage(consumer=grant.consumer, product=grant.product, scenario="", period=period, kind=QUOTA, n=n, limit=limit)
        for period, limit in limits if limit is not None
    )
    return (month, *held)


def check_quota(used: Usage, already: int, now: datetime) -> None:
    """Refuse calls that a quota does not leave room for, before anything is computed; the transaction decides.

    Parameters
    ----------
    used
        One line of `usage_of`.
    already
        Calls that have been counted under it.
    now
        Instant of the call.

    Raises
    ------
    QuotaExceeded
        If the limit would be passed; `retry_after_s` in its details says when the period ends.
    """
    if used.limit is None or already + used.n <= used.limit:
        return
    raise QuotaExceeded(
        f"{used.consumer} has made {already} of {used.limit} calls for {used.product} in {used.period}", where="quota",
        remedy="Wait for the next period, or agree on another quota.",
        details={"retry_after_s": seconds_left(used.period, now), "limit": used.limit, "period": used.period},
    )


def seconds_left(period: str, now: datetime) -> int:
    """Return the seconds until a month or day of Shanghai is over, at least 1."""
    day = shanghai_day(now)
    if len(period) == len("2026-07"):
        day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        day += timedelta(days=1)
    return max(1, round((start_of_day(day) - now).total_seconds()))
