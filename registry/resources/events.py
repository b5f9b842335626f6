"""Events on the road: works, toll control, emergencies (annex 1, nos. 16 to 18)."""

from __future__ import annotations

from typing import Final

from registry.resources.columns import (
    LAT_PUBLIC,
    LON_PUBLIC,
    REGION_CODE,
    coded,
    count,
    flag,
    legal_name,
    moment,
    quantity,
    text,
)
from registry.resources.schema import Resource

EVENT: Final = (
    text("event_id", "事件编号", nullable=False, evidence="G"),
    coded("reason_code", "事件原因", "event_reason", nullable=False),
    text("road_code", "路线编号", evidence="G"),
    quantity("start_stake_km", "起点桩号", "km", 6000, evidence="G"),
    quantity("end_stake_km", "止点桩号", "km", 6000, evidence="G"),
    coded("direction", "方向", "direction"),
    LON_PUBLIC,
    LAT_PUBLIC,
    REGION_CODE,
    moment("found_time", "发现时间", nullable=False, evidence="G"),
    moment("start_time", "开始时间", evidence="G"),
    moment("expected_end", "预计结束时间", evidence="G"),
    moment("actual_end", "实际结束时间", evidence="G"),
    text("handling_unit", "处置单位", evidence="G"),
    coded("status", "处置状态", "event_status", nullable=False, evidence="A"),
    coded("source", "信息来源", "event_source", evidence="A"),
)
"""What every event has."""

ROADWORKS_EVENT: Final = Resource(
    id="roadworks_event", zh="养护施工事件信息", en="road works", no=16, cycle="realtime", entity="event",
    key=("event_id",), event_time="found_time", evidence="G",
    columns=(
        *EVENT,
        legal_name("contractor", "施工单位", evidence="G"),
        text("work", "施工内容", evidence="G"),
        count("lanes_closed", "占用车道数", 12, evidence="G"),
        quantity("speed_limit_kmh", "限速", "km/h", 120, evidence="G"),
        text("detour", "绕行路线", evidence="G"),
    ),
)

TOLL_CONTROL: Final = Resource(
    id="toll_control", zh="收费站管制信息", en="control of toll stations", no=17, cycle="realtime", entity="event",
    key=("event_id",), event_time="found_time", evidence="G",
    columns=(
        *EVENT,
        text("station_code", "收费站编码", nullable=False, evidence="G"),
        coded("control_type", "管制类型", "toll_control_type", nullable=False, evidence="G"),
        flag("entry_affected", "入口受限", evidence="G"),
        flag("exit_affected", "出口受限", evidence="G"),
    ),
    references={"station_code": "toll_station"},
)

TRAFFIC_EMERGENCY: Final = Resource(
    id="traffic_emergency", zh="交通突发事件", en="traffic emergencies", no=18, cycle="realtime", entity="event",
    key=("event_id",), event_time="found_time", evidence="G",
    columns=(
        *EVENT,
        coded("severity_level", "事件等级", "event_severity", evidence="G"),
        coded("accident_form", "事故形态", "accident_form", evidence="A"),
        count("n_vehicles", "涉及车辆数", 500, evidence="G"),
        flag("truck_involved", "涉及大货车", evidence="G"),
        flag("coach_involved", "涉及大客车", evidence="G"),
        flag("hazmat_involved", "涉及危化品车", evidence="G"),
        coded("hazmat_class", "危化品类别", "hazmat_class"),
        count("deaths", "死亡人数", 500, evidence="G"),
        count("injured", "受伤人数", 1000, evidence="G"),
        quantity("queue_km", "堵塞里程", "km", 500, evidence="G"),
    ),
    note="usually without plates: no vehicle link is assumed",
)

RESOURCES: Final = (ROADWORKS_EVENT, TOLL_CONTROL, TRAFFIC_EMERGENCY)
