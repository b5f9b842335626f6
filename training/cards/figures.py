"""How numbers and found-out documents are shown: short numbers, intervals, and tables from nested plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from registry.documents.document import Block, Heading, Paragraph, table
from registry.documents.tongue import Tongue
from training.cards.words import ENTITIES, FOLDS, MEASURES, PARTS, Pair

MOST_ROWS: Final = 60
MOST_COLUMNS: Final = 9

TERMS: Final[dict[str, Pair]] = {
    "name": ("名称", "name"), "value": ("值", "value"), "interval": ("95%区间", "95 % interval"), "n_rows": ("行数", "rows"),
    "rows": ("行数", "rows"), "n_groups": ("分组数", "groups"), "share": ("占比", "share"), "verdict": ("结论", "verdict"),
    "segment": (
        "细分", "segment"
    ), "segments": ("细分", "segments"), "city": ("地市", "city"), "owner_type": ("所有制", "owner type"),
    "fleet_size": ("车队规模", "fleet size"), "vehicle_class": ("车辆类型", "vehicle class"), "age_band": ("车龄段", "age band"),
    "stability": ("稳定性", "stability"), "fairness": ("公平性", "fairness"), "robustness": ("稳健性", "robustness"),
    "proxies": ("代理变量", "proxies"), "proxy": ("代理变量", "proxy"), "coverage": ("覆盖率", "coverage"),
    "observed": ("实际", "observed"), "expected": ("预测", "expected"), "actual": ("实际", "actual"), "ratio": ("比值", "ratio"),
    "difference": ("差值", "difference"), "level": ("水平", "level"), "reason": ("理由", "reason"), "note": ("说明", "note"),
    "model": ("评分", "model"), "oracle": ("真值", "oracle"), "truth": ("真值", "truth"), "ceiling": ("可观测上限", "ceiling"),
    "standard": ("标准", "standard"), "file": ("文件", "file"), "components": ("组件数", "components"),
    "part": ("部分", "part"), "measure": ("指标", "measure"), "month": ("月份", "month"), "period": ("时期", "period"),
    "mean_points": ("平均分", "mean points"), "source": ("来源", "source"), "input": ("输入", "input"), "kind": ("种类", "kind"),
    "actual_to_expected": ("实际/预测", "actual / expected"), "weight": ("权重", "weight"), "events": ("事件数", "events"),
    "grey": ("灰（不评分）", "grey (no score)"), "limits": ("限制", "limits"), "method": ("方法", "method"),
    "yes": ("是", "yes"), "no": ("否", "no"), "beats": ("领先", "beats"), "equal": ("无差别", "no difference"),
    "loses": (
        "落后", "loses"
    ), "pass": ("通过", "pass"), "refuse": ("拒绝", "refuse"), "not evaluated": ("未评估", "not evaluated"),
    "enough": ("足够", "enough"), "green": ("正常", "in order"), "amber": ("关注", "worth a look"), "red": ("超限", "too much"),
    "formula": ("公开公式", "published formula"), "single_input": ("单一输入", "single input"), "constant": ("常数", "constant"),
    "skipped_baselines": ("未能比较的基准", "rivals that could not be compared"),
    "thresholds": ("阈值（假设 [A]）", "thresholds [A]"),
    "promote": ("投产", "promoted"), "rollback": ("回退", "rolled back"), "inputs": ("输入", "inputs"), "notes": ("说明", "notes"),
    "headline": ("要点", "headline"), "inspection": ("对检查强度的依赖", "dependence on inspection"), "how": ("方法", "how"),
    "glass_box": ("白盒模型", "glass box"), "challenger": ("挑战者", "challenger"),
}
"""Keys and values of documents that others write, in words."""
_HIDDEN: Final = frozenset({"product", "digest", "zh", "en", "format"})


def number(value: Any, say: Tongue) -> str:
    """Return a value in a few characters: four significant figures, a pair as an interval, a word in this language."""
    match value:
        case None:
            return "-"
        case bool():
            return term("yes" if value else "no", say)
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case float():
            return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
        case str():
            return term(value, say)
        case [float() | int() as low, float() | int() as high]:
            return f"{number(low, say)} – {number(high, say)}"
        case Mapping():
            return "；".join(f"{term(str(k), say)} {number(v, say)}" for k, v in value.items() if k not in _HIDDEN)
        case _ if isinstance(value, Sequence):
            return "，".join(number(one, say) for one in value)
    return str(value)


def percent(value: float | None) -> str:
    """Return a share as per cent."""
    return "-" if value is None else f"{value:.2%}"


def between(pair: Sequence[float] | None, say: Tongue) -> str:
    """Return an interval; a dash where there is none."""
    return number(list(pair), say) if pair and None not in pair else "-"


def term(text: str, say: Tongue) -> str:
    """Return a key or value of a document in words; itself where no wording is declared."""
    for words in (TERMS, MEASURES, PARTS, FOLDS, ENTITIES):
        if text in words:
            return say.of(words[text])
    return text


def told(value: Any, say: Tongue, *, level: int = 3) -> list[Block]:
    """Return blocks that show any nested plain value: lists of objects become tables, objects of objects too.

    It is for documents whose form is not ours to know; nothing in them is left out but what `_HIDDEN` names and rows beyond
    `MOST_ROWS`, which are counted.
    """
    if isinstance(value, Mapping):
        return _object(value, say, level)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _list(list(value), say)
    return [Paragraph(number(value, say))]


def worded(found: Mapping[str, Any], say: Tongue, fallback: str = "") -> str:
    """Return the wording of an object that declares itself in both languages."""
    return say(str(found.get("zh") or ""), str(found.get("en") or "")) or str(found.get("name") or found.get("id") or fallback)


def _object(value: Mapping[str, Any], say: Tongue, level: int) -> list[Block]:
    flat = {key: one for key, one in value.items() if key not in _HIDDEN and _is_plain(one)}
    nested = {key: one for key, one in value.items() if key not in _HIDDEN and not _is_plain(one)}
    blocks = table((term("name", say), term("value", say)), [(term(k, say), number(v, say)) for k, v in flat.items()])
    if nested and all(isinstance(one, Mapping) and all(map(_is_plain, one.values())) for one in nested.values()):
        return blocks + _list([{"name": key, **one} for key, one in nested.items()], say)
    for key, one in nested.items():
        blocks += [Heading(term(key, say), min(level, 4)), *told(one, say, level=level + 1)]
    return blocks


def _list(values: list[Any], say: Tongue) -> list[Block]:
    if not all(isinstance(one, Mapping) for one in values):
        return [Paragraph("；".join(number(one, say) for one in values))] if values else []
    keys = list(dict.fromkeys(key for one in values for key in one if key not in _HIDDEN))
    named = any("zh" in one for one in values)
    chosen = [key for key in keys if not (named and key in ("id", "name"))][:MOST_COLUMNS]
    rows = [
        ((worded(one, say),) if named else ()) + tuple(number(one.get(key), say) for key in chosen) for one in values[:MOST_ROWS]
    ]
    columns = ((term("name", say),) if named else ()) + tuple(term(key, say) for key in chosen)
    more = len(values) - MOST_ROWS
    rest = [Paragraph(say(f"另有 {more} 行未列出。", f"{more} further rows are not shown."))] if more > 0 else []
    return table(columns, rows) + rest


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return False
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(not isinstance(one, Mapping | Sequence) or isinstance(one, str) for one in value) and len(value) <= 8
    return True
