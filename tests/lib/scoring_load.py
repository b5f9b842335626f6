"""The real service on a demonstration home, with requests for scores that it knows an answer to."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psutil

from registry.access.book import AccessBook
from registry.access.changes import Writer
from registry.access.parties import Quota
from registry.access.scenarios import Request
from registry.access.terms import Term, shanghai_day
from registry.access.tokens import read_token
from registry.settings import Settings
from tests.benches.batch import vins_of
from tests.lib.access import APPLICANT, activate, token_of
from tests.lib.open_loop import in_turn, posts
from tests.lib.processes import ROOT, environment_of, free_port, running

WARM: Final = 1500
INSURER: Final = "bench-insurer"


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

    Who asks is an insurer under a scenario of its own at the detail `groups`, the most that its role may have. Consumer and
    scenario stay in the home; the key is revoked in the end.

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
    ) as url, _insurer(settings, product) as header:
        bodies = [{"entity": {"vin": vin}} for vin in vins_of(settings)[:WARM]]
        asked = posts(url, f"/v1/{product}/scores", header, bodies)
        answered = asyncio.run(in_turn(url, asked))
        yield Served(url, [one for one, (_, status) in zip(asked, answered, strict=True) if status == 200])


@contextmanager
def _insurer(settings: Settings, product: str) -> Iterator[dict[str, str]]:
    now = datetime.now(UTC)
    with closing(AccessBook.open(settings)) as book:
        state = book.state()
    if INSURER not in state.consumers:
        Writer(settings, APPLICANT, now).add_consumer(INSURER, role="insurer", zh="压测保险机构", en="insurer of the bench")
    asked_for = [one.request for one in state.scenarios.values() if one.request.consumer == INSURER and one.in_force(now)]
    if product not in [request.product for request in asked_for]:
        start = shanghai_day(now)
        activate(settings, Request(
            consumer=INSURER, product=product, purpose_zh="承保定价", purpose_en="a bench", resources=None, detail="groups",
            term=Term(start, start + timedelta(days=365)), basis="bench", charge="public",
        ), at=now)
        Writer(settings, APPLICANT, now).set_quota(INSURER, product, Quota(rate_per_s=10_000.0, burst=10_000))
    token = token_of(settings, INSURER, at=now)
    try:
        yield {"Authorization": f"Bearer {token}"}
    finally:
        presented = read_token(token)
        assert presented is not None, "it was issued a moment ago"
        Writer(settings, APPLICANT, datetime.now(UTC)).revoke_key(presented.key_id, reason="the bench is over")
