"""How long the console takes to answer, page by page, over a real socket.

The home is that of `ROADRISK_HOME`: a demonstration whose products are live (`roadrisk demo --exit`) with two years of month-end
scores (`roadrisk panel build`) and a report of the monitor (`roadrisk monitor`); nothing else is asked for. One worker serves; each
page is opened once, which fills what is kept, and then `TURNS` times. The time is that of the client, from the request to the last
byte of the page; pictures and style sheets, which a browser keeps, are left out. Bar: 300 ms. Beside it stands the processor time
of the service, which other work on the machine stretches less; `other_cpu_ms` is that of portraits of vehicles that were never
opened, so that nothing of theirs is kept.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil

from registry.settings import Settings
from tests.lib.console_pages import console_paths, logged_in
from tests.lib.processes import ROOT, command_line, environment_of, free_port, pids_of, running_process

TITLE: Final = "Pages of the console"
TURNS: Final = 5
OTHERS: Final = 12
BAR_MS: Final = 300.0
_SUBJECT: Final = re.compile(r"/console/subjects/[^\"'#?]+")
FIGURES: Final = {
    "slowest_ms": "median of the slowest page, in milliseconds", "median_ms": "median over the pages' medians, in milliseconds",
    "decision_ms": "slowest page of a decision", "what_if_ms": "slowest what-if page", "portrait_ms": "slowest portrait",
    "first_ms": "slowest first opening of a page in a new worker, in milliseconds",
    "slowest_cpu_ms": "processor time of the page that takes most of it", "portrait_cpu_ms": "the same of the portraits",
    "first_cpu_ms": "the same of first openings", "other_cpu_ms": "mean of portraits of vehicles that were never opened",
    "pages": "pages opened", "over_bar": "pages whose median is above 300 ms",
}


@dataclass
class Walked:
    """What each page took: first opening, median of later ones, processor time of both; milliseconds by page."""

    first: dict[str, float] = field(default_factory=dict)
    settled: dict[str, float] = field(default_factory=dict)
    first_cpu: dict[str, float] = field(default_factory=dict)
    settled_cpu: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Visitor:
    """Opens pages and takes the time, its own and that of the service."""

    client: httpx.Client
    service: tuple[psutil.Process, ...]

    def timed(self, path: str) -> tuple[float, float, str]:
        """Return the time of a page, the processor time of the service meanwhile, both in milliseconds, and the page."""
        before, started = self._spent_s(), time.perf_counter()
        answer = self.client.get(path, follow_redirects=True)
        spent_ms = (time.perf_counter() - started) * 1000.0
        assert answer.status_code == 200, (path, answer.status_code)
        assert "/login" not in str(answer.url), path
        return spent_ms, (self._spent_s() - before) * 1000.0, answer.text

    def _spent_s(self) -> float:
        times = [one.cpu_times() for one in self.service]
        return sum(one.user + one.system for one in times)


def run() -> dict[str, float]:
    """Return the figures."""
    settings, port = Settings(), free_port()
    with tempfile.TemporaryDirectory() as folder, running_process(
        command_line("serve", "--port", str(port)), environment_of(settings), port, Path(folder) / "log", ROOT
    ) as (url, process), logged_in(settings, url) as client:
        visitor = Visitor(client, tuple(psutil.Process(pid) for pid in pids_of(process)))
        walked, others = _walked(visitor, {name: f"/console{path}" for name, path in console_paths(settings, url)})
        other_cpu = statistics.fmean(visitor.timed(path)[1] for path in others)
    settled = walked.settled
    slowest = max(settled, key=settled.__getitem__)
    print(f"slowest page: {slowest}; most processor time: {max(walked.settled_cpu, key=walked.settled_cpu.__getitem__)}")
    return {
        "slowest_ms": settled[slowest], "median_ms": statistics.median(settled.values()),
        "decision_ms": _most(settled, "-decision"), "what_if_ms": _most(settled, "-what-if"),
        "portrait_ms": _most(settled, "-portrait"), "first_ms": max(walked.first.values()),
        "slowest_cpu_ms": max(walked.settled_cpu.values()), "portrait_cpu_ms": _most(walked.settled_cpu, "-portrait"),
        "first_cpu_ms": max(walked.first_cpu.values()), "other_cpu_ms": other_cpu, "pages": float(len(settled)),
        "over_bar": float(sum(one > BAR_MS for one in settled.values())),
    }


def _walked(visitor: Visitor, paths: dict[str, str]) -> tuple[Walked, list[str]]:
    """Return what each page took, the portraits among them that decisions lead to, and vehicles that were not opened."""
    walked, waiting, opened, others = Walked(), list(paths.items()), set[str](), dict[str, None]()
    while waiting:
        name, path = waiting.pop(0)
        walked.first[name], walked.first_cpu[name], text = visitor.timed(path)
        opened.add(path)
        if name.endswith("-decision"):
            found = dict.fromkeys(_SUBJECT.findall(text))
            waiting += [(f"{name.removesuffix('-decision')}-{place}-portrait", href) for place, href in enumerate(found)]
        elif name == "enterprise_risk-0-portrait":
            # The vehicles stand above the drivers.
            others |= dict.fromkeys(_SUBJECT.findall(text.partition('id="drivers"')[0]))
        turns = [visitor.timed(path)[:2] for _ in range(TURNS)]
        walked.settled[name] = statistics.median(spent for spent, _ in turns)
        # Processor time is counted in hundredths of a second: the mean says more than the median.
        walked.settled_cpu[name] = statistics.fmean(cpu for _, cpu in turns)
    return walked, [path for path in others if path not in opened][:OTHERS]


def _most(settled: dict[str, float], ending: str) -> float:
    return max((value for name, value in settled.items() if name.endswith(ending)), default=0.0)
