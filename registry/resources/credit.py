"""Red and black lists of the credit system (annex 1, no. 35)."""

from __future__ import annotations

from typing import Final

from registry.resources.columns import (
    DRIVER_ID,
    ENTERPRISE_ID,
    ID_CARD_NO,
    QUALIFICATION_NO,
    USCC,
    coded,
    day,
    optional,
    personal,
    text,
)
from registry.resources.schema import Resource

CREDIT_LIST: Final = Resource(
    id="credit_list", zh="信用红黑名单信息", en="red and black lists of credit", no=35,
    cycle="monthly", entity="enterprise", key=("entry_no",), event_time="listed_at",
    columns=(
        text("entry_no", "名单编号", nullable=False, evidence="A"),
        optional(USCC),
        optional(QUALIFICATION_NO),
        personal("subject_name", "当事人姓名或单位名称"),
        ID_CARD_NO,
        coded("list_type", "名单类型", "credit_list_type", nullable=False),
        coded("reason", "列入事由", "credit_reason", nullable=False, evidence="A"),
        day("occurred_at", "发生时间"),
        day("listed_at", "列入名单时间", nullable=False),
        day("expires_at", "失效日期"),
        day("removed_at", "移出日期", evidence="A"),
        coded("removal_reason", "移出原因", "credit_removal_reason", evidence="A"),
        text("source_dept", "来源部门", evidence="A"),
        text("repair_doc_no", "信用修复文书号", evidence="A"),
    ),
    pseudonyms=(ENTERPRISE_ID, DRIVER_ID), references={"uscc": "operator_basic"},
    note="an expired or removed entry may not be used; red-list entries only as issued",
)

RESOURCES: Final = (CREDIT_LIST,)
