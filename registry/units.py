"""Units of measure. A name that carries a quantity ends in its unit; this is the closed list of them."""

from __future__ import annotations

from typing import Final

UNITS: Final[dict[str, str]] = {
    "1": "a pure number: count, ratio or code",
    "%": "per cent",
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "year": "years of 365.25 days",
    "vehicle_year": "one vehicle for one year",
    "km": "kilometres",
    "m": "metres",
    "mm": "millimetres",
    "m3": "cubic metres",
    "km/h": "kilometres per hour",
    "1/100km": "occurrences per 100 kilometres",
    "1/year": "occurrences per year",
    "1/vehicle_year": "occurrences per vehicle-year",
    "1/1000_vehicles": "occurrences or places per thousand vehicles",
    "1/1000_vehicle_years": "occurrences per thousand vehicle-years",
    "CNY/year": "yuan per year",
    "CNY/vehicle_year": "yuan per vehicle-year",
    "deg": "degrees of arc, WGS-84",
    "t": "tonnes",
    "kg": "kilograms",
    "kW": "kilowatts",
    "cd": "candela",
    "1/m": "light absorption per metre",
    "m/km": "metres per kilometre of side slip",
    "CNY": "yuan",
    "KSS": "Karolinska sleepiness scale, 1 to 9",
    "score": "points of a published scheme, as issued",
}
"""Unit symbol -> meaning."""

DAYS_PER_YEAR: Final = 365.25
"""Length of the unit `year`."""
