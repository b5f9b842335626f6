"""How long the papers of a roster's vehicles have run out, from the built features and the days that have gone by since."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from features.live.roster import Roster
from features.segments import DAY_S

FloatArray = npt.NDArray[np.float64]
SOURCES: Final = {
    "inspection_overdue_d": ("vehicle_condition", "inspection_due_in_d"),
    "review_overdue_d": ("vehicle_condition", "review_due_in_d"),
    "permit_overdue_d": ("vehicle_profile", "permit_remaining_d"),
}
"""Signal -> feature table and the days that were left at its cut-off."""


class Papers:
    """Days that were left at an instant.

    Parameters
    ----------
    left_d
        Signal -> days left by slot at `as_of_s`, not-a-number where unknown.
    as_of_s
        Cut-off of the features.
    """

    def __init__(self, left_d: dict[str, FloatArray], as_of_s: int) -> None:
        self._left_d, self._as_of_s = left_d, as_of_s

    @classmethod
    def read(cls, feature_dir: Path, roster: Roster) -> Papers:
        """Read them from the newest cut-off of the features; vehicles that these do not know stay unknown."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        place = {vehicle: slot for slot, vehicle in enumerate(roster.vehicle_id)}
        left, as_of_s = {}, 0
        for signal, (table, column) in SOURCES.items():
            rows = pq.read_table(feature_dir / f"{table}.parquet", columns=["vehicle_id", "event_timestamp", column])
            newest = pc.max(rows["event_timestamp"])
            rows = rows.filter(pc.equal(rows["event_timestamp"], newest))
            as_of_s = max(as_of_s, int(newest.as_py().timestamp()))
            values = np.full(len(roster), np.nan)
            for vehicle, days in zip(rows["vehicle_id"].to_pylist(), rows[column].to_pylist(), strict=True):
                if days is not None and vehicle in place:
                    values[place[vehicle]] = days
            left[signal] = values
        return cls(left, as_of_s)

    def signals(self, at_s: int) -> dict[str, FloatArray]:
        """Return the days overdue at an instant, negative before."""
        gone_d = (at_s - self._as_of_s) / DAY_S
        return {name: gone_d - left for name, left in self._left_d.items()}
