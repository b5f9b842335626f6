"""Records of the live stream made from rows of `vehicle_location`, and what the batch says of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features.live.fold import Applied, LiveFold
from features.live.positions import Door, Records, records_of
from tests.lib.positions import table


def records(rows: Sequence[dict[str, Any]]) -> Records:
    """Return rows of one vehicle as records, in their order."""
    found = table(rows)
    received = found["recv_time"].cast(pa.int64()).to_numpy()
    return records_of(found, np.ones(len(rows), np.uint64), received, Door.HTTP)


def fed(fold: LiveFold, found: Records, *, slot: int = 0, at_once: int = 7) -> list[Applied]:
    """Give records to a fold, a few at a time."""
    return [
        fold.apply(np.full(len(part), slot), part)
        for part in (found[start:start + at_once] for start in range(0, len(found), at_once))
    ]
