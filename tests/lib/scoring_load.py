"""The real service on a demonstration home, with requests for scores that it knows an answer to."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from registry.settings import Settings
from tests.benches.batch import vins_of
from tests.lib.homes import key_header
from tests.lib.open_loop import in_turn, posts
from tests.lib.processes import ROOT, environment_of, free_port, running

WARM = 1500


@dataclass(frozen=True)
class Served:
    """A running service.

    Parameters
    ----------
    url
        Its address.
    requests
        Bytes of requests that it answered with 200.
    """

    url: str
    requests: list[bytes]

    def memory_mb(self) -> float:
        """Return the memory of its processes together, in megabytes; pages that they share count once for each."""
        return sum(one.memory_info().rss for one in psutil.Process().children(recursive=True)) / 2**20


@contextmanager
def scoring_service(settings: Settings, product: str, *, workers: int) -> Iterator[Served]:
    """Run the service of a demonstration home, warmed up with every request.

    Raises
    ------
    SystemExit
        If the home holds no demonstration.
    """
    if not (settings.home / "examples.json").is_file():
        raise SystemExit("ROADRISK_HOME holds no demonstration; make one with `roadrisk demo --exit`")
    port = free_port()
    command = [sys.executable, "-m", "registry.cli", "serve", "--port", str(port), "--workers", str(workers)]
    with tempfile.TemporaryDirectory() as folder, running(
        command, environment_of(settings), port, Path(folder) / "serve.log", ROOT
    ) as url:
        bodies = [{"entity": {"vin": vin}} for vin in vins_of(settings)[:WARM]]
        asked = posts(url, f"/v1/{product}/scores", key_header(settings), bodies)
        answered = asyncio.run(in_turn(url, asked))
        yield Served(url, [one for one, (_, status) in zip(asked, answered, strict=True) if status == 200])
