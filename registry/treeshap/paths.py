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

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.treeshap.forest import Floats, Forest, Tree

TABLES: Final = ("straight", "again_factor", "again_coefficient")
CASES: Final = 2
"""Of an edge whose feature was split before: still passing, passing until now. Not passing before: no coefficient is left."""


@dataclass(frozen=True)
class Paths:
    """Arrays over all nodes of all trees, each tree's in depth-first order; `parent` and `earlier` count within the tree.

    Parameters
    ----------
    start
        (n_trees + 1,) first node of each tree.
    nodes
        (n_trees,) quadrature nodes of each tree; `first_t` where they begin in `t` and `weight`, `first_table` where the
        tree's part of `straight` begins.
    parent, is_left, edge_feature, share
        (n_nodes,) of the edge that leads to a node: parent, side, feature of the split, share z of training rows.
    earlier
        (n_nodes,) nearest edge above with the same feature, -1 for none; `slot` its row in the tables `again`.
    split_feature, threshold, decision, first_word, n_words
        (n_nodes,) of the split of a node; feature -1 for a leaf.
    value
        (n_nodes,) value of a leaf.
    straight
        w (1 - z) / (t + z (1 - t)) per node and quadrature node: coefficient of an edge that the row passes and that has no
        earlier one.
    again
        Factor and coefficient per slot, case and quadrature node, for edges with an earlier one; `first_again` by slot.
    t, weight
        Gauss-Legendre nodes and weights on [0, 1], one set per number of nodes.
    """

    start: npt.NDArray[np.int32]
    nodes: npt.NDArray[np.int32]
    first_t: npt.NDArray[np.int32]
    first_table: npt.NDArray[np.int64]
    parent: npt.NDArray[np.int32]
    is_left: npt.NDArray[np.uint8]
    edge_feature: npt.NDArray[np.int32]
    share: Floats
    earlier: npt.NDArray[np.int32]
    first_again: npt.NDArray[np.int64]
    split_feature: npt.NDArray[np.int32]
    threshold: Floats
    decision: npt.NDArray[np.uint8]
    first_word: npt.NDArray[np.int32]
    n_words: npt.NDArray[np.int32]
    value: Floats
    straight: Floats
    again_factor: Floats
    again_coefficient: Floats
    t: Floats
    weight: Floats
    bitsets: npt.NDArray[np.uint32]
    expected: float
    most_nodes: int
    most_t: int

    def arrays(self) -> tuple[Any, ...]:
        """Return the arrays in the order in which the kernel takes them."""
        return tuple(getattr(self, one.name) for one in fields(self) if one.name not in ("expected", "most_nodes", "most_t"))


@dataclass
class _Walked:
    """One tree in depth-first order."""

    parent: list[int]
    is_left: list[int]
    edge_feature: list[int]
    share: list[float]
    earlier: list[int]
    source: list[int]
    distinct: int = 0


