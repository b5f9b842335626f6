"""A batch with exact explanations and durable records, beside the stock assembly on the same rows and model.

The home is that of `ROADRISK_HOME` where it holds a demonstration, here the preset `demo`; elsewhere a tiny simulated province is
made (`roadrisk demo --preset tiny`), whose small models favour the stock side. Ours: an NDJSON body of vehicles by VIN is taken
in, pseudonymised, read in bulk, scored, exactly explained, recorded in the ledger and written as a result file, in one process.
The stock assembly does less: Feast's `get_online_features` on its own SQLite store with the same rows, `mlflow.pyfunc` with its
signature enforced, and `shap.TreeExplainer` on every booster, 500 rows at a time; nothing is pseudonymised or recorded. It is
given fewer rows and both are compared per row. Vehicles repeat.
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
    "peak_mb": "peak memory of the process that did ours, with the model and all libraries, in megabytes",
    "growth_mb": "by how much the second half of the rows raised that peak, in megabytes",
}
PRODUCT: Final = "maintenance"
ROWS, STOCK_ROWS, STEP = 20_000, 1000, 500


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
    spent, peak, growth = _ours(settings, vins)
    stock = _stock(settings, vins)
    return {
        "vs_stock": (stock / STOCK_ROWS) / (spent / ROWS), "rows_per_s": ROWS / spent, "stock_rows_per_s": STOCK_ROWS / stock,
        "peak_mb": peak, "growth_mb": growth,
    }


def vins_of(settings: Settings) -> list[str]:
    """Return the VINs that a simulated province has delivered."""
    import pyarrow.dataset as ds

    table = ds.dataset(settings.outbox_dir / "vehicle_basic", format="parquet").to_table(columns=["vin"])
    return sorted(set(table["vin"].to_pylist()) - {None})


def _ours(settings: Settings, vins: list[str]) -> tuple[float, float, float]:
    """Return seconds, peak memory and its growth over the second half."""
    from registry.access.book import AccessBook
    from registry.access.local import local_token
    from serving.asked import Asked
    from serving.batches.desk import Body
    from serving.batches.folder import BatchFolders
    from serving.batches.formats import NDJSON
    from serving.batches.intake import stage
    from serving.batches.worker import Worker
    from serving.start import make_desk

    desk, book = make_desk(settings), AccessBook.open(settings)
    desk.warm_up()
    caller = book.authenticate(local_token(settings), desk.clock())
    grant = book.authorise(caller, product=PRODUCT, action="batch", now=desk.clock())
    folders, peaks = BatchFolders(settings.batch_dir), list[float]()
    started = time.perf_counter()
    for half in range(2):
        lines = (json.dumps({"entity": {"vin": vin}}) for vin in islice(cycle(vins), ROWS // 2))
        body = Body(content="\n".join(lines).encode(), media_type=NDJSON)
        asked = Asked(f"bench-{half}", time.perf_counter(), replace(grant, rate_per_s=None))
        stage(desk, folders, PRODUCT, body.chunks(), caller, asked)
        Worker(settings, desk, book).run()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return time.perf_counter() - started, peaks[1], peaks[1] - peaks[0]


def _stock(settings: Settings, vins: list[str]) -> float:
    """Return the seconds of the stock assembly."""
    stock = StockAssembly(settings, PRODUCT)
    known = list(islice(cycle(stock.vehicles(vins)), STOCK_ROWS))
    started = time.perf_counter()
    for at in range(0, STOCK_ROWS, STEP):
        stock.answer(known[at:at + STEP])
    return time.perf_counter() - started
