"""One scored request of the running service, everything on, beside the stock assembly in process.

The home is that of `ROADRISK_HOME`, a demonstration whose products are live (`roadrisk demo --exit`). Ours is `roadrisk serve`
with two workers, over HTTP on the loopback: key and scenario, pseudonym, packed read of 135 inputs, bundle, exact contributions,
reasons, durable record, answer. The stock assembly does less and pays for no HTTP: Feast's `get_online_features` on its own
SQLite store with the same rows, `mlflow.pyfunc` with its signature enforced, and `shap.TreeExplainer`, in the process of
the bench. Medians are of single requests one after the other. The times of stages are means that hold the first, cold requests
too, so they do not add up to the median; the check of the key happens before the stage `auth` and is in none of them.

The load is an open loop: requests leave at their time whether or not earlier ones have been answered, and a latency counts from
that time. The generator shares the two cores with the service. `BENCH_S` is the length of the run at 300 requests a second (60),
each step of the search for the highest rate takes a quarter of it. Above what the service can carry the queue grows with the
length of the run and so does its 99th percentile. A vehicle that is not known (404) costs less and does not count as failed.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import httpx

from registry.settings import Settings
from tests.benches.batch import vins_of
from tests.lib.homes import key_header
from tests.lib.processes import ROOT, environment_of, free_port, running
from tests.lib.stock_assembly import StockAssembly

TITLE: Final = "A scored request"
STAGES: Final = ("auth", "resolve", "read", "score", "encode", "record")
RATE: Final = 300
STEPS: Final = (50, 100, 150, 200, 250, 300, 350, 400)
FIGURES: Final = {
    "p50_vs_stock": "median of the stock assembly in process / ours over HTTP",
    "p50_ms": "our median in milliseconds", "stock_p50_ms": "median of the stock assembly in milliseconds",
    "p99_ms_at_300rps": "99th percentile at 300 requests a second, in milliseconds",
    "failed_at_300rps": "requests at that rate that were answered with neither 200 nor 404",
    "max_rps_at_p99_250ms": "highest rate tried whose 99th percentile stayed within 250 ms without a failure",
    **{f"{name}_us": f"mean time of the stage `{name}`, in microseconds" for name in STAGES},
}
HIGHER_IS_BETTER: Final = ("p50_vs_stock", "max_rps_at_p99_250ms")
PRODUCT: Final = "insurance_pricing"
SINGLE, STOCK = 400, 60


def run() -> dict[str, float]:
    """Return the figures."""
    settings = Settings()
    if not (settings.home / "examples.json").is_file():
        raise SystemExit("request: ROADRISK_HOME holds no demonstration; make one with `roadrisk demo --exit`")
    vins = vins_of(settings)[:5000]
    stock_ms = _stock_ms(settings, vins)
    seconds = float(os.environ.get("BENCH_S", "60"))
    port = free_port()
    command = [sys.executable, "-m", "registry.cli", "serve", "--port", str(port), "--workers", "2"]
    with tempfile.TemporaryDirectory() as folder, running(
        command, environment_of(settings), port, Path(folder) / "serve.log", ROOT
    ) as url:
        single = _single(url, settings, vins)
        stages = _stages(url, settings)
        p99_ms, failed = asyncio.run(_load(url, settings, vins, RATE, seconds))
        highest = asyncio.run(_highest(url, settings, vins, seconds / 4))
    ours_ms = 1000 * statistics.median(single)
    return {
        "p50_vs_stock": stock_ms / ours_ms, "p50_ms": ours_ms, "stock_p50_ms": stock_ms, "p99_ms_at_300rps": p99_ms,
        "failed_at_300rps": failed, "max_rps_at_p99_250ms": highest, **stages,
    }


def _stock_ms(settings: Settings, vins: list[str]) -> float:
    stock = StockAssembly(settings, PRODUCT)
    ids = list(islice(cycle(stock.vehicles(vins[:200])), STOCK + 5))
    spent = []
    for one in ids:
        started = time.perf_counter()
        stock.answer([one])
        spent.append(time.perf_counter() - started)
    return 1000 * statistics.median(spent[5:])


def _single(url: str, settings: Settings, vins: list[str]) -> list[float]:
    spent = []
    with httpx.Client(base_url=url, headers=key_header(settings), trust_env=False, timeout=30) as client:
        for vin in islice(cycle(vins), SINGLE + 50):
            started = time.perf_counter()
            answer = client.post(f"/v1/{PRODUCT}/scores", json={"entity": {"vin": vin}})
            if answer.status_code == 200:
                spent.append(time.perf_counter() - started)
    return spent[50:]


def _stages(url: str, settings: Settings) -> dict[str, float]:
    text = httpx.get(f"{url}/metrics", headers=key_header(settings), trust_env=False).text
    found = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines()
        if line.startswith("roadrisk_stage_seconds_")
    }
    label = "roadrisk_stage_seconds_{}{{stage=\"{}\"}}"
    return {
        f"{name}_us": 1e6 * found.get(label.format("sum", name), 0.0) / max(found.get(label.format("count", name), 0.0), 1.0)
        for name in STAGES
    }


async def _load(url: str, settings: Settings, vins: list[str], rate: int, seconds: float) -> tuple[float, float]:
    """Return the 99th percentile of the latencies in milliseconds, and how many requests failed."""
    latencies: list[float] = []
    failed = 0
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=url, headers=key_header(settings), trust_env=False, timeout=30, limits=limits) as client:

        async def one(due: float, vin: str) -> None:
            nonlocal failed
            try:
                answer = await client.post(f"/v1/{PRODUCT}/scores", json={"entity": {"vin": vin}})
                # An unknown vehicle is answered too; what counts as failed is what the service did not get done.
                failed += answer.status_code not in (200, 404)
            except httpx.HTTPError:
                failed += 1
            latencies.append(time.perf_counter() - due)

        tasks: set[asyncio.Task[Any]] = set()
        started = time.perf_counter()
        for i, vin in enumerate(islice(cycle(vins), int(rate * seconds))):
            due = started + i / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(one(due, vin))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
    latencies.sort()
    return 1000 * latencies[int(0.99 * (len(latencies) - 1))], float(failed)


async def _highest(url: str, settings: Settings, vins: list[str], seconds: float) -> float:
    highest = 0.0
    for rate in STEPS:
        p99_ms, failed = await _load(url, settings, vins, rate, seconds)
        if p99_ms > 250 or failed:
            break
        highest = float(rate)
    return highest
