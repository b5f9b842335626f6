"""One scored request of the running service, everything on, beside the stock assembly in process.

The home is that of `ROADRISK_HOME`, a demonstration whose products are live (`roadrisk demo --exit`). Ours is `roadrisk serve`
with two workers, over HTTP on the loopback: key and scenario, pseudonym, packed read of all inputs, bundle, exact contributions,
reasons, durable record, answer. The stock assembly does less and pays for no HTTP: Feast's `get_online_features` on its own
SQLite store with the same rows, `mlflow.pyfunc` with its signature enforced, and `shap.TreeExplainer`, in the process of
the bench. Medians are of single requests one after the other; the times of stages are means over the same requests, after a
warm-up, and `outside` is what is left of the mean of a request: BentoML's layers, routing, reading and checking the body, the
wait for others that it is scored with (next to nothing where they come one by one), metrics and the log line.

Who asks is an insurer, under a scenario at the detail `groups`: the answer has score, interval, reasons, groups, factors by line
and sources, and the record has all contributions. The detail `exact`, which no insurer may have, makes an answer four times as
long.

The load is an open loop: requests leave at their time whether or not earlier ones have been answered, and a latency counts from
that time. The generator is bytes on sockets (`tests/lib/open_loop.py`) and shares the two cores with the service. Only vehicles
that the service knows are asked for; whatever is not 2xx counts as failed. `BENCH_S` is the length of the run at 300 requests a
second in seconds (300); each step of the search for the highest rate takes a tenth of it, and a rate that fails is tried once
more, because a stall of half a second of the machine ends a step of thirty. Above what the service can carry the queue grows with
the length of the run and so does its 99th percentile.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import time
from itertools import cycle, islice
from typing import Final

import httpx

from registry.settings import Settings
from tests.benches.batch import vins_of
from tests.lib.homes import key_header
from tests.lib.open_loop import in_turn, open_loop
from tests.lib.scoring_load import Served, scoring_service
from tests.lib.stock_assembly import StockAssembly

TITLE: Final = "A scored request"
STAGES: Final = ("key", "auth", "resolve", "gather", "read", "score", "encode", "record")
RATE: Final = 300
STEPS: Final = (100, 150, 200, 250, 300, 350, 400, 450, 500)
FIGURES: Final = {
    "p50_vs_stock": "median of the stock assembly in process / ours over HTTP",
    "p50_ms": "our median in milliseconds", "stock_p50_ms": "median of the stock assembly in milliseconds",
    "p50_ms_at_300rps": "median at 300 requests a second, in milliseconds",
    "p99_ms_at_300rps": "99th percentile at 300 requests a second, in milliseconds",
    "failed_at_300rps": "requests at that rate that were not answered with 2xx",
    "seconds_at_300rps": "how long that rate was kept up, in seconds",
    "max_rps_at_p99_250ms": "highest rate tried whose 99th percentile stayed within 250 ms without a failure, in one of two tries",
    **{f"{name}_us": f"mean time of the stage `{name}`, in microseconds" for name in STAGES},
    "outside_us": "mean time of a request outside all stages, in microseconds",
}
HIGHER_IS_BETTER: Final = ("p50_vs_stock", "max_rps_at_p99_250ms")
PRODUCT: Final = "insurance_pricing"
SINGLE, STOCK = 1000, 60
_SUM: Final = re.compile(r'roadrisk_(stage|request)_seconds_(sum|count)\{(?:stage="(\w+)"|[^}]*/scores"[^}]*)\} (\S+)')


def run() -> dict[str, float]:
    """Return the figures."""
    settings = Settings()
    seconds = float(os.environ.get("BENCH_S", "300"))
    with scoring_service(settings, PRODUCT, workers=2) as served:
        before = _seconds(served.url, settings)
        single = asyncio.run(in_turn(served.url, list(islice(cycle(served.requests), SINGLE))))
        spent_us = _means_us(before, _seconds(served.url, settings))
        load = asyncio.run(open_loop(served.url, served.requests, rate=RATE, seconds=seconds))
        highest = asyncio.run(_highest(served, seconds / 10))
    stock_ms = _stock_ms(settings)
    ours_ms = 1000 * statistics.median(seconds for seconds, _ in single)
    stages = {f"{name}_us": spent_us.get(name, 0.0) for name in STAGES}
    return {
        "p50_vs_stock": stock_ms / ours_ms, "p50_ms": ours_ms, "stock_p50_ms": stock_ms,
        "p50_ms_at_300rps": load.quantile_ms(0.5), "p99_ms_at_300rps": load.quantile_ms(0.99),
        "failed_at_300rps": float(load.failed), "seconds_at_300rps": seconds, "max_rps_at_p99_250ms": highest, **stages,
        "outside_us": spent_us["request"] - sum(stages.values()),
    }


def _stock_ms(settings: Settings) -> float:
    stock = StockAssembly(settings, PRODUCT)
    ids = list(islice(cycle(stock.vehicles(vins_of(settings)[:200])), STOCK + 5))
    spent = []
    for one in ids:
        started = time.perf_counter()
        stock.answer([one])
        spent.append(time.perf_counter() - started)
    return 1000 * statistics.median(spent[5:])


def _seconds(url: str, settings: Settings) -> dict[tuple[str, str], float]:
    """Return sums and counts of the stages and of whole requests for scores, of all workers."""
    text = httpx.get(f"{url}/metrics", headers=key_header(settings), trust_env=False).text
    found: dict[tuple[str, str], float] = {}
    for kind, what, stage, value in _SUM.findall(text):
        key = stage or kind, what
        found[key] = found.get(key, 0.0) + float(value)
    return found


def _means_us(before: dict[tuple[str, str], float], after: dict[tuple[str, str], float]) -> dict[str, float]:
    grown = {key: value - before.get(key, 0.0) for key, value in after.items()}
    return {name: 1e6 * seconds / grown[name, "count"] for (name, what), seconds in grown.items() if what == "sum" and seconds}


async def _highest(served: Served, seconds: float) -> float:
    highest = 0.0
    for rate in STEPS:
        if not await _kept_up(served, rate, seconds) and not await _kept_up(served, rate, seconds):
            break
        highest = float(rate)
    return highest


async def _kept_up(served: Served, rate: int, seconds: float) -> bool:
    load = await open_loop(served.url, served.requests, rate=rate, seconds=seconds)
    p99_ms = load.quantile_ms(0.99)
    print(f"{rate} requests a second: p99 {p99_ms:.0f} ms, {load.failed} of {len(load.latencies_s)} failed", file=sys.stderr)
    return p99_ms <= 250 and not load.failed
