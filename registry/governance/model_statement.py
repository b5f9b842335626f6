"""模型说明: which model computes, from what, how well it did in tests, and what it may not be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.governance.sourced import LEGEND, assumed
from registry.governance.wording import day, when
from registry.products import PRODUCTS
from registry.prohibited import PROHIBITIONS
from registry.resources import RESOURCES

if TYPE_CHECKING:
    from registry.bundle import Manifest
    from registry.governance.facts import Facts

TITLE: Final = "模型说明"
MEASURES: Final = {
    "gini": "基尼系数", "auc": "AUC", "d2": "D²（解释的偏差占比）", "balance": "预测/实际", "ece": "校准误差 ECE", "ks": "KS",
    "n_events": "事件数", "n_rows": "行数",
}
VERDICTS: Final = {True: "通过", False: "未通过", None: "未判定"}
_TIERS: Final = ("蓝", "黄", "橙", "红")
"""From the lowest points to the highest."""
_JUDGED: Final = {
    "beats_formulas": "优于公式方法", "beats_glass_boxes": "优于可解释模型", "loses_to_none": "不劣于任何对照",
    "calibrated": "校准", "stable": "稳定", "balanced_segments": "各群体均衡", "no_proxy": "无敏感代理", "robust": "稳健",
}


def model_statement(facts: Facts) -> Document:
    """Return the statement about the live model of a scenario's product."""
    title, footer = f"{TITLE}：{facts.product.zh}", f"生成时间 {when(facts.at)}"
    if facts.manifest is None or facts.promotion is None:
        none = Paragraph("该产品没有在用模型，无可说明的版本。发布模型后重新生成本文件。", note=True)
        return Document(title, "zh", (Paragraph(LEGEND, note=True), none), footer)
    blocks = [
        Paragraph(LEGEND, note=True), *_simulated(facts), *_identity(facts), *_output(facts, facts.manifest),
        *_inputs(facts.manifest), *_tests(facts.judgement), *_not_used(facts),
    ]
    return Document(title, "zh", tuple(blocks), footer)


def _simulated(facts: Facts) -> list[Block]:
    said = "模型以模拟省份的数据训练和检验，以下全部指标为模拟结果，不代表真实业务表现。"
    return [Paragraph(said, note=True)] if facts.simulated else []


def _identity(facts: Facts) -> list[Block]:
    line, manifest = facts.promotion, facts.manifest
    assert line is not None
    assert manifest is not None
    provenance = manifest.provenance
    return [
        Heading("一、版本"),
        *table(("项目", "内容"), [
            ("产品与版本", f"{manifest.zh} v{line.version}"), ("模型包摘要（SHA-256）", line.digest),
            ("启用时间", when(line.at)),
            ("批准", line.approver + (f"；会签 {'、'.join(line.seconded_by)}" if line.seconded_by else "")), ("理由", line.reason),
            ("数据截止", when(provenance.data_cut)), ("训练窗口", " 至 ".join(map(day, provenance.train_window))),
            ("验证窗口", " 至 ".join(map(day, provenance.valid_window))),
            ("测试窗口", " 至 ".join(map(day, provenance.test_window))),
            ("随机种子", provenance.seed), ("组件", "、".join(one.name for one in manifest.components)),
        ]),
    ]


def _output(facts: Facts, manifest: Manifest) -> list[Block]:
    cuts = manifest.cut_points
    spans = (f"低于 {cuts[0]:g}", f"{cuts[0]:g} 至 {cuts[1]:g}", f"{cuts[1]:g} 至 {cuts[2]:g}", f"{cuts[2]:g} 及以上")
    outcome = PRODUCTS[facts.product.id].outcome_zh if facts.product.id in PRODUCTS else ""
    return [
        Heading("二、输出"), Paragraph(f"预测对象：{outcome}。分值0至1000，高者风险高；500分为参照人群均值。"),
        *table(("等级", "分值"), zip(_TIERS, spans, strict=True)),
        Paragraph(assumed("等级切点由参照人群的份额确定，份额为平台设定。")),
        Paragraph("已知输入不足或必需资源缺失时不予评分（灰），灰色既不是高风险也不是低风险。"),
    ]


def _inputs(manifest: Manifest) -> list[Block]:
    rows = [
        (feature.zh, feature.unit, _sources(feature.resources), "可改变" if feature.actionable else "—",
         {1: "只增", -1: "只减", 0: "—"}[feature.monotone])
        for feature in sorted(manifest.features, key=lambda one: (one.group, one.name))
    ]
    return [Heading("三、输入"), *table(("特征", "单位", "来源资源", "主体可改变", "单调约束"), rows)]


def _tests(judgement: Mapping[str, Any]) -> list[Block]:
    if not judgement:
        return [Heading("四、检验"), Paragraph("该版本没有评估证据；运行 roadrisk evaluate 后重新生成。", note=True)]
    main = str(judgement.get("main", ""))
    metrics = judgement.get("metrics", {}).get(main, {})
    compared = judgement.get("comparison", {}).get(main, {})
    rivals = [
        (rival.get("zh") or rival["en"], f"{rival['overall']['difference']:+.4f}", _interval(rival["overall"].get("interval")))
        for rival in compared.get("rivals", ())
    ]
    verdicts = [
        (_JUDGED.get(one["name"], one["name"]), VERDICTS[one["passed"]], one["reason"]) for one in judgement.get("verdicts", ())
    ]
    return [
        Heading("四、检验（时间外测试期）"),
        *table(("指标", "数值"), ((MEASURES[name], f"{value:,.4g}") for name, value in metrics.items() if name in MEASURES)),
        *table(("对照方法", f"差值（{compared.get('measure', '')}）", "区间"), rivals),
        *table(("判定", "结论", "依据"), verdicts),
    ]


def _not_used(facts: Facts) -> list[Block]:
    return [
        Heading("五、不得使用的数据"),
        *table(("内容", "依据"), [(one.zh, one.basis) for one in PROHIBITIONS if one.binds(facts.product.id)]),
        *bullets([
            "不得作为处罚、拒保、停运或解雇的唯一依据；须有人工复核。", "不得用于授权场景以外的目的，不得向授权对象以外的人提供。",
        ]),
    ]


def _sources(names: Sequence[str]) -> str:
    found = [RESOURCES[name] for name in names if name in RESOURCES]
    return "、".join(f"#{one.no} {one.zh}" if one.no else one.zh for one in found)


def _interval(found: object) -> str:
    return f"[{found[0]:+.4f}, {found[1]:+.4f}]" if isinstance(found, list | tuple) else "—"
