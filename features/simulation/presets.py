"""Sizes of the simulated province."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from registry.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How large a province is simulated and over which months.

    Parameters
    ----------
    name
        Name on the command line.
    n_operators, n_trucks, n_coaches, n_hazmat, n_practitioners
        Targets; fleets are drawn and then fitted to the truck target within a few per cent.
    start, months
        First day (of a month) and number of months.
    fatigue_vehicles, fatigue_days
        Vehicles whose shifts are simulated hour by hour over the last days of the window.
    location_vehicles, location_days
        Of those, vehicles that also deliver raw 30-second positions, and for how many days.
    generic_rows
        Rows of each resource that has no causal model.
    """

    name: str
    n_operators: int
    n_trucks: int
    n_coaches: int
    n_hazmat: int
    n_practitioners: int
    fatigue_vehicles: int
    fatigue_days: int
    location_vehicles: int
    location_days: int
    generic_rows: int
    start: date = date(2024, 7, 1)
    months: int = 24


TINY: Final = Preset(
    name="tiny", n_operators=150, n_trucks=360, n_coaches=30, n_hazmat=20, n_practitioners=480,
    fatigue_vehicles=40, fatigue_days=60, location_vehicles=4, location_days=1, generic_rows=24,
)
DEMO: Final = Preset(
    name="demo", n_operators=7_500, n_trucks=20_000, n_coaches=900, n_hazmat=450, n_practitioners=24_000,
    fatigue_vehicles=4_000, fatigue_days=75, location_vehicles=12, location_days=2, generic_rows=240,
)
QUARTER: Final = Preset(
    name="quarter", n_operators=37_500, n_trucks=100_000, n_coaches=4_500, n_hazmat=2_250, n_practitioners=120_000,
    fatigue_vehicles=3_000, fatigue_days=90, location_vehicles=50, location_days=2, generic_rows=600,
)
PROVINCE: Final = Preset(
    name="province", n_operators=150_000, n_trucks=400_000, n_coaches=18_000, n_hazmat=9_000, n_practitioners=480_000,
    fatigue_vehicles=6_000, fatigue_days=90, location_vehicles=200, location_days=2, generic_rows=2_400,
)

PRESETS: Final[dict[str, Preset]] = {preset.name: preset for preset in (TINY, DEMO, QUARTER, PROVINCE)}
"""Name -> size. `demo` is one twentieth of the province, `quarter` one fourth; the province's own size is an assumption [A]."""


def preset_named(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    InvalidRequest
        If there is no such preset.
    """
    if name not in PRESETS:
        raise InvalidRequest(f"unknown preset {name!r}", remedy=f"Choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
