"""Sections of the card that say how the score may be used: segments and fairness, robustness, limits, approvals, software."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from registry.documents.document import Block, Heading, Paragraph, bullets, table
from registry.documents.tongue import Tongue
from registry.local_time import SHANGHAI
from registry.products import PRODUCTS
from registry.scale import TIERS
from training.cards import judged
from training.cards.about import Whole, pictures, simulated, unevaluated
from training.cards.figures import number, term, told
from training.cards.words import Pair, limit

FAIRNESS: Final = ("segments", "proxies", "fairness")
"""Parts of a judgement that speak about who is treated how."""
SHOWERS: Final[Mapping[str, Callable[[Any, Tongue], list[Block]]]] = {"segments": judged.segments, "proxies": judged.proxies}
OTHERS: Final = ("glass_box", "skipped_baselines", "notes", "thresholds")
"""Parts of a judgement that are shown as they are, at the end."""
TIER_NAMES: Final[dict[str, Pair]] = {
    "red": ("红：最高风险", "red: highest risk"), "orange": ("橙：高风险", "orange: high risk"),
    "yellow": ("黄：较高风险", "yellow: raised risk"), "blue": ("蓝：一般风险", "blue: ordinary risk"),
}


def fairness(whole: Whole, say: Tongue) -> list[Block]:
    """Return segments, fairness and the audit of proxies."""
    judgement = whole.get("judgement") or {}
    blocks: list[Block] = [Heading(say("细分、公平性与代理变量", "Segments, fairness and proxies"))]
    found = {key: judgement[key] for key in FAIRNESS if judgement.get(key)}
    if not found:
        return [*blocks, *unevaluated(whole, say)]
    blocks += simulated(whole, say)
    for key, one in found.items():
        blocks += [Heading(term(key, say), 3), *SHOWERS.get(key, told)(one, say)]
    return blocks + pictures(
        whole, say, {"segments": ("各细分的实际/预测，含95%区间", "actual over expected by segment, 95 % intervals")}
    )


def robustness(whole: Whole, say: Tongue) -> list[Block]:
    """Return what happens when sources are missing, and when there is no score."""
    found = (whole.get("judgement") or {}).get("robustness")
    body = [*simulated(whole, say), *judged.robustness(found, say)] if found else unevaluated(whole, say)
    return [Heading(say("稳健性与灰色规则", "Robustness and the grey rule")), *body, *_grey(whole, say), *_tiers(whole, say)]


def _grey(whole: Whole, say: Tongue) -> list[Block]:
    product = PRODUCTS.get(whole["product"])
    share = f"{product.min_coverage:.0%}" if product else "-"
    return [Heading(say("灰（不评分）", "Grey: no score"), 3), *bullets((
        say("必需的输入未知时不评分。", "There is no score where a required input is unknown,"),
        say("必需的数据资源缺失或过期时不评分。", "where a mandatory resource is absent or stale,"),
        say(f"已知输入少于 {share} 时不评分（假设 [A]）。",
            f"or where less than {share} of the inputs are known (an assumption [A])."),
        say("不评分是一种回答：说明缺少什么，不得当作任何风险等级。",
            "No score is an answer: it names what is missing and is no level of risk."),
    ))]


def _tiers(whole: Whole, say: Tongue) -> list[Block]:
    points = (whole.get("curves") or {}).get("points") or {}
    if not points:
        return []
    yellow, orange, red = points["cut_points"]
    shares = points["tiers"]
    rows = [
        (say.of(TIER_NAMES[tier]), start, f"{shares['reference'][k]:.1%}", f"{shares['test'][k]:.1%}")
        for k, (tier, start) in enumerate(
            (("blue", f"< {yellow:.1f}"), ("yellow", f"≥ {yellow:.1f}"), ("orange", f"≥ {orange:.1f}"), ("red", f"≥ {red:.1f}"))
        )
    ]
    columns = (say("等级", "tier"), say("分数", "points"), say("参照群体", "reference"), say("测试期", "test period"))
    note = say("等级占比为假设 [A]，分界由参照群体的分位数得出。",
               "Shares of tiers are assumptions [A]; cut-points are quantiles of the reference.")
    return [Heading(say("等级", "Tiers"), 3), *table(columns, rows), Paragraph(note)] if set(TIER_NAMES) <= set(TIERS) else []


def limits(whole: Whole, say: Tongue) -> list[Block]:
    """Return where the score must not be trusted, and whatever else a judgement has found."""
    items = list(dict.fromkeys(limit(text, say) for text in whole["limits"]))
    found_limits = (whole.get("judgement") or {}).get("limits") or []
    items += [limit(str(one), say) for one in found_limits]
    judgement = whole.get("judgement") or {}
    others = {key: judgement[key] for key in OTHERS if judgement.get(key)}
    blocks: list[Block] = [Heading(say("限制", "Limits")), *(bullets(items) or [Paragraph(say("未说明。", "None stated."))])]
    return [
        *blocks, Heading(say("评估的其他结果", "Further findings of the evaluation"), 3), *told(others, say, level=4)
    ] if others else blocks


def approvals(whole: Whole, say: Tongue) -> list[Block]:
    """Return what the gates said, who approved, and how often the test period was read."""
    return [
        Heading(say("关卡、批准与测试期读取", "Gates, approvals and readings of the test period")),
        *_gates(whole.get("gates") or [], say), *_approved(whole, say), *_reads(whole.get("test_reads") or [], say),
    ]


def _approved(whole: Whole, say: Tongue) -> list[Block]:
    rows = [
        (_moment(one["at"]), say("批准", "approved"), one["by"], one["reason"]) for one in whole.get("approvals") or []
    ] + [
        (_moment(one["at"]), term(str(one["kind"]), say), one["approver"], one["reason"]) for one in whole.get("promotions") or []
    ]
    columns = (say("时间（北京时间）", "at (Asia/Shanghai)"), say("事项", "what"), say("何人", "who"), say("理由", "reason"))
    nothing = Paragraph(say("尚无批准。", "Nobody has approved this version yet."))
    return [Heading(say("批准", "Approvals"), 3), *(table(columns, sorted(rows)) or [nothing])]


def _reads(reads: Sequence[Mapping[str, Any]], say: Tongue) -> list[Block]:
    heading = Heading(say("测试期读取", "Readings of the test period"), 3)
    if not reads:
        return [heading, Paragraph(say("未记录测试期读取。", "No reading of the test period is recorded."))]
    rows = [
        (_moment(one["at"]), " – ".join(end[:10] for end in one["test_window"]), f"`{one['snapshot'][:16]}`", one["position"],
         one["position_in_window"])
        for one in reads
    ]
    columns = (
        say("时间（北京时间）", "at (Asia/Shanghai)"), say("测试期", "test period"), say("特征快照", "snapshot"),
        say(
            "第几个候选（此快照）", "candidate number, this snapshot"
        ), say("第几个候选（此测试期）", "candidate number, this period"),
    )
    note = say(
        "同一测试期被越多候选读取，其中最好者看上去越好于其真实水平。",
        "The more candidates one test period has judged, the better the best of them looks than it is.",
    )
    return [heading, Paragraph(note), *table(columns, rows)]


def _moment(at: Any) -> str:
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")


def _gates(gates: Sequence[Mapping[str, Any]], say: Tongue) -> list[Block]:
    if not gates:
        return [Paragraph(say(
            "尚未经过关卡：`roadrisk models promote --dry-run`。", "No gate has spoken: `roadrisk models promote --dry-run`."
        ))]
    rows = [(f"`{one['gate']}`", term(_said(one), say), one.get("reason") or "-") for one in gates]
    return table((say("关卡", "gate"), say("结论", "verdict"), say("理由", "reason")), rows)


def _said(gate: Mapping[str, Any]) -> str:
    return str(gate.get("said") or ("pass" if gate.get("passed") else "refuse"))


def software(whole: Whole, say: Tongue) -> list[Block]:
    """Return interpreter and library versions, and where the list of all components (SBOM) is."""
    versions = {**(whole.get("libraries") or {}), **(whole.get("environment") or {})}
    sbom = whole.get("sbom")
    if isinstance(sbom, Mapping):
        told_sbom = told(sbom, say, level=4)
    elif sbom:
        told_sbom = [Paragraph(say("软件物料清单（SBOM）：", "Software bill of materials (SBOM): ") + f"`{sbom}`")]
    else:
        told_sbom = [Paragraph(say("此版本没有软件物料清单（SBOM）。", "This version has no software bill of materials (SBOM)."))]
    return [
        Heading(say("软件与物料清单", "Software and SBOM")),
        *table((
            say("名称", "name"), say("版本", "version")
        ), [(f"`{name}`", number(v, say)) for name, v in sorted(versions.items())]),
        *told_sbom,
    ]
