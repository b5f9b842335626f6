"""The reason dictionary: what a contribution says to a person, in either direction, when it is not said, and what can be done.

Codes and first wordings follow the project's own list (an assumption, [A]; no published list binds it). A feature names
its code; texts take the observed value and the population median. The dictionary is one versioned thing: its version is a hash
over every word and rule of it, stated on the model card, by the gate and by the interface.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Final

from registry.reason_directions import DIRECTIONS, Said


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One entry of the dictionary.

    Parameters
    ----------
    code
        Stable code; a code is never given a new meaning.
    zh, en
        Statement.
    remedy_zh, remedy_en
        What lowers the score; empty where the subject cannot change it.
    raises, lowers
        What it says where it raises the score and where it lowers it, (Chinese, English).
    """

    code: str
    zh: str
    en: str
    remedy_zh: str = ""
    remedy_en: str = ""
    raises: Said = field(init=False)
    lowers: Said = field(init=False)

    def __post_init__(self) -> None:
        raises, lowers = DIRECTIONS[self.code]
        object.__setattr__(self, "raises", raises)
        object.__setattr__(self, "lowers", lowers)

    @property
    def worded(self) -> bool:
        """Whether it says something in both languages, as a topic and in both directions."""
        return all(text.strip() for text in (self.zh, self.en, *self.raises, *self.lowers))


@dataclass(frozen=True, kw_only=True)
class SuppressRules:
    """When a contribution is no reason, and when a reason has no advice.

    Parameters
    ----------
    most_reasons
        So many reasons at most; those that raise the score come first, the strongest first.
    least_points
        What moves the score by less is no reason: it rounds to no point.
    general
        Code of what has no code of its own; an input of a declared product may not carry it.
    advice
        Advice is given only where the reason raises the score, the subject can change the leading input, its value is known, and
        it does not lie on the good side of the peers' median already.
    protected
        Prohibited attributes (`registry.prohibited`) are no inputs, so they can be no reasons.
    """

    most_reasons: int = 4
    least_points: float = 0.5
    general: str = "R00"
    advice: str = "raises, actionable, known, worse than the peers' median"
    protected: str = "no prohibited attribute is an input"


SUPPRESS: Final = SuppressRules()