def prepare(forest: Forest) -> Paths:
    """Return the arrays of a forest."""
    parts: dict[str, list[Any]] = {name: [] for name in (
        "parent", "is_left", "edge_feature", "share", "earlier", "first_again", "split_feature", "threshold", "decision",
        "first_word", "n_words", "value", "straight", "again_factor", "again_coefficient", "nodes", "first_table",
    )}
    start, n_straight, n_again, words = [0], 0, 0, 0
    expected = 0.0
    for tree in forest.trees:
        walked = _walk(tree)
        quadrature = max((walked.distinct + 1) // 2, 1)
        straight, slots, factor, coefficient = _tables(walked, quadrature)
        parts["nodes"].append(quadrature)
        parts["first_table"].append(n_straight)
        parts["straight"].append(straight.ravel())
        parts["first_again"] += [n_again + slot if slot >= 0 else -1 for slot in slots]
        parts["again_factor"].append(factor.ravel())
        parts["again_coefficient"].append(coefficient.ravel())
        for name in ("parent", "is_left", "edge_feature", "share", "earlier"):
            parts[name] += getattr(walked, name)
        _add_splits(parts, tree, walked, words)
        start.append(start[-1] + len(walked.parent))
        n_straight, n_again, words = n_straight + straight.size, n_again + factor.size, words + len(tree.bitsets)
        expected += _expected(tree)
    return _paths(forest, parts, start, expected)


def _paths(forest: Forest, parts: dict[str, list[Any]], start: list[int], expected: float) -> Paths:
    most_t = max(parts["nodes"], default=1)
    first_t, t, weight = _quadratures(most_t)
    joined = {name: np.concatenate(parts[name]) if parts[name] else np.zeros(0) for name in TABLES}
    bitsets = [tree.bitsets for tree in forest.trees]
    as_int32: dict[str, Any] = {name: np.array(parts[name], dtype=np.int32) for name in (
        "parent", "edge_feature", "earlier", "split_feature", "first_word", "n_words", "nodes",
    )}
    return Paths(
        start=np.array(start, dtype=np.int32), first_t=np.array([first_t[n] for n in parts["nodes"]], dtype=np.int32),
        first_table=np.array(parts["first_table"], dtype=np.int64), first_again=np.array(parts["first_again"], dtype=np.int64),
        is_left=np.array(parts["is_left"], dtype=np.uint8), decision=np.array(parts["decision"], dtype=np.uint8),
        share=np.array(parts["share"], dtype=np.float64), threshold=np.array(parts["threshold"], dtype=np.float64),
        value=np.array(parts["value"], dtype=np.float64), t=t, weight=weight,
        bitsets=np.concatenate(bitsets) if bitsets else np.zeros(0, dtype=np.uint32), expected=expected,
        most_nodes=int(np.max(np.diff(start), initial=1)), most_t=most_t, **as_int32,
        straight=joined["straight"], again_factor=joined["again_factor"], again_coefficient=joined["again_coefficient"],
    )


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


def _tables(walked: _Walked, quadrature: int) -> tuple[Floats, list[int], Floats, Floats]:
    t, weight = _gauss(quadrature)
    share = np.array(walked.share)[:, None]
    passing = t + share * (1.0 - t)
    straight = weight * (1.0 - share) / passing
    slots: list[int] = []
    factors: list[Floats] = []
    coefficients: list[Floats] = []
    for place, earlier in enumerate(walked.earlier):
        if earlier < 0:
            slots.append(-1)
            continue
        slots.append(len(factors) * CASES * quadrature)
        old, new = passing[earlier], passing[place]
        factors.append(np.stack([new / old, share[place] * (1.0 - t) / old]))
        taken_back = straight[earlier]
        coefficients.append(np.stack([straight[place] - taken_back, -weight / (1.0 - t) - taken_back]))
    none = np.zeros((0, CASES, quadrature))
    return straight, slots, np.stack(factors) if factors else none, np.stack(coefficients) if coefficients else none


def _add_splits(parts: dict[str, list[Any]], tree: Tree, walked: _Walked, words: int) -> None:
    for source in walked.source:
        leaf = source < 0
        categorical = not leaf and bool(tree.decision[source] & 1)
        named = int(tree.threshold[source]) if categorical else 0
        parts["split_feature"].append(-1 if leaf else int(tree.feature[source]))
        parts["threshold"].append(0.0 if leaf else float(tree.threshold[source]))
        parts["decision"].append(0 if leaf else int(tree.decision[source]))
        parts["first_word"].append(words + int(tree.boundaries[named]) if categorical else 0)
        parts["n_words"].append(int(tree.boundaries[named + 1] - tree.boundaries[named]) if categorical else 0)
        parts["value"].append(float(tree.leaf_value[-1 - source]) if leaf else 0.0)


def _expected(tree: Tree) -> float:
    """Return the mean value of a tree's leaves over the training rows, added up in LightGBM's order."""
    if not len(tree.feature):
        return float(tree.leaf_value[0])
    total, mean = float(tree.count[0]), 0.0
    for value, rows in zip(tree.leaf_value.tolist(), tree.leaf_count.tolist(), strict=True):
        mean += rows / total * value
    return mean


def _quadratures(most: int) -> tuple[dict[int, int], Floats, Floats]:
    first: dict[int, int] = {}
    t: list[Floats] = []
    weight: list[Floats] = []
    for n in range(1, most + 1):
        first[n] = sum(len(part) for part in t)
        nodes, weights = _gauss(n)
        t.append(nodes)
        weight.append(weights)
    return first, np.concatenate(t), np.concatenate(weight)


def _gauss(n: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1.0) / 2.0, weights / 2.0


