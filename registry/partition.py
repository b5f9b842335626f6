"""Inputs of a score put into classes (groups, reasons), worked out once per bundle; every answer adds up over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Partition:
    """Which class each input belongs to.

    Parameters
    ----------
    names
        The classes, in the order of their first inputs.
    members
        Positions of the inputs of each, ascending.
    places
        (n_inputs,) the class of each input, as a position in `names`.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    places: npt.NDArray[np.intp]

    @classmethod
    def of(cls, labels: Iterable[str]) -> Self:
        """Return the partition of inputs by their labels."""
        members: dict[str, list[int]] = {}
        for position, label in enumerate(labels):
            members.setdefault(label, []).append(position)
        order = {name: place for place, name in enumerate(members)}
        places = np.empty(sum(map(len, members.values())), dtype=np.intp)
        for name, positions in members.items():
            places[positions] = order[name]
        return cls(tuple(members), tuple(map(tuple, members.values())), places)

    def sums(self, values: npt.NDArray[np.float64] | Sequence[float]) -> list[float]:
        """Return the sum of (n_inputs,) values over each class, added from the left: the same bits whatever computes them."""
        sums: list[float] = self.sums_of_rows(np.asarray(values, dtype=np.float64)).tolist()
        return sums

    def sums_of_rows(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the sums of (.., n_inputs) values as (.., n_classes); each is what `sums` gives for its row."""
        n_rows, n_classes = values.size // max(1, values.shape[-1]), len(self.names)
        # Each row has classes of its own, so that one pass adds all of them up, every class from the left.
        places = self.places + n_classes * np.arange(n_rows)[:, None]
        sums = np.bincount(places.ravel(), weights=values.ravel(), minlength=n_rows * n_classes)
        # Of nothing at all it counts in whole numbers.
        return sums.astype(np.float64).reshape(*values.shape[:-1], n_classes)
