"""A source and a receiver of the door as real servers: in a thread of the test, or in a process that may be killed."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import uvicorn
from starlette.applications import Starlette

from features.contracts import ARROW_TYPES
from features.door.outbox_pages import json_rows
from features.warehouse import Warehouse
from registry.resources import RESOURCES
from registry.resources.schema import COMPLETE_UNTIL, ENVELOPE
from registry.sampling import sample_rows
from tests.lib.processes import free_port

KEY = "a key of the tests"
RESOURCE_IDS = ("traffic_emergency", "vehicle_basic", "vehicle_day")


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serve an application from a thread until the block ends; yields its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def door_command(*arguments: str) -> list[str]:
    """Return the command that runs a command of the door, installed or not."""
    program = (
        "import sys; from features.door.cli import pull, receive, serve_reference; from registry.cli import main, roadrisk; "
        "[roadrisk.add_command(c) for c in (pull, receive, serve_reference)]; sys.exit(main())"
    )
    return [sys.executable, "-c", program, *arguments]


def held(warehouse: Warehouse, resource_id: str) -> list[dict[str, Any]]:
    """Return what a warehouse holds of a resource, in a fixed order, whatever deliveries brought it."""
    tables = [pq.read_table(path) for path in warehouse.files(resource_id)]
    if not tables:
        return []
    whole = pa.concat_tables(tables).drop_columns(["delivery_id"])
    found: list[dict[str, Any]] = whole.sort_by([("arrived_at", "ascending"), ("row_id", "ascending")]).to_pylist()
    return found


def small_outbox(folder: Path, *, n: int = 600, resources: tuple[str, ...] = RESOURCE_IDS) -> Path:
    """Write an outbox of sampled rows of a few resources, a file per month of arrival, and return it."""
    for resource_id in resources:
        table = _sampled(resource_id, n)
        months = pc.strftime(table["arrived_at"], "%Y-%m")
        (folder / resource_id).mkdir(parents=True)
        for month in sorted(months.unique().to_pylist()):
            year, number = divmod(int(month[:4]) * 12 + int(month[5:]), 12)
            end = f"{year:04d}-{number + 1:02d}-01T00:00:00+00:00"
            part = table.filter(pc.equal(months, month)).replace_schema_metadata({COMPLETE_UNTIL: end})
            pq.write_table(part, folder / resource_id / f"{resource_id}-{month}.parquet", write_page_checksum=True)
    return folder


def sent_rows(resource_id: str, n: int) -> list[dict[str, Any]]:
    """Return sampled rows of a resource as a sender would send them, without their arrival."""
    return [json.loads(line) for line in json_rows(_sampled(resource_id, n).drop_columns(["arrived_at"]))]


def _sampled(resource_id: str, n: int) -> pa.Table:
    resource = RESOURCES[resource_id]
    rng = np.random.default_rng(20260704)
    rows = sample_rows(
        resource, n, rng, start=datetime(2026, 1, 5, tzinfo=UTC), end=datetime(2026, 4, 20, tzinfo=UTC)
    )
    columns = (*resource.columns, *ENVELOPE)
    return pa.table({column.id: pa.array(rows[column.id], ARROW_TYPES[column.dtype]) for column in columns})


def pushed(
    base: str, resource_id: str, body: Any, *, key: str = KEY, once: str = "1", lines: bool = False, **params: str
) -> httpx.Response:
    """Push rows, a list or raw bytes, and return the answer."""
    if isinstance(body, bytes):
        content = body
    elif lines:
        content = b"\n".join(json.dumps(row, ensure_ascii=False).encode() for row in body)
    else:
        content = json.dumps(body, ensure_ascii=False).encode()
    headers = {
        "X-API-Key": key, "Idempotency-Key": once, "Content-Type": "application/x-ndjson" if lines else "application/json",
    }
    return httpx.post(
        f"{base}/v1/push/{resource_id}", content=content, headers={name: value for name, value in headers.items() if value},
        params=params, trust_env=False, timeout=30,
    )
