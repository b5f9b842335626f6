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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.treeshap.forest import CATEGORICAL, Floats, Forest, Tree

LANES: Final = 4
"""Quadrature nodes of one walk over a tree."""

# Columns of `Paths.whole` and `Paths.real`.
WORD, LEFT, RIGHT = range(3)
THRESHOLD, LEFT_SHARE, RIGHT_SHARE, LEFT_VALUE, RIGHT_VALUE = range(5)
FEATURE_SHIFT: Final = 8
AGAIN: Final = 1 << 4
"""Bit of a split's word: its feature was split above. Below it lie LightGBM's decision bits, from `FEATURE_SHIFT` the feature."""


@dataclass(frozen=True)
class Paths:
    """Arrays over the splits of all trees, each tree's in depth-first order, the left child first.

    A tree of S splits has 2 S edges. They are numbered in the order in which what they contribute is added up: those to leaves
    from left to right, then those to splits from the last to the first. So the edge to split k has the number 2 S - k, and an edge
    above S leads to a split.

    Parameters
    ----------
    start
        (n_trees + 1,) first split of each tree.
    booster
        (n_trees,) which of the boosters a tree belongs to.
    walks
        (n_trees,) walks that a tree needs, of `LANES` quadrature nodes each.
    alone
        (n_trees,) value of a tree that has no split.
    first_again, first_table
        (n_trees,) first row of each tree in `again`, and in `tables`.
    whole
        (n_splits, 3): word of decision bits, `AGAIN` and feature; numbers of the edges to the left and to the right child.
    real
        (n_splits, 5): threshold, or the number of its set in `sets` for a split of categories; for each side the share z of
        training rows that the path's splits on the feature let through, as a ratio to that of the earlier edge where there is
        one; for each side the value of the leaf, 1 where the child is a split.
    edge_feature
        (2 n_splits,) feature of each edge.
    again
        (n_again,) for each split whose feature was split above, the nearest edge above with this feature: twice the number of
        its split, and 1 more on the right.
    tables
        Per such split and walk four rows, left passed and not, right passed and not: `LANES` factors and as many coefficients.
    quadrature
        (most walks, most walks, 3 * LANES): for trees of so many walks, per walk the nodes t, w / (1 - t), and the weights w.
    sets
        (n_sets, 2): where a set of categories begins in `bitsets`, and how many words it has.
    bitsets
        Sets of categories that go left, 32 bits each.
    expected
        Per booster the mean of the margins over the training rows.
    most_splits
        Splits of the largest tree.
    """

    start: npt.NDArray[np.int32]
    booster: npt.NDArray[np.int32]
    walks: npt.NDArray[np.int32]
    alone: Floats
    first_again: npt.NDArray[np.int32]
    first_table: npt.NDArray[np.int32]
    whole: npt.NDArray[np.int32]
    real: Floats
    edge_feature: npt.NDArray[np.int32]
    again: npt.NDArray[np.int32]
    tables: Floats
    quadrature: Floats
    sets: npt.NDArray[np.int64]
    bitsets: npt.NDArray[np.uint32]
    expected: tuple[float, ...]
    most_splits: int

    def arrays(self) -> tuple[Any, ...]:
        """Return the arrays in the order in which the kernel takes them."""
        return (
            self.start, self.booster, self.walks, self.alone, self.first_again, self.first_table, self.whole, self.real,
            self.edge_feature, self.again, self.tables, self.quadrature, self.sets, self.bitsets,
        )


@dataclass
class Walked:
    """One tree in depth-first order; `source` is the split's number as LightGBM has it, below 0 for a leaf."""

    parent: list[int]
    is_left: list[int]
    edge_feature: list[int]
    share: list[float]
    earlier: list[int]
    source: list[int]
    distinct: int = 0


