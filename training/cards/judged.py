"""How the documents of `training.judgement` and of the oracle study are shown; keys that are not known here are shown as they are.

A document of another form than expected is not lost: each function falls back to `training.cards.figures.told`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from registry.documents.document import Block, Heading, Paragraph, table
from registry.documents.tongue import Tongue
from registry.resources import RESOURCES
from training.cards.figures import between, number, percent, term, told, worded
from training.cards.words import Pair, measure

MOST_SHIFTED: Final = 15
QUESTIONS: Final[dict[str, Pair]] = {
    "beats_formulas": ("领先全部公开公式与单一输入", "beats every formula and single input"),
    "beats_glass_boxes": ("领先白盒模型", "beats the glass boxes"), "loses_to_none": ("不落后于任何基准", "loses to no rival"),
    "calibrated": (
        "已校准", "calibrated"
    ), "stable": ("稳定", "stable"), "balanced_segments": ("各细分均衡", "segments are balanced"),
    "no_proxy": ("评分不是敏感属性的代理", "the score is no proxy of a sensitive attribute"),
    "robust": ("对数据资源缺失稳健", "robust against missing sources"),
}
PASSED: Final[dict[Any, Pair]] = {True: ("是", "yes"), False: ("否", "no"), None: ("未检查", "not looked at")}
DISTURBANCES: Final[dict[str, Pair]] = {
    "missing": ("缺失", "missing"), "permuted": ("打乱", "permuted"), "stale": ("过期", "stale"),
}

Found = Mapping[str, Any]


def verdicts(judgement: Found, say: Tongue) -> list[Block]:
    """Return the questions that a reader asks first, with answer and reason."""
    found = judgement.get("verdicts") or []
    rows = [
        (say.of(QUESTIONS.get(one["name"]), one["name"]), say.of(PASSED[one["passed"]]), one["reason"])
        for one in found if one.get("passed", None) in PASSED
    ]
    columns = (say("问题", "question"), say("结论", "verdict"), say("理由", "reason"))
    return [Heading(say("评估结论", "Verdicts of the evaluation"), 3), *table(columns, rows)] if rows else []


def stability(found: Found, say: Tongue) -> list[Block]:
    """Return population stability of the score and its inputs, and the measures by month."""
    months = (found.get("over_time") or {}).get("months")
    if "score_psi" not in found or months is None:
        return told(found, say)
    shifted = sorted((found.get("input_csi") or {}).items(), key=lambda one: -(one[1] or 0.0))[:MOST_SHIFTED]
    felt = found.get("input_points") or {}
    name = found["over_time"].get("measure", "gini")
    rows = [
        (one["month"], term(one["fold"], say), number(one["n_events"], say), number(one.get("actual_to_expected"), say),
         between(
             one.get("actual_to_expected_interval"), say
         ), number(one.get(name), say), between(one.get(f"{name}_interval"), say),
         say("是", "yes") if one.get("in_sample") else say("否", "no"))
        for one in months
    ]
    columns = (
        say("月份", "month"), say("折", "fold"), say("事件数", "events"), say("实际/预测", "actual / expected"),
        say("95%区间", "95 % interval"), measure(name, say), say("95%区间", "95 % interval"), say("训练可见", "seen in training"),
    )
    return [
        Paragraph(say("评分的群体稳定性指数 PSI：", "Population stability index of the score: ") + number(found["score_psi"], say)
                  + say("；0.1 以上须关注，0.25 以上为偏移（假设 [A]）。",
                        "; above 0.1 worth a look, above 0.25 shifted (assumptions [A]).")),
        *table(columns, rows), Heading(say("输入的稳定性（偏移最大者）", "Stability of the inputs, those that moved most"), 3),
        *table(
            (say("输入", "input"), measure("csi", say), say("平均分变动", "shift of the mean score, points")),
            [(f"`{key}`", number(value, say), number(felt.get(key), say)) for key, value in shifted],
        ),
    ]


def segments(found: Found, say: Tongue) -> list[Block]:
    """Return score and error of every segment, one table per dimension."""
    dimensions = found.get("dimensions")
    if not isinstance(dimensions, Mapping):
        return told(found, say)
    name = found.get("measure", "gini")
    columns = (
        say("细分", "segment"), say("分组数", "groups"), say("事件数", "events"), say("平均分", "mean points"),
        say(
            "橙红占比", "orange or red"
        ), say("实际/预测", "actual / expected"), say("95%区间", "95 % interval"), measure(name, say),
        say("95%区间", "95 % interval"),
    )
    blocks: list[Block] = []
    for key, dimension in dimensions.items():
        rows = [_segment(one, name, say) for one in dimension["segments"]]
        blocks += [Heading(worded(dimension, say, key), 4), *table(columns, rows)]
    absent = [worded(one, say) for one in found.get("absent") or []]
    off = [str(one) for one in found.get("off_balance") or []]
    notes = [
        say("不均衡的细分：", "Off balance: ") + (say("；", "; ").join(off) or say("无", "none")),
        say("没有数据的维度：", "Dimensions without data: ") + (say("、", ", ").join(absent) or say("无", "none")),
    ]
    return [Paragraph(notes[0], note=bool(off)), *blocks, Paragraph(notes[1])]


def _segment(one: Found, name: str, say: Tongue) -> tuple[str, ...]:
    withheld = one.get("withheld")
    return (
        str(
            one["segment"]
        ), number(one.get("n_groups"), say), number(one.get("n_events"), say), number(one.get("mean_points"), say),
        percent(one.get("share_orange_or_red")), number(one.get("actual_to_expected"), say),
        str(withheld) if withheld else between(one.get("actual_to_expected_interval"), say), number(one.get(name), say),
        between(one.get(f"{name}_interval"), say),
    )


def proxies(found: Found, say: Tongue) -> list[Block]:
    """Return whether sensitive attributes can be told from the inputs and from the score."""
    attributes = found.get("attributes")
    if not isinstance(attributes, Mapping):
        return told(found, say)
    rows = [
        (worded(one, say, key), number(one.get("auc_inputs"), say), number(one.get("auc_score"), say),
         number(
             one.get("auc_inputs_without_carriers"), say
         ), say("、", ", ").join(f"`{c['input']}`" for c in one.get("carriers") or [])[:90],
         percent(one.get("carriers_share_of_score")), term(str(one.get("verdict", "-")), say))
        for key, one in attributes.items()
    ]
    columns = (
        say("属性", "attribute"), say("由全部输入推断 AUC", "AUC of all inputs"), say("由评分推断 AUC", "AUC of the score"),
        say(
            "去除载体后", "without carriers"
        ), say("载体输入", "carriers"), say("载体占评分", "their share of the score"), say("结论", "verdict"),
    )
    reading = say(
        "AUC 0.5 表示无法推断。评分能推断某属性并不等于不公平：各组风险不同时，正确的评分也不同，须与各细分的实际/预测一起阅读。",
        str(found.get("reading") or ""),
    )
    return [*table(columns, rows), *([Paragraph(reading)] if reading else [])]


def robustness(found: Found, say: Tongue) -> list[Block]:
    """Return how far the score moves when a source is missing, stale or shuffled."""
    sources = found.get("sources")
    if not isinstance(sources, Mapping):
        return told(found, say)
    name = found.get("measure", "gini")
    rows = [
        (_resource(key, say), say.of(pair), number(one[kind].get("p95_abs_move"), say), number(one[kind].get("mean_move"), say),
         percent(one[kind].get("tier_changes")), number(one[kind].get("change"), say), percent(one[kind].get("grey")))
        for key, one in sources.items() for kind, pair in DISTURBANCES.items() if one.get(kind)
    ]
    columns = (
        say("数据资源", "source"), say("扰动", "disturbance"), say("变动95分位（分）", "95th percentile of moves, points"),
        say("平均变动（分）", "mean move, points"), say("等级改变", "tier changes"), measure(name, say) + say(" 变化", " change"),
        say("灰", "grey"),
    )
    base = found.get("baseline") or {}
    fragile = say("、", ", ").join(_resource(one, say) for one in found.get("fragile") or [])
    told_base = say(
        "覆盖率 ", "Coverage "
    ) + percent(base.get("coverage")) + say("，灰色占比 ", ", share of grey ") + percent(base.get("grey"))
    return [
        Paragraph(told_base + say("。", ".")), *table(columns, rows),
        Paragraph(say(
            "缺失时变动很大的资源：", "Sources whose absence moves the score far: "
        ) + (fragile or say("无", "none")), note=bool(fragile)),
        *_unseen(found.get("unseen_categories"), say),
    ]


def _unseen(found: Any, say: Tongue) -> list[Block]:
    return [Heading(say("未见过的类别", "Unseen categories"), 3), *told(found, say, level=4)] if found else []


def oracle(found: Found, say: Tongue) -> list[Block]:
    """Return model, ceiling and oracle per metric, with their ratios."""
    metrics = found.get("metrics")
    if not isinstance(metrics, Mapping) or not all(isinstance(one, Mapping) and "oracle" in one for one in metrics.values()):
        return told(found, say)
    rows = [
        (measure(
            key, say
        ), number(one.get("model"), say), number(one.get("ceiling_low"), say), number(one.get("ceiling_high"), say),
         number(one["oracle"], say), percent(one.get("ratio_to_ceiling")), between(one.get("interval"), say),
         percent(one.get("ratio_to_ceiling_high")), percent(one.get("ratio_to_oracle")))
        for key, one in metrics.items()
    ]
    columns = (
        say("指标", "measure"), say("评分", "model"), say("上限（低估计）", "ceiling, low"), say("上限（高估计）", "ceiling, high"),
        say("真值", "oracle"), say(
            "评分/低上限", "model / low ceiling"
        ), say("95%区间", "95 % interval"), say("评分/高上限", "model / high ceiling"),
        say("评分/真值", "model / oracle"),
    )
    rest = {key: one for key, one in found.items() if key not in ("metrics", "simulated", "product", "digest", "study")}
    return [*table(columns, rows), *told(rest, say)]


def segments_found(found: Any, say: Tongue) -> list[dict[str, Any]]:
    """Return the segments that a picture can show: name, ratio and interval."""
    dimensions: Mapping[str, Any] = (found or {}).get("dimensions") or {}
    return [
        {"name": f"{worded(dimension, say, key)}  {one['segment']}", "ratio": one[
            "actual_to_expected"
        ], "low": pair[0], "high": pair[1]}
        for key, dimension in dimensions.items() for one in dimension["segments"]
        if (pair := _interval(one)) is not None and one.get("actual_to_expected") is not None
    ]


def _interval(one: Found) -> Sequence[float] | None:
    found = one.get("actual_to_expected_interval")
    return found if found and None not in found else None


def _resource(key: str, say: Tongue) -> str:
    return say(RESOURCES[key].zh, RESOURCES[key].en) if key in RESOURCES else f"`{key}`"
