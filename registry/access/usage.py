"""What a call counts for: the lines of usage that are written in the same transaction as its decision.

Every call is counted by month for the statement. Where a quota was agreed, it is counted once more under the kind `QUOTA`, by month
or by day, with the limit that the transaction holds: so exactly so many calls pass, over all workers and restarts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from registry.access.grants import Grant
from registry.access.roles import Action
from registry.access.terms import period_of, shanghai_day, start_of_day
from registry.errors import QuotaExceeded
from registry.ledger_beside import Count

QUOTA: Final = "quota"
"""Kind of the counts that hold a limit, over all scenarios and kinds of calls of a product; statements pass over them."""


def counts_of(grant: Grant, *, kind: Action | Literal["minute_scores"], n: int = 1, now: datetime) -> tuple[Count, ...]:
    """Return what to count for calls under a grant, in the transaction of their decision (`registry.decisions.Beside`).

    A page of minute scores that a stream sends is one call of the kind `minute_scores`; no decision belongs to it.
    """
    month = Count(
        consumer=grant.consumer, product=grant.product, scenario=grant.scenario, period=period_of(now), kind=kind, n=n
    )
    limits = ((period_of(now), grant.per_month), (shanghai_day(now).isoformat(), grant.per_day))
    held = (
        Count(consumer=grant.consumer, product=grant.product, scenario="", period=period, kind=QUOTA, n=n, limit=limit)
        for period, limit in limits if limit is not None
    )
    return (month, *held)


def check_quota(used: Count, already: int, now: datetime) -> None:
    """Refuse calls that a quota does not leave room for, before anything is computed; the transaction decides.

    Parameters
    ----------
    used
        One of `counts_of`.
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
