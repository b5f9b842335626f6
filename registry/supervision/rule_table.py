"""Every alert rule. A threshold is law only as far as its evidence goes; [A] and [G] are assumptions of this project."""

from __future__ import annotations

from typing import Final

from registry.duty_rules import DUTY_RULES, DutyRule, Operation
from registry.errors import NotFound
from registry.resources.schema import Evidence
from registry.supervision.rules import AlertRule, Level, Trade

ALARM_FOR_S: Final = 60
"""An alarm counts when it lasts so long. [F2]"""
YELLOW_BEFORE_S: Final = 1_800
"""So long before a limit on driving time the alert is yellow. [A]"""
OFF_ROUTE_FOR_S: Final = 180
"""A vehicle counts as beyond its corridor, or as back in it, when it has been there for so long. [A]"""
_PASSENGER: Final[tuple[Trade, ...]] = ("passenger", "long_distance_coach")
_OPERATIONS: Final[dict[Trade, Operation]] = {
    "freight": "freight", "hazmat": "freight", "passenger": "passenger", "long_distance_coach": "long_distance_coach",
}


def _speed(yellow: float, orange: float, red: float, evidence: Evidence) -> tuple[Level, ...]:
    """Return levels in percent above a limit; each ends five points lower, so that a speed at the threshold does not flicker."""
    return (
        Level(severity="yellow", on=yellow, off=yellow - 5.0, on_for_s=ALARM_FOR_S, off_for_s=ALARM_FOR_S),
        Level(severity="orange", on=orange, off=orange - 5.0, on_for_s=ALARM_FOR_S, off_for_s=ALARM_FOR_S, evidence=evidence),
        Level(severity="red", on=red, off=red - 5.0, on_for_s=ALARM_FOR_S, off_for_s=ALARM_FOR_S, evidence=evidence),
    )


def _duty(rule: DutyRule) -> AlertRule:
    trades = tuple(trade for trade, operation in _OPERATIONS.items() if operation in rule.applies_to)
    return AlertRule(
        rule_id=f"duty_{rule.rule_id}", zh=rule.zh, en=rule.en, alert_class="duty", signal=f"over_{rule.rule_id}_s", unit="s",
        levels=(
            Level(severity="yellow", on=-YELLOW_BEFORE_S, off=-YELLOW_BEFORE_S - 600.0),
            Level(severity="red", on=0.0, off=-600.0, evidence=rule.evidence),
        ),
        trades=trades, article=rule.article, note=rule.note,
    )


_DUTY: Final = tuple(_duty(rule) for rule in DUTY_RULES if rule.kind != "standstill")
_STANDSTILL: Final = next(rule for rule in DUTY_RULES if rule.kind == "standstill")

