"""Fill and read the tables of patterns, compiled by numba. Import it late: numba takes a second, and a new version some more.

Rows lie along the inner loops and columns apart, so that the comparisons of a block of rows become a few wide instructions and a
part's table stays in the processor's cache while all its rows are read from it.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

from registry.compiling import compiled


def _fill_tables(  # type: ignore[no-untyped-def]  # noqa: C901 - a call between loops would cost more than the work in them
    parts, leaves, values, edges, owner_slots, owner_shares, nodes, weights, tables,
):
    """Work out every pattern of every part; the arrays are those of `registry.treeshap.patterns`.

    A leaf adds ``v (o_i - z_i) * integral of prod over j != i of (o_j t + z_j (1 - t)) dt`` to each feature i of its path, where
    o says whether the row passes all the feature's splits on it and z the share of training rows that do.
    """
    passes = np.empty(64, dtype=np.uint8)
    factors = np.empty(64)
    before = np.empty(64)
    for part in range(parts.shape[0]):
        n_patterns = 1 << (parts[part, 1] + parts[part, 3])
        cell = parts[part, 6]
        for leaf in range(parts[part, 7], parts[part, 7] + parts[part, 8]):
            first_edge, n_edges, first_owner, n_owners = leaves[leaf]
            for pattern in range(n_patterns):
                for owner in range(n_owners):
                    passes[owner] = 1
                for edge in range(first_edge, first_edge + n_edges):
                    if ((pattern >> edges[edge, 0]) & 1) != edges[edge, 1]:
                        passes[edges[edge, 2]] = 0
                for node in range(nodes.shape[0]):
                    t = nodes[node]
                    product = 1.0
                    for owner in range(n_owners):
                        factors[owner] = owner_shares[first_owner + owner] * (1.0 - t) + (t if passes[owner] else 0.0)
                        before[owner] = product
                        product *= factors[owner]
                    behind = 1.0
                    for back in range(n_owners):
                        owner = n_owners - 1 - back
                        gain = (1.0 if passes[owner] else 0.0) - owner_shares[first_owner + owner]
                        place = cell + owner_slots[first_owner + owner] * n_patterns + pattern
                        tables[place] += values[leaf] * weights[node] * gain * before[owner] * behind
                        behind *= factors[owner]


def _add_rows(  # type: ignore[no-untyped-def]  # noqa: C901
    codes, splits, sets, parts, first_split, first_part, path_bits, columns, tables, out,
):
    """Add the contributions of rows, (n_features, n) codes, to `out`, (n_features, n)."""
    block = 256
    words = np.empty(block, dtype=np.uint64)
    index = np.empty(block, dtype=np.int64)
    n_rows = codes.shape[1]
    one = np.uint64(1)
    for first_row in range(0, n_rows, block):
        n = min(block, n_rows - first_row)
        for tree in range(first_split.shape[0] - 1):
            words[:n] = np.uint64(0)
            for split in range(first_split[tree], first_split[tree + 1]):
                shift = np.uint64(split - first_split[tree])
                code = codes[splits[split, 0], first_row : first_row + n]
                limit = splits[split, 2]
                if splits[split, 1] == 0:
                    for row in range(n):
                        words[row] |= np.uint64(code[row] <= limit) << shift
                elif splits[split, 1] == 1:
                    for row in range(n):
                        words[row] |= np.uint64((code[row] <= limit) | (code[row] == 65535)) << shift
                else:
                    for row in range(n):
                        words[row] |= np.uint64(sets[limit, code[row]]) << shift
            for part in range(first_part[tree], first_part[tree + 1]):
                own = parts[part, 1]
                begin, mask = np.uint64(parts[part, 0]), (one << np.uint64(own)) - one
                for row in range(n):
                    index[row] = np.int64((words[row] >> begin) & mask)
                for place in range(parts[part, 3]):
                    at, to = np.uint64(path_bits[parts[part, 2] + place]), np.uint64(own + place)
                    for row in range(n):
                        index[row] |= np.int64(((words[row] >> at) & one) << to)
                n_patterns = 1 << (own + parts[part, 3])
                for slot in range(parts[part, 5]):
                    first = parts[part, 6] + slot * n_patterns
                    table = tables[first : first + n_patterns]
                    into = out[columns[parts[part, 4] + slot], first_row : first_row + n]
                    for row in range(n):
                        into[row] += table[index[row]]


_I8, _U1, _U2, _F8 = numba.int64, numba.uint8, numba.uint16, numba.float64
_FILL: Final[Any] = (_I8[:, ::1], _I8[:, ::1], _F8[::1], _I8[:, ::1], _I8[::1], _F8[::1], _F8[::1], _F8[::1], _F8[::1])
_ADD: Final[Any] = (
    _U2[:, ::1], _I8[:, ::1], _U1[:, ::1], _I8[:, ::1], _I8[::1], _I8[::1], _I8[::1], _I8[::1], _F8[::1], _F8[:, ::1],
)

fill_tables = compiled(_fill_tables, _FILL)
add_rows = compiled(_add_rows, _ADD)
