"""The walk over trees, compiled by numba. Import it late: numba takes a second, and a new version some more to compile.

Machine code is kept beside the source, in `NUMBA_CACHE_DIR` or in the user's cache folder, whichever can be written. Numba reads
it as a pickle, so it is read only where nobody else can have written it (decision 0019); elsewhere each process compiles for
itself. The import compiles for the one kind of arguments that there is, and nothing is compiled later: a request would wait for
it. `fastmath` is off and every row is added up in one order, so that a row gives the same bytes alone, in a batch, and on any
thread.

Four quadrature nodes are carried at once in one register (`registry.treeshap.lanes`). A tree that needs more nodes is walked once
per four of them, because the integral is a sum over nodes. A walk takes splits, not nodes: both edges of a split share all but
which of them is passed. It has as few branches as can be, because which way a row goes and which child is a leaf is as good as
random to the processor: a leaf and a split are one case, told apart by numbers. Places in arrays are unsigned, or each of them
would be tried for a negative index first.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from registry.compiling import OPTIONS, compiled
from registry.treeshap.lanes import add, divide, load, multiply, splat, store, subtract, totals

_U = np.uintp


def _goes_left(value, threshold, decision, sets, bitsets):  # type: ignore[no-untyped-def]
    """Return 1 where a value goes left at a split, as LightGBM decides (include/LightGBM/tree.h), else 0."""
    if decision & 1:
        if np.isnan(value) or value <= -1.0 or value >= 2147483648.0:
            return np.int64(0)
        category, named = int(value), int(threshold)
        word = category >> 5
        if word >= sets[named, 1]:
            return np.int64(0)
        return np.int64((bitsets[sets[named, 0] + word] >> np.uint32(category & 31)) & np.uint32(1))
    missing = (decision >> 2) & 3
    unknown = value != value
    # 1e-35 as a float32 is LightGBM's kZeroThreshold: what counts as zero where zero means missing.
    zero = 1.0000000180025095e-35
    known = 0.0 if unknown else value
    by_default = (unknown & (missing == 2)) | ((missing == 1) & (known >= -zero) & (known <= zero))
    left = (by_default & ((decision & 2) != 0)) | ((not by_default) & (known <= threshold))
    return np.int64(left)


goes_left = numba.njit(inline="always", **OPTIONS)(_goes_left)


def _walked(  # type: ignore[no-untyped-def]  # noqa: C901 - a call between loops would cost more than the work in them
    tree, walk, start, walks, first_again, first_table, whole, real, again, tables, quadrature, sets, bitsets, values, at_edge,
    gained, passed,
):
    """Walk once over one tree for one row: leave in `gained` what each edge contributes, in the order of the edges.

    The walk down leaves at each edge the product of the factors of its path, and in `passed` which way each split went. The walk up
    puts the sum over the leaves below in its place. An edge's number says where it leads: above S to split 2 S - number, else to a
    leaf. Returns the value of the row's leaf on the first walk.
    """
    begin = _U(start[tree])
    n_splits = _U(start[tree + 1]) - begin
    n_edges: Any = _U(2) * n_splits
    one = splat(1.0)
    lane = quadrature[walks[tree] - 1, walk]
    t, cold, weight = load(lane, _U(0)), load(lane, _U(4)), load(lane, _U(8))
    rest, not_taken = subtract(one, t), subtract(splat(0.0), cold)
    at_again = _U(first_again[tree])
    at_table = _U(first_table[tree]) + _U(walk) * _U(4)
    next_table = _U(walks[tree]) * _U(4)
    store(at_edge, n_edges * _U(4), one)
    for i in range(_U(0), n_splits):
        k = begin + i
        word = whole[k, 0]
        above = load(at_edge, (n_edges - i) * _U(4))
        way = 2 - goes_left(values[_U(word >> 8)], real[k, 0], word, sets, bitsets)
        taken, other = _U(whole[k, way]) * _U(4), _U(whole[k, 3 - way]) * _U(4)
        if word & 16:
            before = again[at_again]
            at_again += _U(1)
            if passed[_U(before >> 1)] == (before & 1) + 1:
                x = (at_table + _U(2 * way - 2)) * _U(8)
                y = (at_table + _U(5 - 2 * way)) * _U(8)
                store(at_edge, taken, multiply(above, load(tables, x)))
                store(at_edge, other, multiply(above, load(tables, y)))
            else:
                store(at_edge, taken, multiply(above, splat(real[k, way])))
                store(at_edge, other, multiply(above, splat(real[k, 3 - way])))
                way = 0
            at_table += next_table
        else:
            store(at_edge, taken, multiply(above, add(t, multiply(splat(real[k, way]), rest))))
            store(at_edge, other, multiply(above, multiply(splat(real[k, 3 - way]), rest)))
        passed[i] = way
    leaf = 0.0
    if walk == 0:
        split, edge = _U(0), n_edges
        while edge > n_splits:
            split = n_edges - edge
            edge = _U(whole[begin + split, passed[split]])
        leaf = real[begin + split, 2 + passed[split]]
    for up in range(_U(1), n_splits + _U(1)):
        at = n_splits - up
        k = begin + at
        way = np.int64(passed[at])
        again_there = whole[k, 0] & 16
        if again_there:
            at_table -= next_table
            if way == 0:
                # The feature's earlier edge was not passed: this one changes nothing.
                one_edge, two_edge = _U(whole[k, 1]), _U(whole[k, 2])
                below_one, below_two = load(at_edge, one_edge * _U(4)), load(at_edge, two_edge * _U(4))
                gained[one_edge], gained[two_edge] = 0.0, 0.0
                store(
                    at_edge, (n_edges - at) * _U(4),
                    add(multiply(below_one, splat(real[k, 3])), multiply(below_two, splat(real[k, 4]))),
                )
                continue
        taken, other = _U(whole[k, way]), _U(whole[k, 3 - way])
        below_taken, below_other = load(at_edge, taken * _U(4)), load(at_edge, other * _U(4))
        of_taken, of_other = real[k, 2 + way], real[k, 5 - way]
        if again_there:
            x, y = at_table + _U(2 * way - 2), at_table + _U(5 - 2 * way)
            gains = totals(
                multiply(below_taken, load(tables, x * _U(8) + _U(4))),
                multiply(below_other, load(tables, y * _U(8) + _U(4))),
            )
        else:
            share = real[k, way]
            passing = add(t, multiply(splat(share), rest))
            straight = add(divide(multiply(weight, splat(1.0 - share)), passing), cold)
            gains = totals(
                multiply(below_taken, subtract(straight, cold)), multiply(below_other, not_taken)
            )
        gained[taken], gained[other] = gains[0] * of_taken, gains[1] * of_other
        store(
            at_edge, (n_edges - at) * _U(4),
            add(multiply(below_taken, splat(of_taken)), multiply(below_other, splat(of_other))),
        )
    return leaf


walked = numba.njit(inline="always", **OPTIONS)(_walked)


def _explain_rows(  # type: ignore[no-untyped-def]
    start, booster, walks, alone, first_again, first_table, whole, real, edge_feature, again, tables, quadrature, sets, bitsets,
    rows, out, raw, most_splits,
):
    """Add contributions and raw margins of rows; the arrays are those of `registry.treeshap.paths.Paths`.

    Parameters
    ----------
    rows
        (n, n_features).
    out
        (n, n_boosters, n_features), zero before.
    raw
        (n, n_boosters), zero before.

    Trees are walked one after the other over all rows of a block, so that a tree's tables stay in the processor's cache; each
    row adds its trees up in their order, and of each tree the edges in theirs.
    """
    at_edge = np.empty((2 * most_splits + 1) * 4)
    gained = np.empty(2 * most_splits + 1)
    # Which edge of a split passes on what has passed so far: 1 the left, 2 the right, 0 none.
    passed = np.empty(most_splits + 1, dtype=np.uint8)
    block = 32
    n_rows = rows.shape[0]
    for first_row in range(0, n_rows, block):
        last_row = min(first_row + block, n_rows)
        for tree in range(walks.shape[0]):
            owner = booster[tree]
            first_edge = _U(2) * _U(start[tree])
            n_edges = _U(2) * _U(start[tree + 1]) - first_edge
            for row in range(first_row, last_row):
                if n_edges == _U(0):
                    raw[row, owner] += alone[tree]
                    continue
                for walk in range(walks[tree]):
                    leaf = walked(
                        tree, walk, start, walks, first_again, first_table, whole, real, again, tables, quadrature, sets, bitsets,
                        rows[row], at_edge, gained, passed,
                    )
                    if walk == 0:
                        raw[row, owner] += leaf
                    for e in range(_U(0), n_edges):
                        out[row, owner, _U(edge_feature[first_edge + e])] += gained[e]


_I4, _I8, _U4, _F8 = numba.int32, numba.int64, numba.uint32, numba.float64
_SIGNATURE: Final[Any] = (
    _I4[::1], _I4[::1], _I4[::1], _F8[::1], _I4[::1], _I4[::1], _I4[:, ::1], _F8[:, ::1], _I4[::1], _I4[::1], _F8[:, ::1],
    _F8[:, :, ::1], _I8[:, ::1], _U4[::1], _F8[:, ::1], _F8[:, :, ::1], _F8[:, ::1], _I8,
)


explain_rows = compiled(_explain_rows, _SIGNATURE)
