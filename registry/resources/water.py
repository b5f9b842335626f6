"""Waterway transport (annex 1, nos. 23 to 26): short declarations, no product draws on them yet."""

from __future__ import annotations

from typing import Final

from registry.resources.columns import (
    ENTERPRISE_ID,
    LICENCE_ID,
    LICENCE_NO,
    MODIFY_TIME,
    REGION_CODE,
    USCC,
    coded,
    count,
    day,
    legal_name,
    personal,
    quantity,
    text,
)
from registry.resources.schema import Column, DirectoryName, Pseudonym, Resource

SHIP_ID: Final = Column(id="ship_id", zh="船舶识别号", dtype="string", nullable=False, sensitivity="identifier",
                        evidence="G")
VESSEL_ID: Final = Pseudonym(id="vessel_id", namespace="ship", inputs=("ship_id",))

VESSEL_BASIC: Final = Resource(
    id="vessel_basic", zh="船舶基本信息", en="vessels", no=23, cycle="daily", entity="vessel", key=("ship_id",),
    event_time="modify_time", brief=True, evidence="G",
    columns=(
        SHIP_ID,
        MODIFY_TIME,
        text("name", "船名", evidence="G"),
        coded("ship_type", "船舶类型", "ship_type", nullable=False, evidence="G"),
        quantity("gross_tonnage", "总吨", "1", 500_000, evidence="G", note="a volume index without unit"),
        quantity("deadweight_t", "载重吨", "t", 500_000, evidence="G"),
        quantity("length_m", "船长", "m", 500, evidence="G"),
        quantity("main_engine_kw", "主机功率", "kW", 100_000, evidence="G"),
        day("build_date", "建造日期", evidence="G"),
        text("registry_port", "船籍港", evidence="G"),
        personal("owner_name", "船舶所有人", evidence="G"),
        USCC,
    ),
    pseudonyms=(VESSEL_ID, ENTERPRISE_ID), references={"uscc": "waterway_operator_basic"},
)

VESSEL_OPERATION_PERMIT: Final = Resource(
    id="vessel_operation_permit", zh="船舶营运证信息", en="operation certificates of vessels", no=24, cycle="daily",
    entity="vessel", key=("ship_cert_no",), event_time="valid_from", brief=True, evidence="G",
    columns=(
        Column(id="ship_cert_no", zh="船舶营运证号", dtype="string", nullable=False, sensitivity="identifier",
               evidence="G"),
        SHIP_ID,
        USCC,
        coded("scope", "经营范围", "waterway_scope", evidence="G"),
        day("valid_from", "有效期起", nullable=False, evidence="G"),
        day("valid_to", "有效期止", evidence="G"),
        coded("status", "证书状态", "ship_cert_status", nullable=False),
    ),
    pseudonyms=(VESSEL_ID, ENTERPRISE_ID,
                Pseudonym(id="ship_certificate_id", namespace="ship_certificate", inputs=("ship_cert_no",))),
    references={"ship_id": "vessel_basic", "uscc": "waterway_operator_basic"},
)

WATERWAY_OPERATOR_BASIC: Final = Resource(
    id="waterway_operator_basic", zh="水路运输企业基本信息", en="waterway transport enterprises", no=25, cycle="daily",
    entity="enterprise", key=("uscc",), event_time="modify_time", brief=True, evidence="G",
    columns=(
        USCC,
        MODIFY_TIME,
        legal_name("name", "企业名称", evidence="G"),
        coded("business_type", "经营类型", "waterway_scope", evidence="G"),
        coded("status", "业户状态", "operator_status", evidence="G"),
        count("n_vessels", "船舶数", 10_000, evidence="G"),
        REGION_CODE,
    ),
    pseudonyms=(ENTERPRISE_ID,), directory=DirectoryName(column="name", entity="enterprise_id"),
)

WATERWAY_LICENCE: Final = Resource(
    id="waterway_licence", zh="国内水路运输经营许可证", en="licences for domestic waterway transport", no=26,
    cycle="daily", entity="enterprise", key=("licence_no",), event_time="valid_from", brief=True, evidence="G",
    columns=(
        LICENCE_NO,
        USCC,
        coded("scope", "经营范围", "waterway_scope", nullable=False, evidence="G"),
        day("valid_from", "有效期起", nullable=False, evidence="G"),
        day("valid_to", "有效期止", evidence="G"),
        coded("cert_status", "证件状态", "cert_status", nullable=False, evidence="G"),
    ),
    pseudonyms=(LICENCE_ID, ENTERPRISE_ID), references={"uscc": "waterway_operator_basic"},
)

RESOURCES: Final = (VESSEL_BASIC, VESSEL_OPERATION_PERMIT, WATERWAY_OPERATOR_BASIC, WATERWAY_LICENCE)
