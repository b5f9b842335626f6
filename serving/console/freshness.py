"""How fresh the resources are, against their cycles: from the manifests of the deliveries, without reading a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from features.simulation.marker import is_simulated
from features.snapshot import counts_by_wall
from features.warehouse import Warehouse
from registry.resources import ANNEX_RESOURCES
from registry.resources.schema import FRESHNESS_LIMIT_D

if TYPE_CHECKING:
    from registry.resources.schema import Resource
    from registry.settings import Settings

State = Literal["fresh", "stale", "absent"]
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """One resource: until when it is complete, its age, and from which age it is stale."""

    resource: Resource
    complete_until: datetime | None
    age_d: float | None
    limit_d: int
    deliveries: int

    @property
    def state(self) -> State:
        """Whether it is fresh."""
        if self.age_d is None:
            return "absent"
        return "stale" if self.age_d > self.limit_d else "fresh"


def freshness(settings: Settings, now: Callable[[], datetime]) -> tuple[datetime, list[Freshness]]:
    """Return the instant that ages count to, and every resource of Annex 1 in its order."""
    warehouse = Warehouse(settings.warehouse_dir)
    ends = {
        one.id: [datetime.fromisoformat(delivery.complete_until) for delivery in warehouse.deliveries(one.id)]
        for one in ANNEX_RESOURCES
    }
    newest = max((end for each in ends.values() for end in each), default=None)
    # A simulated province ends in the past: its sources are as old as they were when it ended.
    by_wall = newest is None or counts_by_wall(settings.clock, simulated=is_simulated(settings.home))
    at = now() if by_wall or newest is None else newest
    return at, [_of(one, ends[one.id], at) for one in ANNEX_RESOURCES]


def _of(resource: Resource, ends: list[datetime], at: datetime) -> Freshness:
    until = max(ends, default=None)
    return Freshness(
        resource=resource, complete_until=until, age_d=(at - until).total_seconds() / _DAY_S if until else None,
        limit_d=FRESHNESS_LIMIT_D[resource.cycle], deliveries=len(ends),
    )
