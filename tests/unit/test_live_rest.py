"""The next legal place of rest along the roads, and what is said of a vehicle now."""

from __future__ import annotations

import heapq
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from features.live.duty_now import DutyReader
from features.live.fold import LiveFold
from features.live.rest_places import HERE_KM, RestPlace, RestPlaces, places_of
from features.live.road_map import road_map
from features.live.roster import Roster, roster_of
from features.simulation.roads import road_network
from tests.lib.live import fed, records
from tests.lib.positions import MIDNIGHT, Leg, drive

NOBODY = datetime(2026, 1, 1, tzinfo=UTC)


def row(code: str, road: str, km: float, **other: object) -> dict[str, object]:
    lon, lat = next(r for r in road_map().roads if r.code == road).at(km)
    return {
        "facility_code": code, "name": f"{code}服务区", "road_code": road, "stake_km": km, "lon_deg": lon, "lat_deg": lat,
        "direction": "3", "status": "1", "withdrawn": False, "updated_on": date(2026, 1, 1), "arrived_at": NOBODY,
        "truck_spaces": 10, "coach_spaces": 5, "hazmat_spaces": 0, **other,
    }


def position(road: str, km: float, *, upwards: bool) -> tuple[float, float, float]:
    """Return position and heading of a vehicle on a road."""
    found = next(r for r in road_map().roads if r.code == road)
    (lon, lat), (ahead_lon, ahead_lat) = found.at(km), found.at(km + (0.05 if upwards else -0.05))
    heading = np.rad2deg(np.arctan2((ahead_lon - lon) * np.cos(np.deg2rad(lat)), ahead_lat - lat)) % 360.0
    return lon, lat, float(heading)


def oracle(places: list[RestPlace], trade: str, road: str, km: float, upwards: bool) -> float:
    """Return the distance by Dijkstra over (road, direction)."""
    roads = {r.code: r for r in road_map().roads}
    ends = {(c, up): (round(float(r.lon[-up]), 6), round(float(r.lat[-up]), 6)) for c, r in roads.items() for up in (0, 1)}

    queue = [(-(km if upwards else roads[road].length_km - km), road, upwards, km if upwards else roads[road].length_km - km)]
    seen: set[tuple[str, bool]] = set()
    best = np.inf
    while queue:
        entered, code, up, behind = heapq.heappop(queue)
        if entered >= best:
            break
        length = roads[code].length_km
        stakes = [
            p.stake_km if up else length - p.stake_km for p in places
            if p.road_code == code and trade in p.trades and p.direction != ("2" if up else "1")
        ]
        here = HERE_KM if code == road and up == upwards else 0.0
        assume(not here or all(abs(at - behind + here) > 0.05 for at in stakes))  # nearer, rounding decides
        ahead = [max(at, behind) for at in stakes if at >= behind - here]
        if ahead:
            best = min(best, entered + min(ahead))
            continue
        onward = [(c, way) for c in roads for way in (True, False) if c != code and ends[c, not way] == ends[code, up]]
        for c, way in onward or [(code, not up)]:
            if (c, way) not in seen:
                seen.add((c, way))
                heapq.heappush(queue, (entered + length, c, way, 0.0))
    return best


def of_the_network() -> list[PlaceRow]:
    kinds = ("service_area", "parking_area", "rest_stop")
    return [
        row(item.code, item.road, item.km, direction="123"[n % 3], status="12"[n % 4 == 0], coach_spaces=n % 5)
        for n, item in enumerate(i for kind in kinds for i in road_network().of_kind(kind))
    ]


PlaceRow = dict[str, object]
PLACES = places_of("service_area", of_the_network())
FINDER = RestPlaces(road_map(), PLACES)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([r.code for r in road_map().roads]), st.floats(0.02, 0.98), st.booleans(),
    st.sampled_from(["freight", "passenger"]),
)
def test_the_distance_is_that_of_the_shortest_way_ahead(road: str, share: float, upwards: bool, trade: str) -> None:
    km = share * next(r for r in road_map().roads if r.code == road).length_km
    segment, at = road_map().match(*(np.array([value]) for value in position(road, km, upwards=upwards)[:2]))
    if road_map().roads[road_map().road[segment[0]]].code != road:
        return  # where roads cross or meet, a position may lie on either
    found = FINDER.ahead(trade, *position(road, km, upwards=upwards))  # type: ignore[arg-type]
    assert found is not None
    assert found.along_road
    assert at[0] == pytest.approx(km, abs=0.05)
    assert found.distance_km == pytest.approx(oracle(PLACES, trade, road, km, upwards), abs=0.1)


def test_closed_full_or_opposite_places_are_passed_by() -> None:
    rows = [row("A", "MG01", 30.0, status="2"), row("B", "MG01", 40.0, truck_spaces=0), row("C", "MG01", 50.0, direction="2"),
            row("D", "MG01", 60.0, truck_spaces=None), row("E", "MG01", 10.0)]
    finder = RestPlaces(road_map(), places_of("service_area", rows))  # type: ignore[arg-type]
    found = finder.ahead("freight", *position("MG01", 20.0, upwards=True))
    assert found is not None
    assert (found.place.code, round(found.distance_km)) == ("D", 40)
    back = finder.ahead("freight", *position("MG01", 20.0, upwards=False))
    assert back is not None
    assert (back.place.code, round(back.distance_km)) == ("E", 10)
    assert finder.ahead("hazmat", *position("MG01", 20.0, upwards=True)) is None


def test_off_the_roads_the_nearest_place_is_told_as_the_crow_flies() -> None:
    found = FINDER.ahead("freight", 120.0, 31.0, 0.0)
    assert found is not None
    assert not found.along_road


def a_roster() -> Roster:
    return roster_of([("v1", "a" * 24, "e1", "8"), ("v2", "b" * 24, "e1", "1")], b"k" * 32)


def test_a_driver_reads_how_long_and_where_to() -> None:
    fold, found = LiveFold.empty(2), records(drive([Leg("06:00", "09:36", 60.0)]))
    found["status_bits"], found["speed"] = 3, 600
    fed(fold, found, slot=0)
    reader = DutyReader(fold, a_roster(), FINDER)
    now = datetime.fromtimestamp(MIDNIGHT.timestamp() + 9 * 3600 + 36 * 60, UTC)
    (duty,) = reader.read([0, 1], now)
    assert duty.vehicle_id == "v1"
    assert duty.nearest is not None
    assert (duty.nearest.rule.rule_id, duty.nearest.remaining_s, duty.abstains) == ("continuous_4h", 1440, False)
    zh, en = duty.words()
    assert "再驾驶24分钟" in zh
    assert en.startswith("24 min until the limit: ")


def test_of_a_vehicle_that_is_not_heard_of_nothing_is_said() -> None:
    fold = LiveFold.empty(2)
    fed(fold, records(drive([Leg("06:00", "07:00", 60.0)])), slot=1)
    now = datetime.fromtimestamp(MIDNIGHT.timestamp() + 8 * 3600, UTC)
    (duty,) = DutyReader(fold, a_roster(), FINDER).read([1], now)
    assert duty.abstains
    assert "60 min" in duty.words()[1]
    assert {limit.rule.rule_id for limit in duty.limits} >= {"coach_2_to_5", "passenger_24h"}
