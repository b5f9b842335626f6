"""What is the same for every row: nodes in the order of a walk, shares of training rows, and tables over quadrature nodes.

Along a path to a leaf with value ``v`` let feature ``j`` have the share ``z_j`` of training rows that its splits let through,
and ``o_j`` 1 where the row passes all of them and 0 where not. The game of path-dependent TreeSHAP is
``v(S) = sum over leaves of v * prod(o_j if j in S else z_j)``, and because ``s! (d-1-s)! / d!`` is the integral of
``t^s (1-t)^(d-1-s)`` over [0, 1], the Shapley value is

    phi_i = sum over leaves of v * (o_i - z_i) * integral of prod over j != i of (o_j t + z_j (1 - t)) dt.

The integrand is a polynomial of a degree below the number of distinct features on the path, so Gauss-Legendre quadrature with
half as many nodes is exact. With the factor ``f_j(t) = o_j t + z_j (1 - t)`` everything a row needs of an edge is one factor for
the walk down and one coefficient ``w (o - z) / f`` for the walk up. Where a feature is split again, its new edge takes the old
one's place: the factor is divided by the old one, and the old coefficient is taken back below the new edge.

References
----------
Lundberg, Erion and Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018, algorithm 2: the values.
Yu, Xu, Zhang and others, "Linear TreeShap", NeurIPS 2022: one pass that carries a polynomial.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.treeshap.forest import CATEGORICAL, Floats, Forest, Tree

LANES: Final = 4
"""Quadrature nodes of one walk over a tree."""
PASSES: Final = 2
"""Cases of an edge whose feature was split above and passed there: passed again, or not. Where it was not passed above, the factor
is a ratio of shares and no coefficient is left."""

# Columns of `Paths.whole` and `Paths.real`.
PARENT, IS_LEFT, EDGE_FEATURE, EARLIER, FIRST_AGAIN, SPLIT_FEATURE, DECISION, LAST_SPLIT = range(8)
SHARE, THRESHOLD, RATIO = range(3)
VALUE: Final = THRESHOLD
"""A leaf has no threshold, and a split no value."""


@dataclass(frozen=True)
class Paths:
    """Arrays over all nodes of all trees, each tree's in depth-first order; a node stands for the edge that leads to it too.

    Parameters
    ----------
    start
        (n_trees + 1,) first node of each tree.
    walks
        (n_trees,) walks that a tree needs, of `LANES` quadrature nodes each.
    first_table
        (n_trees,) first row of each tree in `straight`, which has one row per walk and node.
    whole
        (n_nodes, 8): parent within the tree; whether the node is its left child; feature of the edge; nearest edge above with the
        same feature, -1 for none; its first row in `again`; feature of the node's own split, -1 for a leaf; LightGBM's decision
        bits; the last split before it in the walk's order, 0 for none, and in a tree's first row the last split of the tree.
    real
        (n_nodes, 3): share z of training rows that the path's splits on the feature let through; threshold of a split, the number
        of its set in `sets` where it is one of categories, or value of a leaf; ratio of z to that of the earlier edge.
    straight
        w (1 - z) / (t + z (1 - t)) + w / (1 - t): what passing an edge changes in its coefficient, where none is earlier.
    again
        Per edge with an earlier one, walk and case: `LANES` factors and as many coefficients.
    quadrature
        (most walks, most walks, 2 * LANES): for trees of so many walks, per walk the nodes t and w / (1 - t).
    sets
        (n_sets, 2): where a set of categories begins in `bitsets`, and how many words it has.
    bitsets
        Sets of categories that go left, 32 bits each.
    expected
        Mean of the margins over the training rows.
    most_nodes
        Nodes of the largest tree.
    """

    start: npt.NDArray[np.int32]
    walks: npt.NDArray[np.int32]
    first_table: npt.NDArray[np.int64]
    whole: npt.NDArray[np.int32]
    real: Floats
    straight: Floats
    again: Floats
    quadrature: Floats
    sets: npt.NDArray[np.int64]
    bitsets: npt.NDArray[np.uint32]
    expected: float
    most_nodes: int

    def arrays(self) -> tuple[Any, ...]:
        """Return the arrays in the order in which the kernel takes them."""
        return (
            self.start, self.walks, self.first_table, self.whole, self.real, self.straight, self.again, self.quadrature,
            self.sets, self.bitsets,
        )


@dataclass
class _Walked:
    """One tree in depth-first order; `source` is the split's number as LightGBM has it, below 0 for a leaf."""

    parent: list[int]
    is_left: list[int]
    edge_feature: list[int]
    share: list[float]
    earlier: list[int]
    source: list[int]
    distinct: int = 0


