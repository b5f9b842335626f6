"""Code lists whose values no source gives: definitions of this project, to be replaced by the supplier's own."""

from __future__ import annotations

from typing import Final, Literal

from registry.codes.code_list import CodeList

SeverityClass = Literal["MSI", "VSI", "SI", "MI"]
"""Most serious, very serious, serious and minor infringement: the classes of Regulation (EU) 2016/403 and 2022/695."""

_PROJECT: Final = "defined by this project"
_TOLL_KINDS: Final = (("K", "客车", "passenger", 4), ("H", "货车", "truck", 6), ("Z", "专项作业车", "special", 6))

CASES: Final = (
    CodeList(
        id="case_reason", zh="案由", en="reason of a case", evidence="A",
        source="codes of this project; articles of 道路运输条例 2023, 公路安全保护条例, 动态监督管理办法",
        codes={
            "C01": ("未取得许可从事货运", "freight without a licence"),
            "C02": ("未取得许可从事客运", "passenger transport without a licence"),
            "C03": ("未取得许可从事危货运输", "dangerous goods without a licence"),
            "C04": ("不符合条件人员驾驶", "driver without qualification"),
            "C05": ("转让出租许可证件", "licence lent or sold"),
            "C06": ("未投保承运人责任险", "no carrier's liability insurance"),
            "C07": ("不按站点线路班次营运", "off the licensed line or stops"),
            "C08": ("强行招揽或货物脱落扬撒", "touting, or load falling off"),
            "C09": ("不按规定维护和检测", "maintenance or inspection neglected"),
            "C10": ("擅自改装", "vehicle altered without permission"),
            "C11": ("超限不超过30%", "over the limit by up to 30 %"),
            "C12": ("超限30%至100%", "over the limit by 30 to 100 %"),
            "C13": ("超限超过100%", "over the limit by more than 100 %"),
            "C14": ("卫星定位装置未装或被破坏干扰", "positioning device missing or tampered with"),
            "C15": ("未年审经营或未携带营运证", "no annual review, or certificate not carried"),
            "C16": ("危货包装标志押运运单违规", "dangerous goods: packing, marking, escort or waybill"),
        },
        note="police matters (speeding, fatigue, overloading) are not transport cases",
    ),
    CodeList(
        id="case_source", zh="案件来源", en="how a case began", evidence="A", source=_PROJECT,
        codes={
            "1": ("路面检查", "roadside check"), "2": ("非现场执法", "automatic detection"),
            "3": ("投诉举报", "complaint"),
            "4": ("移送抄告", "referral"), "9": ("其他", "other"),
        },
    ),
    CodeList(
        id="case_type", zh="办理程序", en="procedure", evidence="A",
        source="names seen, values defined by this project",
        codes={"1": ("简易程序", "summary"), "2": ("普通程序", "ordinary")},
    ),
    CodeList(
        id="case_state", zh="案件状态", en="state of a case", evidence="A", source=_PROJECT,
        codes={
            "1": ("受案", "received"), "2": ("立案", "filed"), "3": ("已处罚", "decided"), "4": ("结案", "closed"),
            "5": ("撤销", "withdrawn"),
        },
    ),
    CodeList(
        id="revoked_licence_type", zh="吊销证照类型", en="licence revoked", evidence="A", source=_PROJECT,
        codes={"1": ("经营许可证", "operating licence"), "2": ("道路运输证", "transport certificate"),
               "3": ("从业资格证", "qualification")},
    ),
    CodeList(
        id="driver_owner_relation", zh="驾驶员与车辆所有人关系", en="driver's relation to the owner", evidence="A",
        source=_PROJECT,
        codes={"1": ("本人", "same person"), "2": ("雇佣", "employed"), "3": ("租赁", "hired vehicle"),
               "9": ("其他", "other")},
    ),
    CodeList(
        id="party_type", zh="当事人类型", en="kind of party", evidence="D", source="two source tables, one code each",
        codes={"1": ("个人", "person"), "2": ("单位", "company")},
    ),
    CodeList(
        id="enforcement_status", zh="稽查处理状态", en="state of open cases", evidence="A",
        source="field seen, values defined by this project",
        codes={"0": ("无", "none"), "1": ("待处理", "open"), "2": ("已处理", "settled")},
    ),
)

