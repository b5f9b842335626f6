"""Words of the card: what each product is and is not for, and the Chinese beside English texts that are declared elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.documents.tongue import Tongue

Pair = tuple[str, str]
"""Chinese, English."""


@dataclass(frozen=True)
class Uses:
    """What a score is for, and what it must not be used for."""

    purpose_zh: str
    allowed: tuple[Pair, ...]
    prohibited: tuple[Pair, ...]


NEVER: Final[tuple[Pair, ...]] = (
    ("不得作为处罚、拒保、停运或解雇的唯一依据；须有人工复核。",
     "Not the sole ground of a sanction, a refusal of cover, a stop of operation or a dismissal: a person must review it."),
    ("不得用于授权场景以外的目的，不得向授权对象以外的人提供。",
     "Not for a purpose or a recipient outside the authorised scenario (场景)."),
    ("不得据以推断个人的健康、信用或性格；输入中没有个人身份信息。",
     "Not for conclusions about a person's health, credit or character: no input identifies a person."),
    ("灰色（不评分）不得当作高风险或低风险处理。", "Grey (no score) must be read neither as high nor as low risk."),
)
"""Holds for every product."""

USES: Final[dict[str, Uses]] = {
    "enterprise_risk": Uses(
        "对道路运输企业按风险排序，用于监管资源配置和业务组合管理。",
        (("监管部门安排检查的先后次序", "ordering of inspections by the supervising authority"),
         ("保险人对承保组合的风险了解", "an insurer's view of its portfolio"),
         ("企业了解自身风险来源并改进", "an operator's own view of where its risk comes from")),
        (("不得用于对企业公开排名或通报。", "Not for public rankings or notices about operators."),
         ("不得用检查强度代替风险：检查多的地区处罚也多。",
          "Not as a measure of inspection: where inspectors look more, they find more.")),
    ),
    "insurance_pricing": Uses(
        "为保险人给出车辆赔付成本相对其业务组合的系数，并逐项分解。",
        (("确定自主定价系数时的参考之一，落在已报备的区间内",
          "one input of the pricing factor within the filed band (自主定价系数)"),
         ("核保时对风险来源的说明", "an underwriter's account of where the risk comes from")),
        (("不得与无赔款优待（NCD）重复计算：被保险人自身理赔历史不在输入中。",
          "Not to be counted twice with the no-claims discount: the insured's own claims are no input."),
         ("不得对个人在交易价格上实行不合理的差别待遇（个人信息保护法第24条）。",
          "Not for unreasonable differential treatment of individuals in price (PIPL Art. 24)."),
         ("不得用于拒绝法律规定必须承保的交强险。", "Not for a refusal of compulsory cover.")),
    ),
    "maintenance": Uses(
        "提醒经营者哪些车辆可能在下次计划保养前发生故障或检测不合格。",
        (("保养计划的先后次序与提醒", "ordering and reminders of maintenance"),
         ("就近服务点的建议", "suggestion of service points nearby")),
        (("不得代替法定检验和出车前检查。", "Not a substitute for statutory inspection or the check before departure."),
         ("不得据以认定车辆合格。", "Not evidence that a vehicle is roadworthy.")),
    ),
    "driver_fatigue": Uses(
        "在疲劳显现之前建议休息；是概率，不是对驾驶员的认定。",
        (("对当班车辆的休息建议", "advice to rest for a vehicle's present shift"),
         ("排班时避开高疲劳时段", "planning of shifts away from tired hours")),
        (("不得作为违反驾驶时间规定的证据：那由精确的时间台账说明。",
          "Not evidence of a breach of driving-time rules: the exact duty ledger speaks about those."),
         ("不得用于对驾驶员的绩效考核或处罚。", "Not for appraisal or punishment of drivers.")),
    ),
}

LIMITS_ZH: Final[dict[str, str]] = {
    "Exposure is the fleet at the cut-off for the whole horizon; growth and sale of vehicles are not foreseen.":
        "暴露量取截止时的车队规模，不预计其后的购车与售车。",
    "Accidents are increases of the permit's counter: minor accidents that nobody registered are not in it.":
        "事故取许可证登记次数的增加；无人登记的小事故不在其中。",
    "Enforcement outcomes depend on where inspectors look; the score inherits some of that.":
        "执法结果取决于检查的地点和时间，评分会继承其中一部分偏差。",
    "Motor line only; cargo and carrier's liability have their own claims and need their own components.":
        "仅为车险；货物险与承运人责任险各有其理赔，需要各自的组件。",
    "The insured's own claims history (NCD) is kept out, so that it is not counted twice.":
        "不使用被保险人自身的理赔历史（NCD），以免重复计算。",
    "Individual operators are persons: prices for them need notice and human review (PIPL Art. 24).":
        "个体经营者是自然人：对其定价须告知并有人工复核（个人信息保护法第24条）。",
    "Breakdowns are those that an insurer's rescue service was called to.": "抛锚仅指保险人救援服务到场的情形。",
    "An inspection that was not due could not fail: the hazard follows the calendar of inspections too.":
        "未到期的检验不会不合格：风险率也随检验日历变化。",
    "Without a roster nobody knows who drives: the score belongs to the vehicle's shift, not to a person.":
        "没有排班表就不知道谁在驾驶：评分属于车辆的班次，不属于个人。",
    "A long stop is taken for an opportunity to sleep; a stop is not sleep.": "长时间停车按有机会睡眠处理；停车并不等于睡眠。",
    "No health data are used.": "不使用健康数据。",
    "Points and tier speak of the motor line; cargo and carrier's liability are priced beside it.":
        "评分与等级针对车险；货物险与承运人责任险另行计价。",
    "Single claims are cut for severity (motor at 500,000 yuan, cargo at 100,000 yuan, carrier_liability at 200,000 yuan); what "
    "lies above is spread over the line as a loading of its own.":
        "计算案均赔款时单笔赔款截断（车险50万元、货物险10万元、承运人责任险20万元）；超出部分作为单独附加分摊到该险种。",
    "Intervals draw whole enterprises; they speak of another sample of enterprises in the same period, not of another period.":
        "区间按企业整体抽样：说明同一时期换一批企业的情形，不说明另一时期。",
    "The Poisson bands of the calibration take events for independent; those of one enterprise are not quite.":
        "校准的泊松带假定事件相互独立；同一企业的事件并不完全独立。",
    "Stability is judged against development rows, which the finished score has seen; months of them flatter it and are marked.":
        "稳定性以训练可见的行为参照；这些月份会显得更好，已加标记。",
    "Segments and proxies see attributes that the registers hold; what no register holds cannot be audited.":
        "细分与代理变量只能看到登记在册的属性；没有登记的无法审计。",
    "A stale source is one whose inputs are those of the entity's previous cut-off in the frame, whatever its distance.":
        "过期的资源指其输入取自该对象上一截止时刻，不论相隔多久。",
    "Thresholds are assumptions [A]; an institution sets its own.": "阈值为假设 [A]；由使用机构自行设定。",
    "The rows come from the simulated province, not from Jiangxi. The figures show that the method works on data built like these; "
    "they are no statement about real carriers, vehicles or drivers.":
        "数据来自模拟省份，不是江西的真实数据。这些数字只说明方法在这样构造的数据上可行，不是对真实企业、车辆或驾驶员的陈述。",
}

MONOTONE_ZH: Final[dict[str, str]] = {
    "a recorded adverse outcome never lowers the assessed risk": "在案的不利结果不会降低评定的风险",
    "more of a conduct that rules forbid or restrict never lowers the assessed risk": "规则禁止或限制的行为增多不会降低评定的风险",
    "worse measured condition never lowers the assessed risk": "实测技术状况更差不会降低评定的风险",
    "an unsettled case or a failed review never lowers the assessed risk": "未结案件或未通过的审验不会降低评定的风险",
    "more breakdowns on record never lower the assessed risk": "在案抛锚增多不会降低评定的风险",
    "more standing findings never lower the assessed risk": "仍然成立的处罚增多不会降低评定的风险",
    "more accidents on record never lower the assessed risk": "在案事故增多不会降低评定的风险",
    "a worse assessment of drivers never lowers the assessed risk": "驾驶员考核变差不会降低评定的风险",
    "a better assessment never raises the assessed risk": "考核更好不会提高评定的风险",
    "an adverse entry in force never lowers the assessed risk": "有效的失信记录不会降低评定的风险",
    "a commendation in force never raises the assessed risk": "有效的守信记录不会提高评定的风险",
    "papers that are not in order never lower the assessed risk": "证照不全不会降低评定的风险",
    "more drivers whose papers or conduct are not in order never lower the assessed risk":
        "证照或行为不合规的驾驶员增多不会降低评定的风险",
    "an adverse finding that stands never lowers the assessed risk": "仍然成立的不利认定不会降低评定的风险",
    "a worse standing of a driver who was met never lowers the assessed risk": "被查驾驶员的记录更差不会降低评定的风险",
    "more predicted sleepiness never lowers the assessed risk of fatigue": "预测的困倦程度更高不会降低疲劳风险",
    "lower predicted effectiveness never lowers the assessed risk of fatigue": "预测的工作效能更低不会降低疲劳风险",
    "each run past the legal 4 hours is a rest that was not taken": "每次超过法定4小时都是一次应休未休",
}

MEASURES: Final[dict[str, Pair]] = {
    "deviance": ("平均偏差", "mean deviance"), "d2": ("D²（偏差解释率）", "D2, deviance explained"),
    "balance": ("预测/实际", "predicted / actual"), "ece": ("期望校准误差", "expected calibration error"),
    "gini": ("基尼系数", "Gini"), "auc": ("AUC", "AUC"), "ks": ("KS", "KS"), "brier": ("Brier 分数", "Brier score"),
    "log_loss": ("对数损失", "log loss"), "psi": ("群体稳定性指数 PSI", "population stability index"),
    "csi": ("特征稳定性指数 CSI", "characteristic stability index"), "lift": ("提升度", "lift"),
}
"""Measure -> wording, as tables name it."""
HIGHER_IS_BETTER: Final = frozenset({"d2", "gini", "auc", "ks"})
LOWER_IS_BETTER: Final = frozenset({"deviance", "ece", "brier", "log_loss"})

CALIBRATED: Final[dict[str, str]] = {
    "fitted": "已拟合", "slope is not determined": "斜率无法确定，仅拟合截距",
    "slope is out of bounds": "斜率超出允许范围，仅拟合截距",
}
PARTS: Final[dict[str, Pair]] = {
    "score": ("整体", "whole score"), "frequency": ("频率", "frequency"), "severity": ("案均赔款", "severity"),
    "events": ("事件次数", "events"), "event": ("事件", "event"), "any_event": ("至少一次事件", "at least one event"),
    "frequency_cargo": ("货物险频率", "frequency, cargo"), "severity_cargo": ("货物险案均赔款", "severity, cargo"),
    "frequency_carrier_liability": ("承运人责任险频率", "frequency, carrier's liability"),
    "severity_carrier_liability": ("承运人责任险案均赔款", "severity, carrier's liability"),
    "cause_inspection": ("检测不合格", "cause: inspection"), "cause_engine": ("发动机", "cause: engine"),
    "cause_brake": (
        "制动", "cause: brake"
    ), "cause_tyre": ("轮胎", "cause: tyre"), "cause_electrical": ("电气", "cause: electrical"),
    "cause_transmission": ("传动", "cause: transmission"), "cause_cooling": ("冷却", "cause: cooling"),
    "cause_other": ("其他原因", "cause: other"),
    "hazard_7": ("7天内", "within 7 days"), "hazard_30": ("8至30天", "day 8 to 30"), "hazard_90": ("31至90天", "day 31 to 90"),
}
FOLDS: Final[dict[str, Pair]] = {"train": ("训练", "train"), "valid": ("验证", "valid"), "test": ("测试", "test")}
ENTITIES: Final[dict[str, Pair]] = {
    "enterprise": ("企业", "enterprise"), "vehicle": ("车辆", "vehicle"), "driver": ("驾驶员", "driver"),
    "request": ("调用方提供", "sent by the caller"),
}
SIMULATED: Final[Pair] = (
    "模拟数据：所有数字来自模拟省份，不是江西的真实数据，不得当作对真实企业、车辆或驾驶员的陈述。",
    (
        "Simulated data: every figure comes from a simulated province, not from Jiangxi, and is no statement about real carriers, "
        "vehicles or drivers."
    ),
)


def measure(name: str, say: Tongue) -> str:
    """Return the wording of a measure; its own name where none is declared."""
    return say.of(MEASURES.get(name), name)


def part(name: str, say: Tongue) -> str:
    """Return the wording of a component; its own name where none is declared."""
    return f"{say.of(PARTS[name])} `{name}`" if name in PARTS else f"`{name}`"


def limit(text: str, say: Tongue) -> str:
    """Return a declared limit in this language; as declared where there is no Chinese for it."""
    return say(LIMITS_ZH.get(text, text), text)


def monotone_reason(text: str, say: Tongue) -> str:
    """Return the reason of a monotone direction in this language; as declared where there is no Chinese for it."""
    return say(MONOTONE_ZH.get(text, text), text)
