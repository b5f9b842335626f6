"""The walk over trees, compiled by numba. Import it late: numba takes a second, and a new version some more to compile.

Machine code is kept beside the source, in `NUMBA_CACHE_DIR` or in the user's cache folder, whichever can be written. `fastmath`
is off and every row is added up in one order, so that a row gives the same bytes alone, in a batch, and on any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _compiled(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        # No folder can be written: compiled anew in each process.
        return numba.njit(nogil=True, error_model="numpy")(function)


@_compiled
def goes_left(value, threshold, decision, bitsets, first_word, n_words):  # type: ignore[no-untyped-def]
    """Return whether a value goes left at a split, as LightGBM decides (include/LightGBM/tree.h)."""
    if decision & 1:
        if np.isnan(value) or value <= -1.0 or value >= 2147483648.0:
            return False
        category = int(value)
        word = category >> 5
        return word < n_words and ((bitsets[first_word + word] >> np.uint32(category & 31)) & np.uint32(1)) != 0
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


@_compiled
def explain_rows(  # type: ignore[no-untyped-def]  # noqa: C901 - calls between loops would cost more than the work in them
    start, nodes, first_t, first_table, parent, is_left, edge_feature, share, earlier, first_again, split_feature,
    threshold, decision, first_word, n_words, value, straight, again_factor, again_coefficient, t, weight, bitsets,
    rows, out, raw, most_nodes, most_t,
):
    """Add contributions and raw margins of rows.

    Parameters
    ----------
    rows
        (n, n_features).
    out
        (n, n_features), zero before.
    raw
        (n,), zero before.
    most_nodes, most_t
        Size of the work space.

    Trees are walked one after the other over all rows of a block, so that a tree's tables stay in the processor's cache; each
    row adds its trees up in their order.
    """
    down = np.empty((most_nodes, most_t))
    up = np.empty((most_nodes, most_t))
    passes = np.empty(most_nodes, dtype=np.uint8)
    reached = np.empty(most_nodes, dtype=np.uint8)
    left = np.empty(most_nodes, dtype=np.uint8)
    block = 32
    n_rows = rows.shape[0]
    for first_row in range(0, n_rows, block):
        last_row = min(first_row + block, n_rows)
        for tree in range(nodes.shape[0]):
            begin, size, n_t = start[tree], start[tree + 1] - start[tree], nodes[tree]
            t_at, table = first_t[tree], first_table[tree]
            for row in range(first_row, last_row):
                if size == 1:
                    raw[row] += value[begin]
                    continue
                passes[0], reached[0] = 1, 1
                left[0] = goes_left(
                    rows[row, split_feature[begin]], threshold[begin], decision[begin], bitsets, first_word[begin],
                    n_words[begin],
                )
                for q in range(n_t):
                    down[0, q], up[0, q] = 1.0, 0.0
                for i in range(1, size):
                    k = begin + i
                    above, before = parent[k], earlier[k]
                    through = is_left[k] == left[above]
                    reached[i] = reached[above] & through
                    z = share[k]
                    if before < 0:
                        passes[i] = through
                        if through:
                            for q in range(n_t):
                                down[i, q] = down[above, q] * (t[t_at + q] + z * (1.0 - t[t_at + q]))
                        else:
                            for q in range(n_t):
                                down[i, q] = down[above, q] * (z * (1.0 - t[t_at + q]))
                    elif passes[before]:
                        passes[i] = through
                        at = first_again[k] + (0 if through else n_t)
                        for q in range(n_t):
                            down[i, q] = down[above, q] * again_factor[at + q]
                    else:
                        passes[i] = 0
                        old = share[begin + before]
                        ratio = z / old if old > 0.0 else 0.0
                        for q in range(n_t):
                            down[i, q] = down[above, q] * ratio
                    if split_feature[k] >= 0:
                        left[i] = goes_left(
                            rows[row, split_feature[k]], threshold[k], decision[k], bitsets, first_word[k], n_words[k]
                        )
                        for q in range(n_t):
                            up[i, q] = 0.0
                    else:
                        for q in range(n_t):
                            up[i, q] = value[k] * down[i, q]
                        if reached[i]:
                            raw[row] += value[k]
                for i in range(size - 1, 0, -1):
                    k = begin + i
                    above, before = parent[k], earlier[k]
                    points = 0.0
                    if before < 0:
                        if passes[i]:
                            for q in range(n_t):
                                points += up[i, q] * straight[table + i * n_t + q]
                        else:
                            for q in range(n_t):
                                points -= up[i, q] * (weight[t_at + q] / (1.0 - t[t_at + q]))
                    elif passes[before]:
                        at = first_again[k] + (0 if passes[i] else n_t)
                        for q in range(n_t):
                            points += up[i, q] * again_coefficient[at + q]
                    out[row, edge_feature[k]] += points
                    for q in range(n_t):
                        up[above, q] += up[i, q]
