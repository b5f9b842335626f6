"""期满移交清单: what is handed over, returned, proved and destroyed when a term ends (plan, 4 (2) and 4 (5))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from registry.bundle import BOOSTER_SUFFIX, GOLDEN, MANIFEST
from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.governance.sourced import LEGEND, TO_FILL, assumed, law, plan
from registry.governance.wording import STATUSES, when

if TYPE_CHECKING:
    from registry.governance.facts import Facts

TITLE: Final = "期满移交清单"
_STEPS: Final = (
    ("停止调用：终止场景", "roadrisk access scenarios expire {scenario} --by 经办人 --reason 期满移交"),
    ("撤销密钥：关闭消费方", "roadrisk access consumers close {consumer} --by 经办人 --reason 期满移交"),
    ("锚定全部台账", "roadrisk ledger anchor"),
    ("核验全部台账", "roadrisk ledger verify"),
    ("导出决定台账，不含密钥，任何人可核验", "roadrisk ledger export decisions.jsonl"),
    ("核对模型、批准与测试记录", "roadrisk models audit"),
    ("删除依法应删除的个人部分", "roadrisk ledger erase --help"),
)


def handover(facts: Facts) -> Document:
    """Return the list of what is handed over at the end of a scenario's term."""
    request, named = facts.scenario.request, {"scenario": facts.scenario.id, "consumer": facts.consumer.id}
    blocks: list[Block] = [
        Paragraph(LEGEND, note=True),
        *bullets([
            plan("授权运营期限为3年，届满后按程序重新遴选运营机构。", "四（二）"),
            plan("终止后的服务交割按照省级整体授权运营实施方案有关要求执行（该方案未取得，交割的具体要求以其为准）。", "四（五）2"),
        ]),
        Heading("一、场景"),
        *table(("项目", "内容"), [
            ("场景", facts.scenario.id), ("单位", facts.consumer.zh), ("期限", f"{request.term.start} 至 {request.term.end}"),
            ("现状", STATUSES[facts.scenario.status(facts.at)]), ("产品", facts.product.zh),
        ]),
        Heading("二、台账"), *_ledgers(facts), Heading("三、模型"), *_model(facts), Heading("四、数据资源"), *_data(facts),
        Heading("五、步骤与命令"),
        *table(("步骤", "命令"), ((what, command.format(**named)) for what, command in _STEPS)),
        Heading("六、签收"), *table(("交出方", "接收方", "日期"), [(facts.rules.handler_zh, TO_FILL, TO_FILL)]),
    ]
    return Document(f"{TITLE}：{facts.scenario.id}", "zh", tuple(blocks), footer=f"生成时间 {when(facts.at)}")


def _ledgers(facts: Facts) -> list[Block]:
    rows = [(name, seq, digest) for name, (seq, digest) in sorted(facts.heads.items())]
    return [
        *(table(("台账", "最新一行", "该行的链上哈希"), rows) or [Paragraph("尚无台账。")]),
        Paragraph(law("处理情况记录至少保存三年：台账随服务移交，不删除。", "个人信息保护法第56条；网络数据安全管理条例第12条")),
    ]


def _model(facts: Facts) -> list[Block]:
    if facts.promotion is None or facts.manifest is None:
        return [Paragraph("该产品没有在用模型。")]
    folder = f"bundles/{facts.product.id}-{facts.promotion.digest[:16]}"
    return [
        *table(("项目", "内容"), [
            ("模型包", folder), ("摘要", facts.promotion.digest), ("版本", f"v{facts.promotion.version}"),
            ("文件", "、".join([MANIFEST, GOLDEN, *(one.name + BOOSTER_SUFFIX for one in facts.manifest.components)])),
            ("模型卡与证据", f"cards/{facts.product.id}-{facts.promotion.digest[:16]}"),
        ]),
        Paragraph("签名私钥、假名密钥、台账密钥不随文件移交，当面交接并由双方记录指纹。"),
    ]


def _data(facts: Facts) -> list[Block]:
    rows = [(one.no or "—", one.zh, "退回或销毁，并出具证明" if one.no else TO_FILL) for one in facts.resources]
    return [
        *table(("附件1序号", "资源", "处置"), rows),
        Paragraph(assumed("处置方式为平台建议；以协议和整体方案为准。")),
    ]
