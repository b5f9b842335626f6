"""False alarms about hazmat vehicles off their declared route, held against the truth of the simulated province.

Messages of whole days, late, twice and off the road as they come, go through the fold of the live service; the rule looks at it
each minute with the declarations of the day. The truth is the road that a vehicle really drove beside the one that was declared:

- a vehicle-day *deviates* when another way was declared than is driven, and is *beyond* when its road led farther from the declared
  one than the rule tolerates, for as long as the rule waits; the beginning of many ways is common.
- an alert is **false** when nothing deviates on its vehicle-day. **found**: share of the days beyond that raised one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.supervision.corridors import WIDTH_KM, distance_km
from registry.supervision.rule_table import OFF_ROUTE_FOR_S, RULES_BY_ID

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

    from features.simulation.declared_routes import DeclaredDay
    from registry.output import ProgressCallback
    from registry.supervision.events import AlertEvent

FloatArray = npt.NDArray[np.float64]
RULE: Final = RULES_BY_ID["hazmat_off_route"]
LOOK_S: Final = 60
DAY_S: Final = 86_400
BEYOND_KM: Final = WIDTH_KM + 1.0
"""From the middle of the declared road: what grade 1 is."""
ON_ROAD_KM: Final = 0.2
"""A message farther from the road that is driven has drifted, and says nothing of where the vehicle is."""


def off_route_study(
    preset: str, seed: int, first: date | None, days: int, progress: ProgressCallback | None = None
) -> dict[str, Any]:
    """Return the figures of the rule over all hazmat vehicles of a province on some days."""
    from features.simulation.activity import fleet_of
    from features.simulation.assumptions import Assumptions
    from features.simulation.day import newest_day
    from features.simulation.declared_routes import declared_days, hazmat_vehicles
    from features.simulation.identities import make_identities
    from features.simulation.messages import messages_of_many
    from features.simulation.presets import preset_named
    from features.simulation.world import build_world

    first = newest_day(preset, seed, days=days) if first is None else first
    world = build_world(preset_named(preset), seed, Assumptions())
    identities, begin = make_identities(world), np.datetime64(first)
    vehicles = hazmat_vehicles(world)
    messages = messages_of_many(world, identities, vehicles, begin, min(begin + days, world.end), fleet=fleet_of(world))
    place = {plate: slot for slot, plate in enumerate(identities.plate_no[vehicles].tolist())}
    slots = np.array([place[plate] for plate in messages["plate_no"].to_pylist()], dtype=np.int64)
    declared = declared_days(world, first, days)
    driven = truth_of(messages, slots, vehicles, declared)
    events = alerts_of(messages, slots, len(vehicles), vehicles, declared, progress)
    return {"simulated": True, "day": str(first), "days": days, "vehicles": len(vehicles)} | judged(events, vehicles, driven)


def truth_of(
    messages: pa.Table, slots: npt.NDArray[np.int64], vehicles: npt.NDArray[np.int64], declared: list[DeclaredDay]
) -> dict[tuple[int, int], tuple[bool, float]]:
    """Return by vehicle and local day number whether it deviates, and seconds of messages beyond; only days with messages."""
    day = _local_days(messages)
    lon, lat = (messages[name].to_numpy() for name in ("lon_deg", "lat_deg"))
    time_s = messages["gps_time"].to_numpy().astype("datetime64[s]").astype(np.int64)
    slot_of = {vehicle: slot for slot, vehicle in enumerate(vehicles.tolist())}
    found: dict[tuple[int, int], tuple[bool, float]] = {}
    for one in declared:
        number = (one.day - date(1970, 1, 1)).days
        rows = np.flatnonzero((slots == slot_of[one.vehicle]) & (day == number))
        if not len(rows):
            continue
        beyond_s = 0.0
        if one.deviates:
            # In the order of the device, each once; a message speaks until the next, for a minute and a half at most.
            rows = rows[np.unique(time_s[rows], return_index=True)[1]]
            on_road = _from_road(lon[rows], lat[rows], one.driven) <= ON_ROAD_KM
            off = on_road & (_from_road(lon[rows], lat[rows], one.declared) >= BEYOND_KM)
            lasts = np.minimum(np.diff(time_s[rows], append=time_s[rows[-1]]), 90)
            beyond_s = float(lasts[off].sum())
        found[one.vehicle, number] = (one.deviates, beyond_s)
    return found


def alerts_of(
    messages: pa.Table, slots: npt.NDArray[np.int64], n: int, vehicles: npt.NDArray[np.int64], declared: list[DeclaredDay],
    progress: ProgressCallback | None = None,
) -> list[AlertEvent]:
    """Return what the live rule says, looking each minute at the fold of the messages in the order of their receipt."""
    import pyarrow as pa

    from features.live.fold import LiveFold
    from features.live.positions import Door, records_of
    from features.live.road_map import road_map
    from features.live.roster import roster_of
    from features.supervision.corridors import Corridors
    from features.supervision.engine import AlertBoard
    from features.supervision.supervisor import Supervisor

    plates = [f"{slot + 1:016x}" for slot in range(n)]
    roster = roster_of([(str(vehicle), plates[slot], "", "3") for slot, vehicle in enumerate(vehicles.tolist())], b"")
    corridors = Corridors(road_map(), roster, _declarations(declared, vehicles, plates))
    fold = LiveFold.empty(n, cap_kmh=roster.cap_kmh)
    supervisor = Supervisor(fold, roster, routes=lambda: corridors)
    supervisor.board = AlertBoard(roster.vehicle_id, roster.enterprise_id, roster.trade, (RULE,))
    received = messages["recv_time"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    order = np.argsort(received, kind="stable")
    records = records_of(messages.take(order), (slots[order] + 1).astype(np.uint64), received[order], Door.REPLAY)
    received, slots = received[order] // 1_000_000, slots[order]
    events: list[AlertEvent] = []
    looks = range(int(received[0]) // LOOK_S * LOOK_S + LOOK_S, int(received[-1]) + 600, LOOK_S)
    ends = np.searchsorted(received, np.array(looks), side="right")
    done = 0
    for at_s, until in zip(looks, ends.tolist(), strict=True):
        fold.apply(slots[done:until], records[done:until])
        done = until
        events += supervisor.look(at_s)
        if progress is not None and at_s % 3_600 == 0:
            progress("off-route", done / len(records))
    return events


def judged(
    events: list[AlertEvent], vehicles: npt.NDArray[np.int64], driven: Mapping[tuple[int, int], tuple[bool, float]]
) -> dict[str, Any]:
    """Return the figures."""
    from features.segments import LOCAL_OFFSET_S

    raised = [(int(one.vehicle_id), (one.at_s + LOCAL_OFFSET_S) // DAY_S) for one in events if one.kind == "raised"]
    deviating = {key for key, (deviates, _) in driven.items() if deviates}
    beyond = {key for key, (_, beyond_s) in driven.items() if beyond_s >= OFF_ROUTE_FOR_S}
    false = [key for key in raised if key not in deviating]
    return {
        "vehicle_days": len(driven), "deviating": len(deviating), "beyond": len(beyond), "alerts": len(raised), "false": len(false),
        "false_share": len(false) / len(raised) if raised else None,
        "false_per_1000_days": 1000.0 * len(false) / max(len(driven) - len(deviating), 1),
        "found_share": len(beyond & set(raised)) / len(beyond) if beyond else None,
    }


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return the table of a result."""
    from registry.output import table

    rows = [(name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in result.items()]
    return table(("figure", "value"), rows, title="hazmat vehicles off their declared route (simulated)")


def _declarations(declared: list[DeclaredDay], vehicles: npt.NDArray[np.int64], plates: list[str]) -> list[Any]:
    from features.segments import LOCAL_OFFSET_S
    from features.supervision.corridors import Declaration

    slot_of = {vehicle: slot for slot, vehicle in enumerate(vehicles.tolist())}
    found = []
    for one in declared:
        from_s = (one.day - date(1970, 1, 1)).days * DAY_S - LOCAL_OFFSET_S
        line = tuple((lon, lat) for lon, lat in one.line)
        found.append(Declaration(plate_id=plates[slot_of[one.vehicle]], from_s=from_s, until_s=from_s + DAY_S, line=line))
    return found


def _from_road(lon: FloatArray, lat: FloatArray, route: int) -> FloatArray:
    """Return how far points are from a route's own road, every vertex of it."""
    from features.simulation.routes import vertices_of

    points = vertices_of(route)
    ends = np.hstack([points[:-1], points[1:]])
    n, m = len(lon), len(ends)
    away = distance_km(np.repeat(lon, m), np.repeat(lat, m), np.tile(ends, (n, 1))).reshape(n, m)
    nearest: FloatArray = away.min(axis=1)
    return nearest


def _local_days(messages: pa.Table) -> npt.NDArray[np.int64]:
    from features.segments import LOCAL_OFFSET_S

    time_s = messages["gps_time"].to_numpy().astype("datetime64[s]").astype(np.int64)
    result: npt.NDArray[np.int64] = (time_s + LOCAL_OFFSET_S) // DAY_S
    return result
