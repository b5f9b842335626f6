"""Memory of the service under a load that lasts: half the rate that it is meant for, everything on.

The home is that of `ROADRISK_HOME`, a demonstration whose products are live (`roadrisk demo --exit`). `roadrisk serve` with two
workers answers 150 requests a second for `BENCH_S` seconds (1,800) from a generator on the same two cores. Every twentieth of
that time the memory of all its processes is read; the first tenth is left out, because caches fill and the allocator settles.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from typing import Final

from registry.settings import Settings
from tests.lib.open_loop import open_loop
from tests.lib.scoring_load import scoring_service

TITLE: Final = "A service under load for long"
PRODUCT: Final = "insurance_pricing"
RATE, PARTS, SETTLING, COMPARED = 150, 20, 2, 3
FIGURES: Final = {
    "growth_ratio": "memory over the last three readings / over the first three after the first tenth",
    "first_mb": "memory at the beginning of that, in megabytes", "last_mb": "memory at the end, in megabytes",
    "p99_ms": "99th percentile of the worst twentieth, in milliseconds", "failed": "requests that were not answered with 2xx",
    "seconds": "how long it lasted, in seconds", "answered": "requests answered",
}


def run() -> dict[str, float]:
    """Return the figures."""
    seconds = float(os.environ.get("BENCH_S", "1800"))
    memory_mb, p99_ms, failed, answered = [], 0.0, 0, 0
    with scoring_service(Settings(), PRODUCT, workers=2) as served:
        for _ in range(PARTS):
            load = asyncio.run(open_loop(served.url, served.requests, rate=RATE, seconds=seconds / PARTS))
            memory_mb.append(served.memory_mb())
            p99_ms, failed = max(p99_ms, load.quantile_ms(0.99)), failed + load.failed
            answered += len(load.latencies_s) - load.failed
    first, last = statistics.mean(memory_mb[SETTLING : SETTLING + COMPARED]), statistics.mean(memory_mb[-COMPARED:])
    return {
        "growth_ratio": last / first, "first_mb": first, "last_mb": last, "p99_ms": p99_ms, "failed": float(failed),
        "seconds": seconds, "answered": float(answered),
    }
