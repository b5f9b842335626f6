"""Section of the card about the quality of the explanations: what `roadrisk explain audit` has measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.documents.document import Block, Heading, Paragraph, bullets, table
from registry.documents.tongue import Tongue
from training.cards.about import Whole, simulated
from training.cards.figures import number, percent
from training.cards.words import Pair
from training.explained.audit import KIND, LIMITS

LIMITS_ZH: Final = (
    "与另一种博弈及模拟真值的一致程度说明结论在多大程度上取决于博弈的选择，而不说明哪一种正确。",
    "删除法造出的行在现实中不存在，因此是在评分很少见过的地方提问。",
    "噪声按输入独立抽取；同一来源的误差其实一起变动。",
)
GAMES: Final[dict[str, Pair]] = {
    "interventional": ("与干预式 SHAP", "against interventional SHAP"),
    "truth": ("与模拟真值的效应", "against the true effects (simulated)"),
}


def explanations(whole: Whole, say: Tongue) -> list[Block]:
    """Return how good the explanations are, or how to find out."""
    found = (whole.get("evidence") or {}).get(KIND)
    title = Heading(say("解释的质量", "Quality of the explanations"))
    if not found:
        command = f"roadrisk explain audit {whole['product']}"
        return [title, Paragraph(say(f"尚未测量：请运行 `{command}`。", f"Not measured yet: run `{command}`."), note=True)]
    columns = (say("指标", "measure"), say("数值", "value"), say("说明", "what it says"))
    limits = [say(*pair) for pair in zip(LIMITS_ZH, LIMITS, strict=True)]
    measured = [*table(columns, audit_rows(found, say)), *_deletion(found["deletion"], say)]
    return [title, *simulated(whole, say), *measured, *bullets(limits)]


def audit_rows(found: Mapping[str, Any], say: Tongue) -> list[tuple[str, str, str]]:
    """Return the figures of an audit but those of deletion: measure, value, what it says."""
    rows = [(
        say("可加性", "additivity"), f"{found['additivity']['max_error']:.1e}",
        say(f"{found['n_rows']} 行中各项之和与分值的最大差", f"largest miss of the sum, {found['n_rows']} rows"),
    )]
    for name, words in GAMES.items():
        one = found.get(name)
        if one:
            rows += [
                (f"{say.of(words)}：{say('逐行相关', 'correlation per row')}", number(round(one["correlation"]["median"], 3), say),
                 say("中位数；第5百分位 ", "median; 5th percentile ") + number(round(one["correlation"]["p05"], 3), say)),
                (f"{say.of(words)}：{say('理由相同', 'same reasons')}", percent(one["jaccard"]),
                 say("Jaccard；首要理由相同 ", "Jaccard; same first reason ") + percent(one["same_first"])),
            ]
    noise = found["stability"]
    size = percent(noise["noise"])
    return [
        *rows,
        (say(f"噪声 {size}：理由相同", f"noise of {size}: same reasons"), percent(noise["jaccard"]),
         say("Jaccard；首要理由相同 ", "Jaccard; same first reason ") + percent(noise["same_first"])),
        (say(f"噪声 {size}：分值移动", f"noise of {size}: move of points"), number(round(noise["points"]["median"], 2), say),
         say("中位数；第95百分位 ", "median; 95th percentile ") + number(round(noise["points"]["p95"], 2), say)),
        (say("删除法：贡献与降幅的相关", "deletion: contribution against fall"),
         number(round(found["deletion"]["correlation"], 3), say),
         say("逐个去掉最强的输入", "the strongest inputs taken away one by one")),
    ]


def _deletion(found: Mapping[str, Any], say: Tongue) -> list[Block]:
    rows = [
        (number(one["depth"], say), *(number(round(one[name], 2), say) for name in ("named", "random", "lowering")))
        for one in found["steps"]
    ]
    columns = (
        say("去掉的输入数", "inputs taken away"), say("分值降幅：最强的升高项", "fall in points: strongest raising"),
        say("随机", "at random"), say("最强的降低项", "strongest lowering"),
    )
    return [Heading(say("删除法", "Deletion"), 3), *table(columns, rows)]
