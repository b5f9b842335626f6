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
from features.simulation.world import PASSENGER, World
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
    """Yield one batch for each resource without a causal model, toll stations before what names them."""
    stations: list[str] = []
    wanted = [resource for resource in RESOURCES.values() if resource.id not in CAUSAL]
    for resource in sorted(wanted, key=lambda item: item.id != "toll_station"):
        rows = _rows(world, resource, _pools(world, identities, stations))
        if resource.id == "toll_station":
            stations = list(rows[resource.key[0]])
        yield _batch(world, resource, rows)


def _pools(world: World, identities: Identities, stations: Sequence[str]) -> dict[str, dict[str, Sequence[Any]]]:
    """Return which existing keys a resource draws from."""
    passenger = np.flatnonzero(world.operators.business == PASSENGER)
    trucks = identities.plate_no[:500].tolist()
    named: dict[str, dict[str, Sequence[Any]]] = {
        "oversize_permit_application": {"plate_no": trucks, "plate_color": [PLATE_COLOR]},
        "passenger_route": {"uscc": identities.uscc[passenger].tolist()},
    }
    if stations:
        named |= {name: {"station_code": stations} for name in ("toll_entry_flow", "toll_exit_flow", "toll_control")}
    return named


def _rows(world: World, resource: Resource, pools: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, list[Any]]:
    rng = generator(world.seed, Stream.SAMPLES, zlib.crc32(resource.id.encode()))
    start, end = _aware(world.months[-SAMPLED_MONTHS:][0].first), _aware(world.end)
    if resource.cycle == "yearly":
        # What changes once a year is known when the window begins.
        start, end = _aware(world.start) - timedelta(days=365), _aware(world.start)
    facilities = facilities_of(resource.id)
    rows = sample_rows(
        resource, len(facilities) or world.preset.generic_rows, rng, start=start, end=end, pools=pools.get(resource.id)
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