VEHICLES: Final = (
    CodeList(
        id="inspect_type", zh="检测类别", en="kind of inspection", evidence="G", source="not verified",
        codes={"1": ("定期检验检测", "periodic"), "2": ("等级评定", "grading"), "3": ("复检", "repeat"),
               "4": ("委托", "on request")},
    ),
    CodeList(
        id="inspect_result", zh="检测结论", en="result of an inspection", evidence="G",
        source="names only; values are ours",
        codes={"1": ("合格", "passed"), "2": ("不合格", "failed"), "3": ("复检合格", "passed on repeat")},
    ),
    CodeList(
        id="cert_medium", zh="道路运输证介质", en="medium of the certificate", evidence="A",
        source="names seen, values defined by this project",
        codes={"1": ("IC卡", "smart card"), "2": ("纸质", "paper"), "3": ("电子", "electronic")},
    ),
    CodeList(
        id="second_maint_status", zh="二级维护状态", en="state of second-level maintenance", evidence="A",
        source=_PROJECT,
        codes={"0": ("未维护", "never"), "1": ("正常", "in time"), "2": ("逾期", "overdue")},
    ),
    CodeList(
        id="insured_status", zh="投保状态", en="state of insurance", evidence="A", source=_PROJECT,
        codes={"0": ("未投保", "not insured"), "1": ("已投保", "insured"), "2": ("已过期", "lapsed")},
    ),
    CodeList(
        id="oversize_permit_type", zh="大件许可类别", en="class of oversize permit", evidence="G",
        source="not verified",
        codes={"1": ("Ⅰ类", "class I"), "2": ("Ⅱ类", "class II"), "3": ("Ⅲ类", "class III")},
    ),
    CodeList(
        id="application_status", zh="申请办理状态", en="state of an application", evidence="G",
        source="names only; values are ours",
        codes={"1": ("受理", "accepted"), "2": ("补正", "to be completed"), "3": ("许可", "granted"),
               "4": ("不予许可", "refused"),
               "5": ("撤回", "withdrawn")},
    ),
    CodeList(
        id="line_area", zh="经营区域", en="reach of a passenger line", evidence="A",
        source="names seen, values defined by this project",
        codes={"1": ("县内", "within a county"), "2": ("县际", "between counties"), "3": ("市际", "between cities"),
               "4": ("省际", "between provinces"), "5": ("国际", "international")},
    ),
    CodeList(
        id="line_class", zh="线路类型", en="class of passenger line", evidence="A",
        source="names seen, values defined by this project",
        codes={"1": ("一类", "class 1"), "2": ("二类", "class 2"), "3": ("三类", "class 3"), "4": ("四类", "class 4")},
    ),
)

PEOPLE: Final = (
    CodeList(
        id="practice_status", zh="从业状态", en="state of practice", evidence="A", source=_PROJECT,
        codes={"1": ("在岗", "working"), "2": ("离岗", "left"), "9": ("其他", "other")},
    ),
    CodeList(
        id="assess_category", zh="考核类别", en="category of assessment", evidence="A",
        source="names seen, values defined by this project",
        codes={"1": ("客运", "passenger"), "2": ("普通货运", "freight"), "3": ("危货", "dangerous goods"),
               "4": ("维修", "repair"),
               "5": ("驾培", "driver training"), "6": ("站场", "stations")},
    ),
    CodeList(
        id="veto_type", zh="否决项类别", en="kind of veto", evidence="A", source=_PROJECT,
        codes={"1": ("重大责任事故", "major liable accident"), "2": ("违法经营", "illegal business"),
               "3": ("弄虚作假", "false statements"), "9": ("其他", "other")},
    ),
    CodeList(
        id="credit_reason", zh="列入事由", en="reason of listing", evidence="A", source=_PROJECT,
        codes={
            "R1": ("连续多年考核优秀", "excellent for several years"), "R2": ("见义勇为或抢险救灾", "rescue or relief"),
            "B1": ("死亡责任事故", "fatal liable accident"),
            "B2": ("许可吊销后继续经营", "business with a revoked licence"),
            "B3": ("拒不履行处罚", "penalty refused"), "B4": ("多次超限", "repeatedly over the limit"),
            "B5": ("虚假检测", "false inspection certificate"),
            "B6": ("未经许可运输危货", "dangerous goods without licence"),
        },
    ),
    CodeList(
        id="credit_removal_reason", zh="移出原因", en="reason of removal", evidence="A", source=_PROJECT,
        codes={"1": ("到期", "expired"), "2": ("信用修复", "credit repaired"), "3": ("撤销", "withdrawn")},
    ),
)

