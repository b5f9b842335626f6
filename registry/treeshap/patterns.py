"""Exact contributions of whole populations by looking them up: the same values as the kernel's, many rows at a time.

Of a tree a row knows nothing but which way it goes at each split. Path-dependent TreeSHAP is a function of those bits, so for a
part of a tree with few splits every case is worked out once, and a row's values are read from the table. A tree is cut into
parts of at most `MOST_BITS` splits: those of a subtree, and those on the path to it.

A table pays for itself from some thousand rows on; single rows are the kernel's (`registry.treeshap.kernel`). The values differ
from the kernel's by rounding, some 1e-15 of their size.

References
----------
Yang, "Fast TreeSHAP: Accelerating SHAP Value Computation for Trees", 2021: values by the pattern of a leaf's path (version 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from registry.treeshap.forest import CATEGORICAL, Floats, Forest, NotCovered, Tree, parse_forest
from registry.treeshap.paths import Walked, expected_of, gauss, walk

ENGINE: Final = "patterns/1"
MOST_BITS: Final = 8
MOST_SPLITS: Final = 64
MISSING: Final = 65_535
"""Code of a value that is missing; thresholds of one feature are fewer."""
MOST_CATEGORIES: Final = 256
_LEFT_IF_BELOW, _LEFT_IF_MISSING_TOO, _LEFT_IF_IN_SET = range(3)
_BLOCK: Final = 4096


@dataclass
class _Lists:
    """What grows while trees are cut into parts; see `Patterns` for what each holds."""

    first_split: list[int] = field(default_factory=lambda: [0])
    first_part: list[int] = field(default_factory=lambda: [0])
    splits: list[tuple[int, int, int]] = field(default_factory=list)
    parts: list[tuple[int, ...]] = field(default_factory=list)
    path_bits: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    table_size: int = 0
    leaves: list[tuple[int, int, int, int]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    edges: list[tuple[int, int, int]] = field(default_factory=list)
    owners: list[tuple[int, float]] = field(default_factory=list)


class PatternForest:
    """A booster as tables of patterns.

    Parameters
    ----------
    text
        Its model text, verified.

    Raises
    ------
    NotCovered
        If a tree is too deep or too large for tables, or treats zero as missing.
    BundleRefused
        If the text does not describe trees.
    """

    def __init__(self, text: str) -> None:
        from registry.treeshap.pattern_kernel import fill_tables

        forest = parse_forest(text)
        self.n_features = forest.n_features
        self.expected = sum(map(expected_of, forest.trees), 0.0)
        self._codes = _Codes.of(forest)
        lists = _Lists()
        for tree in forest.trees:
            _cut(tree, walk(tree), self._codes, lists)
        self._splits = _ints(lists.splits, 3)
        self._parts = _ints(lists.parts, 9)
        self._rest = (
            np.array(lists.first_split, dtype=np.int64), np.array(lists.first_part, dtype=np.int64),
            np.array(lists.path_bits, dtype=np.int64), np.array(lists.columns, dtype=np.int64),
        )
        self._tables = np.zeros(lists.table_size)
        # Numba takes no arrays that may not be written to.
        nodes, weights = (one.copy() for one in gauss(-(-MOST_BITS // 2)))
        fill_tables(
            self._parts, _ints(lists.leaves, 4), np.array(lists.values), _ints(lists.edges, 3),
            np.array([slot for slot, _ in lists.owners], dtype=np.int64), np.array([share for _, share in lists.owners]),
            nodes, weights, self._tables,
        )

    def explain(self, matrix: Floats, *, threads: int = 1) -> Floats:
        """Return contributions (n, n_features); `expected` plus a row's contributions is its margin.

        A row's values do not depend on the other rows or on the number of threads.
        """
        from registry.treeshap.pattern_kernel import add_rows

        out = np.zeros((self.n_features, len(matrix)))
        edges = [*range(0, len(matrix), _BLOCK), len(matrix)]

        def block(begin: int, end: int) -> None:
            part = np.zeros((self.n_features, end - begin))
            codes = self._codes.encode(matrix[begin:end])
            add_rows(codes, self._splits, self._codes.sets, self._parts, *self._rest, self._tables, part)
            out[:, begin:end] = part

        # The kernel lets go of the interpreter's lock, so plain threads share the blocks.
        with ThreadPoolExecutor(threads) as pool:
            for task in [pool.submit(partial(block, a, b)) for a, b in pairwise(edges)]:
                task.result()
        return np.ascontiguousarray(out.T)


@dataclass(frozen=True)
class _Codes:
    """Values as whole numbers that splits compare: how many of the feature's thresholds lie below, or the category itself.

    Parameters
    ----------
    thresholds
        Per feature, ascending; None for a category.
    missing_is_zero
        Per feature, whether a missing value is taken for zero.
    sets
        (n_sets, MOST_CATEGORIES + 1): whether a category goes left; the last column is for what is none.
    first_set
        Per tree, its first row in `sets`.
    """

    thresholds: tuple[Floats | None, ...]
    missing_is_zero: tuple[bool, ...]
    sets: npt.NDArray[np.uint8]
    first_set: dict[int, int]

    @classmethod
    def of(cls, forest: Forest) -> _Codes:
        met: list[set[float]] = [set() for _ in range(forest.n_features)]
        kinds: list[set[int]] = [set() for _ in range(forest.n_features)]
        sets: list[npt.NDArray[np.uint8]] = []
        first: dict[int, int] = {}
        for tree in forest.trees:
            first[id(tree)] = len(sets)
            sets += _sets(tree)
            columns = (tree.feature.tolist(), tree.threshold.tolist(), tree.decision.tolist())
            for feature, threshold, decision in zip(*columns, strict=True):
                kinds[feature].add(-1 if decision & CATEGORICAL else (decision >> 2) & 3)
                met[feature].add(threshold)
        for found in kinds:
            if len(found) > 1 or 1 in found:
                raise NotCovered("a feature whose splits treat missing values in several ways, or zero as missing")
        thresholds = tuple(
            None if found == {-1} else np.array(sorted(values)) for found, values in zip(kinds, met, strict=True)
        )
        if any(one is not None and len(one) >= MISSING for one in thresholds):
            raise NotCovered("a feature with more thresholds than codes")
        table = np.array(sets, dtype=np.uint8).reshape(-1, MOST_CATEGORIES + 1)
        return cls(thresholds, tuple(found == {0} for found in kinds), table, first)

    def encode(self, matrix: Floats) -> npt.NDArray[np.uint16]:
        """Return the codes of rows, (n_features, n)."""
        codes = np.empty((len(self.thresholds), len(matrix)), dtype=np.uint16)
        for place, thresholds in enumerate(self.thresholds):
            column = matrix[:, place]
            missing = np.isnan(column)
            if thresholds is None:
                # LightGBM sends to the right what is no category: missing, negative or too large.
                inside = ~missing & (column > -1.0) & (column < MOST_CATEGORIES)
                codes[place] = np.where(inside, np.where(inside, column, 0.0).astype(np.int64), MOST_CATEGORIES)
                continue
            filled = np.where(missing, 0.0, column)
            codes[place] = np.searchsorted(thresholds, filled, side="left")
            if not self.missing_is_zero[place]:
                codes[place][missing] = MISSING
        return codes

    def split(self, tree: Tree, number: int) -> tuple[int, int, int]:
        """Return feature, kind and code of a split."""
        feature, decision = int(tree.feature[number]), int(tree.decision[number])
        if decision & CATEGORICAL:
            return feature, _LEFT_IF_IN_SET, self.first_set[id(tree)] + int(tree.threshold[number])
        thresholds = self.thresholds[feature]
        assert thresholds is not None, "a feature with thresholds is no category"
        kind = _LEFT_IF_MISSING_TOO if decision & 2 else _LEFT_IF_BELOW
        return feature, kind, int(np.searchsorted(thresholds, tree.threshold[number]))


def _sets(tree: Tree) -> list[npt.NDArray[np.uint8]]:
    made = []
    for begin, end in pairwise(tree.boundaries.tolist()):
        bits = np.unpackbits(tree.bitsets[begin:end].astype("<u4").view(np.uint8), bitorder="little")
        if bits[MOST_CATEGORIES:].any():
            raise NotCovered("a category above those that tables hold")
        row = np.zeros(MOST_CATEGORIES + 1, dtype=np.uint8)
        row[: min(len(bits), MOST_CATEGORIES)] = bits[:MOST_CATEGORIES]
        made.append(row)
    return made


def _cut(tree: Tree, walked: Walked, codes: _Codes, lists: _Lists) -> None:
    """Add a tree's splits and parts."""
    source = np.array(walked.source)
    number = np.cumsum(source >= 0) - 1  # of each split, in the order of the walk
    if len(tree.feature) > MOST_SPLITS:
        raise NotCovered(f"a tree of {len(tree.feature)} splits")
    for place in np.flatnonzero(source >= 0).tolist():
        lists.splits.append(codes.split(tree, int(source[place])))
    ends = _ends(walked)
    for place, end in _parts(walked, source, ends):
        _add_part(tree, walked, number, place, end, lists)
    lists.first_split.append(len(lists.splits))
    lists.first_part.append(len(lists.parts))


