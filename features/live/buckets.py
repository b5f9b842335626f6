"""One step of the fold for a bucket of vehicles whose state lies elsewhere: bytes and messages in, bytes and rows out.

Whoever keeps the bytes (Spark's state store, `spark_fold`) needs to know nothing of vehicles. A bucket holds many of them, because
what a step costs beside the kernel (reading the state, laying its lists) is paid once for all. Nothing here looks at a clock: the
same bytes and the same messages give the same rows, so a step that is taken again after a death does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from features.live.checkpoint import ANSWERED, by_number, checkpoint_of, copied, parts_of, restore
from features.live.duty_rows import same_values
from features.live.fold import OUT_OF_ORDER, LiveFold
from features.live.positions import POSITION, Records, Refusal, impossible
from features.live.road_map import RoadMap
from features.live.roster import UNKNOWN, Roster, places_of
from registry.errors import IntegrityError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Fleet:
    """What a worker has to know of a roster: no keys and no pseudonyms but the numbers of records.

    Parameters
    ----------
    numbers, cap_kmh
        Vehicles by what stands for them in a record, ascending, and their speed caps.
    n_buckets
        Over how many buckets they lie.
    """

    numbers: Numbers
    cap_kmh: FloatArray
    n_buckets: int

    @classmethod
    def of(cls, roster: Roster, n_buckets: int) -> Fleet:
        """Return what a roster says."""
        return cls(roster.numbers, roster.cap_kmh, n_buckets)

    def bucket_of(self, numbers: Numbers) -> IntArray:
        """Return the bucket of each number; numbers are bits of a keyed hash, so buckets hold equally many."""
        return (numbers % np.uint64(self.n_buckets)).astype(np.int64)

    def members(self, bucket: int) -> IntArray:
        """Return the places of a bucket's vehicles, ascending."""
        order, first = self._by_bucket
        return order[first[bucket]:first[bucket + 1]]

    @cached_property
    def _by_bucket(self) -> tuple[IntArray, IntArray]:
        buckets = self.bucket_of(self.numbers)
        order = np.argsort(buckets, kind="stable")
        return order, np.searchsorted(buckets[order], np.arange(self.n_buckets + 1))


@dataclass(frozen=True)
class Rows:
    """Rows of the view `duty` of vehicles, arrays of shape (n,) and (n, n_columns).

    Parameters
    ----------
    numbers
        Vehicles.
    cutoff_s
        The instants at which their hours end.
    made_us
        Receipt of the newest message behind each: when it was made, the same however often it is.
    values
        In the order of `duty_rows.COLUMNS`.
    before
        The values that had been answered, of a correction.
    """

    numbers: Numbers
    cutoff_s: IntArray
    made_us: IntArray
    values: FloatArray
    before: FloatArray | None = None


@dataclass(frozen=True)
class Step:
    """What came of a step.

    Parameters
    ----------
    kept
        The state after it.
    rows
        Fresh rows of the vehicles that changed.
    corrected
        Rows that had been answered and are others now.
    late
        (vehicle, device time) of messages that are left to the batch.
    counts
        Messages by what became of them.
    """

    kept: bytes
    rows: Rows
    corrected: Rows
    late: tuple[Numbers, IntArray]
    counts: dict[str, int]


def in_order(records: Records) -> Records:
    """Return records in the order of their receipt; those of one instant in an order that no shuffle changes."""
    names = [name for name in POSITION.names or () if name not in ("received_us", "time_s", "vehicle")]
    return records[np.lexsort([records[name] for name in (*names, "vehicle", "time_s", "received_us")])]


def step(fleet: Fleet, bucket: int, kept: bytes | None, records: Records, roads: RoadMap) -> Step:
    """Fold messages of a bucket's vehicles into its state.

    Parameters
    ----------
    kept
        The state before; None where there is none.
    records
        Messages of one micro-batch, in any order.

    Raises
    ------
    IntegrityError
        If the state is damaged, or of another layout than this program's.
    """
    members = fleet.members(bucket)
    numbers, records = fleet.numbers[members], in_order(records)
    fold, answered_s = _taken_up(numbers, fleet.cap_kmh[members], kept)
    slots, refusal = places_of(records["vehicle"], numbers), impossible(records)
    refusal[(slots == UNKNOWN) & (refusal == 0)] = Refusal.WRONG_PLATE
    counts = {kind.name.lower(): n for kind in Refusal if kind and (n := int(np.count_nonzero(refusal == kind)))}
    slots, records = slots[refusal == 0], records[refusal == 0]

    # What was answered is read from the state before: it is what the same state gave when it was answered.
    told = np.unique(slots[answered_s[slots] > 0])
    _, before = fold.duty_rows(told, answered_s[told])
    began = fold.counts
    applied = fold.apply(slots, records, roads.classes(records["lon_e6"] / 1e6, records["lat_e6"] / 1e6))
    made_us = np.zeros(len(numbers), np.int64)
    np.maximum.at(made_us, slots, records["received_us"])
    disordered = (applied.said == OUT_OF_ORDER) & (answered_s[slots] >= records["time_s"])
    restated, was_s, was, now = _corrected(fold, np.unique(slots[disordered]), answered_s, (told, before))
    late = applied.said == Refusal.LATE

    changed = applied.changed
    cutoff_s, values = fold.duty_rows(changed)
    # Who rests has no row of now; what was corrected of the one before goes to the store all the same.
    old = np.searchsorted(changed, restated)
    old, mine = old[cutoff_s[old] == 0], cutoff_s[old] == 0
    cutoff_s[old], values[old] = was_s[mine], now[mine]
    here = cutoff_s > 0
    changed, cutoff_s, values = changed[here], cutoff_s[here], values[here]
    answered_s[changed] = cutoff_s
    return Step(
        b"".join(parts_of(copied(fold, 0, numbers, answered_s))),
        Rows(numbers[changed], cutoff_s, made_us[changed], values),
        Rows(numbers[restated], was_s, made_us[restated], now, was),
        (numbers[slots[late]], records["time_s"][late].astype(np.int64)),
        counts | {name: n - began[name] for name, n in fold.counts.items()},
    )


def _taken_up(numbers: Numbers, cap_kmh: FloatArray, kept: bytes | None) -> tuple[LiveFold, IntArray]:
    fold = LiveFold.empty(len(numbers), cap_kmh=cap_kmh)
    if kept is None:
        return fold, np.zeros(len(numbers), np.int64)
    checkpoint = checkpoint_of(kept)
    if checkpoint is None:
        raise IntegrityError(
            "the state of a bucket is damaged or of another layout", where="live state",
            remedy="Begin the stream anew with an empty folder of checkpoints, from what its source still holds.",
        )
    restore(fold, checkpoint, numbers)
    return fold, by_number(checkpoint, ANSWERED, numbers)


def _corrected(
    fold: LiveFold, slots: IntArray, answered_s: IntArray, answered: tuple[IntArray, FloatArray]
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    """Return vehicles whose answered row is another one now, its instant, and the values before and now."""
    told, before = answered
    was = before[np.searchsorted(told, slots)]
    at_s, now = fold.duty_rows(slots, answered_s[slots])
    # Where the row cannot be told any more, because a rest lies behind it or its messages are forgotten, nothing is said of it.
    other = ~same_values(was, now).all(axis=1) & (at_s > 0) & ~np.isnan(was).all(axis=1)
    return slots[other], at_s[other], was[other], now[other]
