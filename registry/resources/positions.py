"""Real-time positions (annex 1, no. 1)."""

from __future__ import annotations

from typing import Final

from registry.resources.columns import PLATE_COLOR, PLATE_ID, PLATE_NO, coded, count, moment, quantity
from registry.resources.schema import Column, Resource

VEHICLE_LOCATION: Final = Resource(
    id="vehicle_location", zh="道路运输本省车辆实时定位信息", en="real-time positions of the province's vehicles", no=1,
    cycle="realtime", entity="vehicle", key=("plate_no", "plate_color", "gps_time"), event_time="gps_time",
    columns=(
        PLATE_NO,
        PLATE_COLOR,
        moment("gps_time", "定位时间", nullable=False, evidence="F1", note="JT/T 808 sends GMT+8 BCD"),
        moment("recv_time", "平台接收时间", evidence="A"),
        quantity("lon_deg", "经度", "deg", 180, minimum=-180, nullable=False, evidence="F1", sensitivity="location",
                 note="WGS-84; 808/809 messages carry integers x 1e6"),
        quantity("lat_deg", "纬度", "deg", 90, minimum=-90, nullable=False, evidence="F1", sensitivity="location"),
        quantity("speed_kmh", "卫星定位速度", "km/h", 220, evidence="F1"),
        quantity("vec2_kmh", "行驶记录仪速度", "km/h", 220, evidence="F1", note="0 where no recorder is wired"),
        quantity("odometer_km", "里程", "km", 9_999_999, evidence="F1", note="resets when the terminal is replaced"),
        quantity("heading_deg", "方向", "deg", 359, evidence="F1"),
        quantity("altitude_m", "海拔", "m", 6000, minimum=-200, evidence="F1"),
        Column(id="status_bits", zh="状态位", dtype="int", nullable=False, minimum=0, maximum=2**32 - 1, evidence="F1",
               note="bit 0 ACC, 1 fixed, 4 out of service, 8-9 load"),
        Column(id="alarm_bits", zh="报警位", dtype="int", nullable=False, minimum=0, maximum=2**32 - 1, evidence="F1",
               note="bit 1 overspeed, 2 fatigue, 13 speed warning, 14 fatigue warning, 18 daily driving time, "
                    "29 collision, 30 rollover"),
        coded("warn_type", "平台报警类型", "warn_type", evidence="F1"),
        count("satellites", "卫星数", 64, evidence="F2"),
    ),
    pseudonyms=(PLATE_ID,), references={"plate_no": "vehicle_transport_permit"}, evidence="F1",
    note="JT/T 808 0x0200 and JT/T 809 real-time position; reduced to `vehicle_day` and `driving_hour`",
)

RESOURCES: Final = (VEHICLE_LOCATION,)
