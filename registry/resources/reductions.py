"""Positions reduced by the platform to vehicle-days and driving hours: computed from `vehicle_location`, not Annex 1.

Definitions. Driving: speed of 3 km/h and more with ignition on; a message speaks for the time to the next one when that
is at most 90 s away. Off line: a longer silence in which the vehicle moved. A rest: a stop of at least 20 minutes, which is
also the legal rest (实施条例 Art. 62(7)); shorter stops neither end continuous driving nor count as driving. Night: 22:00 to
06:00 Asia/Shanghai. A long rest: a stop of at least 5 hours, which ends the shift. The thresholds that no rule fixes are
assumptions; `features/reduction.py` computes the rows and `features/segments.py` holds the thresholds.
"""

from __future__ import annotations

from typing import Final

from registry.resources.columns import PLATE_COLOR, PLATE_ID, PLATE_NO, count, day, flag, moment, quantity
from registry.resources.schema import Column, Resource

VEHICLE_DAY: Final = Resource(
    id="vehicle_day", zh="车辆日行驶汇总", en="positions reduced to one row per vehicle and day", no=None,
    cycle="daily", entity="vehicle", key=("plate_no", "plate_color", "day"), event_time="day", supplier="reduction",
    evidence="A",
    columns=(
        PLATE_NO,
        PLATE_COLOR,
        day("day", "日期", nullable=False, evidence="A"),
        quantity("distance_km", "行驶里程", "km", 2400, nullable=False, evidence="A"),
        quantity("drive_h", "行驶时长", "h", 24, nullable=False, evidence="A"),
        quantity("night_drive_h", "夜间行驶时长", "h", 8, nullable=False, evidence="A", note="22:00 to 06:00"),
        quantity("h_2_5", "凌晨2至5时行驶时长", "h", 3, nullable=False, evidence="A", note="02:00 to 05:00"),
        quantity("max_cont_drive_h", "最长连续驾驶时长", "h", 48, nullable=False, evidence="A",
                 note="ended by a rest, or by off-line time that can hold one; may have begun the day before"),
        count("n_cont_over_4h", "连续驾驶超4小时次数", 24, nullable=False, evidence="A",
              note="on the day on which the 4 hours were passed"),
        count("n_rest_20min", "20分钟休息次数", 72, nullable=False, evidence="A",
              note="20 minutes to 5 hours; on the day on which driving went on"),
        quantity("overspeed_min", "超速时长", "min", 1440, nullable=False, evidence="A",
                 note="above the cap of the vehicle class; runs of 60 s and more"),
        quantity("p95_speed_kmh", "95分位速度", "km/h", 220, evidence="A", note="null on a day without driving"),
        count("n_alarm_fatigue", "疲劳驾驶报警次数", 5000, nullable=False, evidence="A",
              note="alarm bits 2, 14, 18; an alarm that several messages in a row carry counts once"),
        count("n_alarm_speed", "超速报警次数", 5000, nullable=False, evidence="A", note="alarm bits 1, 13"),
        count("n_alarm_collision", "碰撞预警次数", 5000, nullable=False, evidence="A", note="alarm bit 29"),
        count("n_harsh_brake", "急刹车次数", 5000, nullable=False, evidence="A",
              note="speed falls by 7.2 km/h per second and more between messages at most 10 s apart"),
        quantity("offline_h", "离线时长", "h", 24, nullable=False, evidence="A",
                 note="time without a message while the vehicle moved between its neighbours"),
        count("n_messages", "定位报文数", 90_000, nullable=False, evidence="A", note="distinct, drift included"),
    ),
    pseudonyms=(PLATE_ID,), references={"plate_no": "vehicle_transport_permit"},
)

DRIVING_HOUR: Final = Resource(
    id="driving_hour", zh="车辆驾驶小时汇总", en="positions reduced to one row per vehicle and driving hour", no=None,
    cycle="realtime", entity="vehicle", key=("plate_no", "plate_color", "hour_start"), event_time="hour_start",
    supplier="reduction", evidence="A",
    columns=(
        PLATE_NO,
        PLATE_COLOR,
        moment("hour_start", "驾驶小时起", nullable=False, evidence="A",
               note="the row describes the hour that begins here and arrives within minutes of its end; hours follow "
                    "one another from the first driving after a rest, and one with less than half an hour of driving is "
                    "none"),
        quantity("hours_since_rest_h", "距上次休息时长", "h", 72, nullable=False, evidence="A",
                 note="since the end of the last rest of 20 minutes and more"),
        quantity("cont_drive_h", "连续驾驶时长", "h", 48, nullable=False, evidence="A"),
        quantity("drive_h_24h", "24小时累计驾驶时长", "h", 24, nullable=False, evidence="A"),
        quantity("drive_h_7d", "7日累计驾驶时长", "h", 168, nullable=False, evidence="A"),
        quantity("hours_awake_proxy_h", "清醒时长估计", "h", 96, evidence="A",
                 note="since the end of the last stop of 5 hours and more; a stop is not sleep"),
        quantity("longest_rest_24h_h", "24小时内最长停车时长", "h", 24, nullable=False, evidence="A"),
        Column(id="clock_hour", zh="当地钟点", dtype="int", unit="1", nullable=False, minimum=0, maximum=23,
               evidence="A", note="Asia/Shanghai"),
        quantity("kss", "困倦度估计", "KSS", 9, minimum=1, evidence="F1",
                 note="Three-Process Model on observed stops; null where no long stop was observed"),
        quantity("kss_next_hour", "下一小时困倦度估计", "KSS", 9, minimum=1, evidence="F1",
                 note="the same model in the middle of the hour that follows, of a driver who stays awake"),
        quantity("safte_effectiveness", "SAFTE效能估计", "%", 120, evidence="F2",
                 note="SAFTE on observed stops; null where no long stop was observed"),
        quantity("night_drive_h_24h", "24小时内夜间驾驶时长", "h", 8, evidence="A", note="22:00 to 06:00"),
        quantity("h_2_5_7d", "7日内凌晨2至5时驾驶时长", "h", 24, evidence="A"),
        count("n_over_4h_7d", "7日内连续驾驶超4小时次数", 168, evidence="A"),
        quantity("days_without_24h_rest", "距上次24小时休息天数", "d", 3660, evidence="A",
                 note="since the end of the last stop of 24 hours; null where none was observed"),
        quantity("shift_start_sd_h", "7日班次起点离散度", "h", 24, evidence="A",
                 note="circular standard deviation of the clock at which shifts began; null below 3 shifts"),
        quantity("speed_cv", "速度变异系数", "1", 10, evidence="A"),
        count("lane_departure_n", "车道偏离报警次数", 1000, nullable=False, evidence="A"),
        flag("fatigue_event", "疲劳事件", evidence="A",
             note="an event verified by the platform within this hour; null until the verification is known; an outcome, "
                  "never a feature of the same hour"),
    ),
    pseudonyms=(PLATE_ID,), references={"plate_no": "vehicle_transport_permit"},
)

RESOURCES: Final = (VEHICLE_DAY, DRIVING_HOUR)
