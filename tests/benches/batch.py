"""A batch with exact explanations and durable records, beside the stock assembly on the same rows and model.

The home is that of `ROADRISK_HOME` where it holds a demonstration, here the preset `demo`; elsewhere a tiny simulated province is
made (`roadrisk demo --preset tiny`), whose small models favour the stock side. Ours: an NDJSON body of vehicles by VIN is taken
in and pseudonymised, then read in bulk, scored, exactly explained, recorded in the ledger and written as a result file by the
processes that `roadrisk serve` starts for a batch, one for each core; their start counts. `BENCH_ROWS` says how many rows, 100,000
unless it is set. The stock assembly does less: Feast's `get_online_features` on its own SQLite store with the same rows,
`mlflow.pyfunc` with its signature enforced, and `shap.TreeExplainer` on every booster, 500 rows at a time, with the threads that
the libraries take by themselves; nothing is pseudonymised or recorded. It is given fewer rows and both are compared per row.
Vehicles repeat where there are fewer.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from registry.settings import Settings
from tests.lib.stock_assembly import StockAssembly

TITLE: Final = "Batches"
FIGURES: Final = {
    "vs_stock": "time of the stock assembly per row / ours",
    "rows_per_s": "rows of ours per second, from the body to the result file",
    "stock_rows_per_s": "rows of the stock assembly per second",
    "cpu_ms_per_row": "processor time of ours per row, all processes together, in milliseconds",
    "processes": "processes that worked at the batch",
    "peak_mb": "peak memory of the largest of these, with the model and all libraries, in megabytes",
    "growth_mb": "by how much the second half of the rows raised a peak of these, in megabytes",
}
PRODUCT: Final = "maintenance"
ROWS: Final = int(os.environ.get("BENCH_ROWS", "100000"))
STOCK_ROWS, STEP = 1000, 500
LOOK_EVERY_S: Final = 0.2


def run() -> dict[str, float]:
    """Return the figures."""
    given = Settings()
    if (given.home / "examples.json").is_file():
        return figures(given)
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(home=Path(name) / "home", keys_dir=Path(name) / "keys")
        # MLflow's copy of a bundle looks for its public key where the environment says.
        os.environ.update({"ROADRISK_HOME": str(settings.home), "ROADRISK_KEYS_DIR": str(settings.keys_dir)})
        subprocess.run(
            [sys.executable, "-m", "registry.cli", "demo", "--preset", "tiny", "--exit"], check=True, capture_output=True,
        )
        return figures(settings)


def figures(settings: Settings) -> dict[str, float]:
    """Return the figures on a home that is there."""
    vins = vins_of(settings)
    ours = _ours(settings, vins)
    stock = _stock(settings, vins) / STOCK_ROWS
    return {"vs_stock": stock * ours["rows_per_s"], "stock_rows_per_s": 1 / stock, **ours}


def vins_of(settings: Settings) -> list[str]:
    """Return the VINs that a simulated province has delivered."""
    import pyarrow.dataset as ds

    table = ds.dataset(settings.outbox_dir / "vehicle_basic", format="parquet").to_table(columns=["vin"])
    return sorted(set(table["vin"].to_pylist()) - {None})


def _ours(settings: Settings, vins: list[str]) -> dict[str, float]:
    """Return our figures."""
    from registry.access.book import AccessBook
    from registry.access.local import local_token
    from serving.asked import Asked
    from serving.batches.desk import Body, open_batches
    from serving.batches.folder import ENDED
    from serving.batches.formats import NDJSON
    from serving.start import check_start, make_desk

    # As a service does at its start: what is proved then is not proved again by the processes that it starts.
    check_start(settings)
    desk, book = make_desk(settings), AccessBook.open(settings)
    caller = book.authenticate(local_token(settings), desk.clock())
    grant = book.authorise(caller, product=PRODUCT, action="batch", now=desk.clock())
    lines = (json.dumps({"entity": {"vin": vin}}) for vin in islice(cycle(vins), ROWS))
    body = Body(content="\n".join(lines).encode(), media_type=NDJSON)
    asked = Asked("bench", time.perf_counter(), replace(grant, rate_per_s=None))
    batches = open_batches(settings, desk)
    before, started = _cpu_s(), time.perf_counter()
    told = json.loads(batches.submit(PRODUCT, body, caller, asked, wait=False).body)
    folder = batches.folders.find(told["id"], caller.consumer)
    # Peaks by process: of a tree of processes only those that run can be asked.
    peaks, half = dict[int, float](), dict[int, float]()
    while (progress := folder.progress()).status not in ENDED:
        time.sleep(LOOK_EVERY_S)
        peaks |= {process: peak for process in _tree(os.getpid())[1:] if (peak := _peak_mb(process))}
        if not half and 2 * progress.parts >= folder.header.chunks:
            half = dict(peaks)
    spent = time.perf_counter() - started
    while _tree(os.getpid())[1:]:
        os.waitpid(-1, 0)
    used = _cpu_s() - before
    if progress.status != "done" or progress.scored < ROWS / 2:
        raise RuntimeError(f"the batch ended as {progress}")
    folder.remove()
    return {
        "rows_per_s": ROWS / spent, "cpu_ms_per_row": 1000 * used / ROWS, "processes": len(half),
        "peak_mb": max(peaks.values()), "growth_mb": max(max(peaks[process] - peak for process, peak in half.items()), 0.0),
    }


def _cpu_s() -> float:
    """Return the processor time of this process and of those that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _tree(process: int) -> list[int]:
    """Return a process and those that it has started, with theirs."""
    try:
        threads = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [process, *(one for child in children for one in _tree(child))]


def _peak_mb(process: int) -> float | None:
    """Return the peak memory of a process; None where it has ended."""
    try:
        told = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith("VmHWM")), None)


def _stock(settings: Settings, vins: list[str]) -> float:
    """Return the seconds of the stock assembly."""
    stock = StockAssembly(settings, PRODUCT)
    known = list(islice(cycle(stock.vehicles(vins)), STOCK_ROWS))
    started = time.perf_counter()
    for at in range(0, STOCK_ROWS, STEP):
        stock.answer(known[at:at + STEP])
    return time.perf_counter() - started
