"""A few ordinary entities by their natural keys: what a demonstration client asks for."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from features.simulation.fatigue import DrivingHours
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.world import World

HOW_MANY: Final = 5


def example_keys(world: World, identities: Identities, hours: DrivingHours) -> dict[str, Any]:
    """Return natural keys of entities in the middle of the province.

    Returns
    -------
    dict
        ``vehicle``: plate, colour and VIN of vehicles with driving hours; ``enterprise``: credit codes of fleets of
        5 to 60 vehicles; ``driver``: qualification numbers of those vehicles' drivers.
    """
    watched = np.unique(hours.vehicle)
    ordinary = watched[np.argsort(np.abs(world.vehicle_risk[watched]), kind="stable")][:HOW_MANY]
    fleets = np.flatnonzero((world.operators.size >= 5) & (world.operators.size <= 60))
    middle = fleets[np.argsort(np.abs(world.operators.culture[fleets]), kind="stable")][:HOW_MANY]
    return {
        "enterprise": [{"uscc": str(identities.uscc[index])} for index in middle],
        "vehicle": [
            {"plate_no": str(identities.plate_no[index]), "plate_color": PLATE_COLOR, "vin": str(identities.vin[index])}
            for index in ordinary
        ],
        "driver": [
            {"qualification_no": str(identities.qualification_no[world.vehicles.driver[index]])} for index in ordinary
        ],
    }
