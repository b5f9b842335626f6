"""自动化决策算法说明: what a person may ask to be told about an automated decision (PIPL Art. 24)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from registry.access.duties import GROUNDS, OUTCOMES
from registry.access.notices import notice_of
from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.governance.sourced import LEGEND, TO_FILL, assumed, law
from registry.governance.wording import when
from registry.reasons import REASONS

if TYPE_CHECKING:
    from registry.governance.facts import Facts

TITLE: Final = "自动化决策算法说明"


def algorithm_statement(facts: Facts) -> Document:
    """Return the statement about automated decisions of a scenario's product."""
    notice = notice_of(facts.product.id, facts.rules)
    blocks: list[Block] = [
        Paragraph(LEGEND, note=True), Heading("一、适用"), *_scope(), Heading("二、告知文本"),
        *(Paragraph(line) for line in notice.zh.splitlines()),
        Paragraph(f"告知版本 {notice.version}；来源：{'；'.join(notice.sources)}。"),
        Heading("三、分值如何得出"), *_how(), *_reasons(facts), Heading("五、说明、异议与人工复核"), *_rights(facts),
        Heading("六、个人信息保护影响评估要点"), *_assessment(facts, separate=notice.separate_consent),
    ]
    return Document(f"{TITLE}：{facts.product.zh}", "zh", tuple(blocks), footer=f"生成时间 {when(facts.at)}")


def _scope() -> list[Block]:
    return bullets([
        "企业的评分不是个人信息；个体业户和驾驶员的评分是个人信息，适用本说明。",
        law("利用个人信息进行自动化决策，应当保证决策的透明度和结果公平、公正，不得在交易价格等交易条件上实行不合理的差别待遇。",
            "个人信息保护法第24条"),
        law("对个人权益有重大影响的决定，个人有权要求说明，并有权拒绝仅通过自动化决策的方式作出决定。", "个人信息保护法第24条"),
    ])


def _how() -> list[Block]:
    return bullets([
        "输入为截至决定时刻平台已经收到的记录；之后到达的记录不参与。",
        "分值等于基准分加各项输入的贡献，逐项列出，合计与分值的差小于百万分之一分，并随每个决定留存、可重放至逐字节一致。",
        assumed("每次至多列出四条主要原因，附观测值、同类中位数和改进建议；次序按对本次分值的贡献。"),
        "民族、性别、籍贯、健康等不作为输入；未经审核的报警不作为违法认定。",
    ])


def _reasons(facts: Facts) -> list[Block]:
    codes = sorted({feature.reason_code for feature in facts.manifest.features}) if facts.manifest else []
    rows = [(code, REASONS[code].zh, REASONS[code].remedy_zh or "主体不能改变") for code in codes if code in REASONS]
    return [Heading("四、原因词典"), *(table(("代码", "原因", "改进建议"), rows) or [Paragraph("该产品没有在用模型。")]),
            Paragraph(assumed("代码与措辞为平台自拟。"))]


def _rights(facts: Facts) -> list[Block]:
    return [
        *bullets([
            assumed(f"凭评分编号提出异议或人工复核，{facts.rules.review_working_days}个工作日内由人工答复。"),
            "数据有误的，另走更正程序：原则上10个工作日内更正〔授权运营实施方案三（三）〕。",
            law("公开的处罚决定被变更、撤销的，三日内撤回，相应评分重新计算。", "行政处罚法第48条"),
        ]),
        *table(("异议理由", "代码"), [(zh, code) for code, (zh, _) in GROUNDS.items()]),
        *table(("复核结论", "代码"), [(zh, code) for code, (zh, _) in OUTCOMES.items()]),
    ]


def _assessment(facts: Facts, *, separate: bool) -> list[Block]:
    return [
        Paragraph(law("处理敏感个人信息、利用个人信息进行自动化决策前应当进行影响评估，报告和处理情况记录至少保存三年。",
                      "个人信息保护法第55条、第56条")),
        *table(("评估事项", "情况"), [
            ("处理目的、方式是否合法、正当、必要", facts.scenario.request.basis),
            ("是否含敏感个人信息", "含行踪轨迹，须单独同意；不含健康信息" if separate else "不含行踪轨迹、健康信息"),
            ("对个人权益的影响及风险", TO_FILL), ("保护措施是否合法、有效并与风险相适应", "见场景建设方案附件第五部分"),
            ("评估结论与日期", TO_FILL),
        ]),
    ]
