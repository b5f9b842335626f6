"""Where a vehicle or an operator is at home: how hard inspectors look there, what happens on its roads, where to rest.

One table by city and cut-off serves both entities: an operator by its place of registration, a vehicle by the place of
its transport permit. Inspection intensity lets a model tell where is looked from what is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.families.area_measures import (
    cases_by_city,
    cities,
    city_of,
    events_by_city,
    flows_by_city,
    places_by_city,
)
from features.families.base import Family
from features.families.vehicle_profile import fleet
from registry.entities import ENTERPRISE, VEHICLE, Entity
from registry.feature_spec import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from features.known import Known

_OPERATOR, _PERMIT = "operator_basic", "vehicle_transport_permit"
_CASE, _EMERGENCY, _WORKS, _CONTROL = "enforcement_case", "traffic_emergency", "roadworks_event", "toll_control"
_FLOW: Final = ("toll_entry_flow", "toll_exit_flow")
_PLACES: Final = ("highway_rest_stop", "parking_area", "service_area")
_STATION: Final = "toll_station"
_PER_THOUSAND: Final = 1_000.0


def areas(known: Known) -> ir.Table:
    """Return one row by city and cut-off with every measure; only cities in which vehicles are at home."""
    return known.shared("areas", _areas)


def _areas(known: Known) -> ir.Table:
    key = ["city", "cutoff"]
    table = cities(known)
    for measured in (cases_by_city(known), events_by_city(known), flows_by_city(known), places_by_city(known)):
        table = table.left_join(measured, key, rname="r_{name}").drop("r_city", "r_cutoff")
    thousands = table.n_vehicles / _PER_THOUSAND
    thousand_years = thousands * known.observed_years(table.cutoff, days=365)
    return table.select(
        *key,
        case_per_vehicle_year=table.n_case_365d / (table.n_vehicles * known.observed_years(table.cutoff, days=365)),
        case_trend=_per_day(known, table, table.n_case_90d, 90) / _per_day(known, table, table.n_case_365d, 365).nullif(0.0),
        overload_case_share=table.n_overload_365d / table.n_case_365d.nullif(0.0),
        weighing_station_per_1000_vehicles=table.n_weighing / thousands,
        emergency_per_1000_vehicles_90d=table.n_emergency_90d / thousands,
        emergency_per_1000_vehicle_years=table.n_emergency_365d / thousand_years,
        truck_emergency_per_1000_vehicle_years=table.n_truck_emergency_365d / thousand_years,
        casualty_per_1000_vehicle_years=table.n_casualty_365d / thousand_years,
        roadworks_per_1000_vehicles_90d=table.n_roadworks_90d / thousands,
        toll_control_per_1000_vehicles_90d=table.n_toll_control_90d / thousands,
        bad_weather_event_per_1000_vehicles_90d=table.n_bad_weather_90d / thousands,
        flow_per_station_hour_28d=table.flow_28d,
        flow_trend=table.flow_28d / table.flow_90d.nullif(0.0),
        truck_flow_share_90d=table.truck_flow_share_90d,
        rest_place_per_100km=table.n_rest_places / table.road_km.nullif(0.0) * 100.0,
        truck_space_per_1000_vehicles=table.n_truck_spaces / thousands,
        repair_place_per_1000_vehicles=table.n_repair_places / thousands,
    )


def _per_day(known: Known, table: ir.Table, count: ir.NumericValue, days: int) -> ir.FloatingValue:
    rate: ir.FloatingValue = count / (known.observed_years(table.cutoff, days=days) * 365.0)
    return rate


def _of_enterprises(known: Known) -> ir.Table:
    operators = known.state(_OPERATOR, ENTERPRISE.id_column, ["region_code"])
    homes = operators.select(ENTERPRISE.id_column, "cutoff", city=city_of(operators.region_code))
    return _named(homes, areas(known), ENTERPRISE, "area")


def _of_vehicles(known: Known) -> ir.Table:
    vehicles = fleet(known)
    homes = vehicles.select(VEHICLE.id_column, "cutoff", city=city_of(vehicles.region_code))
    return _named(homes, areas(known), VEHICLE, "vehicle_area")


def _named(homes: ir.Table, measured: ir.Table, entity: Entity, prefix: str) -> ir.Table:
    joined = homes.left_join(measured, ["city", "cutoff"], rname="r_{name}")
    return joined.select(
        entity.id_column, "cutoff", **{f"{prefix}_{name}": joined[name] for name, *_ in MEASURES},
    )


MEASURES: Final = (
    ("case_per_vehicle_year", "本市车年均处罚次数", "findings per vehicle-year in the city", "1/vehicle_year", "R25",
     (_CASE,), 365),
    ("case_trend", "本市近90日执法强度变化", "findings of 90 days against 365 in the city", "1", "R25", (_CASE,), 365),
    ("overload_case_share", "本市超限案件占比", "share of overload among the city's findings", "1", "R25", (_CASE,), 365),
    ("weighing_station_per_1000_vehicles", "本市千车入口称重站数", "toll stations with weighing per 1,000 vehicles",
     "1/1000_vehicles", "R25", (_STATION,), None),
    ("emergency_per_1000_vehicles_90d", "本市近90日千车突发事件", "traffic emergencies in 90 days per 1,000 vehicles",
     "1/1000_vehicles", "R26", (_EMERGENCY,), 90),
    ("emergency_per_1000_vehicle_years", "本市近一年千车突发事件", "traffic emergencies of the last year per 1,000 vehicle-years",
     "1/1000_vehicle_years", "R26", (_EMERGENCY,), 365),
    ("truck_emergency_per_1000_vehicle_years", "本市近一年千车货车突发事件",
     "emergencies with trucks or dangerous goods of the last year per 1,000 vehicle-years", "1/1000_vehicle_years", "R26",
     (_EMERGENCY,), 365),
    ("casualty_per_1000_vehicle_years", "本市近一年千车突发事件伤亡",
     "casualties of emergencies of the last year per 1,000 vehicle-years",
     "1/1000_vehicle_years", "R26", (_EMERGENCY,), 365),
    ("roadworks_per_1000_vehicles_90d", "本市近90日千车养护施工", "road works in 90 days per 1,000 vehicles", "1/1000_vehicles",
     "R26", (_WORKS,), 90),
    ("toll_control_per_1000_vehicles_90d", "本市近90日千车收费站管制", "controls of toll stations in 90 days per 1,000 vehicles",
     "1/1000_vehicles", "R26", (_CONTROL,), 90),
    ("bad_weather_event_per_1000_vehicles_90d", "本市近90日千车恶劣天气事件", "events of bad weather in 90 days per 1,000 vehicles",
     "1/1000_vehicles", "R26", (_EMERGENCY, _CONTROL), 90),
    ("flow_per_station_hour_28d", "本市收费站小时流量", "vehicles per toll station, hour and class in 28 days", "1", "R26",
     (*_FLOW, _STATION), 28),
    ("flow_trend", "本市收费站流量变化", "toll flow of 28 days against 90", "1", "R26", (*_FLOW, _STATION), 90),
    ("truck_flow_share_90d", "本市收费站货车占比", "share of trucks in the toll flow", "1", "R26", (*_FLOW, _STATION), 90),
    ("rest_place_per_100km", "本市每百公里休息场所", "places of rest per 100 km of road", "1/100km", "R27",
     (*_PLACES, _STATION), None),
    ("truck_space_per_1000_vehicles", "本市千车货车停车位", "truck parking spaces per 1,000 vehicles", "1/1000_vehicles", "R27",
     _PLACES, None),
    ("repair_place_per_1000_vehicles", "本市千车沿途维修点", "roadside repair places per 1,000 vehicles", "1/1000_vehicles", "R27",
     _PLACES, None),
)
"""Measure, Chinese, English, unit, reason code, resources that it is taken from, window in days."""

RESOURCES: Final = (_PERMIT, _CASE, _EMERGENCY, _WORKS, _CONTROL, *_FLOW, *_PLACES, _STATION)


def _features(entity: Entity, prefix: str) -> tuple[Feature, ...]:
    # No direction is promised: an area is a circumstance, and its measures stand for more than one thing.
    return tuple(
        Feature(
            name=f"{prefix}_{name}", entity=entity.id, zh=zh, en=en, group="area", unit=unit,
            resources=(*resources, _PERMIT), window_d=days, sensitivity="public", reason_code=code,
        )
        for name, zh, en, unit, code, resources, days in MEASURES
    )


ENTERPRISE_FAMILY: Final = Family(
    id="enterprise_area", entity=ENTERPRISE, resources=(_OPERATOR, *RESOURCES), expression=_of_enterprises,
    features=_features(ENTERPRISE, "area"),
)
VEHICLE_FAMILY: Final = Family(
    id="vehicle_area", entity=VEHICLE, resources=RESOURCES, expression=_of_vehicles,
    features=_features(VEHICLE, "vehicle_area"),
)