def prepare(forests: Sequence[Forest]) -> Paths:
    """Return the arrays of the boosters of one score, one after the other."""
    trees = [tree for forest in forests for tree in forest.trees]
    walked = [walk(tree) for tree in trees]
    walks = [max(1, -(-one.distinct // (2 * LANES))) for one in walked]
    splits = [len(tree.feature) for tree in trees]
    whole, real, edges, again, tables = [], [], [], [], []
    sets = [np.zeros((0, 2), dtype=np.int64)]
    words = n_sets = 0
    for tree, one, n_walks in zip(trees, walked, walks, strict=True):
        children = _children(one)
        edges.append(_edge_features(one))
        whole.append(_whole(tree, one, children))
        real.append(_real(tree, one, children, n_sets))
        before, rows = _again(one, children, n_walks)
        again.append(before)
        tables.append(rows)
        sets.append(np.stack([words + tree.boundaries[:-1], np.diff(tree.boundaries)], axis=1))
        words, n_sets = words + len(tree.bitsets), n_sets + len(sets[-1])
    return Paths(
        start=_starts(splits, last=True), walks=np.array(walks, dtype=np.int32),
        booster=np.repeat(np.arange(len(forests)), [len(forest.trees) for forest in forests]).astype(np.int32),
        alone=np.array([0.0 if len(tree.feature) else tree.leaf_value[0] for tree in trees], dtype=np.float64),
        first_again=_starts(map(len, again)), first_table=_starts(map(len, tables)),
        whole=_joined(whole, (3,), np.int32), real=_joined(real, (5,), np.float64), edge_feature=_joined(edges, (), np.int32),
        again=_joined(again, (), np.int32), tables=_joined(tables, (2 * LANES,), np.float64),
        quadrature=_quadrature(max(walks, default=1)), sets=np.concatenate(sets),
        bitsets=np.concatenate([np.zeros(0, dtype=np.uint32), *(tree.bitsets for tree in trees)]),
        expected=tuple(sum(map(expected_of, forest.trees), 0.0) for forest in forests), most_splits=max(splits, default=0),
    )


def _starts(lengths: Iterable[int], *, last: bool = False) -> npt.NDArray[np.int32]:
    found = np.cumsum([0, *lengths]).astype(np.int32)
    return found if last else np.ascontiguousarray(found[:-1])


def _joined(parts: list[Any], shape: tuple[int, ...], dtype: Any) -> Any:
    return np.ascontiguousarray(np.concatenate([np.zeros((0, *shape), dtype=dtype), *parts]), dtype=dtype)


def walk(tree: Tree) -> Walked:
    """Return a tree in depth-first order, the left child first."""
    walked = Walked([-1], [0], [-1], [1.0], [-1], [0 if len(tree.feature) else -1])
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


def _children(walked: Walked) -> npt.NDArray[np.intp]:
    """Return (n_splits, 2): the nodes that are the left and the right child of each split, splits in the order of the walk."""
    parent, is_left = np.array(walked.parent), np.array(walked.is_left, dtype=bool)
    nodes = np.arange(1, len(parent))
    found = np.zeros((len(parent), 2), dtype=np.intp)
    found[parent[1:], np.where(is_left[1:], 0, 1)] = nodes
    return found[np.array(walked.source) >= 0]


def _edge_numbers(walked: Walked) -> npt.NDArray[np.intp]:
    """Return (n_nodes,) the number of the edge that leads to each node."""
    split = np.array(walked.source) >= 0
    return np.where(split, 2 * split.sum() - (np.cumsum(split) - 1), np.cumsum(~split) - 1)


def _edge_features(walked: Walked) -> npt.NDArray[np.int32]:
    found = np.zeros(len(walked.parent), dtype=np.int32)
    found[_edge_numbers(walked)] = walked.edge_feature
    # The last is the edge to the root, which is none.
    return found[:-1]


def _whole(tree: Tree, walked: Walked, children: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    source = np.array(walked.source)
    splits = source[source >= 0]
    numbers = _edge_numbers(walked)
    found = np.zeros((len(splits), 3), dtype=np.int32)
    again = np.array(walked.earlier)[children[:, 0]] >= 0
    found[:, WORD] = (tree.feature[splits] << FEATURE_SHIFT) | (tree.decision[splits] & (AGAIN - 1)) | np.where(again, AGAIN, 0)
    found[:, LEFT], found[:, RIGHT] = numbers[children[:, 0]], numbers[children[:, 1]]
    return found


def _real(tree: Tree, walked: Walked, children: npt.NDArray[np.intp], n_sets: int) -> Floats:
    source, share, earlier = np.array(walked.source), np.array(walked.share), np.array(walked.earlier)
    splits = source[source >= 0]
    old = np.where(earlier >= 0, share[earlier], 1.0)
    # Where an edge is the first of its feature the share itself, which is its ratio to 1.
    ratio = np.divide(share, old, out=np.zeros(len(share)), where=old > 0)
    value = np.where(source >= 0, 1.0, tree.leaf_value[np.where(source < 0, -1 - source, 0)])
    of_categories = tree.decision[splits] & CATEGORICAL == CATEGORICAL
    found = np.zeros((len(splits), 5))
    found[:, THRESHOLD] = tree.threshold[splits] + np.where(of_categories, n_sets, 0)
    for side in range(2):
        found[:, LEFT_SHARE + side] = ratio[children[:, side]]
        found[:, LEFT_VALUE + side] = value[children[:, side]]
    return found


def _again(walked: Walked, children: npt.NDArray[np.intp], walks: int) -> tuple[npt.NDArray[np.int32], Floats]:
    """Return, for the splits whose feature was split above, the nearest such edge and the rows of `Paths.tables`."""
    earlier, is_left = np.array(walked.earlier), np.array(walked.is_left)
    later = children[earlier[children[:, 0]] >= 0] if len(children) else children
    old = earlier[later[:, 0]]
    rank = np.cumsum(np.array(walked.source) >= 0) - 1
    before = 2 * rank[np.array(walked.parent)[old]] + (1 - is_left[old])
    t, weight = gauss(walks * LANES)
    share = np.array(walked.share)[:, None]
    passing, not_passing = t + share * (1.0 - t), share * (1.0 - t)
    coefficient, cold = weight * (1.0 - share) / passing, weight / (1.0 - t)
    # (splits, walks, sides, passed or not, factors and coefficients)
    found = np.empty((len(later), walks, 2, 2, 2, LANES))
    for side in range(2):
        new = later[:, side]
        for case, (factor, gained) in enumerate(((passing[new], coefficient[new]), (not_passing[new], -cold[None, :]))):
            found[:, :, side, case, 0] = (factor / passing[old]).reshape(-1, walks, LANES)
            found[:, :, side, case, 1] = (gained - coefficient[old]).reshape(-1, walks, LANES)
    return before.astype(np.int32), found.reshape(-1, 2 * LANES)


def expected_of(tree: Tree) -> float:
    """Return the mean value of a tree's leaves over the training rows, added up in LightGBM's order."""
    if not len(tree.feature):
        return float(tree.leaf_value[0])
    total, mean = float(tree.count[0]), 0.0
    for value, rows in zip(tree.leaf_value.tolist(), tree.leaf_count.tolist(), strict=True):
        mean += rows / total * value
    return mean


def _quadrature(most: int) -> Floats:
    found = np.zeros((most, most, 3 * LANES))
    for walks in range(1, most + 1):
        t, weight = gauss(walks * LANES)
        found[walks - 1, :walks, :LANES] = t.reshape(walks, LANES)
        found[walks - 1, :walks, LANES:2 * LANES] = (weight / (1.0 - t)).reshape(walks, LANES)
        found[walks - 1, :walks, 2 * LANES:] = weight.reshape(walks, LANES)
    return found


@cache
def gauss(n: int) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes and weights on [0, 1]; every tree asks for one of a few sizes."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    found = (nodes + 1.0) / 2.0, weights / 2.0
    for one in found:
        one.flags.writeable = False
    return found
