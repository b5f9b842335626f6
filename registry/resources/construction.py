"""The construction market of highways and waterways (annex 1, nos. 28, 29, 31 to 34): short declarations.

Highways and waterways have the same three tables: practitioners, enterprises, yearly scores of contractors.
"""

from __future__ import annotations

from typing import Final

from registry.resources.columns import (
    ENTERPRISE_ID,
    ID_CARD_NO,
    REGION_CODE,
    USCC,
    coded,
    day,
    legal_name,
    optional,
    personal,
    quantity,
    text,
    year,
)
from registry.resources.schema import Column, DirectoryName, Pseudonym, Resource

REGISTRATION_NO: Final = Column(id="registration_no", zh="注册证书编号", dtype="string", nullable=False,
                                sensitivity="identifier", evidence="F2")


def _practitioners(no: int, resource_id: str, zh: str, en: str) -> Resource:
    return Resource(
        id=resource_id, zh=zh, en=en, no=no, cycle="monthly", entity="practitioner", key=("registration_no",),
        event_time="registered_on", brief=True,
        columns=(
            REGISTRATION_NO,
            optional(USCC),
            personal("name", "姓名"),
            ID_CARD_NO,
            text("title", "执业资格名称"),
            text("title_grade", "执业资格等级"),
            day("registered_on", "注册日期", nullable=False, evidence="A"),
            day("valid_to", "有效期至"),
        ),
        pseudonyms=(Pseudonym(id="practitioner_id", namespace="construction_person", inputs=("registration_no",)),
                    ENTERPRISE_ID),
    )


def _enterprises(no: int, resource_id: str, zh: str, en: str) -> Resource:
    return Resource(
        id=resource_id, zh=zh, en=en, no=no, cycle="monthly", entity="enterprise",
        key=("uscc", "qualification_type"), event_time="issued_on", brief=True,
        columns=(
            USCC,
            legal_name("name", "单位名称"),
            coded("qualification_type", "资质类别", "construction_qualification", nullable=False, evidence="A"),
            text("qualification_grade", "资质等级"),
            day("issued_on", "证书发证日期", nullable=False, evidence="A"),
            day("valid_to", "证书有效期至"),
            personal("legal_rep", "法定代表人"),
            REGION_CODE,
        ),
        pseudonyms=(ENTERPRISE_ID,), directory=DirectoryName(column="name", entity="enterprise_id"),
    )


def _scores(no: int, resource_id: str, zh: str, en: str, enterprises: str) -> Resource:
    return Resource(
        id=resource_id, zh=zh, en=en, no=no, cycle="monthly", entity="enterprise", key=("uscc", "score_year"),
        event_time="published_on", brief=True, evidence="G",
        columns=(
            USCC,
            year("score_year", "评价年度", evidence="G"),
            quantity("score", "评价分数", "score", 100, nullable=False, evidence="G"),
            coded("grade", "信用等级", "construction_grade", nullable=False, evidence="G"),
            text("evaluator", "评价单位", evidence="G"),
            day("published_on", "发布日期", nullable=False, evidence="A"),
        ),
        pseudonyms=(ENTERPRISE_ID,), references={"uscc": enterprises},
    )


RESOURCES: Final = (
    _practitioners(28, "highway_construction_practitioner", "公路建设市场从业人员信息",
                   "practitioners of highway construction"),
    _practitioners(29, "waterway_construction_practitioner", "水路建设市场从业人员信息",
                   "practitioners of waterway construction"),
    _enterprises(31, "highway_construction_enterprise", "公路建设市场从业企业信息",
                 "enterprises of highway construction"),
    _scores(32, "highway_contractor_score", "公路建设市场施工企业评价分数", "scores of highway contractors",
            "highway_construction_enterprise"),
    _enterprises(33, "waterway_construction_enterprise", "水路建设市场从业企业信息",
                 "enterprises of waterway construction"),
    _scores(34, "waterway_contractor_score", "水路建设市场施工企业评价分数", "scores of waterway contractors",
            "waterway_construction_enterprise"),
)
