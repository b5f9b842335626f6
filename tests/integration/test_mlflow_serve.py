"""`mlflow models serve` on a registered bundle gives the numbers of our scorer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.models import ModelRegistry
from registry.scorer import Scorer
from registry.settings import Settings
from tests.lib.bundles import tiny_bundle, tiny_rows, write_signed

START_TIMEOUT_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("serve")
    settings = Settings(home=folder / "home", keys_dir=folder / "keys")
    bundle, keys_dir = write_signed(tiny_bundle("maintenance"), folder)
    models = ModelRegistry(settings)
    run = models.client.create_run(models.experiment("serve"))
    version = models.register(bundle, run_id=run.info.run_id)
    scripts = str(Path(sys.executable).parent)
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [f"{scripts}/mlflow", "models", "serve", "--model-uri", f"models:/roadrisk-maintenance/{version}",
         "--env-manager", "local", "--host", "127.0.0.1", "--port", address.partition(":")[2], "--workers", "1"],
        # MLflow starts its server by name: without the environment's folder on PATH it exits with 127.
        env=os.environ | {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "MLFLOW_TRACKING_URI": settings.mlflow_uri,
            "ROADRISK_KEYS_DIR": str(keys_dir), "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )
    try:
        wait_until_ready(process, address)
        yield f"http://{address}/invocations"
    finally:
        os.killpg(process.pid, 15)
        process.communicate(timeout=30)


def wait_until_ready(process: subprocess.Popen[str], address: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        try:
            if httpx.get(f"http://{address}/ping").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise TimeoutError(f"mlflow did not answer within {START_TIMEOUT_S} s")


def rows_with_nulls() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tiny_rows(seed=5, n=12)
    rows[0]["use"] = None
    rows[1]["use"] = "网约"
    rows[2]["fleet_n"] = None
    return rows


def test_records_and_split_score_as_our_scorer_does(server: str) -> None:
    rows, scorer = rows_with_nulls(), Scorer(tiny_bundle("maintenance"))
    names = sorted(rows[0])
    bodies: list[dict[str, Any]] = [
        {"dataframe_records": rows},
        {"dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in rows]}},
    ]
    matrix, _ = scorer.encode(rows)
    for body in bodies:
        answer = httpx.post(server, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        scored = answer.json()["predictions"]
        assert [row["points"] for row in scored] == scorer.points(matrix).tolist()
        assert [row["margin"] for row in scored] == scorer.margin(matrix).tolist()
        assert {"probability_7d", "probability_30d", "probability_90d"} <= set(scored[0])


def test_an_absent_input_is_a_client_error(server: str) -> None:
    rows = [{name: value for name, value in row.items() if name != "use"} for row in rows_with_nulls()]
    answer = httpx.post(server, json={"dataframe_records": rows}, timeout=30)
    assert answer.status_code == 400
    assert "missing ['use']" in answer.text
