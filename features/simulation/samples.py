"""Rows of the resources that have no causal model: valid, few, and naming places, stations and vehicles that exist."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from features.contracts import ARROW_TYPES
from features.simulation.clock import Instants, instants
from features.simulation.deliveries import Batch
from features.simulation.identities import PLATE_COLOR, Identities
from features.simulation.road_records import FLOWS, counted_flow, facilities_of, placed
from features.simulation.streams import Stream, generator
from features.simulation.world import FREIGHT, PASSENGER, World
from registry.resources import RESOURCES
from registry.resources.schema import Resource
from registry.sampling import sample_rows

CAUSAL: Final = frozenset((
    "vehicle_location", "vehicle_inspection", "vehicle_annual_review", "vehicle_basic", "vehicle_transport_permit",
    "operator_basic", "operator_licence", "traffic_emergency", "enforcement_case", "case_vehicle", "case_party",
    "road_practitioner_rating", "road_enterprise_rating", "credit_list", "policy", "claim", "roadside_assistance",
    "vehicle_day", "driving_hour",
))
"""Resources that the simulation explains; every other declared resource is sampled from its declaration."""
SAMPLED_MONTHS: Final = 3
"""Rows of resources that nothing explains come from the last months only."""


def sample_batches(world: World, identities: Identities) -> Iterator[Batch]:
    """Yield one batch for each resource without a causal model, each after what it names."""
    drawn: dict[str, dict[str, list[Any]]] = {}
    for resource in _in_order_of_naming([resource for resource in RESOURCES.values() if resource.id not in CAUSAL]):
        drawn[resource.id] = _rows(world, resource, _pool(world, identities, resource, drawn))
        yield _batch(world, resource, drawn[resource.id])


def _in_order_of_naming(wanted: Sequence[Resource]) -> Iterator[Resource]:
    """Yield resources so that each comes after those that its rows name."""
    waiting, ids = list(wanted), {resource.id for resource in wanted}
    while waiting:
        ready = [resource for resource in waiting if not ids & set(resource.references.values())]
        yield from ready
        ids -= {resource.id for resource in ready}
        waiting = [resource for resource in waiting if resource not in ready]


def _pool(
    world: World, identities: Identities, resource: Resource, drawn: Mapping[str, Mapping[str, list[Any]]]
) -> dict[str, Sequence[Any]]:
    """Return the existing keys that the rows of a resource draw from: declared references, and operators and trucks."""
    business = PASSENGER if resource.id == "passenger_route" else FREIGHT
    operators = identities.uscc[world.operators.has_uscc & (world.operators.business == business)].tolist()
    pool: dict[str, Sequence[Any]] = {}
    for column, named in resource.references.items():
        if named in drawn:
            pool[column] = [value for value in drawn[named][column] if value is not None]
        elif named == "operator_basic":
            pool[column] = operators
    if resource.id == "oversize_permit_application":
        pool |= {"plate_no": identities.plate_no[:500].tolist(), "plate_color": [PLATE_COLOR]}
    return pool


def _rows(world: World, resource: Resource, pool: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    rng = generator(world.seed, Stream.SAMPLES, zlib.crc32(resource.id.encode()))
    start, end = _aware(world.months[-SAMPLED_MONTHS:][0].first), _aware(world.end)
    if resource.cycle == "yearly":
        # What changes once a year is known when the window begins.
        start, end = _aware(world.start) - timedelta(days=365), _aware(world.start)
    facilities = facilities_of(resource.id)
    rows = sample_rows(
        resource, len(facilities) or world.preset.generic_rows, rng, start=start, end=end, pools=pool
    )
    if facilities:
        return placed(resource.id, rows)
    return counted_flow(world.seed, resource.id, rows) if resource.id in FLOWS else rows


def _batch(world: World, resource: Resource, rows: Mapping[str, list[Any]]) -> Batch:
    columns = {column.id: pa.array(rows[column.id], ARROW_TYPES[column.dtype]) for column in resource.columns}
    arrived: Instants = pa.array(rows["arrived_at"], pa.timestamp("us", tz="UTC")).to_numpy(zero_copy_only=False)
    first = instants(np.array([world.start]), 4.0)[0]
    return Batch(resource.id, columns, row_id=rows["row_id"], arrived=np.maximum(arrived, first))


def _aware(day: np.datetime64) -> datetime:
    """Return local midnight of a day as an aware instant."""
    moment: datetime = instants(np.array([day]), 0.0)[0].astype(object)
    return moment.replace(tzinfo=UTC)
