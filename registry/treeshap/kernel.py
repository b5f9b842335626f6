"""The walk over trees, compiled by numba. Import it late: numba takes a second, and a new version some more to compile.

Machine code is kept beside the source, in `NUMBA_CACHE_DIR` or in the user's cache folder, whichever can be written. Numba reads
it as a pickle, so the folder is as trusted as the code: only the service's user may write to it. The import compiles for the
one kind of arguments that there is, and nothing is compiled later: a request would wait for it. `fastmath` is off and every row
is added up in one order, so that a row gives the same bytes alone, in a batch, and on any thread.

Four quadrature nodes are carried at once in variables of their own: so they stay in registers, which no loop over a short array
achieves. A tree that needs more nodes is walked once per four of them, because the integral is a sum over nodes. Places in
arrays are unsigned, or each of them would be tried for a negative index first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numba
import numpy as np

LANES: Final = 4
"""Quadrature nodes of one walk."""
_U = np.uintp
_OPTIONS: Final[dict[str, Any]] = {"nogil": True, "error_model": "numpy"}


def _goes_left(value, threshold, decision, sets, bitsets):  # type: ignore[no-untyped-def]
    """Return whether a value goes left at a split, as LightGBM decides (include/LightGBM/tree.h)."""
    if decision & 1:
        if np.isnan(value) or value <= -1.0 or value >= 2147483648.0:
            return False
        category, named = int(value), int(threshold)
        word = category >> 5
        if word >= sets[named, 1]:
            return False
        return ((bitsets[sets[named, 0] + word] >> np.uint32(category & 31)) & np.uint32(1)) != 0
    missing = (decision >> 2) & 3
    if np.isnan(value):
        if missing == 2:
            return (decision & 2) != 0
        value = 0.0
    # 1e-35 as a float32 is LightGBM's kZeroThreshold: what counts as zero where zero means missing.
    zero = 1.0000000180025095e-35
    if missing == 1 and -zero <= value <= zero:
        return (decision & 2) != 0
    return value <= threshold


goes_left = numba.njit(inline="always", **_OPTIONS)(_goes_left)


def _explain_rows(  # type: ignore[no-untyped-def]  # noqa: C901 - a call between loops would cost more than the work in them
    start, walks, first_table, whole, real, straight, again, quadrature, sets, bitsets, rows, out, raw, most_nodes,
):
    """Add contributions and raw margins of rows; the arrays are those of `registry.treeshap.paths.Paths`.

    Parameters
    ----------
    rows
        (n, n_features).
    out
        (n, n_features), zero before.
    raw
        (n,), zero before.

    Trees are walked one after the other over all rows of a block, so that a tree's tables stay in the processor's cache; each
    row adds its trees up in their order. A leaf is done with when the walk down meets it; splits follow on the way up.
    """
    down = np.empty(most_nodes * 4)
    up = np.empty(most_nodes * 4)
    passes = np.empty(most_nodes, dtype=np.uint8)
    reached = np.empty(most_nodes, dtype=np.uint8)
    left = np.empty(most_nodes, dtype=np.uint8)
    block = 32
    n_rows = rows.shape[0]
    for first_row in range(0, n_rows, block):
        last_row = min(first_row + block, n_rows)
        for tree in range(walks.shape[0]):
            begin = _U(start[tree])
            size = _U(start[tree + 1]) - begin
            for row in range(first_row, last_row):
                if size == _U(1):
                    raw[row] += real[begin, 1]
                    continue
                for walk in range(walks[tree]):
                    lane = quadrature[walks[tree] - 1, walk]
                    t0, t1, t2, t3 = lane[0], lane[1], lane[2], lane[3]
                    r0, r1, r2, r3 = 1.0 - t0, 1.0 - t1, 1.0 - t2, 1.0 - t3
                    # Coefficient w (0 - z) / (z (1 - t)) of an edge that the row does not pass, its sign taken off.
                    c0, c1, c2, c3 = lane[4], lane[5], lane[6], lane[7]
                    table = _U(first_table[tree]) + _U(walk) * size
                    passes[0], reached[0] = 1, 1
                    left[0] = goes_left(rows[row, _U(whole[begin, 5])], real[begin, 1], whole[begin, 6], sets, bitsets)
                    down[0], down[1], down[2], down[3] = 1.0, 1.0, 1.0, 1.0
                    up[0], up[1], up[2], up[3] = 0.0, 0.0, 0.0, 0.0
                    for i in range(_U(1), size):
                        k = begin + i
                        above, before, feature = _U(whole[k, 0]), whole[k, 3], whole[k, 5]
                        through = whole[k, 1] == left[above]
                        a = above * _U(4)
                        p0, p1, p2, p3 = down[a], down[a + _U(1)], down[a + _U(2)], down[a + _U(3)]
                        s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
                        reached[i] = reached[above] & through
                        if before < 0:
                            passes[i] = through
                            z = real[k, 0]
                            o = 1.0 if through else 0.0
                            p0 *= o * t0 + z * r0
                            p1 *= o * t1 + z * r1
                            p2 *= o * t2 + z * r2
                            p3 *= o * t3 + z * r3
                            if feature < 0:
                                x = table + i
                                s0 = p0 * (o * straight[x, 0] - c0)
                                s1 = p1 * (o * straight[x, 1] - c1)
                                s2 = p2 * (o * straight[x, 2] - c2)
                                s3 = p3 * (o * straight[x, 3] - c3)
                        elif passes[_U(before)]:
                            passes[i] = through
                            x = _U(whole[k, 4]) + _U(walk) * _U(2) + (_U(0) if through else _U(1))
                            p0 *= again[x, 0]
                            p1 *= again[x, 1]
                            p2 *= again[x, 2]
                            p3 *= again[x, 3]
                            if feature < 0:
                                s0 = p0 * again[x, 4]
                                s1 = p1 * again[x, 5]
                                s2 = p2 * again[x, 6]
                                s3 = p3 * again[x, 7]
                        else:
                            passes[i] = 0
                            ratio = real[k, 2]
                            p0 *= ratio
                            p1 *= ratio
                            p2 *= ratio
                            p3 *= ratio
                        if feature < 0:
                            v = real[k, 1]
                            if walk == 0 and reached[i]:
                                raw[row] += v
                            out[row, _U(whole[k, 2])] += v * ((s0 + s1) + (s2 + s3))
                            up[a] += v * p0
                            up[a + _U(1)] += v * p1
                            up[a + _U(2)] += v * p2
                            up[a + _U(3)] += v * p3
                        else:
                            left[i] = goes_left(rows[row, _U(feature)], real[k, 1], whole[k, 6], sets, bitsets)
                            d = i * _U(4)
                            down[d], down[d + _U(1)], down[d + _U(2)], down[d + _U(3)] = p0, p1, p2, p3
                            up[d], up[d + _U(1)], up[d + _U(2)], up[d + _U(3)] = 0.0, 0.0, 0.0, 0.0
                    at = _U(whole[begin, 7])  # the last split of the tree
                    while at > _U(0):
                        k = begin + at
                        above, before = _U(whole[k, 0]), whole[k, 3]
                        a, d = above * _U(4), at * _U(4)
                        s0, s1, s2, s3 = up[d], up[d + _U(1)], up[d + _U(2)], up[d + _U(3)]
                        up[a] += s0
                        up[a + _U(1)] += s1
                        up[a + _U(2)] += s2
                        up[a + _U(3)] += s3
                        if before < 0:
                            o = 1.0 if passes[at] else 0.0
                            x = table + at
                            out[row, _U(whole[k, 2])] += (
                                (s0 * (o * straight[x, 0] - c0) + s1 * (o * straight[x, 1] - c1))
                                + (s2 * (o * straight[x, 2] - c2) + s3 * (o * straight[x, 3] - c3))
                            )
                        elif passes[_U(before)]:
                            x = _U(whole[k, 4]) + _U(walk) * _U(2) + (_U(0) if passes[at] else _U(1))
                            out[row, _U(whole[k, 2])] += (s0 * again[x, 4] + s1 * again[x, 5]) + (
                                s2 * again[x, 6] + s3 * again[x, 7]
                            )
                        at = _U(whole[k, 7])


_I4, _I8, _U4, _F8 = numba.int32, numba.int64, numba.uint32, numba.float64
_SIGNATURE: Final = (
    _I4[::1], _I4[::1], _I8[::1], _I4[:, ::1], _F8[:, ::1], _F8[:, ::1], _F8[:, ::1], _F8[:, :, ::1], _I8[:, ::1], _U4[::1],
    _F8[:, ::1], _F8[:, ::1], _F8[::1], _I8,
)


def _compiled(function: Callable[..., Any]) -> Any:
    for attempt in (_from_cache, _into_emptied_cache):
        # A damaged pickle raises anything; what is wrong with the function itself comes again without a cache.
        with suppress(Exception):
            return attempt(function)
    return _without_cache(function)


def _from_cache(function: Callable[..., Any]) -> Any:
    return _only(numba.njit(cache=True, **_OPTIONS)(function))


def _into_emptied_cache(function: Callable[..., Any]) -> Any:
    kernel = numba.njit(cache=True, **_OPTIONS)(function)
    # Nothing is compiled yet: this only empties the cache, which a killed process or a full disk can have damaged.
    kernel.recompile()
    return _only(kernel)


def _without_cache(function: Callable[..., Any]) -> Any:
    return _only(numba.njit(**_OPTIONS)(function))


def _only(kernel: Any) -> Any:
    kernel.compile(_SIGNATURE)
    kernel.disable_compile()
    return kernel


explain_rows = _compiled(_explain_rows)
