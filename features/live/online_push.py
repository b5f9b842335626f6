"""Fresh rows of the view `duty` into the online store, in micro-batches, beside what the batch loads.

A row says the instant that it speaks about and when it was made, so the store keeps the newer of two whoever wrote it: the stream
answers for now, and the batch, which saw what came late, corrects it where it speaks of the same or a later instant.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from features.families.duty import FAMILY
from features.live.duty_rows import COLUMNS
from features.packed.keys import text_keys
from features.packed.layout import DIGEST, Layout
from features.packed.rows import PackedRows
from registry.entities import VEHICLE

IntArray = npt.NDArray[np.int64]
VIEW: Final = FAMILY.id
_AT_ONCE: Final = 1_000


class OnlinePush:
    """Writes rows of a roster's vehicles.

    Parameters
    ----------
    rows
        The online store.
    vehicle_ids
        Pseudonyms by slot.
    """

    def __init__(self, rows: PackedRows, vehicle_ids: tuple[str, ...]) -> None:
        self._rows, self._keys = rows, text_keys(VEHICLE.id_column, vehicle_ids)
        self._layout = Layout(VIEW, tuple((name, "float") for name in COLUMNS))
        self._rank = np.empty(len(self._keys), np.int64)
        self._rank[sorted(range(len(self._keys)), key=self._keys.__getitem__)] = np.arange(len(self._keys))
        self._prepared = False

    def write(self, slots: IntArray, cutoff_s: IntArray, values: npt.NDArray[np.float64], created_us: int | IntArray) -> int:
        """Write rows; return how many.

        Parameters
        ----------
        slots, cutoff_s, values
            Vehicles, where their hours end, and rows of `duty_rows.COLUMNS`.
        created_us
            When they were made, of all or of each (epoch microseconds).

        Raises
        ------
        ServiceUnavailable
            If the store does not answer; writing them again later does no harm.
        """
        if not self._prepared:
            self._rows.prepare(self._layout)
            self._prepared = True
        if not len(slots):
            return 0
        slots = slots[order := np.argsort(self._rank[slots])]  # neighbours in the table are written together
        created = np.broadcast_to(np.asarray(created_us, dtype=np.int64), len(order))[order]
        packed = self._layout.pack_numbers(values[order], cutoff_s[order] * 1_000_000, created)
        self._rows.write(VIEW, [self._keys[slot] for slot in slots.tolist()], packed)
        return len(packed)

    def answered(self) -> tuple[IntArray, npt.NDArray[np.float64]]:
        """Return the cut-off of each vehicle's row in the store, 0 where there is none, and its values."""
        self._rows.prepare(self._layout)
        cutoff, values = np.zeros(len(self._keys), np.int64), np.full((len(self._keys), len(COLUMNS)), np.nan)
        for start in range(0, len(self._keys), _AT_ONCE):
            _, (found,) = self._rows.fetch([VIEW], self._keys[start:start + _AT_ONCE])
            for slot, row in enumerate(found, start):
                # A row of an earlier definition of the view is no answer of this one.
                if row is not None and row[DIGEST] == self._layout.digest:
                    event_us, told = self._layout.unpack(row)
                    cutoff[slot], values[slot] = event_us // 1_000_000, [np.nan if value is None else value for value in told]
        return cutoff, values

    def close(self) -> None:
        """Give the store's connections back."""
        self._rows.close()