def prepare(forest: Forest) -> Paths:
    """Return the arrays of a forest."""
    walked = [_walk(tree) for tree in forest.trees]
    walks = [max(1, -(-one.distinct // (2 * LANES))) for one in walked]
    sizes = [len(one.parent) for one in walked]
    whole, real, straight, again = [], [], [], []
    sets = [np.zeros((0, 2), dtype=np.int64)]
    rows_again = words = n_sets = 0
    for tree, one, n_walks in zip(forest.trees, walked, walks, strict=True):
        table, more = _tables(one, n_walks)
        whole.append(_whole(tree, one, n_walks, rows_again))
        real.append(_real(tree, one, n_sets))
        sets.append(np.stack([words + tree.boundaries[:-1], np.diff(tree.boundaries)], axis=1))
        straight.append(table)
        again.append(more)
        rows_again, words, n_sets = rows_again + len(more), words + len(tree.bitsets), n_sets + len(sets[-1])
    return Paths(
        start=np.cumsum([0, *sizes]).astype(np.int32), walks=np.array(walks, dtype=np.int32),
        first_table=np.cumsum([0, *(n * size for n, size in zip(walks, sizes, strict=True))])[:-1].astype(np.int64),
        whole=_joined(whole, 8, np.int32), real=_joined(real, 3, np.float64), straight=_joined(straight, LANES, np.float64),
        again=_joined(again, 2 * LANES, np.float64), quadrature=_quadrature(max(walks, default=1)),
        sets=np.concatenate(sets), bitsets=np.concatenate([np.zeros(0, dtype=np.uint32), *(tree.bitsets for tree in forest.trees)]),
        expected=sum((_expected(tree) for tree in forest.trees), 0.0), most_nodes=max(sizes, default=1),
    )


def _joined(parts: list[Any], width: int, dtype: Any) -> Any:
    return np.ascontiguousarray(np.concatenate([np.zeros((0, width)), *parts]), dtype=dtype)


def _walk(tree: Tree) -> _Walked:
    walked = _Walked([-1], [0], [-1], [1.0], [-1], [0 if len(tree.feature) else -1])
    # Of each waiting child: its number as LightGBM has it, its parent's place, its side, and the edges of its path by feature.
    waiting: list[tuple[int, int, int, dict[int, int]]] = []
    if len(tree.feature):
        waiting = [(int(tree.right[0]), 0, 0, {}), (int(tree.left[0]), 0, 1, {})]
    while waiting:
        child, parent, side, above = waiting.pop()
        place, split = len(walked.parent), walked.source[parent]
        feature = int(tree.feature[split])
        rows = tree.count[child] if child >= 0 else tree.leaf_count[-1 - child]
        earlier = above.get(feature, -1)
        share = float(rows / tree.count[split]) * (walked.share[earlier] if earlier >= 0 else 1.0)
        for name, value in (("parent", parent), ("is_left", side), ("edge_feature", feature), ("share", share),
                            ("earlier", earlier), ("source", child)):
            getattr(walked, name).append(value)
        path = {**above, feature: place}
        walked.distinct = max(walked.distinct, len(path))
        if child >= 0:
            waiting += [(int(tree.right[child]), place, 0, path), (int(tree.left[child]), place, 1, path)]
    return walked


def _tables(walked: _Walked, walks: int) -> tuple[Floats, Floats]:
    t, weight = _gauss(walks * LANES)
    share = np.array(walked.share)[:, None]
    passing, not_passing = t + share * (1.0 - t), share * (1.0 - t)
    coefficient, cold = weight * (1.0 - share) / passing, weight / (1.0 - t)
    later = np.flatnonzero(np.array(walked.earlier) >= 0)
    old = np.array(walked.earlier)[later]
    # (edges, walks, cases, factors and coefficients)
    again = np.empty((len(later), walks, PASSES, 2, LANES))
    for case, (factor, gained) in enumerate(((passing[later], coefficient[later]), (not_passing[later], -cold[None, :]))):
        again[:, :, case, 0] = (factor / passing[old]).reshape(-1, walks, LANES)
        again[:, :, case, 1] = (gained - coefficient[old]).reshape(-1, walks, LANES)
    by_walk = (coefficient + cold).reshape(-1, walks, LANES).swapaxes(0, 1)
    return by_walk.reshape(-1, LANES), again.reshape(-1, 2 * LANES)


def _whole(tree: Tree, walked: _Walked, walks: int, rows_again: int) -> npt.NDArray[np.int32]:
    source, earlier = np.array(walked.source), np.array(walked.earlier)
    split = source >= 0
    found = np.zeros((len(source), 8), dtype=np.int32)
    found[:, PARENT], found[:, IS_LEFT], found[:, EDGE_FEATURE] = walked.parent, walked.is_left, walked.edge_feature
    found[:, EARLIER] = earlier
    found[:, FIRST_AGAIN] = rows_again + (np.cumsum(earlier >= 0) - 1) * walks * PASSES
    found[:, SPLIT_FEATURE] = -1
    found[split, SPLIT_FEATURE], found[split, DECISION] = tree.feature[source[split]], tree.decision[source[split]]
    # The walk up goes from split to split: each names the one before it, and the root the last.
    splits = np.flatnonzero(split)
    found[splits[1:], LAST_SPLIT] = splits[:-1]
    found[0, LAST_SPLIT] = splits[-1] if len(splits) else 0
    return found


def _real(tree: Tree, walked: _Walked, n_sets: int) -> Floats:
    source, share, earlier = np.array(walked.source), np.array(walked.share), np.array(walked.earlier)
    split = source >= 0
    found = np.zeros((len(source), 3))
    found[:, SHARE] = share
    of_categories = tree.decision[source[split]] & CATEGORICAL == CATEGORICAL
    found[split, THRESHOLD] = tree.threshold[source[split]] + np.where(of_categories, n_sets, 0)
    found[~split, VALUE] = tree.leaf_value[-1 - source[~split]]
    old = np.where(earlier >= 0, share[earlier], 1.0)
    found[:, RATIO] = np.divide(share, old, out=np.zeros(len(share)), where=old > 0)
    return found


def _expected(tree: Tree) -> float:
    """Return the mean value of a tree's leaves over the training rows, added up in LightGBM's order."""
    if not len(tree.feature):
        return float(tree.leaf_value[0])
    total, mean = float(tree.count[0]), 0.0
    for value, rows in zip(tree.leaf_value.tolist(), tree.leaf_count.tolist(), strict=True):
        mean += rows / total * value
    return mean


def _quadrature(most: int) -> Floats:
    found = np.zeros((most, most, 2 * LANES))
    for walks in range(1, most + 1):
        t, weight = _gauss(walks * LANES)
        found[walks - 1, :walks, :LANES] = t.reshape(walks, LANES)
        found[walks - 1, :walks, LANES:] = (weight / (1.0 - t)).reshape(walks, LANES)
    return found


@cache
def _gauss(n: int) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes and weights on [0, 1]; every tree asks for one of a few sizes."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    found = (nodes + 1.0) / 2.0, weights / 2.0
    for one in found:
        one.flags.writeable = False
    return found
