from __future__ import annotations

import numpy as np
import pytest

from features.simulation.assumptions import Assumptions
from features.simulation.cities import CITIES
from features.simulation.identities import make_identities
from features.simulation.presets import TINY
from features.simulation.roads import KM_PER_DEG, road_network
from features.simulation.routes import ROUTES_PER_CITY, all_routes, route_geometry, usual_routes, weigh_station_exposure
from features.simulation.samples import sample_batches
from features.simulation.world import World, build_world


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(TINY, 5, Assumptions())


def test_every_city_is_reached_from_every_other_by_roads_that_meet() -> None:
    network = road_network()
    for start in range(len(CITIES)):
        for end in range(len(CITIES)):
            at = start
            for road, backwards in network.path(start, end):
                assert (road.end if backwards else road.start) == at
                at = road.start if backwards else road.end
            assert at == end


def test_links_have_a_toll_station_at_each_end_and_service_areas_at_most_75_km_apart() -> None:
    network = road_network()
    for link in network.links:
        tolls = sorted(item.km for item in network.of_kind("toll_station") if item.road == link.code)
        pauses = sorted(item.km for item in network.of_kind("service_area") if item.road == link.code)
        assert len(tolls) == 2
        assert tolls[0] < 1.0
        assert tolls[1] > link.length_km - 1.0
        assert np.diff(pauses, prepend=0.0, append=link.length_km).max() < 75.0
    assert len({item.code for item in network.facilities}) == len(network.facilities)


def test_moving_along_a_route_moves_as_far_on_the_ground_as_on_the_clock() -> None:
    routes = all_routes()
    assert len(routes.length_km) == len(CITIES) * ROUTES_PER_CITY
    for route in (0, 25, 90, len(routes.length_km) - 1):
        travelled = np.linspace(0.0, 2.0 * routes.length_km[route], 4_000)
        points = route_geometry(np.full(len(travelled), route), travelled)
        east = np.diff(points.lon) * np.cos(np.deg2rad(points.lat[1:])) * KM_PER_DEG
        ground = np.hypot(east, np.diff(points.lat) * KM_PER_DEG)
        assert ground.sum() == pytest.approx(2.0 * routes.length_km[route], rel=0.01)
        # The vehicle comes back to where it set out.
        assert points.lon[0] == pytest.approx(points.lon[-1], abs=1e-6)


def test_heading_points_where_the_vehicle_goes() -> None:
    points = route_geometry(np.full(200, 3), np.linspace(0.0, 60.0, 200))
    east = np.diff(points.lon) * np.cos(np.deg2rad(points.lat[1:]))
    bearing = np.rad2deg(np.arctan2(east, np.diff(points.lat))) % 360.0
    turned = (points.heading_deg[:-1] - bearing + 180.0) % 360.0 - 180.0
    assert np.median(np.abs(turned)) < 1.0


def test_usual_routes_start_at_home_and_suit_the_day(world: World) -> None:
    usual = usual_routes(world)
    assert np.array_equal(usual // ROUTES_PER_CITY, np.broadcast_to(world.vehicle_city[:, None], usual.shape))
    assert np.all(np.diff(np.sort(usual, axis=1), axis=1) > 0)
    length = all_routes().length_km[usual[:, 0]]
    assert np.corrcoef(np.log(length), np.log(world.vehicles.annual_km))[0, 1] > 0.3


def test_exposure_to_weigh_stations_differs_between_vehicles_with_mean_one(world: World) -> None:
    exposure = weigh_station_exposure(world)
    assert exposure.shape == (len(world.vehicles),)
    assert exposure.mean() == pytest.approx(1.0)
    assert exposure.min() > 0.2
    assert exposure.std() > 0.2


def test_facilities_and_flows_are_those_of_the_network(world: World) -> None:
    batches = {batch.resource_id: batch for batch in sample_batches(world, make_identities(world))}
    stations = set(batches["toll_station"].columns["station_code"].to_pylist())
    assert stations == {item.code for item in road_network().of_kind("toll_station")}
    lon = np.array(batches["service_area"].columns["lon_deg"].to_pylist())
    assert 113.0 < lon.min() < lon.max() < 119.0
    flow = batches["toll_entry_flow"].columns
    assert set(flow["station_code"].to_pylist()) <= stations
    assert all(etc <= n for etc, n in zip(flow["n_etc"].to_pylist(), flow["n_vehicles"].to_pylist(), strict=True))
