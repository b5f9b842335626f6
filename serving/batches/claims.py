"""Which process works at which chunk: a lock file per chunk, held while it is worked at and let go of by the death of its holder.

Several processes share one large batch. Each takes the first chunk that is not done and that nobody holds; the parts and the
ledger say what is done, so a claim says nothing but that somebody is at it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from registry.settings import Settings
from serving.batches.folder import BatchFolder

CLAIMS: Final = "claims"
CHUNKS_PER_PROCESS: Final = 5
"""A further process takes seconds to start, so it must have as much to do as so many chunks."""
HELPER: Final = "helper"
"""Argument of a process that helps another one and ends when it finds nothing to take."""


@contextmanager
def claim(folder: BatchFolder, name: str, *, wait: bool = False) -> Iterator[bool]:
    """Hold a claim on something of a batch; yields whether it was free.

    Raises
    ------
    FileNotFoundError
        If the batch was removed meanwhile.
    """
    place = folder.path / CLAIMS
    # Its parents are not made: a batch that was removed must stay so.
    place.mkdir(mode=0o700, exist_ok=True)
    with (place / name).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def processes_for(settings: Settings, waiting: Sequence[BatchFolder]) -> int:
    """Return how many processes are to share what waits: one for a small batch, at most one for each of `settings.threads`."""
    left = sum(folder.header.chunks - len(folder.parts()) for folder in waiting)
    return max(1, min(settings.threads, len(os.sched_getaffinity(0)), left // CHUNKS_PER_PROCESS))


def started_worker(settings: Settings, *arguments: str, detached: bool = False, **environment: str) -> subprocess.Popen[bytes]:
    """Start a process that works at the batches of a home; a detached one is not ended with this process's terminal."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))))
    settled = {
        **os.environ, "PYTHONPATH": path, "ROADRISK_HOME": str(settings.home.absolute()),
        "ROADRISK_KEYS_DIR": str(settings.keys_dir.absolute()), **environment,
    }
    command, nowhere = [sys.executable, "-m", "serving.batches.worker", *arguments], subprocess.DEVNULL
    return subprocess.Popen(command, env=settled, stdin=nowhere, stdout=nowhere, start_new_session=detached)  # noqa: S603 - our own module


@contextmanager
def helpers(settings: Settings, count: int) -> Iterator[None]:
    """Start processes that work at the same batches, and wait for their end."""
    started = [started_worker(settings, HELPER, ROADRISK_THREADS="1") for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.wait()
