"""Assessments of practitioners and enterprises of the road-transport market (annex 1, nos. 27 and 30)."""

from __future__ import annotations

from typing import Final

from registry.resources.columns import (
    DRIVER_ID,
    ENTERPRISE_ID,
    ID_CARD_NO,
    LICENCE_ID,
    LICENCE_NO,
    QUALIFICATION_NO,
    USCC,
    coded,
    count,
    day,
    flag,
    optional,
    personal,
    quantity,
    text,
    year,
)
from registry.resources.schema import Resource

ROAD_PRACTITIONER_RATING: Final = Resource(
    id="road_practitioner_rating", zh="道路运输市场从业人员评定信息", en="integrity assessments of practitioners",
    no=27,
    cycle="monthly", entity="driver", key=("qualification_no", "assess_year"), event_time="assessed_at",
    columns=(
        QUALIFICATION_NO,
        optional(USCC),
        year("assess_year", "考核年度", evidence="G"),
        day("assessed_at", "评定日期", nullable=False, evidence="A"),
        personal("name", "姓名"),
        ID_CARD_NO,
        personal("sex", "性别", note="may not be used"),
        personal("birth_date", "出生日期"),
        personal("health_state", "健康状况", note="sensitive personal information; never enters the warehouse"),
        personal("phone", "电话"),
        coded("qualification_category", "从业资格类别", "qualification_category", nullable=False),
        coded("drive_class", "准驾车型", "drive_class"),
        day("first_issue_date", "从业资格证初领日期"),
        day("valid_to", "从业资格证有效期至"),
        day("driving_licence_first_date", "驾驶证初领日期"),
        coded("cert_status", "证照状态", "cert_status"),
        coded("practice_status", "从业状态", "practice_status", evidence="A"),
        coded("grade", "诚信考核等级", "integrity_grade", nullable=False),
        quantity("score_points", "累计计分", "score", 100, nullable=False, evidence="G",
                 note="points of the period, 0 is best; a full period is 20"),
        day("period_start", "考核周期起", evidence="G"),
        day("period_end", "考核周期止", evidence="G"),
        count("accident_count", "交通事故次数", 100, note="a counter of the current state"),
        count("training_count", "培训次数", 200),
        flag("continuing_education_done", "继续教育完成", evidence="G"),
        coded("enforcement_status", "稽查处理状态", "enforcement_status"),
        flag("blacklisted", "列入黑名单标志", evidence="G"),
    ),
    pseudonyms=(DRIVER_ID, ENTERPRISE_ID), references={"uscc": "operator_basic"},
)

ROAD_ENTERPRISE_RATING: Final = Resource(
    id="road_enterprise_rating", zh="道路运输市场从业企业评定信息", en="quality and credit assessments of enterprises",
    no=30, cycle="monthly", entity="enterprise", key=("uscc", "assess_year", "category"), event_time="publish_date",
    columns=(
        USCC,
        optional(LICENCE_NO),
        year("assess_year", "考核年度"),
        coded("category", "考核类别", "assess_category", nullable=False, evidence="A"),
        day("publish_date", "发布日期", nullable=False, evidence="G"),
        quantity("score_management", "基础管理得分", "score", 1000),
        quantity("score_safety", "安全生产得分", "score", 1000),
        quantity("score_operation", "经营行为得分", "score", 1000),
        quantity("score_service", "服务质量得分", "score", 1000),
        quantity("score_social", "社会责任得分", "score", 1000),
        quantity("score_bonus", "加分项目得分", "score", 1000),
        quantity("total_score", "合计总分", "score", 1100, nullable=False, note="base of 1000 points"),
        flag("veto_flag", "否决项", nullable=False),
        coded("veto_type", "否决项类别", "veto_type", evidence="A"),
        coded("grade", "质量信誉等级", "quality_credit_grade", nullable=False),
        text("assess_org", "考核机构"),
        day("valid_to", "有效期至", evidence="A"),
    ),
    pseudonyms=(ENTERPRISE_ID, LICENCE_ID), references={"uscc": "operator_basic"},
)

RESOURCES: Final = (ROAD_PRACTITIONER_RATING, ROAD_ENTERPRISE_RATING)