ROADS: Final = (
    CodeList(
        id="facility_status", zh="设施状态", en="state of a facility", evidence="A", source=_PROJECT,
        codes={"1": ("运营", "open"), "2": ("关闭", "closed"), "3": ("在建", "being built")},
    ),
    CodeList(
        id="toll_class", zh="收费车型", en="toll class", evidence="G", source="JT/T 489-2019, not verified",
        codes={f"{kind}{number}": (f"{number}类{zh}", f"{en} class {number}")
               for kind, zh, en, last in _TOLL_KINDS for number in range(1, last + 1)},
        note="codes of this project",
    ),
    CodeList(
        id="event_status", zh="处置状态", en="state of an event", evidence="A", source="names only; values are ours",
        codes={"1": ("新建", "new"), "2": ("处置中", "being handled"), "3": ("已结束", "closed")},
    ),
    CodeList(
        id="event_source", zh="信息来源", en="source of an event", evidence="A", source="names only; values are ours",
        codes={"1": ("路政", "road authority"), "2": ("交警", "traffic police"), "3": ("12122", "hotline"),
               "4": ("视频", "video")},
    ),
    CodeList(
        id="event_severity", zh="事件等级", en="grade of an event", evidence="G", source="four grades, not verified",
        codes={"1": ("Ⅰ级特别重大", "I, extremely serious"), "2": ("Ⅱ级重大", "II, serious"),
               "3": ("Ⅲ级较大", "III, major"),
               "4": ("Ⅳ级一般", "IV, ordinary")},
    ),
    CodeList(
        id="accident_form", zh="事故形态", en="form of an accident", evidence="A", source=_PROJECT,
        codes={"1": ("追尾", "rear-end"), "2": ("侧碰", "side"), "3": ("正面碰撞", "head-on"),
               "4": ("翻车", "rollover"),
               "5": ("撞固定物", "fixed object"), "6": ("起火", "fire"), "9": ("其他", "other")},
    ),
    CodeList(
        id="toll_control_type", zh="管制类型", en="kind of control", evidence="G", source="names only; values are ours",
        codes={"1": ("关闭", "closed"), "2": ("限流", "metered"), "3": ("禁止货车", "no trucks"),
               "4": ("禁止危化", "no dangerous goods"), "5": ("分流", "diverted")},
    ),
)

OTHER_TRADES: Final = (
    CodeList(
        id="ship_type", zh="船舶类型", en="kind of vessel", evidence="A", source=_PROJECT,
        codes={"1": ("客船", "passenger"), "2": ("干货船", "dry cargo"), "3": ("液货船", "tanker"),
               "4": ("集装箱船", "container"),
               "9": ("其他", "other")},
    ),
    CodeList(
        id="waterway_scope", zh="水路经营范围", en="scope of waterway business", evidence="A", source=_PROJECT,
        codes={"1": ("沿海货运", "coastal freight"), "2": ("内河货运", "inland freight"),
               "3": ("内河客运", "inland passenger"),
               "4": ("危险品", "dangerous goods")},
    ),
    CodeList(
        id="construction_grade", zh="施工企业信用等级", en="grade of a contractor", evidence="G",
        source="thresholds 95, 85, 75, 60; not verified",
        codes={"AA": ("好", "very good"), "A": ("较好", "good"), "B": ("一般", "fair"), "C": ("较差", "poor"),
               "D": ("差", "bad")},
    ),
    CodeList(
        id="construction_qualification", zh="建设资质类别", en="kind of construction qualification", evidence="A",
        source=_PROJECT,
        codes={"1": ("勘察设计", "survey and design"), "2": ("施工", "construction"), "3": ("监理", "supervision"),
               "4": ("试验检测", "testing")},
    ),
)

INSURANCE: Final = (
    CodeList(
        id="insurance_line", zh="险种", en="line of insurance", evidence="A", source=_PROJECT,
        codes={"motor": ("机动车险", "motor"), "cargo": ("货物运输险", "cargo"),
               "carrier_liability": ("承运人责任险", "carrier's liability")},
    ),
    CodeList(
        id="coverage", zh="保障范围", en="coverage", evidence="A", source=_PROJECT,
        codes={"own_damage": ("车损", "own damage"), "third_party": ("三者", "third-party liability"),
               "comprehensive": ("车损与三者", "own damage and third party"), "cargo": ("货物", "cargo"),
               "carrier": ("承运人责任", "carrier's liability")},
    ),
    CodeList(
        id="claim_status", zh="赔案状态", en="state of a claim", evidence="A", source=_PROJECT,
        codes={"open": ("未决", "open"), "closed": ("已决", "closed"), "zero": ("零结案", "closed without payment"),
               "reopened": ("重开", "reopened")},
    ),
    CodeList(
        id="breakdown_component", zh="故障部件", en="component that broke down", evidence="A", source=_PROJECT,
        codes={
            "engine": ("发动机", "engine"), "brake": ("制动", "brakes"), "tyre": ("轮胎", "tyres"),
            "electrical": ("电气", "electrical"), "transmission": ("传动", "transmission"),
            "cooling": ("冷却", "cooling"),
            "other": ("其他", "other"),
        },
    ),
)

CODE_LISTS: Final = (*CASES, *VEHICLES, *PEOPLE, *ROADS, *OTHER_TRADES, *INSURANCE)

CASE_SEVERITY: Final[dict[str, SeverityClass]] = {
    "C01": "VSI", "C02": "MSI", "C03": "MSI", "C04": "SI", "C05": "SI", "C06": "VSI", "C07": "MI", "C08": "SI",
    "C09": "SI", "C10": "VSI", "C11": "SI", "C12": "VSI", "C13": "MSI", "C14": "VSI", "C15": "MI", "C16": "VSI",
}
"""Severity class proposed for each case reason. [A] C16 ranges from VSI to MSI and is read as VSI."""
