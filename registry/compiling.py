"""Compile kernels once and keep their machine code where nobody else can write it, until a source beside them changes.

Numba reads what it kept as a pickle (decision 0019); where others could have written it, each process compiles for itself. Numba
looks at the file of the kernel alone, although what the kernel calls is compiled into it: here machine code that is older than
any source of the kernel's package is made again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numba

OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}


def compiled(function: Callable[..., Any], signature: Any) -> Any:
    """Return the machine code of a function for one signature: from the cache, into an emptied cache, or without one."""
    for attempt in (_from_cache, _into_emptied_cache):
        # A damaged pickle raises anything; what is wrong with the function itself comes again without a cache.
        with suppress(Exception):
            return attempt(function, signature)
    return _without_cache(function, signature)


def kept(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function that is compiled when it is first called for a kind of arguments, and kept where it may be."""
    try:
        return _with_cache(function, options)
    except (OSError, RuntimeError):  # numba raises a RuntimeError where it finds no folder to write to
        return numba.njit(**options)(function)


def _from_cache(function: Callable[..., Any], signature: Any) -> Any:
    return _only(_with_cache(function), signature)


def _with_cache(function: Callable[..., Any], options: Mapping[str, Any] = OPTIONS) -> Any:
    kernel = numba.njit(cache=True, **options)(function)
    source, folder = Path(function.__code__.co_filename), Path(kernel.stats.cache_path)
    _check_own(folder, source)
    _drop_old(folder, source)
    return kernel


def _drop_old(folder: Path, source: Path) -> None:
    newest = max(beside.stat().st_mtime_ns for beside in source.parent.glob("*.py"))
    for index in folder.glob(f"{source.stem}.*.nbi"):
        with suppress(FileNotFoundError):  # another process that starts now drops it too
            if index.stat().st_mtime_ns < newest:
                index.unlink()


def _check_own(folder: Path, source: Path) -> None:
    """Refuse machine code that somebody else can have put there: loading a pickle runs what it says; raises `PermissionError`."""
    if folder == source.parent / "__pycache__":
        # Python runs what lies here anyhow.
        return
    ours = (os.geteuid(), 0)
    for path in (folder.parent, folder, *folder.iterdir()):
        met = path.stat()
        shared = path == folder.parent and met.st_mode & stat.S_ISVTX
        if not shared and (met.st_uid not in ours or met.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            raise PermissionError(f"{path} can be written by others")


def _into_emptied_cache(function: Callable[..., Any], signature: Any) -> Any:
    kernel = _with_cache(function)
    # Nothing is compiled yet: this only empties the cache, which a killed process or a full disk can have damaged.
    kernel.recompile()
    return _only(kernel, signature)


def _without_cache(function: Callable[..., Any], signature: Any) -> Any:
    return _only(numba.njit(**OPTIONS)(function), signature)


def _only(kernel: Any, signature: Any) -> Any:
    kernel.compile(signature)
    kernel.disable_compile()
    return kernel
