"""A real service in a process of its own, on a free port of the loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from registry.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
START_S = 90


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command_line(*arguments: str) -> list[str]:
    """Return the command that runs `roadrisk`, installed or not."""
    program = (
        "import sys; from registry.cli import main, roadrisk; from serving.cli import explain, score, serve; "
        "[roadrisk.add_command(c) for c in (explain, score, serve)]; sys.exit(main())"
    )
    return [sys.executable, "-c", program, *arguments]


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of a child process that uses these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ROADRISK_", "BENTOML_"))}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))
    made = {**kept, "PYTHONPATH": path, "ROADRISK_HOME": str(settings.home), "ROADRISK_KEYS_DIR": str(settings.keys_dir)}
    return {**made, "ROADRISK_LEDGER_URL": settings.ledger_url} if settings.ledger_url else made


@contextmanager
def running(command: list[str], environment: dict[str, str], port: int, log: Path, cwd: Path) -> Iterator[str]:
    """Run a service until the block ends; yields its address once it is ready."""
    with running_process(command, environment, port, log, cwd) as (address, _):
        yield address


@contextmanager
def running_process(
    command: list[str], environment: dict[str, str], port: int, log: Path, cwd: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a service until the block ends; yields its address and its parent process, which leads a group of its own."""
    with log.open("ab") as out, subprocess.Popen(
        command, env=environment, stdout=out, stderr=out, cwd=cwd, start_new_session=True
    ) as process:
        try:
            _wait(process, port, log)
            yield f"http://127.0.0.1:{port}", process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def kill_whole(process: subprocess.Popen[bytes]) -> None:
    """Kill a service with SIGKILL, its parent and all its workers, and wait until none is left."""
    # The parent first, which would start others in their place; a worker leads a session of its own.
    whole = _with_descendants(process)
    for one in whole:
        one.kill()
    assert process.wait(START_S) == -signal.SIGKILL, "the service ended by itself"
    deadline = time.monotonic() + START_S
    while not all(map(_dead, whole)):
        assert time.monotonic() < deadline, "a worker outlived its kill"
        time.sleep(0.01)


def pids_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return a process and all that descend from it, itself first."""
    return [one.pid for one in _with_descendants(process)]


def _with_descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def _dead(process: psutil.Process) -> bool:
    try:
        # A process whose parent has not heard of its end is still listed.
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the service ended with {process.returncode}: {log.read_text()}")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"the service was not ready within {START_S} s: {log.read_text()}")


def manifests_in(warehouse: Path) -> int:
    """Return how many deliveries a warehouse holds, counted while another process adds and removes folders."""
    return sum(name.endswith(".json") for _, _, names in os.walk(warehouse) for name in names)
