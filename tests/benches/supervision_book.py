"""The book of alerts as it grows: 40,000 alerts, each raised and cleared, in an SQLite ledger, all made up.

A process of its own writes them as the live service does, a group for each look at the fleet, another opens the book and takes
every line in. Times are processor time, so they do not depend on what else the machine does. Growth compares opening a line with
all of the alerts and with a quarter.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

import psutil

from registry.settings import Settings
from registry.signing import init_keys
from registry.supervision.book import AlertBook
from tests.lib.alert_writer import BEGIN, PER_MINUTE, events_of
from tests.lib.processes import ROOT

TITLE: Final = "Book of alerts"
FIGURES: Final = {
    "write_us": "processor time to write one event of a look, in microseconds",
    "disk_bytes_per_alert": "ledger of an alert that was raised and cleared, in bytes",
    "open_s": "processor time to open a book of 40,000 alerts and take every line in, in seconds",
    "memory_bytes_per_alert": "memory of the opened book for one alert, in bytes",
    "growth_4x_ratio": "time to take one line in with 40,000 alerts / with 10,000",
    "list_ms": "processor time to list the alerts that go on, of 40,000, in milliseconds",
}
HIGHER_IS_BETTER: Final = ()
N_ALERTS: Final = 40_000
_AT_ONCE: Final = 10
"""Minutes of the made-up writer in one group."""


def run() -> dict[str, float]:
    """Return the figures."""
    quarter, whole = _measured(N_ALERTS // 4), _measured(N_ALERTS)
    return whole | {"growth_4x_ratio": whole["open_s"] / quarter["open_s"] / 4.0}


def _measured(n_alerts: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        found: dict[str, float] = {}
        for step in ("write", "read"):
            command = [sys.executable, "-m", "tests.benches.supervision_book", step, name, str(n_alerts)]
            told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
            found |= {key: float(value) for key, value in (line.split() for line in told.splitlines())}
        return found


def _write(settings: Settings, n_alerts: int) -> dict[str, float]:
    init_keys(settings.keys_dir)
    minutes = n_alerts // PER_MINUTE
    with AlertBook.open(settings) as book:
        began, count = time.process_time(), 0
        for first in range(0, minutes, _AT_ONCE):
            events = [one for minute in range(first, min(first + _AT_ONCE, minutes)) for one in events_of(minute)]
            count += book.record(events, at=BEGIN + timedelta(minutes=first))
        took = time.process_time() - began
    size = sum(path.stat().st_size for path in settings.ledger_dir.glob("alerts.*"))
    return {"write_us": took / count * 1e6, "disk_bytes_per_alert": size / n_alerts}


def _read(settings: Settings, n_alerts: int) -> dict[str, float]:
    before, began = psutil.Process().memory_info().rss, time.process_time()
    with AlertBook.open(settings) as book:
        book.refresh()
        opened = time.process_time()
        memory = psutil.Process().memory_info().rss - before
        listed = time.process_time()
        book.alerts(lambda one: one.is_open)
        return {
            "open_s": opened - began, "memory_bytes_per_alert": memory / n_alerts,
            "list_ms": (time.process_time() - listed) * 1e3,
        }


if __name__ == "__main__":
    chosen, folder = {"write": _write, "read": _read}[sys.argv[1]], Path(sys.argv[2])
    for key, value in chosen(Settings(home=folder / "home", keys_dir=folder / "keys"), int(sys.argv[3])).items():
        print(key, value)
