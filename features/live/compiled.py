"""How kernels of the live fold are compiled, and the arithmetic of local clocks that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np

from features.segments import DAY_S, HOUR_S, LOCAL_OFFSET_S
from registry.compiling import kept

_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}
jit = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)
"""What kernels call."""


def kernel(function: Callable[..., Any]) -> Any:
    """Return what Python calls; its machine code is kept where it may be."""
    return kept(function, **_OPTIONS)


@jit
def window_s(start, end, from_h, to_h):  # type: ignore[no-untyped-def]
    """Return the seconds between two instants that lie in a daily window of local hours that does not wrap midnight."""
    width = (to_h - from_h) * HOUR_S
    total = np.int64(0)
    for sign, instant in ((1, end), (-1, start)):
        local = np.int64(instant) + LOCAL_OFFSET_S
        day = local // DAY_S
        within = local - day * DAY_S - from_h * HOUR_S
        total += sign * (day * width + min(max(within, 0), width))
    return total


@jit
def night_s(start, end):  # type: ignore[no-untyped-def]
    """Return the seconds from 22 to 6 o'clock."""
    return window_s(start, end, 22, 24) + window_s(start, end, 0, 6)
