"""A LightGBM model text as flat arrays. The bytes are verified before; what they say is checked here all the same.

The text is what `Booster.model_to_string` writes. Not covered, and said so by `NotCovered`: linear trees, averaged output
(random forests), several trees per iteration (several classes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from registry.errors import BundleRefused

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CATEGORICAL: Final = 1
_TREE: Final = re.compile(r"^Tree=\d+$", re.MULTILINE)
_END: Final = "end of trees"


class NotCovered(Exception):
    """A model that is valid and that this implementation does not explain."""


@dataclass(frozen=True)
class Tree:
    """One tree as LightGBM writes it; children below 0 are leaves, ``-1 - leaf``.

    Parameters
    ----------
    feature, threshold, decision, left, right, count
        (n_leaves - 1,) of the splits; `decision` holds LightGBM's bits, `count` the training rows.
    leaf_value, leaf_count
        (n_leaves,).
    bitsets, boundaries
        Categories that go left: split ``threshold`` of a categorical split names its part of `bitsets`, 32 bits each.
    """

    feature: Ints
    threshold: Floats
    decision: Ints
    left: Ints
    right: Ints
    count: Floats
    leaf_value: Floats
    leaf_count: Floats
    bitsets: npt.NDArray[np.uint32]
    boundaries: Ints


@dataclass(frozen=True)
class Forest:
    """The trees of one booster, and how many features its rows have."""

    trees: tuple[Tree, ...]
    n_features: int


def parse_forest(text: str) -> Forest:
    """Read a model text.

    Raises
    ------
    NotCovered
        If the model has what this implementation does not explain.
    BundleRefused
        If the text does not describe trees: a part is missing, of the wrong length, or names what does not exist.
    """
    head, *blocks = _TREE.split(text.partition(_END)[0])
    header = _fields(head)
    if "average_output" in header:
        raise NotCovered("averaged output")
    if header.get("num_tree_per_iteration", "1") != "1":
        raise NotCovered(f"{header['num_tree_per_iteration']} trees per iteration")
    try:
        n_features = int(header["max_feature_idx"]) + 1
        _check_length(len(blocks), len(header["tree_sizes"].split()))
        trees = tuple(_tree(_fields(block), n_features) for block in blocks)
    except (KeyError, ValueError, OverflowError) as error:
        raise BundleRefused(f"the model text cannot be read: {type(error).__name__} {error}") from error
    return Forest(trees, n_features)


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.splitlines() if line)
    return {name: value for name, _, value in pairs}


def _tree(fields: Mapping[str, str], n_features: int) -> Tree:
    if fields.get("is_linear", "0") != "0":
        raise NotCovered("linear trees")
    n_leaves, n_categorical = int(fields["num_leaves"]), int(fields["num_cat"])
    splits = n_leaves - 1
    if n_leaves < 1:
        raise ValueError(f"a tree has {n_leaves} leaves")
    if splits == 0:
        # A tree that never split has no other part, and its count says nothing.
        return _stump(float(fields["leaf_value"]))
    tree = Tree(
        _ints(fields["split_feature"], splits), _floats(fields["threshold"], splits), _ints(fields["decision_type"], splits),
        _ints(fields["left_child"], splits), _ints(fields["right_child"], splits), _floats(fields["internal_count"], splits),
        _floats(fields["leaf_value"], n_leaves), _floats(fields["leaf_count"], n_leaves),
        *_bitsets(fields, n_categorical),
    )
    _check(tree, n_features, n_categorical)
    return tree


def _stump(value: float) -> Tree:
    none, no_ints = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Tree(
        no_ints, none, no_ints, no_ints, no_ints, none, np.array([value]), np.ones(1), np.zeros(0, dtype=np.uint32),
        np.zeros(1, dtype=np.int64),
    )


def _bitsets(fields: Mapping[str, str], n_categorical: int) -> tuple[npt.NDArray[np.uint32], Ints]:
    if not n_categorical:
        return np.zeros(0, dtype=np.uint32), np.zeros(1, dtype=np.int64)
    boundaries = _ints(fields["cat_boundaries"], n_categorical + 1)
    if boundaries[0] != 0 or (np.diff(boundaries) < 1).any():
        raise ValueError("boundaries of categories do not ascend from 0")
    words = _ints(fields["cat_threshold"], int(boundaries[-1]))
    if (words < 0).any() or (words > 0xFFFFFFFF).any():
        raise ValueError("a set of categories is no 32 bits")
    return words.astype(np.uint32), boundaries


def _check(tree: Tree, n_features: int, n_categorical: int) -> None:
    splits, leaves = len(tree.feature), len(tree.leaf_value)
    if (tree.feature < 0).any() or (tree.feature >= n_features).any():
        raise ValueError("a split names a feature that does not exist")
    children = np.concatenate([tree.left, tree.right])
    # Every split but the root, and every leaf, is the child of exactly one split: then the walk from the root ends.
    expected = np.concatenate([np.arange(1, splits), -1 - np.arange(leaves)])
    if not np.array_equal(np.sort(children), np.sort(expected)) or _reached(tree) != splits:
        raise ValueError("the splits do not form a tree")
    categorical = (tree.decision & CATEGORICAL).astype(bool)
    named = tree.threshold[categorical]
    if (named != np.floor(named)).any() or (named < 0).any() or (named >= n_categorical).any():
        raise ValueError("a split names a set of categories that does not exist")
    if not (np.isfinite(tree.leaf_value).all() and np.isfinite(tree.count).all() and (tree.count > 0).all()):
        raise ValueError("a leaf or a count is not finite, or a split has no rows")
    if not np.isfinite(tree.leaf_count).all() or (tree.leaf_count < 0).any():
        raise ValueError("a leaf has less than no rows")


def _reached(tree: Tree) -> int:
    met, waiting = 0, [0]
    while waiting and met <= len(tree.feature):
        node = waiting.pop()
        met += 1
        waiting += [int(child) for child in (tree.left[node], tree.right[node]) if child >= 0]
    return met


def _ints(text: str, length: int) -> Ints:
    values = np.array([int(part) for part in text.split()], dtype=np.int64)
    _check_length(len(values), length)
    return values


def _floats(text: str, length: int) -> Floats:
    # Python's reader rounds correctly, as LightGBM's own does for the digits that it writes.
    values = np.array([float(part) for part in text.split()])
    _check_length(len(values), length)
    return values


def _check_length(met: int, length: int) -> None:
    if met != length:
        raise ValueError(f"{met} values where {length} belong")