def _ends(walked: Walked) -> list[int]:
    """Return for each node the place behind its subtree."""
    ends = list(range(1, len(walked.parent) + 1))
    for place in range(len(walked.parent) - 1, 0, -1):
        parent = walked.parent[place]
        ends[parent] = max(ends[parent], ends[place])
    return ends


def _path(walked: Walked, place: int) -> list[int]:
    """Return the nodes from below the root down to a node."""
    found = []
    while place > 0:
        found.append(place)
        place = walked.parent[place]
    return found[::-1]


def _parts(walked: Walked, source: npt.NDArray[np.int64], ends: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the subtrees that become parts, each with the place behind it; a tree that never split has none."""
    waiting = [0] if len(walked.parent) > 1 else []
    while waiting:
        place = waiting.pop()
        above, below = len(_path(walked, place)), int((source[place : ends[place]] >= 0).sum())
        if above + below <= MOST_BITS:
            yield place, ends[place]
        elif below == 0:
            raise NotCovered(f"a leaf behind {above} splits")
        else:
            waiting += [child for child in range(place + 1, ends[place]) if walked.parent[child] == place]


def _add_part(
    tree: Tree, walked: Walked, number: npt.NDArray[np.int64], place: int, end: int, lists: _Lists
) -> None:
    inside = [node for node in range(place, end) if walked.source[node] >= 0]
    above = [walked.parent[node] for node in _path(walked, place)]
    # Bits: the subtree's own splits in the order of the walk, then those on the path to it.
    bit = {node: position for position, node in enumerate([*inside, *above])}
    first_column, slots, first_leaf = len(lists.columns), dict[int, int](), len(lists.leaves)
    for leaf in (node for node in range(place, end) if walked.source[node] < 0):
        owners: dict[int, int] = {}
        first_edge, first_owner = len(lists.edges), len(lists.owners)
        path = _path(walked, leaf)
        shares = {walked.edge_feature[node]: walked.share[node] for node in path}
        for feature, share in shares.items():
            owners[feature] = len(owners)
            lists.owners.append((slots.setdefault(feature, len(slots)), share))
        for node in path:
            lists.edges.append((bit[walked.parent[node]], walked.is_left[node], owners[walked.edge_feature[node]]))
        lists.leaves.append((first_edge, len(path), first_owner, len(owners)))
        lists.values.append(float(tree.leaf_value[-1 - walked.source[leaf]]))
    lists.columns += list(slots)
    first_bit = int(number[inside[0]]) if inside else 0
    # First bit of the subtree and how many, first of the path's bits and how many, first column and how many, first cell of the
    # table, first leaf and how many.
    lists.parts.append((
        first_bit, len(inside), len(lists.path_bits), len(above), first_column, len(slots), lists.table_size, first_leaf,
        len(lists.leaves) - first_leaf,
    ))
    lists.path_bits += [int(number[node]) for node in above]
    lists.table_size += len(slots) << len(bit)


def _ints(rows: list[Any], width: int) -> npt.NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, width)