_ENTRIES = (
    Reason(code="R00", zh="综合特征", en="general characteristics"),
    Reason(
        code="R01", zh="近12个月超限及其他处罚次数", en="overload and other penalties in the last 12 months",
        remedy_zh="装载前称重，按限值装载", remedy_en="weigh before departure and load within the limit",
    ),
    Reason(
        code="R02", zh="连续驾驶超4小时情况", en="driving more than 4 hours without a rest",
        remedy_zh="每4小时休息不少于20分钟", remedy_en="rest at least 20 minutes every 4 hours",
    ),
    Reason(
        code="R03", zh="凌晨2至5时行驶", en="driving between 2 and 5 a.m.",
        remedy_zh="调整班次避开凌晨2至5时", remedy_en="move shifts out of the hours from 2 to 5 a.m.",
    ),
    Reason(
        code="R04", zh="超速与急减速", en="speeding and harsh braking", remedy_zh="加强车速管理与驾驶培训",
        remedy_en="manage speed and coach drivers",
    ),
    Reason(
        code="R05", zh="检测评定结果", en="inspection results", remedy_zh="提前检修并复检",
        remedy_en="repair ahead of the inspection and have it repeated",
    ),
    Reason(
        code="R06", zh="二级维护逾期", en="overdue second-level maintenance", remedy_zh="按期完成二级维护",
        remedy_en="complete second-level maintenance on time",
    ),
    Reason(
        code="R07", zh="年审逾期", en="late annual review", remedy_zh="按期办理年审", remedy_en="have the review done on time"
    ),
    Reason(
        code="R08", zh="从业人员诚信考核", en="drivers' integrity assessment", remedy_zh="加强从业人员教育培训",
        remedy_en="train drivers and follow up their assessments",
    ),
    Reason(
        code="R09", zh="信用红黑名单", en="credit red and black lists", remedy_zh="履行义务并申请信用修复",
        remedy_en="meet the obligation and apply for credit repair",
    ),
    Reason(
        code="R10", zh="重大违法案件", en="grave cases (permit, hazardous goods, modification)",
        remedy_zh="整改并建立合规制度", remedy_en="rectify and set up a compliance routine",
    ),
    Reason(
        code="R11", zh="卫星定位离线", en="positioning terminal off line", remedy_zh="检修终端，保持在线",
        remedy_en="repair the terminal and keep it on line",
    ),
    Reason(code="R12", zh="从业人员结构与流动", en="composition and turnover of drivers"),
    Reason(
        code="R13", zh="车龄与磨损", en="age and wear of vehicles", remedy_zh="更新车辆或加密检修",
        remedy_en="renew the vehicle or inspect it more often",
    ),
    Reason(
        code="R14", zh="夜间里程占比", en="share of night driving", remedy_zh="减少夜间运输",
        remedy_en="reduce transport at night",
    ),
    Reason(code="R15", zh="车队规模", en="fleet size"),
    Reason(code="R16", zh="行驶里程与运行强度", en="mileage and intensity of use"),
    Reason(code="R17", zh="车型与用途", en="type and use of the vehicle"),
    Reason(code="R18", zh="企业质量信誉考核", en="enterprise quality assessment", remedy_zh="落实质量信誉整改",
           remedy_en="act on the findings of the quality assessment"),
    Reason(code="R19", zh="所在区域", en="area"),
    Reason(code="R20", zh="既往事故", en="past accidents", remedy_zh="开展事故复盘与针对性培训",
           remedy_en="review accidents and train accordingly"),
    Reason(code="R21", zh="当日累计驾驶时间", en="driving time accumulated today", remedy_zh="24小时内驾驶不超过8小时",
           remedy_en="drive at most 8 hours within 24 hours"),
    Reason(code="R22", zh="生理节律与睡眠机会", en="body clock and opportunity to sleep",
           remedy_zh="保证连续睡眠并避开低谷时段", remedy_en="secure unbroken sleep and avoid the circadian low"),
    Reason(code="R23", zh="车道偏离与车速波动", en="lane departures and unsteady speed",
           remedy_zh="尽快停车休息", remedy_en="stop and rest soon"),
    Reason(code="R24", zh="投保信息", en="policy particulars"),
    Reason(code="R25", zh="所在城市执法强度", en="inspection intensity of the city"),
    Reason(code="R26", zh="道路与交通环境", en="roads and traffic around"),
    Reason(code="R27", zh="沿途休息与维修条件", en="places of rest and repair along the road",
           remedy_zh="规划行程时预订停车休息点", remedy_en="plan stops and book parking ahead"),
    Reason(code="R28", zh="经营许可与证照状态", en="state of licences and permits",
           remedy_zh="及时换证、处理未结案件", remedy_en="renew papers in time and settle open cases"),
    Reason(code="R29", zh="检测实测值变化", en="change of measured values between inspections",
           remedy_zh="检修制动、轮胎与灯光", remedy_en="service brakes, tyres and lamps"),
    Reason(code="R30", zh="既往故障救援", en="past breakdowns", remedy_zh="排查重复故障部件",
           remedy_en="trace components that fail again"),
    Reason(code="R31", zh="客运线路与大件运输", en="passenger lines and oversize transport"),
    Reason(code="R32", zh="临近报废年限或里程", en="near the age or mileage of retirement",
           remedy_zh="计划更新车辆", remedy_en="plan to replace the vehicle"),
)

REASONS: Final[dict[str, Reason]] = {reason.code: reason for reason in _ENTRIES}


@cache
def dictionary_version() -> str:
    """Return the version of the dictionary: the first half of SHA-256 over every word and rule of it."""
    whole = {"reasons": dictionary_entries(), "suppress": asdict(SUPPRESS)}
    text = json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def dictionary_entries() -> list[dict[str, Any]]:
    """Return the entries as plain values, in the order of their codes."""
    return [asdict(REASONS[code]) for code in sorted(REASONS)]
