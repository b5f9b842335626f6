"""What a reason says in either direction: plain data of the reason dictionary (`registry.reasons`); own words, [A]."""

from __future__ import annotations

from typing import Final

Said = tuple[str, str]
"""Chinese, English."""

DIRECTIONS: Final[dict[str, tuple[Said, Said]]] = {
    "R00": (
        ("综合特征使评分升高", "general characteristics raise the score"),
        ("综合特征使评分降低", "general characteristics lower the score"),
    ),
    "R01": (
        ("近12个月处罚多于同业", "more penalties in the last 12 months than peers"),
        ("近12个月处罚少于同业", "fewer penalties in the last 12 months than peers"),
    ),
    "R02": (
        ("超4小时连续驾驶多于同业", "drives over 4 hours without rest more often than peers"),
        ("超4小时连续驾驶少于同业", "drives over 4 hours without rest less often than peers"),
    ),
    "R03": (
        ("凌晨2至5时行驶多于同业", "drives between 2 and 5 a.m. more than peers"),
        ("凌晨2至5时行驶少于同业", "drives between 2 and 5 a.m. less than peers"),
    ),
    "R04": (
        ("超速或急减速多于同业", "speeds or brakes harshly more than peers"),
        ("车速平稳，超速与急减速少于同业", "speeds and brakes harshly less than peers"),
    ),
    "R05": (
        ("检测评定结果差于同业", "inspection results are worse than those of peers"),
        ("检测评定结果好于同业", "inspection results are better than those of peers"),
    ),
    "R06": (
        ("二级维护逾期或临近到期", "second-level maintenance is overdue or nearly due"),
        ("二级维护按期完成", "second-level maintenance is done on time"),
    ),
    "R07": (
        ("年审逾期或曾逾期", "the annual review is or was late"),
        ("年审按期办理", "the annual review is done on time"),
    ),
    "R08": (
        ("从业人员诚信考核差于同业", "drivers' integrity assessments are worse than those of peers"),
        ("从业人员诚信考核好于同业", "drivers' integrity assessments are better than those of peers"),
    ),
    "R09": (
        ("存在有效的失信记录", "an adverse credit entry is in force"),
        ("无有效的失信记录或有守信记录", "no adverse credit entry is in force, or a commendation is"),
    ),
    "R10": (
        ("有重大违法案件", "there are grave cases"),
        ("没有重大违法案件", "there are no grave cases"),
    ),
    "R11": (
        ("卫星定位离线多于同业", "the positioning terminal is off line more than those of peers"),
        ("卫星定位在线好于同业", "the positioning terminal is on line more than those of peers"),
    ),
    "R12": (
        ("从业人员结构或流动不利", "composition or turnover of drivers is unfavourable"),
        ("从业人员结构稳定", "composition and turnover of drivers are favourable"),
    ),
    "R13": (
        ("车龄或磨损高于同业", "vehicles are older or more worn than those of peers"),
        ("车龄与磨损低于同业", "vehicles are younger and less worn than those of peers"),
    ),
    "R14": (
        ("夜间里程占比高于同业", "more night driving than peers"),
        ("夜间里程占比低于同业", "less night driving than peers"),
    ),
    "R15": (
        ("这一车队规模的事故率偏高", "fleets of this size have more events"),
        ("这一车队规模的事故率偏低", "fleets of this size have fewer events"),
    ),
    "R16": (
        ("里程与运行强度高于同业", "more driven and more intensely than peers"),
        ("里程与运行强度低于同业", "less driven and less intensely than peers"),
    ),
    "R17": (
        ("这一车型与用途的风险偏高", "this type and use of vehicle has more risk"),
        ("这一车型与用途的风险偏低", "this type and use of vehicle has less risk"),
    ),
    "R18": (
        ("质量信誉考核差于同业", "the quality assessment is worse than those of peers"),
        ("质量信誉考核好于同业", "the quality assessment is better than those of peers"),
    ),
    "R19": (
        ("所在区域的风险偏高", "the area has more risk"),
        ("所在区域的风险偏低", "the area has less risk"),
    ),
    "R20": (
        ("既往事故多于同业", "more past accidents than peers"),
        ("既往事故少于同业", "fewer past accidents than peers"),
    ),
    "R21": (
        ("当日累计驾驶时间偏长", "much driving time has accumulated today"),
        ("当日累计驾驶时间不长", "little driving time has accumulated today"),
    ),
    "R22": (
        ("处于节律低谷或睡眠机会不足", "the body clock is low or there was little opportunity to sleep"),
        ("节律与睡眠机会有利", "body clock and opportunity to sleep are favourable"),
    ),
    "R23": (
        ("车道偏离或车速波动偏多", "many lane departures or unsteady speed"),
        ("车道保持与车速平稳", "few lane departures and steady speed"),
    ),
    "R24": (
        ("投保信息对应的风险偏高", "the policy's particulars go with more risk"),
        ("投保信息对应的风险偏低", "the policy's particulars go with less risk"),
    ),
    "R25": (
        ("所在城市执法强度使预期结果增多", "the city's inspection intensity adds to what is expected"),
        ("所在城市执法强度使预期结果减少", "the city's inspection intensity takes from what is expected"),
    ),
    "R26": (
        ("道路与交通环境的风险偏高", "roads and traffic around have more risk"),
        ("道路与交通环境的风险偏低", "roads and traffic around have less risk"),
    ),
    "R27": (
        ("沿途休息与维修条件不足", "few places of rest and repair along the road"),
        ("沿途休息与维修条件较好", "enough places of rest and repair along the road"),
    ),
    "R28": (
        ("许可或证照状态异常", "licences or permits are not in order"),
        ("许可与证照状态正常", "licences and permits are in order"),
    ),
    "R29": (
        ("检测实测值变差", "measured values have become worse between inspections"),
        ("检测实测值稳定或变好", "measured values are steady or better"),
    ),
    "R30": (
        ("既往故障救援多于同业", "more past breakdowns than peers"),
        ("既往故障救援少于同业", "fewer past breakdowns than peers"),
    ),
    "R31": (
        ("线路或大件运输的风险偏高", "lines or oversize transport go with more risk"),
        ("线路或大件运输的风险偏低", "lines or oversize transport go with less risk"),
    ),
    "R32": (
        ("已临近报废年限或里程", "near the age or mileage of retirement"),
        ("距报废年限与里程尚远", "far from the age and mileage of retirement"),
    ),
}
"""Code -> what it says where it raises the score, and where it lowers it."""
