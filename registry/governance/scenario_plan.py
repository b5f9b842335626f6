"""场景建设方案附件: what a scenario needs, how it is supplied, which model computes, how the data are kept safe (plan, 4 (4) 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from registry.access.notices import TRACKS
from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.governance.sourced import LEGEND, TO_FILL, assumed, evidence, law, plan
from registry.governance.wording import CHARGES, CYCLES, DETAILS, STEPS, SUPPLIERS, day, when

if TYPE_CHECKING:
    from registry.governance.facts import Facts

TITLE: Final = "场景建设方案附件"


def scenario_plan(facts: Facts) -> Document:
    """Return the annex of the scenario plan."""
    blocks: list[Block] = [
        Paragraph(LEGEND, note=True), *_head(facts), *_demand(facts), *_supply(facts), *_model(facts), *_safety(facts),
        *_decided(facts),
    ]
    return Document(f"{TITLE}：{facts.scenario.request.purpose_zh}", "zh", tuple(blocks), footer=f"生成时间 {when(facts.at)}")


def _head(facts: Facts) -> list[Block]:
    request = facts.scenario.request
    rows = [
        ("场景编号", facts.scenario.id), ("申请单位", facts.consumer.zh),
        ("数据产品", f"附件2第{facts.product.no}项 {facts.product.zh}"),
        ("用途", request.purpose_zh), ("期限", f"{request.term.start} 至 {request.term.end}（含首尾日）"),
        ("法律依据", request.basis), ("收费类别", CHARGES[request.charge]), ("解释详细程度", DETAILS[request.detail]),
        ("附件", "、".join(request.attachments) or TO_FILL),
    ]
    rule = "按“一场景、一需求、一审核”原则申请；方案包括数据需求清单、数据提供方式、算法模型搭建、数据安全保护。"
    return [Heading("一、场景概况"), *table(("项目", "内容"), rows), Paragraph(plan(rule, "四（四）2"))]


def _demand(facts: Facts) -> list[Block]:
    rows = [
        (one.no or "—", one.zh, CYCLES[one.cycle], SUPPLIERS[one.supplier], "是" if one.id in TRACKS else "否",
         evidence(one.evidence))
        for one in facts.resources
    ]
    left_out = [name for name in facts.product.resources if name not in {one.id for one in facts.resources}]
    notes = [assumed("各产品使用哪些资源，系平台对附件2产品名称与描述的理解。")]
    if any(one.supplier == "insurer" for one in facts.resources):
        notes.append("保单与赔案不在附件1内，由保险机构提供，仅在授权运营环境内与公共数据关联。")
    if any(one.supplier == "reduction" for one in facts.resources):
        notes.append("日运行与驾驶时段由平台自第1项定位信息归约得到，不是另行取得的资源。")
    if left_out:
        notes.append(f"本场景未申请：{'、'.join(left_out)}；缺失时相应输入记为未知，必需资源缺失时不予评分。")
    columns = ("附件1序号", "资源", "更新周期", "提供方", "含行踪轨迹", "字段来源")
    return [Heading("二、数据需求清单"), *table(columns, rows), *bullets(notes)]


def _supply(facts: Facts) -> list[Block]:
    del facts
    return [
        Heading("三、数据提供方式"),
        *bullets([
            plan("附件1全部资源的供给方式为接口，数据提供部门为省交通运输厅。", "附件1"),
            plan("数据经接口、库表、文件等方式汇聚至省一体化政务大数据平台，授权运营平台从该平台获取。", "四（四）4"),
            "到达即校验：标识以带密钥的假名入库，姓名、住址、电话等个人值不入库；每行保留发生与到达时间，更正追加新版本，不改旧行。",
            "评分按请求提供，或以批量文件提供；对外只提供分值、等级、理由与有界因子，原始数据不出域。",
        ]),
    ]


def _model(facts: Facts) -> list[Block]:
    if facts.manifest is None or facts.promotion is None:
        return [Heading("四、算法模型搭建"), Paragraph("该产品尚无在用模型；上线前须另行提交模型说明。", note=True)]
    manifest, line = facts.manifest, facts.promotion
    groups = len({feature.group for feature in manifest.features})
    return [
        Heading("四、算法模型搭建"),
        *table(("项目", "内容"), [
            ("方法", "LightGBM 梯度提升树，经仿射校准，折算为0至1000分；逐项贡献由精确 TreeSHAP 计算，之和等于分值"),
            ("在用版本", f"v{line.version}，摘要 {line.digest}"),
            ("发布", f"{when(line.at)}，批准人 {line.approver}，理由：{line.reason}"),
            ("输入", f"{len(manifest.features)} 项特征，{groups} 类"),
            ("训练时段", " 至 ".join(map(day, manifest.provenance.train_window))),
            ("检验时段", " 至 ".join(map(day, manifest.provenance.test_window))),
            ("数据性质", "模拟数据" if facts.simulated else "真实数据"),
        ]),
    ]


def _safety(facts: Facts) -> list[Block]:
    tracks = any(one.id in TRACKS for one in facts.resources)
    return [
        Heading("五、数据安全保护"),
        *bullets([
            plan("谁管理谁负责、谁运营谁负责、谁使用谁负责。", "六（一）"),
            "每次调用须带密钥与场景编号；超出用途、资源、期限的调用被拒绝。",
            f"每个决定、每次查看写入哈希链台账，以 Ed25519 锚定，可由第三方核验；现有台账 {len(facts.heads)} 本。",
            assumed(f"涉及不足 {facts.rules.min_cell} 个主体的汇总不予披露。"),
            law("个体业户和驾驶员的评分属个人信息：告知、说明、人工复核。", "个人信息保护法第24条"),
            law("含行踪轨迹，属敏感个人信息，处理自然人信息须取得单独同意。", "个人信息保护法第28条、第29条") if tracks else "",
            law("处理前进行个人信息保护影响评估，报告和处理记录至少保存三年。", "个人信息保护法第55条、第56条"),
            plan("测试结果须符合“数据安全、功能合规、性能稳定、服务可用”要求。", "四（四）5"),
        ]),
    ]


def _decided(facts: Facts) -> list[Block]:
    rows = [(STEPS[one.step], when(one.at), one.by, one.reason or "—") for one in facts.scenario.decided]
    return [
        Heading("六、审核记录"), *table(("环节", "时间", "经办人", "意见"), rows),
        Paragraph(plan("评审由实施机构邀请业内专家开展，结果报省发展改革委（省数据局）、省交通运输厅备案。", "四（四）3")),
        *table(("备案事项", "编号与日期"), [("省发展改革委（省数据局）备案", TO_FILL), ("省交通运输厅备案", TO_FILL)]),
    ]
