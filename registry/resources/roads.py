"""Toll stations and their flow, service areas, parking areas, rest stops (annex 1, nos. 10 to 15)."""

from __future__ import annotations

from typing import Final

from registry.resources.columns import (
    LAT_PUBLIC,
    LON_PUBLIC,
    REGION_CODE,
    coded,
    count,
    day,
    flag,
    legal_name,
    quantity,
    text,
)
from registry.resources.schema import Column, Resource

FACILITY: Final = (
    text("facility_code", "设施编码", nullable=False, evidence="G"),
    text("name", "名称", evidence="G"),
    text("road_code", "路线编号", evidence="G"),
    text("road_name", "路线名称", evidence="G"),
    quantity("stake_km", "桩号", "km", 6000, evidence="G", note="K+m as kilometres"),
    coded("direction", "方向", "direction"),
    REGION_CODE,
    LON_PUBLIC,
    LAT_PUBLIC,
    legal_name("operator_name", "管理单位", evidence="G"),
    coded("status", "状态", "facility_status", nullable=False, evidence="A"),
    day("updated_on", "更新日期", nullable=False, evidence="G"),
)
"""What every roadside facility has."""

REST_PLACE: Final = (
    count("car_spaces", "小客车停车位", 10_000, evidence="G"),
    count("truck_spaces", "货车停车位", 10_000, evidence="G"),
    count("coach_spaces", "客车停车位", 10_000, evidence="G"),
    count("hazmat_spaces", "危险货物车停车位", 1000, evidence="G"),
)
"""What every place of rest has."""

SERVICES: Final = (
    count("charging_piles", "充电桩", 1000, evidence="G"),
    flag("has_fuel", "加油站", evidence="G"),
    flag("has_repair", "维修点", evidence="G"),
    flag("open_24h", "24小时开放", evidence="G"),
)

FLOW: Final = (
    text("station_code", "收费站编码", nullable=False, evidence="G"),
    text("station_name", "收费站名称", evidence="G"),
    text("road_code", "路线编号", evidence="G"),
    coded("direction", "方向", "direction"),
    day("stat_date", "统计日期", nullable=False, evidence="G"),
    Column(id="stat_hour", zh="统计小时", dtype="int", nullable=False, minimum=0, maximum=23, evidence="G"),
    coded("vehicle_class", "车型", "toll_class", nullable=False, evidence="G"),
    count("n_vehicles", "车流量", 1_000_000, nullable=False, evidence="G"),
    count("n_etc", "ETC车流量", 1_000_000, evidence="G"),
)


def _flow(no: int, resource_id: str, zh: str, en: str) -> Resource:
    return Resource(
        id=resource_id, zh=zh, en=en, no=no, cycle="daily", entity="station",
        key=("station_code", "stat_date", "stat_hour", "vehicle_class"), event_time="stat_date", columns=FLOW,
        references={"station_code": "toll_station"}, evidence="G", note="flow, not single passages: no vehicle link",
    )


TOLL_ENTRY_FLOW: Final = _flow(10, "toll_entry_flow", "收费站入口车流量", "flow at toll entries")
TOLL_EXIT_FLOW: Final = _flow(11, "toll_exit_flow", "收费站出口车流量", "flow at toll exits")

HIGHWAY_REST_STOP: Final = Resource(
    id="highway_rest_stop", zh="公路驿站信息", en="roadside rest stops", no=12, cycle="yearly", entity="facility",
    key=("facility_code",), event_time="updated_on", evidence="G",
    columns=(*FACILITY, *REST_PLACE, flag("has_shower", "淋浴", evidence="G"),
             flag("has_hot_water", "热水", evidence="G"),
             flag("open_24h", "24小时开放", evidence="G")),
)
PARKING_AREA: Final = Resource(
    id="parking_area", zh="停车区信息", en="parking areas", no=13, cycle="yearly", entity="facility",
    key=("facility_code",), event_time="updated_on", evidence="G", columns=(*FACILITY, *REST_PLACE),
)
TOLL_STATION: Final = Resource(
    id="toll_station", zh="收费站信息", en="toll stations", no=14, cycle="yearly", entity="station",
    key=("station_code",), event_time="updated_on", evidence="G",
    columns=(text("station_code", "收费站编码", nullable=False, evidence="G"), *FACILITY[1:],
             count("n_etc_lanes", "ETC车道数", 100, evidence="G"),
             count("n_mixed_lanes", "混合车道数", 100, evidence="G"),
             flag("entry_weighing", "入口称重", evidence="G")),
)
SERVICE_AREA: Final = Resource(
    id="service_area", zh="服务区信息", en="service areas", no=15, cycle="yearly", entity="facility",
    key=("facility_code",), event_time="updated_on", evidence="G",
    columns=(*FACILITY, coded("area_type", "服务区类型", "service_area_type"), *REST_PLACE, *SERVICES),
)

RESOURCES: Final = (TOLL_ENTRY_FLOW, TOLL_EXIT_FLOW, HIGHWAY_REST_STOP, PARKING_AREA, TOLL_STATION, SERVICE_AREA)
