"""The eleven cities of Jiangxi and how hard their inspectors look: the detection bias of the simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.assumptions import EnforcementAssumptions
from features.simulation.clock import Month, month_of_year
from features.simulation.streams import Stream, generator
from registry.formats import CITY_NAMES, JIANGXI_CITIES

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class City:
    """A prefecture-level city: division code (GB/T 2260 [G]), position, weight in the fleet [A]."""

    code: str
    lon: float
    lat: float
    weight: float

    @property
    def zh(self) -> str:
        """Its name."""
        return CITY_NAMES[self.code][0]

    @property
    def plate(self) -> str:
        """The beginning of its plates."""
        return JIANGXI_CITIES[self.code]


CITIES: Final = (
    City("360100", 115.86, 28.68, 0.18),
    City("360200", 117.18, 29.27, 0.03),
    City("360300", 113.85, 27.62, 0.05),
    City("360400", 116.00, 29.71, 0.10),
    City("360500", 114.92, 27.82, 0.04),
    City("360600", 117.07, 28.26, 0.05),
    City("360700", 114.93, 25.83, 0.15),
    City("360800", 114.99, 27.11, 0.10),
    City("360900", 114.42, 27.82, 0.14),
    City("361000", 116.36, 27.95, 0.07),
    City("361100", 117.94, 28.45, 0.09),
)


def inspection_intensity(seed: int, assumed: EnforcementAssumptions) -> FloatArray:
    """Return relative inspection intensity by city, mean 1 over the fleet, shape (11,)."""
    rng = generator(seed, Stream.CITIES)
    intensity = np.exp(assumed.city_sigma * rng.standard_normal(len(CITIES)))
    weights = np.array([city.weight for city in CITIES])
    result: FloatArray = intensity / np.average(intensity, weights=weights)
    return result


def detection_probability(
    intensity: FloatArray, city: IntArray, month: Month, assumed: EnforcementAssumptions
) -> FloatArray:
    """Return the relative probability that a violation of this month is found, by operator's or vehicle's city.

    Parameters
    ----------
    intensity
        Intensity by city.
    city
        City index of each unit, shape (n,).
    month
        Campaign months (治超专项) are looked at harder.
    assumed
        Magnitudes.
    """
    in_campaign = int(month_of_year(np.array([month.first]))[0]) in assumed.campaign_months
    share = len(assumed.campaign_months) / 12.0
    mean_factor = 1.0 + share * (assumed.campaign_factor - 1.0)
    factor = (assumed.campaign_factor if in_campaign else 1.0) / mean_factor
    result: FloatArray = intensity[city] * factor
    return result
