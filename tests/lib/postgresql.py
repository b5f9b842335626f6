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

import psutil

from tests.lib.processes import free_port

STOP_S = 60

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(found).parent for found in [shutil.which("initdb")] if found]
DRIVER = importlib.util.find_spec("psycopg") is not None
INSTALLED = bool(PROGRAMS) and (PROGRAMS[-1] / "initdb").exists()


_running: dict[str, tuple[Path, str, dict[str, Any]]] = {}


def owner() -> str | None:
    """Return the user who must own a server's folders, where it is another one: the server refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


@contextmanager
def postgresql(*, fsync: bool = False, wal: Path | None = None) -> Iterator[str]:
    """Yield the address of a running server whose user `roadrisk` needs no password.

    Parameters
    ----------
    fsync
        Whether it waits for the disk.
    wal
        Empty folder for its write-ahead log, in files of one megabyte; inside the folder of its data by default.
    """
    user = owner()
    folder, port, programs = Path(tempfile.mkdtemp(prefix="roadrisk-pg-")), free_port(), PROGRAMS[-1]
    for owned in filter(None, (folder, wal)):
        if user is not None:
            shutil.chown(owned, user)
    how: dict[str, Any] = {"user": user, "cwd": folder, "check": True, "capture_output": True}
    data, options = folder / "data", f"-p {port} -h 127.0.0.1 -k {folder} -c fsync={'on' if fsync else 'off'}"
    address = f"postgresql://roadrisk@127.0.0.1:{port}/postgres"
    _running[address] = data, options, how
    try:
        elsewhere = [] if wal is None else ["-X", wal, "--wal-segsize=1"]
        subprocess.run([programs / "initdb", "-D", data, "-A", "trust", "-U", "roadrisk", "-N", *elsewhere], **how)
        start(address)
        yield address
    finally:
        stop(address)
        for name in [name for name, known in _running.items() if known[0] == data]:
            del _running[name]
        shutil.rmtree(folder)


def start(address: str) -> None:
    """Start a server that was stopped."""
    data, options, how = _running[address]
    subprocess.run([PROGRAMS[-1] / "pg_ctl", "-D", data, "-o", options, "-w", "-l", data.parent / "log", "start"], **how)


def stop(address: str) -> None:
    """Stop a running server as a crash would."""
    data, _, how = _running[address]
    if running(address):
        subprocess.run([PROGRAMS[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **how)


def kill(address: str) -> None:
    """Kill the postmaster with SIGKILL, which its own processes take for the end of the world, and wait until none is left."""
    data, _, _ = _running[address]
    whole = processes_of(data)
    whole[0].kill()
    _, left = psutil.wait_procs(whole, timeout=STOP_S)
    assert not left, "a process of the server outlived its postmaster"


def processes_of(data: Path) -> list[psutil.Process]:
    """Return the processes of the server over a folder of data, its postmaster first."""
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
    return [postmaster, *postmaster.children(recursive=True)]


def running(address: str) -> bool:
    """Whether a server runs, whatever the file of its last process says."""
    data, _, how = _running[address]
    return subprocess.run([PROGRAMS[-1] / "pg_ctl", "-D", data, "status"], **{**how, "check": False}).returncode == 0


def restart(address: str) -> None:
    """Let a server crash, if it runs, and start it again."""
    stop(address)
    start(address)


def new_database(address: str, name: str, *, tables: Path | None = None) -> str:
    """Return the address of a new, empty database on the server of an address; its tables may lie in a folder of their own."""
    import psycopg

    made = address.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(address, autocommit=True) as db:
        if tables is not None:
            db.execute(f"CREATE TABLESPACE {name} LOCATION '{tables}'".encode())
        db.execute(f"CREATE DATABASE {name}{f' TABLESPACE {name}' if tables else ''}".encode())
    _running[made] = _running[address]
    return made
