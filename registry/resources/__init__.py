"""The declared data resources: the 35 of Annex 1 in its order, then those of other suppliers."""

from __future__ import annotations

from typing import Final

from registry.resources import (
    construction,
    credit,
    enforcement,
    events,
    insurer,
    operators,
    people,
    positions,
    reductions,
    roads,
    vehicles,
    water,
)
from registry.resources.schema import Resource

_ALL: Final = (
    *positions.RESOURCES, *vehicles.RESOURCES, *operators.RESOURCES, *roads.RESOURCES, *events.RESOURCES,
    *enforcement.RESOURCES, *water.RESOURCES, *people.RESOURCES, *construction.RESOURCES, *credit.RESOURCES,
    *insurer.RESOURCES, *reductions.RESOURCES,
)

ANNEX_RESOURCES: Final[tuple[Resource, ...]] = tuple(
    sorted((resource for resource in _ALL if resource.no is not None), key=lambda resource: resource.no or 0)
)
"""The 35 resources of Annex 1, in its order."""

RESOURCES: Final[dict[str, Resource]] = {
    resource.id: resource
    for resource in (*ANNEX_RESOURCES, *(resource for resource in _ALL if resource.no is None))
}
"""Id -> resource, all suppliers."""
