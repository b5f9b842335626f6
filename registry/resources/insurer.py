"""Policies, claims and roadside assistance, supplied by the insurer that asks for prices: not part of Annex 1.

The annex has no claims and no accident history per vehicle, so the outcome of pricing comes from the consumer and is
joined by VIN pseudonym inside the platform.
"""

from __future__ import annotations

from typing import Final

from registry.resources.columns import (
    ENTERPRISE_ID,
    USCC,
    VEHICLE_ID,
    VIN,
    coded,
    day,
    moment,
    optional,
    quantity,
    text,
)
from registry.resources.schema import Resource

POLICY: Final = Resource(
    id="policy", zh="保单", en="insurance policies", no=None, cycle="daily", entity="policy", key=("policy_no",),
    event_time="start_date", supplier="insurer", evidence="A",
    columns=(
        text("policy_no", "保单号", nullable=False, evidence="A"),
        VIN,
        optional(USCC),
        coded("line", "险种", "insurance_line", nullable=False, evidence="A"),
        coded("coverage", "保障范围", "coverage", nullable=False, evidence="A"),
        day("start_date", "起保日期", nullable=False, evidence="A"),
        day("end_date", "终保日期", nullable=False, evidence="A", note="first day that is not covered"),
        quantity("insured_amount_cny", "保险金额", "CNY", 1e9, nullable=False, evidence="A"),
        quantity("base_pure_premium_cny", "基准纯风险保费", "CNY", 1e7, nullable=False, evidence="A",
                 note="per policy year, before no-claims and own pricing factors"),
    ),
    pseudonyms=(VEHICLE_ID, ENTERPRISE_ID), references={"vin": "vehicle_basic", "uscc": "operator_basic"},
)

CLAIM: Final = Resource(
    id="claim", zh="理赔", en="insurance claims", no=None, cycle="daily", entity="claim", key=("claim_no",),
    event_time="occurred_at", supplier="insurer", evidence="A",
    columns=(
        text("claim_no", "赔案号", nullable=False, evidence="A"),
        text("policy_no", "保单号", nullable=False, evidence="A"),
        VIN,
        coded("line", "险种", "insurance_line", nullable=False, evidence="A"),
        moment("occurred_at", "出险时间", nullable=False, evidence="A"),
        moment("reported_at", "报案时间", nullable=False, evidence="A"),
        moment("closed_at", "结案时间", evidence="A"),
        quantity("paid_amount_cny", "已决赔款", "CNY", 1e9, nullable=False, evidence="A"),
        quantity("reserve_cny", "未决赔款准备金", "CNY", 1e9, nullable=False, evidence="A"),
        coded("status", "赔案状态", "claim_status", nullable=False, evidence="A"),
    ),
    pseudonyms=(VEHICLE_ID,), references={"policy_no": "policy", "vin": "vehicle_basic"},
    note="a reopened or corrected claim is a new row of the same row_id",
)

ROADSIDE_ASSISTANCE: Final = Resource(
    id="roadside_assistance", zh="道路救援", en="roadside assistance after breakdowns", no=None, cycle="daily",
    entity="vehicle", key=("rescue_no",), event_time="occurred_at", supplier="insurer", evidence="A",
    columns=(
        text("rescue_no", "救援单号", nullable=False, evidence="A"),
        VIN,
        moment("occurred_at", "故障时间", nullable=False, evidence="A"),
        coded("component", "故障部件", "breakdown_component", nullable=False, evidence="A"),
        quantity("odometer_km", "里程", "km", 9_999_999, evidence="A"),
    ),
    pseudonyms=(VEHICLE_ID,), references={"vin": "vehicle_basic"},
    note="the annex has no breakdowns; an insurer's rescue service knows those that it was called to",
)

RESOURCES: Final = (POLICY, CLAIM, ROADSIDE_ASSISTANCE)
