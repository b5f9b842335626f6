"""Cross-fitting: K boosters, each blind to one part of the groups, and one booster text that is their mean.

Every development row is predicted once by a booster that has not seen its group, so calibration and validation are honest
without setting rows aside; and the mean of K boosters errs less than each. Means of margins are again a sum of trees: the K
texts become one with every leaf divided by K, and exact explanations, the bundle and its readers know nothing of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from registry.errors import TrainingError

_TREE: Final = re.compile(r"^Tree=(\d+)$", re.MULTILINE)
_END: Final = "end of trees"
_SIZES: Final = re.compile(r"^tree_sizes=.*$", re.MULTILINE)
_SCALED: Final = re.compile(r"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)


def member_of(
    groups: pd.Series, *, members: int, seed: int, counted: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """Return (n,) the member that is blind to each row's group.

    Groups are dealt by size: the `members` largest go to one member each in an order that a hash of seed and group decides, then
    the next largest, and so on. So members differ by no more rows than the largest group has, and with as many groups as
    members none is without rows; a hash alone leaves one of six members empty in every thirteenth draw of 24 groups.

    Parameters
    ----------
    groups
        (n,) group of each row.
    members
        Number of members, at least 1.
    seed
        Decides who is dealt what.
    counted
        (n,) rows that a group's size counts; all without it.

    Raises
    ------
    TrainingError
        If a row has no group.
    """
    if groups.isna().any():
        raise TrainingError(
            f"{int(groups.isna().sum())} rows have no group", where=str(groups.name),
            remedy="Give a row without an enterprise a group of its own.",
        )
    codes, unique = pd.factorize(groups)
    size = np.bincount(codes, weights=counted, minlength=len(unique))
    drawn = np.array([_hash(seed, value) for value in unique], dtype=np.uint64)
    rank = np.empty(len(unique), dtype=np.int64)
    rank[np.lexsort((drawn, -size))] = np.arange(len(unique))
    dealt = np.empty(len(unique), dtype=np.int64)
    dealt[np.lexsort((drawn, rank // members))] = np.arange(len(unique)) % members
    return dealt[codes]


def mean_of_texts(texts: Sequence[str]) -> str:
    """Return the LightGBM model text whose raw margin is the mean of the raw margins of these texts.

    Trees are those of all texts in order, their values divided by the number of texts; header and parameters are those of
    the first. The arithmetic is exact up to the rounding of one division per leaf.

    Raises
    ------
    TrainingError
        If a text is not of the form that LightGBM writes.
    """
    if len(texts) == 1:
        return texts[0]
    heads, trees, tails = zip(*map(_parts, texts), strict=True)
    scaled = [_scaled(tree, len(texts)) for member in trees for tree in member]
    renumbered = [_TREE.sub(f"Tree={number}", tree, count=1) for number, tree in enumerate(scaled)]
    sizes = " ".join(str(len(tree.encode())) for tree in renumbered)
    head = _SIZES.sub(f"tree_sizes={sizes}", heads[0], count=1)
    merged: str = head + "".join(renumbered) + tails[0]
    return merged


def shortened(text: str, trees: int) -> str:
    """Return a booster's text with its first trees alone; all of it where it has no more."""
    import lightgbm

    booster = lightgbm.Booster(model_str=text)
    # A booster that finds no cut any more grows no trees, and LightGBM goes on judging it.
    short: str = booster.model_to_string(num_iteration=trees) if trees < booster.num_trees() else text
    return short


def _parts(text: str) -> tuple[str, list[str], str]:
    """Return head, trees and tail; their concatenation is the text."""
    starts = [found.start() for found in _TREE.finditer(text)]
    end = text.find(_END)
    if not starts or end < starts[-1] or not _SIZES.search(text[: starts[0]]):
        raise TrainingError("a booster's text has no trees", remedy="Train with at least one tree per member.")
    return text[: starts[0]], [text[a:b] for a, b in zip(starts, [*starts[1:], end], strict=True)], text[end:]


def _scaled(tree: str, count: int) -> str:
    def divided(found: re.Match[str]) -> str:
        values = " ".join(repr(float(value) / count) for value in found[2].split())
        return f"{found[1]}={values}"

    return _SCALED.sub(divided, tree)


def _hash(seed: int, value: object) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{value}".encode(), digest_size=8).digest(), "big")
