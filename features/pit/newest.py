"""Which row of a feature table speaks for an entity at an instant: the rule, on plain arrays of integers.

Instants are integers of one unit since one epoch; entities are small integers, `NOBODY` where the other side has none.
A row is visible from its event on or, where only what was known counts, from the later of its event and its creation.
Of an entity's visible rows the one with the newest event speaks, of equal events the one created last, of equal creations
the last in the table; it is silent once its event is more than the time to live ago.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Ints = npt.NDArray[np.int64]

NOBODY: Final = -1
"""Entity that has no row on the other side; row that was not found."""
BEFORE_ALL: Final = int(np.iinfo(np.int64).min)
"""Stands for a missing instant: nothing is visible then, and a creation that is not known is older than any other."""


@dataclass(frozen=True)
class Rows:
    """Rows of a feature table, columns of one length.

    Parameters
    ----------
    entity
        Whom a row is about, from 0.
    event
        When it speaks.
    created
        When it was made; None where the table does not say.
    number
        Its place in the table.
    """

    entity: Ints
    event: Ints
    created: Ints | None
    number: Ints

    def __len__(self) -> int:
        return len(self.entity)

    def at(self, chosen: npt.NDArray[np.bool_] | Ints) -> Rows:
        """Return the chosen rows, in that order."""
        created = None if self.created is None else self.created[chosen]
        return Rows(self.entity[chosen], self.event[chosen], created, self.number[chosen])


def newest_rows(
    rows: Rows, entity: Ints, at: Ints, *, n_entities: int, ttl: int | None, only_known: bool
) -> Ints:
    """Return for each (entity, instant) the number of the row that speaks, or `NOBODY`.

    Parameters
    ----------
    rows
        The feature table.
    entity, at
        The questions: whom, and when.
    n_entities
        Entities are below this number.
    ttl
        Time to live in the unit of the instants, its end included; None for no end.
    only_known
        Whether rows made after the instant are left out; without creation times it changes nothing.
    """
    found = np.full(len(entity), NOBODY, dtype=np.int64)
    rows = _in_order(rows)
    visible = rows.event
    if only_known and rows.created is not None:
        made = rows.created != BEFORE_ALL
        rows, visible = _visible(rows.at(made), np.maximum(rows.event, rows.created)[made])
    if not len(rows):
        return found
    first, end = _bounds(rows.entity, n_entities)
    place = _last_not_after(visible, at, first[entity], end[entity])
    speaks = place >= first[entity]
    if ttl is not None:
        speaks &= at - rows.event[place] <= ttl
    found[speaks] = rows.number[place[speaks]]
    return found


def _in_order(rows: Rows) -> Rows:
    """Return the rows with those of an entity together, by event and creation; tables mostly are so already."""
    if not len(rows):
        return rows
    change = rows.entity[1:] != rows.entity[:-1]
    together = np.count_nonzero(change) + 1 == np.count_nonzero(np.bincount(rows.entity))
    ordered = change | (rows.event[1:] > rows.event[:-1])
    same = rows.event[1:] == rows.event[:-1]
    ordered |= same if rows.created is None else same & (rows.created[1:] >= rows.created[:-1])
    if together and ordered.all():
        return rows
    # Stable: of rows that are equal in all three the last one of the table stays the last.
    keys = (rows.event, rows.entity) if rows.created is None else (rows.created, rows.event, rows.entity)
    return rows.at(np.lexsort(keys))


def _visible(rows: Rows, visible: Ints) -> tuple[Rows, Ints]:
    """Return the rows that ever speak, with the instants from which they do, which then rise within each entity.

    A row never speaks when a later one of its entity is visible no later than itself.
    """
    last = np.r_[rows.entity[1:] != rows.entity[:-1], np.ones(min(len(rows), 1), dtype=bool)]
    if (last[:-1] | (visible[1:] > visible[:-1])).all():
        return rows, visible
    backwards = pd.Series(visible[::-1]).groupby(rows.entity[::-1], sort=False).cummin().to_numpy()[::-1]
    speaks = last.copy()
    speaks[:-1] |= visible[:-1] < backwards[1:]
    return rows.at(speaks), visible[speaks]


def _bounds(entity: Ints, n_entities: int) -> tuple[Ints, Ints]:
    """Return for each entity where its rows begin and end; the last place is that of `NOBODY`, who has none."""
    starts = np.flatnonzero(np.r_[True, entity[1:] != entity[:-1]])
    first, end = np.zeros(n_entities + 1, dtype=np.int64), np.zeros(n_entities + 1, dtype=np.int64)
    first[entity[starts]] = starts
    end[entity[starts]] = np.r_[starts[1:], len(entity)]
    return first, end


def _last_not_after(visible: Ints, at: Ints, first: Ints, end: Ints) -> Ints:
    """Return the last place in [first, end) whose instant is not after `at`; first - 1 where there is none.

    One bisection for all questions at once, by strides that halve: as many rounds as the longest history has binary digits.
    """
    place, last = first - 1, len(visible) - 1
    stride = 1 << max(int((end - first).max(initial=0)).bit_length() - 1, 0)
    while stride:
        further = place + stride
        inside = further < end
        np.minimum(further, last, out=further)
        inside &= visible[further] <= at
        place += inside * stride
        stride >>= 1
    return place
