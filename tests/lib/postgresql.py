"""A real PostgreSQL server of a test's own, where its programs are installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lib.processes import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(found).parent for found in [shutil.which("initdb")] if found]
DRIVER = importlib.util.find_spec("psycopg") is not None
INSTALLED = bool(PROGRAMS) and (PROGRAMS[-1] / "initdb").exists()


_running: dict[str, tuple[Path, str, dict[str, Any]]] = {}


@contextmanager
def postgresql(*, fsync: bool = False) -> Iterator[str]:
    """Yield the address of a running server whose user `roadrisk` needs no password."""
    # The server refuses to run as root and must own its folder.
    user = "postgres" if os.geteuid() == 0 else None
    folder, port, programs = Path(tempfile.mkdtemp(prefix="roadrisk-pg-")), free_port(), PROGRAMS[-1]
    if user is not None:
        shutil.chown(folder, user)
    how: dict[str, Any] = {"user": user, "cwd": folder, "check": True, "capture_output": True}
    data, options = folder / "data", f"-p {port} -h 127.0.0.1 -k {folder} -c fsync={'on' if fsync else 'off'}"
    address = f"postgresql://roadrisk@127.0.0.1:{port}/postgres"
    _running[address] = data, options, how
    try:
        subprocess.run([programs / "initdb", "-D", data, "-A", "trust", "-U", "roadrisk", "-N"], **how)
        start(address)
        yield address
    finally:
        stop(address)
        del _running[address]
        shutil.rmtree(folder)


def start(address: str) -> None:
    """Start a server that was stopped."""
    data, options, how = _running[address]
    subprocess.run([PROGRAMS[-1] / "pg_ctl", "-D", data, "-o", options, "-w", "-l", data.parent / "log", "start"], **how)


def stop(address: str) -> None:
    """Stop a running server as a crash would."""
    data, _, how = _running[address]
    if (data / "postmaster.pid").exists():
        subprocess.run([PROGRAMS[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **how)


def restart(address: str) -> None:
    """Let a server crash, if it runs, and start it again."""
    stop(address)
    start(address)


def new_database(address: str, name: str) -> str:
    """Return the address of a new, empty database on the server of an address."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}".encode())
    return address.rpartition("/")[0] + f"/{name}"