ALERT_RULES: Final = (
    AlertRule(
        rule_id="speeding_expressway", zh="高速公路超速", en="speeding on an expressway", alert_class="speeding",
        signal="over_expressway_pct", unit="%", levels=_speed(5.0, 10.0, 20.0, "F1"),
        article="实施条例 Art. 78; 记分管理办法 Art. 8(5), 9(2)",
        note="the cap is that of the class of road; a lower posted limit is not known",
    ),
    AlertRule(
        rule_id="speeding_ordinary", zh="普通公路超速", en="speeding on an ordinary road", alert_class="speeding",
        signal="over_ordinary_pct", unit="%", levels=_speed(10.0, 20.0, 50.0, "F1"),
        article="实施条例 Art. 45; 记分管理办法 Art. 9(2), 10(2), 12(1)",
    ),
    AlertRule(
        rule_id="speeding_urban", zh="城市道路超速", en="speeding on an urban road", alert_class="speeding",
        signal="over_urban_pct", unit="%", levels=_speed(10.0, 20.0, 50.0, "F1"),
        article="实施条例 Art. 45; 记分管理办法 Art. 9(2), 10(2), 12(1)",
    ),
    AlertRule(
        rule_id="speeding_vehicle", zh="超过车辆类别限速", en="above the cap of the vehicle's class", alert_class="speeding",
        signal="over_vehicle_pct", unit="%", levels=_speed(5.0, 10.0, 20.0, "G"),
        note="only where the road is not known",
    ),
    AlertRule(
        rule_id="speeding_coach_night", zh="客车夜间超过日间限速80%", en="coach by night above 80% of the limit by day",
        alert_class="speeding", signal="over_night_pct", unit="%", levels=_speed(5.0, 10.0, 20.0, "F2"), trades=_PASSENGER,
        article=_STANDSTILL.article,
    ),
    *_DUTY,
    AlertRule(
        rule_id="coach_2_to_5", zh=_STANDSTILL.zh, en=_STANDSTILL.en, alert_class="night", signal="small_hours_s", unit="s",
        levels=(
            Level(severity="yellow", on=-YELLOW_BEFORE_S, off=-YELLOW_BEFORE_S - 600.0, on_for_s=ALARM_FOR_S),
            Level(severity="red", on=60.0, off=0.0, evidence="F2"),
        ),
        trades=("long_distance_coach",), article=_STANDSTILL.article, note=_STANDSTILL.note,
    ),
    AlertRule(
        rule_id="fatigue_score", zh="疲劳评分达到橙色或红色", en="fatigue score orange or red",
        alert_class="fatigue", signal="fatigue_tier", unit="tier", again_s=900,
        levels=(
            Level(severity="orange", on=3.0, off=2.0, off_for_s=300),
            Level(severity="red", on=4.0, off=3.0, off_for_s=300),
        ),
        note="tiers of the live model of driver_fatigue; none where it abstains",
    ),
    AlertRule(
        rule_id="sleepiness", zh="驾驶中预计困倦", en="expected sleepiness at the wheel",
        alert_class="fatigue", signal="driving_kss", unit="KSS", again_s=900,
        levels=(
            Level(severity="orange", on=7.0, off=6.5, on_for_s=300, off_for_s=300),
            Level(severity="red", on=8.0, off=7.5, on_for_s=300, off_for_s=300),
        ),
        note="three-process model from the last long stop; a stop is not sleep",
    ),
    AlertRule(
        rule_id="terminal_silent", zh="行驶中终端离线", en="terminal fell silent while driving", alert_class="terminal",
        signal="silent_driving_s", unit="s",
        levels=(
            Level(severity="yellow", on=600.0, off=60.0), Level(severity="orange", on=3_600.0, off=60.0),
            Level(severity="red", on=86_400.0, off=60.0),
        ),
        lapse_s=604_800, note="tunnels and mountains silence a terminal for minutes",
    ),
    AlertRule(
        rule_id="terminal_tampered", zh="终端断电或天线被断开", en="terminal without power or antenna", alert_class="terminal",
        signal="tamper_bits", unit="bit",
        levels=(Level(severity="orange", on=1.0, off=0.0, on_for_s=ALARM_FOR_S, off_for_s=ALARM_FOR_S, evidence="F1"),),
        article="JT/T 808 alarm bits 4, 5, 6, 8",
    ),
    AlertRule(
        rule_id="inspection_overdue", zh="检测评定逾期", en="inspection overdue",
        alert_class="papers", signal="inspection_overdue_d",
        unit="d", levels=(Level(severity="yellow", on=-15.0, off=-16.0), Level(severity="red", on=1.0, off=0.0)),
    ),
    AlertRule(
        rule_id="review_overdue", zh="年度审验逾期", en="annual review overdue", alert_class="papers", signal="review_overdue_d",
        unit="d", levels=(Level(severity="yellow", on=-15.0, off=-16.0), Level(severity="orange", on=1.0, off=0.0)),
    ),
    AlertRule(
        rule_id="permit_overdue", zh="道路运输证过期", en="transport permit expired",
        alert_class="papers", signal="permit_overdue_d",
        unit="d", levels=(Level(severity="yellow", on=-15.0, off=-16.0), Level(severity="red", on=1.0, off=0.0)),
    ),
    AlertRule(
        rule_id="hazmat_off_route", zh="危货车辆偏离路线", en="hazmat vehicle off its route",
        alert_class="route", signal="off_route_grade",
        unit="grade", trades=("hazmat",), article="JT/T 808 alarm bit 23",
        levels=(
            Level(severity="orange", on=1.0, off=0.3, on_for_s=OFF_ROUTE_FOR_S, off_for_s=OFF_ROUTE_FOR_S),
            Level(severity="red", on=2.0, off=1.0, on_for_s=ALARM_FOR_S, off_for_s=ALARM_FOR_S, evidence="F1"),
        ),
        note="1: a kilometre beyond the corridor that was declared; 2: five, or the terminal's own alarm; no resource of the annex "
             "holds such routes, so without a declaration only the terminal speaks",
    ),
    AlertRule(
        rule_id="control_zone", zh="驶入管制路段", en="in a section under control", alert_class="area", signal="control_grade",
        unit="grade",
        levels=(
            Level(severity="yellow", on=1.0, off=0.5, on_for_s=ALARM_FOR_S),
            Level(severity="orange", on=2.0, off=1.5, on_for_s=ALARM_FOR_S),
        ),
        note="annex resources 16 to 18 by road and stake; 1: congestion or road works, 2: closed for this trade",
    ),
)
"""In the order in which they are shown."""
RULES_BY_ID: Final = {rule.rule_id: rule for rule in ALERT_RULES}


def alert_rule(rule_id: str) -> AlertRule:
    """Return a rule by its name.

    Raises
    ------
    NotFound
        If there is none.
    """
    if rule_id not in RULES_BY_ID:
        raise NotFound(f"no alert rule {rule_id!r}", where="alert rules", remedy=f"Rules are: {', '.join(RULES_BY_ID)}.")
    return RULES_BY_ID[rule_id]
