"""Code lists seen in working systems of the trade, most with the clause of JT/T 415-2006 that they follow."""

from __future__ import annotations

from typing import Final

from registry.codes.code_list import CodeList

_GRADES_NOTE: Final = "thresholds differ by province and are parameters"

VEHICLES: Final = (
    CodeList(
        id="plate_color", zh="车牌颜色", en="plate colour", evidence="F2", source="JT/T 415-2006 5.4.12",
        codes={
            "1": ("蓝", "blue"), "2": ("黄", "yellow"), "3": ("黑", "black"), "4": ("白", "white"),
            "5": ("绿", "green"),
            "9": ("其他", "other"), "91": ("农黄", "farm yellow"), "92": ("农绿", "farm green"),
            "93": ("黄绿", "yellow-green"), "94": ("渐变绿", "gradient green"),
        },
    ),
    CodeList(
        id="fuel_type", zh="燃料类型", en="fuel", evidence="F2", source="JT/T 415-2006 5.4.5",
        codes={
            "1": ("汽油", "petrol"), "2": ("柴油", "diesel"), "3": ("天然气", "natural gas"),
            "4": ("液化气", "liquefied gas"), "5": ("电动", "electric"), "9": ("其他", "other"),
        },
    ),
    CodeList(
        id="vehicle_op_status", zh="车辆营运状态", en="operating status of a vehicle", evidence="F2",
        source="JT/T 415-2006 5.4.6",
        codes={
            "10": ("营运", "in service"), "21": ("停运", "suspended"), "22": ("挂失", "reported lost"),
            "31": ("迁出过户", "moved out"), "32": ("转籍", "re-registered"), "33": ("报废", "scrapped"),
            "34": ("歇业", "business closed"), "35": ("备案外省", "filed in another province"),
            "80": ("注销", "cancelled"), "90": ("其他", "other"),
        },
    ),
    CodeList(
        id="tech_level", zh="车辆技术等级", en="technical grade of a vehicle", evidence="F2",
        source="JT/T 198 in practice",
        codes={
            "0": ("未评定", "not graded"), "1": ("一级", "grade 1"), "2": ("二级", "grade 2"),
            "9": ("不合格", "failed"),
        },
        note="older data also have 三级",
    ),
    CodeList(
        id="annual_review_result", zh="年审状态", en="annual review", evidence="F2", source="seen in practice",
        codes={"0": ("未年审", "not reviewed"), "1": ("合格", "passed"), "2": ("不合格", "failed")},
    ),
    CodeList(
        id="vehicle_type", zh="车辆类型", en="vehicle type", evidence="F2", source="GA/T 16.4",
        codes={
            "K11": ("大型普通客车", "large coach"), "K21": ("中型普通客车", "medium coach"),
            "K31": ("小型普通客车", "small passenger vehicle"),
            "H11": ("重型普通货车", "heavy truck"), "H12": ("重型厢式货车", "heavy box truck"),
            "H13": ("重型封闭货车", "heavy closed truck"), "H14": ("重型罐式货车", "heavy tanker"),
            "H15": ("重型平板货车", "heavy flatbed"), "H16": ("重型集装箱车", "heavy container truck"),
            "H17": ("重型自卸货车", "heavy dump truck"), "H19": ("重型仓栅式货车", "heavy stake truck"),
            "H21": ("中型普通货车", "medium truck"), "H22": ("中型厢式货车", "medium box truck"),
            "H31": ("轻型普通货车", "light truck"), "H32": ("轻型厢式货车", "light box truck"),
            "Q11": ("重型半挂牵引车", "heavy tractor"), "B11": ("重型普通半挂车", "heavy semi-trailer"),
            "B12": ("重型厢式半挂车", "heavy box semi-trailer"), "Z51": ("重型专项作业车", "heavy special vehicle"),
        },
        note="an extract; H2x, H3x and B1x follow the digit pattern of H1x",
    ),
    CodeList(
        id="coach_grade", zh="客车等级", en="coach grade", evidence="F2", source="JT/T 697.7 5.21",
        codes={
            "11": ("特大型高三", "extra large, high 3"), "23": ("大型高一", "large, high 1"),
            "54": ("其他等级", "other grade"),
        },
        note="only the codes read; the wording of 54 is an assumption",
    ),
    CodeList(
        id="industry_type", zh="行业类别", en="trade of a vehicle", evidence="F2",
        source="a provincial positioning archive",
        codes={
            "1": ("客运班车", "scheduled coach"), "2": ("旅游包车", "charter coach"),
            "3": ("危险货运", "dangerous goods"),
            "4": ("重型货车", "heavy truck"), "5": ("公交", "city bus"), "6": ("出租", "taxi"),
            "7": ("教练", "driving school"),
            "8": ("普通货运", "general freight"), "9": ("其它", "other"), "10": ("校车", "school bus"),
            "11": ("网约车", "ride hailing"),
        },
    ),
    CodeList(
        id="warn_type", zh="平台报警类型", en="platform alarm", evidence="F1", source="JT/T 809 as implemented",
        codes={
            "0x0001": ("超速", "overspeed"), "0x0002": ("疲劳驾驶", "fatigue driving"), "0x0003": ("紧急", "emergency"),
            "0x000B": ("偏离路线", "off route"), "0x000D": ("超时驾驶", "driving too long"),
            "0x0010": ("违规行驶", "driving against rules"), "0x0011": ("前撞", "forward collision"),
            "0x0012": ("车道偏离", "lane departure"), "0x0013": ("胎压", "tyre pressure"),
            "0xA001": ("超时停车", "parked too long"),
        },
    ),
)

