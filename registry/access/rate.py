"""Rate limits: one token bucket per consumer and product, in the memory of a worker process.

A limit of 50 calls a second with two workers is 25 in each: a caller whose calls all meet the same worker gets half. What must be
exact over workers and restarts is a quota, which is counted in the decision ledger (`registry.access.usage`).
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from registry.access.grants import Grant
from registry.errors import QuotaExceeded


@dataclass
class _Bucket:
    rate_per_s: float
    size: float
    left: float
    filled_at_s: float

    def fill(self, now_s: float) -> None:
        # A clock that stepped back refills nothing and costs nothing.
        self.left = min(self.size, self.left + max(0.0, now_s - self.filled_at_s) * self.rate_per_s)
        self.filled_at_s = now_s


class RateLimiter:
    """The buckets of one worker.

    Parameters
    ----------
    workers
        How many workers share each limit.
    """

    def __init__(self, *, workers: int = 1) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, grant: Grant, *, now_s: float, calls: int = 1) -> None:
        """Take calls out of the bucket of a grant.

        Parameters
        ----------
        grant
            Names consumer, product, refill and size.
        now_s
            Seconds of a clock that only runs forward.
        calls
            How many at once; more than the bucket holds are let through when it is full, and then paid off.

        Raises
        ------
        QuotaExceeded
            If there are too few; `retry_after_s` in its details says when there will be enough.
        """
        if grant.rate_per_s is None:
            return
        rate, size = grant.rate_per_s / self._workers, max(1.0, grant.burst / self._workers)
        with self._lock:
            bucket = self._buckets.get((grant.consumer, grant.product))
            if bucket is None or (bucket.rate_per_s, bucket.size) != (rate, size):
                left = size if bucket is None else min(bucket.left, size)
                bucket = self._buckets[grant.consumer, grant.product] = _Bucket(rate, size, left, now_s)
            bucket.fill(now_s)
            needed = min(float(calls), size)
            if bucket.left >= needed:
                bucket.left -= calls
                return
            wait_s = (needed - bucket.left) / rate
        raise QuotaExceeded(
            f"{grant.consumer} asks for {grant.product} more often than {grant.rate_per_s:g} times a second",
            where="rate limit", remedy="Wait as long as Retry-After says, or use a batch.",
            details={"retry_after_s": math.ceil(wait_s), "rate_per_s": grant.rate_per_s},
        )
