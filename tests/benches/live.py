"""Live positions from the HTTP door to the online store: 10,000 messages a second of 300,000 vehicles, each heard every 30 s.

A service of its own process (journal, fold, rows into SQLite) receives NDJSON in gzip, 1,000 messages a request, from another
process; before it is measured each vehicle has driven for an hour, so that nearly every message makes a fresh row. First the open
loop: requests are due at 10,000 messages a second for 30 seconds whether the service keeps up or not, and p95 is from the moment
at which a message was handed to the intake to the moment at which its row is in the store. Then as fast as the service answers,
for 20 seconds. Growth compares the processor time of a message with a quarter, half and all of the vehicles. The state is that of
simulated vehicles after eight days; all messages are made up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from typing import Any, Final

import httpx
import numpy as np

from features.live.fold import LiveFold
from features.live.positions import Door, records_of
from features.simulation.day import day_of_messages
from tests.lib.live_load import CYCLE_S, HEADERS, bodies
from tests.lib.processes import ROOT, free_port

TITLE: Final = "Live positions"
FIGURES: Final = {
    "messages_per_s": "accepted, folded and pushed as fast as the service answers, messages a second",
    "offered_per_s": "accepted in the open loop at 10,000 messages a second due",
    "p95_s": "from the intake to the fresh row in the store in the open loop: 95 of 100 messages, mean over pushes, in seconds",
    "cores": "processor time of the service in the open loop, seconds a second",
    "cpu_us_per_message": "processor time of the service for one message, in microseconds",
    "growth_2x_ratio": "processor time of a message with 150,000 vehicles / with 75,000",
    "growth_4x_ratio": "processor time of a message with 300,000 vehicles / with 75,000",
    "rss_gb": "memory of the service with 300,000 vehicles after an hour of driving, in GB",
    "bytes_per_vehicle": "state of a simulated vehicle after eight days, in bytes; each drives on most of them",
    "state_400k_gb": "that for 400,000 vehicles, in GB",
}
HIGHER_IS_BETTER: Final = ("messages_per_s", "offered_per_s")
N_VEHICLES: Final = 300_000
OPEN_S, CLOSED_S = 30, 20
_SIMULATED: Final = 300


def run() -> dict[str, float]:
    """Return the figures."""
    whole = _measured(N_VEHICLES)
    parts = {share: _measured(N_VEHICLES // share, closed=False) for share in (4, 2)}
    per_vehicle = _bytes_per_vehicle()
    quarter = parts[4]["cpu_us_per_message"]
    return {
        **{name: whole[name] for name in ("messages_per_s", "offered_per_s", "p95_s", "cores", "cpu_us_per_message")},
        "growth_2x_ratio": parts[2]["cpu_us_per_message"] / quarter, "growth_4x_ratio": whole["cpu_us_per_message"] / quarter,
        "rss_gb": whole["rss_gb"], "bytes_per_vehicle": per_vehicle, "state_400k_gb": per_vehicle * 400_000 / 1e9,
    }


def _measured(n_vehicles: int, *, closed: bool = True) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.lib.live_load", name, str(n_vehicles), str(port)]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            url = f"http://127.0.0.1:{port}"
            try:
                return _open_loop(url, n_vehicles) | (_closed_loop(url, n_vehicles) if closed else {})
            finally:
                process.terminate()


def _status(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/v1/live/status", headers=HEADERS, timeout=60).json()
    return found


def _open_loop(url: str, n_vehicles: int) -> dict[str, float]:
    rate = n_vehicles / CYCLE_S
    sent = bodies(n_vehicles, first=0, count=int(OPEN_S * rate) // 1_000)
    before, began, accepted = _cost(url), time.monotonic(), 0
    with httpx.Client(base_url=url, headers=HEADERS, timeout=60) as client:
        for place, body in enumerate(sent):
            time.sleep(max(began + place * 1_000 / rate - time.monotonic(), 0.0))
            accepted += client.post("/v1/live/positions", content=body).json().get("accepted", 0)
    took = time.monotonic() - began
    _idle(url)
    after = _cost(url)
    cpu = after["cpu_s"] - before["cpu_s"]
    return {
        "offered_per_s": accepted / took, "p95_s": _status(url)["p95_s"], "cores": cpu / took,
        "cpu_us_per_message": cpu / accepted * 1e6, "rss_gb": after["rss_gb"],
    }


def _closed_loop(url: str, n_vehicles: int) -> dict[str, float]:
    sent = bodies(n_vehicles, first=int(OPEN_S * n_vehicles / CYCLE_S) // 1_000, count=CLOSED_S * 20)
    began, accepted = time.monotonic(), 0
    with httpx.Client(base_url=url, headers=HEADERS, timeout=60) as client:
        for body in sent:
            accepted += client.post("/v1/live/positions", content=body).json().get("accepted", 0)
            if time.monotonic() - began > CLOSED_S:
                break
    _idle(url)
    return {"messages_per_s": accepted / (time.monotonic() - began)}


def _idle(url: str) -> None:
    while True:
        found = _status(url)
        if not found["waiting_for_disk"] and not found["waiting_for_fold"]:
            return
        time.sleep(0.05)


def _cost(url: str) -> dict[str, float]:
    found: dict[str, float] = httpx.get(f"{url}/cost", timeout=60).json()
    return found


def _bytes_per_vehicle() -> float:
    """Return the state of simulated vehicles after eight days."""
    messages = day_of_messages("tiny", 20260704, date(2026, 6, 8), _SIMULATED, days=9)
    plates = messages["plate_no"].combine_chunks().dictionary_encode()
    slots = plates.indices.to_numpy().astype(np.int64)
    received = messages["recv_time"].cast("int64").to_numpy()
    fold = LiveFold.empty(len(plates.dictionary))
    fold.apply(slots, records_of(messages, np.zeros(len(slots), np.uint64), received, Door.REPLAY))
    fold.tidy()  # as the engine does before each checkpoint
    return fold.state.n_bytes / fold.n_vehicles

