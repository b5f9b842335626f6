"""The judgement of every source at one instant, put together from manifests and checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from features.quality.consistency import AGREEMENTS, CHECKS, run_checks
from features.quality.measure import DeliveryQuality, quality_of
from features.quality.report import ORDER, ResourceQuality, judge
from features.quality.store import CheckResult, CheckStore
from features.simulation.marker import is_simulated
from features.snapshot import counts_by_wall
from features.warehouse import Warehouse
from registry.errors import NotFound
from registry.resources import RESOURCES
from registry.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Overview:
    """How good the sources are at an instant.

    Parameters
    ----------
    at
        The instant.
    clock
        Where it comes from: given, wall, or snapshot (the newest instant until which anything is complete).
    resources
        Judgements, in the order of the annex.
    checks
        Checks across resources.
    deliveries
        Resource id -> figures of every delivery until the instant.
    """

    at: datetime
    clock: str
    resources: tuple[ResourceQuality, ...]
    checks: tuple[CheckResult, ...]
    deliveries: dict[str, tuple[DeliveryQuality, ...]]

    @property
    def verdicts(self) -> dict[str, int]:
        """How many resources have each verdict."""
        return {name: sum(one.verdict == name for one in self.resources) for name in ORDER}


def look(
    settings: Settings, *, resource_id: str | None = None, at: datetime | None = None, now: Callable[[], datetime]
) -> Overview:
    """Return the judgement of every resource, or of one, at an instant.

    Checks across resources are run once for an instant and a state of the warehouse, and kept.

    Raises
    ------
    NotFound
        If there is no such resource, or nothing was ever delivered.
    """
    if resource_id is not None and resource_id not in RESOURCES:
        raise NotFound(f"no resource {resource_id!r}", remedy="See docs/reference/resources.md for their names.")
    warehouse = Warehouse(settings.warehouse_dir)
    everything = {name: tuple(quality_of(one) for one in warehouse.deliveries(name)) for name in RESOURCES}
    moment, clock = _instant(settings, everything, at, now)
    deliveries = {
        name: tuple(one for one in each if datetime.fromisoformat(one.complete_until) <= moment)
        for name, each in everything.items() if resource_id in (None, name)
    }
    checks = _checks(settings, warehouse, moment)
    resources = tuple(
        judge(RESOURCES[name], each, [one for one in checks if SPEAKS_ABOUT.get(one.check) == name], moment)
        for name, each in deliveries.items()
    )
    return Overview(at=moment, clock=clock, resources=resources, checks=checks, deliveries=deliveries)


SPEAKS_ABOUT = {check.id: check.resources[0] for check in (*CHECKS, *AGREEMENTS)}
"""Check -> the resource whose figure it is."""


def _instant(
    settings: Settings, deliveries: dict[str, tuple[DeliveryQuality, ...]], at: datetime | None, now: Callable[[], datetime]
) -> tuple[datetime, str]:
    ends = [datetime.fromisoformat(one.complete_until) for each in deliveries.values() for one in each]
    if not ends:
        raise NotFound("nothing was ever delivered", where=str(settings.warehouse_dir), remedy="Run `roadrisk ingest`.")
    if at is not None:
        return at.astimezone(UTC), "given"
    if counts_by_wall(settings.clock, simulated=is_simulated(settings.home)):
        return now(), "wall"
    return max(ends).astimezone(UTC), "snapshot"


def _checks(settings: Settings, warehouse: Warehouse, at: datetime) -> tuple[CheckResult, ...]:
    store, state = CheckStore(settings.quality_dir), warehouse.snapshot()
    found = store.checks(at, state)
    if {one.check for one in found} != set(SPEAKS_ABOUT):
        found = run_checks(
            warehouse, at, threads=settings.threads, memory_limit=settings.memory_limit,
            spill_dir=settings.quality_dir / ".spill",
        )
        store.keep(at, state, found)
    return tuple(sorted(found, key=lambda one: one.check))