OPERATORS: Final = (
    CodeList(
        id="operator_status", zh="业户状态", en="operator status", evidence="F2", source="JT/T 415-2006 5.3.1",
        codes={
            "1": ("营业", "open"), "2": ("停业", "closed for now"), "3": ("整改", "under rectification"),
            "4": ("停业整顿", "suspended"), "5": ("歇业", "out of business"), "6": ("注销", "cancelled"),
            "9": ("其他", "other"),
        },
    ),
    CodeList(
        id="economic_type", zh="经济类型", en="economic type", evidence="F2", source="JT/T 415-2006 5.1.8",
        codes={
            "100": ("内资", "domestic"), "110": ("国有全资", "state-owned"), "150": ("有限责任", "limited liability"),
            "173": ("私营有限责任", "private limited"), "175": ("个体经营", "individual"),
        },
        note="only the codes read; the standard has more",
    ),
    CodeList(
        id="cert_status", zh="证件状态", en="certificate status", evidence="F2", source="JT/T 415-2006 5.5.2",
        codes={"1": ("有效", "valid"), "2": ("无效", "void")},
    ),
    CodeList(
        id="issue_reason", zh="发证原因", en="reason of issue", evidence="F2", source="JT/T 415-2006 5.5.3",
        codes={
            "1": ("初领", "first issue"), "2": ("丢失", "lost"), "3": ("污损", "damaged"),
            "4": ("经营状态变更", "change of business"), "5": ("信息变更", "change of data"), "6": ("到期", "expiry"),
            "7": ("改版", "new form"), "9": ("其他", "other"),
        },
    ),
    CodeList(
        id="business_scope", zh="经营范围", en="business scope", evidence="F2",
        source="a licensing system's dictionary",
        codes={
            "01000": ("道路旅客运输", "passenger transport"), "01100": ("班车客运", "scheduled passenger"),
            "01101": ("县内班车", "scheduled, within a county"), "01102": ("县际班车", "scheduled, between counties"),
            "01103": ("市际班车", "scheduled, between cities"), "01104": ("省际班车", "scheduled, between provinces"),
            "01200": ("包车客运", "charter"), "01300": ("定线旅游", "tours on fixed lines"),
            "01400": ("非定线旅游", "tours off fixed lines"), "02000": ("道路普通货运", "general freight"),
            "02100": ("普通货运", "ordinary freight"), "02101": ("普通货物", "ordinary goods"),
            "02200": ("货物专用运输", "special freight"), "02201": ("集装箱", "containers"),
            "02202": ("冷藏保鲜", "refrigerated"), "02203": ("罐式", "tank"), "02300": ("大型物件", "oversize"),
            "02301": ("大型物件一类", "oversize class 1"), "02302": ("大型物件二类", "oversize class 2"),
            "02303": ("大型物件三类", "oversize class 3"), "02304": ("大型物件四类", "oversize class 4"),
            "03000": ("危险货物", "dangerous goods"), "03100": ("经营性危货", "dangerous goods for hire"),
            "03121": ("第2类第1项", "class 2.1"), "03122": ("第2类第2项", "class 2.2"),
            "03123": ("第2类第3项", "class 2.3"),
            "03131": ("第3类", "class 3"), "03181": ("第8类", "class 8"), "03191": ("第9类", "class 9"),
            "03200": ("非经营性危货", "dangerous goods on own account"), "04000": ("机动车维修", "vehicle repair"),
        },
        note="an extract of the dictionary",
    ),
    CodeList(
        id="quality_credit_grade", zh="质量信誉等级", en="quality and credit grade", evidence="F2",
        source="provincial assessment rules",
        codes={
            "AAA": ("优良", "good"), "AA": ("合格", "satisfactory"), "A": ("基本合格", "barely satisfactory"),
            "B": ("不合格", "failed"),
        },
        note=_GRADES_NOTE,
    ),
)

