"""Compile a kernel once for the one kind of arguments that it takes, and keep its machine code where nobody else can write it.

Numba reads what it kept as a pickle (decision 0019); where others could have written it, each process compiles for itself.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
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


def _from_cache(function: Callable[..., Any], signature: Any) -> Any:
    return _only(_with_cache(function), signature)


def _with_cache(function: Callable[..., Any]) -> Any:
    kernel = numba.njit(cache=True, **OPTIONS)(function)
    _check_own(Path(kernel.stats.cache_path))
    return kernel


def _check_own(folder: Path) -> None:
    """Refuse machine code that somebody else can have put there: loading a pickle runs what it says; raises `PermissionError`."""
    if folder == Path(__file__).parent / "__pycache__":
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
