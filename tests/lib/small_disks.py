"""A real file system of a few megabytes, which can be filled to its last byte."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK: bytes = bytes(65_536)


@contextmanager
def small_disk(size_mb: int) -> Iterator[Path]:
    """Yield the folder where it is mounted; skip the test where nothing may be mounted."""
    with tempfile.TemporaryDirectory(prefix="roadrisk-disk-") as folder:
        # Other users, such as that of a database, find their folders in it.
        Path(folder).chmod(0o755)
        options = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0755", "roadrisk-test", folder]
        try:
            done = subprocess.run(options, check=False, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("the program mount is not installed")
        if done.returncode:
            pytest.skip(f"a small file system cannot be mounted here, which needs root: {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no byte of a disk free until the block ends."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as out:
            for piece in (BLOCK, bytes(512)):
                try:
                    while out.write(piece) == len(piece):
                        pass
                except OSError:
                    continue
        yield
    finally:
        filler.unlink()
