"""Valid rows drawn from a declaration alone: for resources without a causal model, and for tests.

A sampled row satisfies its contract and nothing more: no column explains another. No identity card numbers are made up,
because a made-up one may be somebody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np

from registry.codes import CODE_LISTS
from registry.errors import DataError
from registry.formats import JIANGXI_CITIES, TextArray, make_plate, make_uscc, make_vin
from registry.local_time import SHANGHAI
from registry.resources.schema import Column, Cycle, Resource

NULL_SHARE: Final = 0.1
"""Share of nulls in a nullable column. [A]"""
ARRIVAL_LAG_H: Final[dict[Cycle, tuple[float, float]]] = {
    "realtime": (0.0, 0.1), "daily": (6.0, 72.0), "monthly": (24.0, 31 * 24.0), "yearly": (24.0, 60 * 24.0),
}
"""Least and greatest hours from event to arrival, by cycle. [A]"""
_BOX: Final = {"lon_deg": (113.6, 118.5), "lat_deg": (24.5, 30.1)}
_PLATE_COLORS: Final = ["1", "2"]
"""Colours of plates with seven signs, which are the ones made here."""
_SERIALS: Final = 10_000_000
_LATER: Final = ("valid_to", "end_date", "next", "expires", "removed", "due", "scrap")
"""Parts of a column's name that say that its day lies after the event."""


class _Draw:
    """One drawing: what the columns of a row have in common."""

    def __init__(self, resource: Resource, n: int, rng: np.random.Generator, start: datetime, end: datetime) -> None:
        self.resource, self.n, self.rng = resource, n, rng
        self.serial = rng.choice(_SERIALS, size=n, replace=False).astype(np.int64)
        self.region: TextArray = rng.choice(np.array(list(JIANGXI_CITIES)), size=n)
        span_s = (end - start).total_seconds()
        self.event = [
            (start + timedelta(seconds=float(second))).astimezone(UTC) for second in np.floor(rng.uniform(0, span_s, n))
        ]
        self.clock_h = np.zeros(n)
        """Hours since the event that the later instants of a row have reached."""

    def values(self, column: Column) -> list[Any]:
        drawn = self._drawn(column)
        fixed = column.id in (*self.resource.key, self.resource.event_time)
        if fixed or not column.nullable:
            return drawn
        return [None if lost else value for lost,
                value in zip(self.rng.random(self.n) < NULL_SHARE, drawn, strict=True)]

    def _drawn(self, column: Column) -> list[Any]:
        if column.format is not None:
            return self._formatted(column)
        if column.codes is not None:
            codes = _PLATE_COLORS if column.codes == "plate_color" else list(CODE_LISTS[column.codes].codes)
            return [codes[index] for index in self.rng.integers(len(codes), size=self.n)]
        if column.dtype in ("date", "timestamp"):
            return self._times(column)
        if column.dtype == "string":
            return self._texts(column)
        return self._numbers(column)

    def _formatted(self, column: Column) -> list[Any]:
        if column.format == "id_card":
            return [None] * self.n
        if column.format == "region":
            return list(self.region.tolist())
        if column.format == "uscc":
            return list(make_uscc(self.serial, self.region).tolist())
        if column.format == "vin":
            years = np.array([moment.year for moment in self.event], dtype=np.int64)
            return list(make_vin(self.serial, years - self.rng.integers(0, 12, self.n)).tolist())
        return list(make_plate(self.serial, self.region).tolist())

    def _times(self, column: Column) -> list[Any]:
        if column.dtype == "timestamp":
            if column.id == self.resource.event_time:
                return list(self.event)
            self.clock_h = self.clock_h + self.rng.exponential(24.0, self.n)
            return [moment + timedelta(seconds=int(hours * 3600))
                    for moment, hours in zip(self.event, self.clock_h, strict=True)]
        days = [moment.astimezone(SHANGHAI).date() for moment in self.event]
        if column.id == self.resource.event_time:
            return list(days)
        later = any(part in column.id for part in _LATER)
        shift = self.rng.integers(30, 730, self.n) if later else -self.rng.integers(0, 1825, self.n)
        return [day + timedelta(days=int(step)) for day, step in zip(days, shift, strict=True)]

    def _texts(self, column: Column) -> list[Any]:
        if column.sensitivity == "identifier":
            return [f"36{serial:010d}" for serial in self.serial.tolist()]
        if column.id in self.resource.key or column.id.endswith("_no"):
            return [f"{column.id}-{serial:08d}" for serial in self.serial.tolist()]
        return [f"{column.zh}{number}" for number in self.rng.integers(1, 100, self.n).tolist()]

    def _numbers(self, column: Column) -> list[Any]:
        if column.dtype == "bool":
            return [bool(value) for value in self.rng.random(self.n) < 0.3]
        if column.id.endswith("year"):
            return [moment.astimezone(SHANGHAI).year for moment in self.event]
        if column.id in _BOX:
            return [round(float(value), 6) for value in self.rng.uniform(*_BOX[column.id], self.n)]
        low = column.minimum if column.minimum is not None else 0.0
        high = column.maximum if column.maximum is not None else low + 100.0
        # Skewed to the low end: bounds say what is possible, and most values are far below them.
        spread = low + (high - low) * self.rng.beta(1.2, 8.0, self.n)
        if column.dtype == "int":
            return [int(value) for value in np.floor(spread)]
        return [round(float(value), 4) for value in spread]


def sample_rows(
    resource: Resource,
    n: int,
    rng: np.random.Generator,
    *,
    start: datetime,
    end: datetime,
    pools: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, list[Any]]:
    """Draw valid rows of a resource, with the envelope of every row.

    Parameters
    ----------
    resource
        What to draw; its keys come out distinct.
    n
        Rows, at most 10 000 000.
    rng
        Source of all chance.
    start, end
        Aware instants between which events happen (end excluded); arrival may be later.
    pools
        Column id -> values to draw from instead, so that rows name vehicles or stations that exist. Where that repeats
        a key, the later row is left out.

    Returns
    -------
    dict
        Column id -> values (str, int, float, bool, `date`, aware UTC `datetime` or None), declared order, then
        `row_id`, `arrived_at`, `withdrawn`.

    Raises
    ------
    DataError
        If a bound of the period has no zone, or the period is empty.
    """
    if start.tzinfo is None or end.tzinfo is None or end <= start:
        raise DataError(
            f"the period {start} to {end} is no period of aware instants", where=f"sample of {resource.id}",
            remedy="Give two instants with their zone, the earlier first.",
        )
    draw = _Draw(resource, n, rng, start, end)
    rows = {column.id: draw.values(column) for column in resource.columns}
    for column_id, pool in (pools or {}).items():
        if column_id in rows:
            rows[column_id] = [pool[index] for index in rng.integers(len(pool), size=n)]
    rows["row_id"] = [f"{resource.id}-{serial:08d}" for serial in draw.serial.tolist()]
    lag_h = rng.uniform(*ARRIVAL_LAG_H[resource.cycle], n)
    rows["arrived_at"] = [
        moment + timedelta(seconds=int(hours * 3600)) for moment, hours in zip(draw.event, lag_h, strict=True)
    ]
    rows["withdrawn"] = [False] * n
    return _distinct(rows, resource.key) if pools else rows


def _distinct(rows: dict[str, list[Any]], key: tuple[str, ...]) -> dict[str, list[Any]]:
    first = {names: row for row, names in reversed(list(enumerate(zip(*(rows[part] for part in key), strict=True))))}
    kept = sorted(first.values())
    return {name: [values[row] for row in kept] for name, values in rows.items()}
