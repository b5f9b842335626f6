"""How long the console takes to answer, page by page, over a real socket.

The home is that of `ROADRISK_HOME`: a demonstration whose products are live (`roadrisk demo --exit`) with two years of month-end
scores (`roadrisk panel build`) and a report of the monitor (`roadrisk monitor`); nothing else is asked for. One worker serves; each
page is opened once, which fills what is kept, and then `TURNS` times. The time is that of the client, from the request to the last
byte of the page; pictures and style sheets, which a browser keeps, are left out. Bar: 300 ms.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx

from registry.settings import Settings
from tests.lib.console_pages import console_paths, logged_in
from tests.lib.processes import ROOT, command_line, environment_of, free_port, running

TITLE: Final = "Pages of the console"
TURNS: Final = 5
BAR_MS: Final = 300.0
_SUBJECT: Final = re.compile(r"/console/subjects/[^\"'#?]+")
FIGURES: Final = {
    "slowest_ms": "median of the slowest page, in milliseconds", "median_ms": "median over the pages' medians, in milliseconds",
    "decision_ms": "slowest page of a decision", "what_if_ms": "slowest what-if page", "portrait_ms": "slowest portrait",
    "first_ms": "slowest first opening of a page in a new worker, in milliseconds",
    "pages": "pages opened", "over_bar": "pages whose median is above 300 ms",
}


def run() -> dict[str, float]:
    """Return the figures."""
    settings, port = Settings(), free_port()
    with tempfile.TemporaryDirectory() as folder, running(
        command_line("serve", "--port", str(port)), environment_of(settings), port, Path(folder) / "log", ROOT
    ) as url, logged_in(settings, url) as client:
        first, settled = _opened(client, {name: f"/console{path}" for name, path in console_paths(settings, url)})
    slowest = max(settled, key=settled.__getitem__)
    print(f"slowest page: {slowest}")
    return {
        "slowest_ms": settled[slowest], "median_ms": statistics.median(settled.values()),
        "decision_ms": _most(settled, "-decision"), "what_if_ms": _most(settled, "-what-if"),
        "portrait_ms": _most(settled, "-portrait"), "first_ms": max(first.values()), "pages": float(len(settled)),
        "over_bar": float(sum(one > BAR_MS for one in settled.values())),
    }


def _opened(client: httpx.Client, paths: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the first and the median time of each page, and of the portraits that pages of decisions lead to."""
    first, settled, waiting = {}, {}, list(paths.items())
    while waiting:
        name, path = waiting.pop(0)
        first[name], text = _timed(client, path)
        if name.endswith("-decision"):
            found = dict.fromkeys(_SUBJECT.findall(text))
            waiting += [(f"{name.removesuffix('-decision')}-{place}-portrait", href) for place, href in enumerate(found)]
        settled[name] = statistics.median(_timed(client, path)[0] for _ in range(TURNS))
    return first, settled


def _timed(client: httpx.Client, path: str) -> tuple[float, str]:
    started = time.perf_counter()
    answer = client.get(path, follow_redirects=True)
    spent_ms = (time.perf_counter() - started) * 1000.0
    assert answer.status_code == 200, (path, answer.status_code)
    assert "/login" not in str(answer.url), path
    return spent_ms, answer.text


def _most(settled: dict[str, float], ending: str) -> float:
    return max((value for name, value in settled.items() if name.endswith(ending)), default=0.0)
