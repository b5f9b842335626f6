"""The service of the demonstration: start it, call it as a client would, show the answers, leave it up or end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.errors import NotFound, ServiceUnavailable
from registry.products import PRODUCTS
from registry.settings import Settings
from serving.start import PROVED_VARIABLE

if TYPE_CHECKING:
    from rich.console import RenderableType

SERVICE: Final = "serving.service:RoadRisk"
START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 20.0
SHOWN_LOG_LINES: Final = 15
SHOWN_INPUTS: Final = 8


@dataclass(frozen=True)
class RunningService:
    """A service that answers.

    Parameters
    ----------
    url
        Its address.
    pid
        Its process.
    start_s
        Seconds until it was ready.
    """

    url: str
    pid: int
    start_s: float


@contextmanager
def running_service(settings: Settings, *, keep: bool, proved: Sequence[str]) -> Iterator[RunningService]:
    """Start the service and wait until it is ready; end it afterwards unless it shall be kept.

    A service that an earlier demonstration left up is ended first, because it serves the models of then.

    Parameters
    ----------
    settings
        Where models, store and ledger lie.
    keep
        Whether the service outlives the block.
    proved
        Digests of bundles that were proved in a throw-away process already.

    Raises
    ------
    ServiceUnavailable
        If it ends or is not ready in time; the message has the last lines of its log.
    """
    note = settings.home / "service.json"
    _end_former(note)
    chosen = settings.model_copy(update={"port": _free_port(settings)})
    started, log = time.monotonic(), settings.home / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [str(Path(sys.executable).with_name("roadrisk")), "serve", "--port", str(chosen.port)],
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env={
                **os.environ, "ROADRISK_HOME": str(settings.home), "ROADRISK_KEYS_DIR": str(settings.keys_dir),
                PROVED_VARIABLE: ",".join(proved),
            },
        )
    url, ready = f"http://{chosen.host}:{chosen.port}", False
    try:
        _wait_until_ready(url, process, log)
        note.write_text(json.dumps({"url": url, "pid": process.pid}))
        ready = True
        yield RunningService(url, process.pid, round(time.monotonic() - started, 1))
    finally:
        if not (ready and keep):
            _end(process.pid)
            note.unlink(missing_ok=True)


def call_products(url: str, settings: Settings) -> dict[str, Any]:
    """Score one entity per product over HTTP and return the answers by product."""
    from serving.client import ScoringClient

    examples = json.loads((settings.home / "examples.json").read_text())
    with ScoringClient.local(settings, url) as client:
        return {product_id: _first_score(client, product_id, examples) for product_id in PRODUCTS}


def render_walk(result: Mapping[str, Any]) -> RenderableType:
    """Return what a terminal shows of the demonstration."""
    from rich.console import Group
    from rich.rule import Rule

    from registry.output import table
    from serving.show import answer_view

    parts: list[Any] = []
    for product_id, answer in result["answers"].items():
        parts += [Rule(f"{product_id} {PRODUCTS[product_id].zh} (simulated data)"), answer_view(answer, most=SHOWN_INPUTS)]
    rows = [(name, seconds) for name, seconds in result["seconds"].items()]
    parts.append(table(("step", "seconds"), rows, title=f"the walk, preset {result['preset']}"))
    service = result["service"]
    if service is not None:
        parts.append(
            f"The service is up at {service['url']} (process {service['pid']}). Try:\n"
            f"  curl {service['url']}/v1/products\n"
            f"  .venv/bin/roadrisk explain {next(iter(result['answers'].values()))['score_id']}\n"
            "  .venv/bin/roadrisk panel build    # scores of the last 24 months, for the portraits of the console\n"
            f"End it with: kill {service['pid']}"
        )
    return Group(*parts)


def _first_score(client: Any, product_id: str, examples: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first answer that has a score, so that the demonstration shows one; grey ones are tried no further."""
    entity = PRODUCTS[product_id].entity
    candidates = examples.get(product_id) or examples[entity]
    for candidate in candidates:
        key = {name: candidate[name] for name in _natural_key(entity, candidate)}
        with suppress(NotFound):
            answer: dict[str, Any] = client.score(product_id, key)
            if answer["score"] is not None:
                return answer
    raise NotFound(f"none of {len(candidates)} example entities has a score", where=product_id)


def _natural_key(entity: str, candidate: Mapping[str, str]) -> tuple[str, ...]:
    from registry.entities import ENTITIES

    return next(names for names in ENTITIES[entity].natural_keys if set(names) <= set(candidate))


def _free_port(settings: Settings) -> int:
    """Return the configured port, or a free one where something else listens there."""
    for port in (settings.port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((settings.host, port))
                return int(probe.getsockname()[1])
    raise ServiceUnavailable("no free port", where=settings.host)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    from serving.client import ScoringClient

    deadline = time.monotonic() + START_TIMEOUT_S
    with ScoringClient(url, timeout_s=2.0) as client:
        while time.monotonic() < deadline and process.poll() is None:
            if client.ready():
                return
            time.sleep(0.25)
    last = "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LOG_LINES:])
    state = "is not ready" if process.poll() is None else f"ended with exit code {process.returncode}"
    raise ServiceUnavailable(f"the service {state}; the end of its log:\n{last}", where=str(log))


def _end_former(note: Path) -> None:
    import psutil

    if note.is_file():
        with suppress(ValueError, KeyError, psutil.NoSuchProcess):
            pid = int(json.loads(note.read_text())["pid"])
            # The number may belong to somebody else by now.
            if SERVICE in psutil.Process(pid).cmdline():
                _end(pid)
        note.unlink(missing_ok=True)


def _end(pid: int) -> None:
    """End the service's session: politely, then by force."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, sign)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not _session_lives(pid):
                return
            time.sleep(0.1)


def _session_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