PEOPLE: Final = (
    CodeList(
        id="qualification_category", zh="从业资格类别", en="category of qualification", evidence="F2",
        source="JT/T 697.7 5.22",
        codes={
            "01001": ("客运驾驶员", "passenger driver"), "02001": ("货运驾驶员", "freight driver"),
            "03001": ("危货驾驶员", "dangerous-goods driver"), "03002": ("装卸管理人员", "loading supervisor"),
            "03003": ("押运人员", "escort"), "03004": ("安全员", "safety officer"), "03005": ("剧毒", "toxic goods"),
            "03009": ("爆炸品", "explosives"), "03013": ("放射性", "radioactive goods"),
            "09001": ("出租驾驶员", "taxi driver"), "13001": ("公交驾驶员", "bus driver"),
        },
        note="an extract; repair, training and manager categories left out",
    ),
    CodeList(
        id="drive_class", zh="准驾车型", en="class of driving licence", evidence="F2", source="JT/T 415-2006 5.4.10",
        codes={
            "A1": ("大型客车", "large coach"), "A2": ("重型牵引挂车", "tractor and trailer"),
            "A3": ("城市公交车", "city bus"),
            "B1": ("中型客车", "medium coach"), "B2": ("大型货车", "heavy truck"), "C1": ("小型汽车", "car"),
        },
        note="the classes that commercial drivers hold",
    ),
    CodeList(
        id="integrity_grade", zh="诚信考核等级", en="integrity grade", evidence="F2", source="道路运输从业人员管理规定",
        codes={
            "AAA": ("优秀", "excellent"), "AA": ("合格", "satisfactory"), "A": ("基本合格", "barely satisfactory"),
            "B": ("不合格", "failed"),
        },
        note=_GRADES_NOTE,
    ),
    CodeList(
        id="credit_list_type", zh="名单类型", en="kind of list", evidence="F2",
        source="a credit platform's upload template",
        codes={"1": ("红名单", "red list"), "2": ("黑名单", "black list")},
    ),
)

ROADS: Final = (
    CodeList(
        id="direction", zh="方向", en="direction", evidence="F2", source="a provincial road-network platform",
        codes={"1": ("上行", "up"), "2": ("下行", "down"), "3": ("双向", "both")},
    ),
    CodeList(
        id="service_area_type", zh="服务区类型", en="kind of service area", evidence="F2",
        source="a provincial road-network platform",
        codes={
            "1": ("高速", "expressway"), "2": ("一般公路", "ordinary road"), "3": ("入口", "entry"),
            "4": ("出口", "exit"),
        },
    ),
    CodeList(
        id="event_reason", zh="事件原因", en="reason of an event", evidence="F2",
        source="a provincial road-network platform",
        codes={
            "1": ("公路施工养护", "road works"), "12": ("降雨", "rain"), "13": ("雾霾", "fog or haze"),
            "14": ("降雪", "snow"),
            "16": ("结冰", "ice"), "22": ("车辆交通事故", "traffic accident"),
            "23": ("危险品泄漏", "spill of dangerous goods"),
            "24": ("车辆故障", "breakdown"), "25": ("涉桥", "bridge"), "26": ("涉隧", "tunnel"),
            "27": ("抢修", "urgent repair"),
            "28": ("车流量大", "heavy traffic"), "30": ("执法", "enforcement"), "31": ("服务区事件", "service area"),
            "34": ("治安", "public order"), "36": ("其他", "other"),
        },
        note="only the codes read",
    ),
    CodeList(
        id="hazmat_class", zh="危险货物类别", en="class of dangerous goods", evidence="F2",
        source="nine classes of the business scope",
        codes={
            "1": ("爆炸品", "explosives"), "2": ("气体", "gases"), "3": ("易燃液体", "flammable liquids"),
            "4": ("易燃固体", "flammable solids"), "5": ("氧化性物质", "oxidisers"),
            "6": ("毒性物质", "toxic substances"),
            "7": ("放射性", "radioactive"), "8": ("腐蚀性", "corrosive"), "9": ("杂项", "miscellaneous"),
        },
    ),
    CodeList(
        id="ship_cert_status", zh="船舶证书状态", en="status of a ship's certificate", evidence="F2",
        source="a provincial platform's dictionary",
        codes={
            "10": ("有效", "valid"), "01": ("换发", "replaced"), "02": ("过期", "expired"), "03": ("注销", "cancelled"),
            "04": ("撤销", "withdrawn"), "05": ("吊销", "revoked"),
        },
    ),
)

CODE_LISTS: Final = (*VEHICLES, *OPERATORS, *PEOPLE, *ROADS)
