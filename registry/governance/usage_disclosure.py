"""使用情况与信息披露: use and charges of a consumer, and what is disclosed to the public (plan, 7 (1) 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.governance.sourced import LEGEND, assumed, plan, unverified
from registry.governance.wording import KINDS, when

if TYPE_CHECKING:
    from registry.access.statements import Disclosure, Statement
    from registry.governance.facts import Facts

TITLE: Final = "使用情况与信息披露"


def usage_disclosure(facts: Facts) -> Document:
    """Return use, charges and disclosure of a month."""
    blocks: list[Block] = [
        Paragraph(LEGEND, note=True), Heading("一、本单位使用与费用"), *_statement(facts.statement), Heading("二、向社会披露"),
        *disclosure_blocks(facts.disclosure, operator=facts.rules.handler_zh), Heading("三、数据更正"), *_corrections(facts),
    ]
    return Document(f"{TITLE}：{facts.statement.month}", "zh", tuple(blocks), footer=f"生成时间 {when(facts.at)}")


def disclosure_blocks(found: Disclosure, *, operator: str) -> list[Block]:
    """Return what is disclosed of a month as blocks."""
    few = f"不足 {found.min_consumers}，不披露"
    rows = [
        (one.zh, few if one.consumers is None else one.consumers, "—" if one.calls is None else one.calls,
         "—" if one.fees is None else one.fees)
        for one in found.products
    ]
    charges = [
        ("其他全部产品" if product == "*" else product, KINDS.get(kind, kind), price, found.price_source)
        for product, prices in found.charges.items() for kind, price in prices.items()
    ]
    return [
        Paragraph(plan("运营机构对其信息、已获授权的资源、产品和服务清单、具体收费标准进行披露，接受社会监督。", "七（一）3")),
        *table(("项目", "内容"), [("运营机构", operator), ("已获授权的公共数据资源", f"附件1所列 {len(found.resources)} 项"),
                                 ("产品和服务", f"附件2所列 {len(found.data_products)} 项")]),
        *(table(("产品", "使用单位数", "调用次数", "费用（元）"), rows) or [Paragraph("当月没有使用记录。")]),
        *table(("产品", "方式", "元/次", "来源"), charges),
        Paragraph(assumed("收费数值在来源为 [A] 时是占位值，不是公布的收费标准。")),
        Paragraph(unverified("披露按年进行、次年3月底前完成，见国家数据局2026年2月通知的报道，原文未查阅。")),
    ]


def _statement(found: Statement) -> list[Block]:
    rows = [(one.product, one.scenario, KINDS.get(one.kind, one.kind), one.calls, one.price, one.amount) for one in found.lines]
    return [
        Paragraph(f"{found.zh}，{found.month}。"),
        *(table(("产品", "场景", "方式", "次数", "元/次", "金额（元）"), rows) or [Paragraph("当月没有使用记录。")]),
        Paragraph(f"合计 {found.total} 元。"),
    ]


def _corrections(facts: Facts) -> list[Block]:
    level = facts.level
    if level is None:
        return [Paragraph("尚无更正申请。"), *_rule()]
    share = "—" if level.share_in_time is None else f"{level.share_in_time:.1%}"
    return [
        *table(("收到", "已办结", "在办", "按期", "逾期", "按期率"),
               [(level.received, level.decided, level.waiting, level.in_time, level.late, share)]),
        *_rule(),
    ]


def _rule() -> list[Block]:
    return bullets([plan("省交通运输厅原则上10个工作日内对有问题的数据进行更正或修复。", "三（三）")])
