"""Geometry of pictures over months: places in per cent across and in pixels down, drawn by templates as SVG beside a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEIGHT: Final = 190
TOP: Final = 14
BOTTOM: Final = 26
_LEFT: Final = 5.5
_STEPS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One value of a month: its place, the ends of its interval, and what kind it is."""

    label: str
    value: float
    x: float
    y: float
    low: float | None
    high: float | None
    kind: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """Marks over months with the axis: (y, written value) of its lines, and (x, month) of the labels that have room."""

    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, str], ...]
    level: float | None
    height: int = HEIGHT


def series(
    values: Sequence[tuple[str, float | None, Sequence[float] | None, str]], *, level: float | None = None,
    least: float | None = None,
) -> Series:
    """Return the picture of values over months.

    Parameters
    ----------
    values
        Month, value (None: no mark), ends of its interval, kind.
    level
        Value at which a line is drawn across, such as 1 for actual over expected.
    least
        Value that the axis begins at; the smallest by default.
    """
    shown = [one for one in values if one[1] is not None]
    told = [end for _, value, ends, _ in shown for end in (value, *(ends or ())) if end is not None]
    told += [one for one in (level, least) if one is not None]
    low, high = (min(told), max(told)) if told else (0.0, 1.0)
    low = low if least is None else least
    step = next((one for one in _STEPS if (high - low) / one <= 5), 1000.0)
    first, last = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    last = last if last > first else first + step

    def down(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (last - value) / (last - first), 2)

    months = list(dict.fromkeys(month for month, *_ in values))
    places = {month: round(_LEFT + (100 - _LEFT) * (k + 0.5) / max(len(months), 1), 3) for k, month in enumerate(months)}
    every = max(1, math.ceil(len(months) / 6))
    digits = max(0, -math.floor(math.log10(step)))
    lines = round((last - first) / step)
    return Series(
        marks=tuple(
            Mark(label=month, value=value, x=places[month], y=down(value), kind=kind, low=down(ends[0]) if ends else None,
                 high=down(ends[1]) if ends else None)
            for month, value, ends, kind in shown if value is not None
        ),
        ticks=tuple((down(first + k * step), f"{first + k * step:.{digits}f}") for k in range(lines + 1)),
        labels=tuple((places[month], month) for k, month in enumerate(months) if k % every == 0),
        level=None if level is None else down(level),
    )


def stacked(shares: Sequence[float]) -> list[tuple[float, float]]:
    """Return x and width of parts of a whole, in per cent."""
    found, x = [], 0.0
    for share in shares:
        found.append((round(x, 3), round(100 * share, 3)))
        x += 100 * share
    return found
