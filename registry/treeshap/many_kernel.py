"""The walk over trees for many rows at a time: rows that go the same way at every split of a tree share one walk over it.

Of a tree a row knows nothing but which way it goes at each split, and most rows of a population go one of few ways. Each way that
is met is walked once, by the code that walks for a single row (`registry.treeshap.kernel.walked`), and what its edges contribute
is added to all its rows: tree by tree and edge by edge in the order of a single row, so the bytes are the same. Rows lie along
the inner loops and columns apart, so that a split is decided for many rows by a few wide instructions.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from registry.compiling import compiled
from registry.treeshap.kernel import goes_left, walked

_U = np.uintp
_WORD: Final = _U(64)
"""A way is one word of so many splits; a larger tree is walked for each row."""


def _explain_many(  # type: ignore[no-untyped-def]  # noqa: C901 - a call between loops would cost more than the work in them
    start, booster, walks, alone, first_again, first_table, whole, real, edge_feature, again, tables, quadrature, sets, bitsets,
    rows, columns, out, raw, most_splits,
):
    """Add contributions and raw margins of rows; the arrays are those of `registry.treeshap.paths.Paths`.

    Parameters
    ----------
    rows, columns
        (n, n_features), and the same turned round.
    out
        (n_boosters, n_features, n), zero before.
    raw
        (n_boosters, n), zero before.
    """
    n_rows = rows.shape[0]
    at_edge = np.empty((2 * most_splits + 1) * 4)
    gained = np.empty(2 * most_splits + 1)
    passed = np.empty(most_splits + 1, dtype=np.uint8)
    ways = np.empty(n_rows, dtype=np.uint64)
    kind = np.empty(n_rows, dtype=np.int32)
    of_edges = np.empty((quadrature.shape[0] * 2 * most_splits + 1, n_rows))
    leaves = np.empty(n_rows)
    size, bits = 64, 6
    while size < 2 * n_rows:
        size, bits = 2 * size, bits + 1
    # An open table of the ways met: which kind lies in a slot, -1 none.
    slots = np.empty(size, dtype=np.int32)
    way_of = np.empty(n_rows, dtype=np.uint64)
    shift, mask = np.uint64(64 - bits), _U(size - 1)
    for tree in range(walks.shape[0]):
        owner = booster[tree]
        begin = _U(start[tree])
        n_splits = _U(start[tree + 1]) - begin
        n_edges: Any = _U(2) * n_splits
        if n_splits == _U(0):
            for row in range(n_rows):
                raw[owner, row] += alone[tree]
            continue
        shared = n_splits <= _WORD
        if shared:
            ways[:] = np.uint64(0)
            for i in range(_U(0), n_splits):
                word, threshold = whole[begin + i, 0], real[begin + i, 0]
                column = columns[_U(word >> 8)]
                at = np.uint64(i)
                for row in range(n_rows):
                    ways[row] |= np.uint64(goes_left(column[row], threshold, word, sets, bitsets)) << at
            slots[:] = np.int32(-1)
        n_kinds = 0
        for row in range(n_rows):
            if shared:
                way = ways[row]
                slot = _U((way * np.uint64(0x9E3779B97F4A7C15)) >> shift)
                met = slots[slot]
                while met >= 0 and way_of[met] != way:
                    slot = (slot + _U(1)) & mask
                    met = slots[slot]
                if met >= 0:
                    kind[row] = met
                    continue
                slots[slot] = n_kinds
                way_of[n_kinds] = way
            kind[row] = n_kinds
            for walk in range(walks[tree]):
                leaf = walked(
                    tree, walk, start, walks, first_again, first_table, whole, real, again, tables, quadrature, sets, bitsets,
                    rows[row], at_edge, gained, passed,
                )
                if walk == 0:
                    leaves[n_kinds] = leaf
                first = _U(walk) * n_edges
                for e in range(_U(0), n_edges):
                    of_edges[first + e, n_kinds] = gained[e]
            n_kinds += 1
        of_booster = raw[owner]
        for row in range(n_rows):
            of_booster[row] += leaves[kind[row]]
        for walk in range(walks[tree]):
            for e in range(_U(0), n_edges):
                into = out[owner, _U(edge_feature[_U(2) * begin + e])]
                gains = of_edges[_U(walk) * n_edges + e]
                for row in range(n_rows):
                    into[row] += gains[kind[row]]


_I4, _I8, _U4, _F8 = numba.int32, numba.int64, numba.uint32, numba.float64
_SIGNATURE: Final[Any] = (
    _I4[::1], _I4[::1], _I4[::1], _F8[::1], _I4[::1], _I4[::1], _I4[:, ::1], _F8[:, ::1], _I4[::1], _I4[::1], _F8[:, ::1],
    _F8[:, :, ::1], _I8[:, ::1], _U4[::1], _F8[:, ::1], _F8[:, ::1], _F8[:, :, ::1], _F8[:, ::1], _I8,
)

explain_many = compiled(_explain_many, _SIGNATURE)
