"""Sections of the card that say how good the score is: measures, rivals, ceiling, calibration, stability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from registry.documents.document import Block, Heading, Paragraph, table
from registry.documents.tongue import Tongue
from training.cards import judged
from training.cards.about import Whole, pictures, simulated, unevaluated
from training.cards.figures import between, number, percent, term, worded
from training.cards.words import CALIBRATED, FOLDS, Pair, measure, part

QUALITY: Final[dict[str, Pair]] = {
    "lorenz": ("洛伦兹曲线：评分与单一输入基准", "Lorenz curves of the score and of the one-input baseline"),
    "lift": ("各十分位相对总体均值的提升", "lift by decile over the mean of all"),
    "double_lift": (
        "双提升图：两种预测分歧处谁更接近实际", "double lift: which prediction follows the outcome where the two disagree"
    ),
}
CALIBRATION: Final[dict[str, Pair]] = {
    "calibration": ("预测与实际，按十分位，含95%区间", "predicted and observed by decile, 95 % intervals"),
    "actual_to_expected": ("实际/预测，按十分位，含95%区间", "observed over predicted by decile, 95 % intervals"),
    "points": ("评分分布与等级分界", "distribution of scores and cut-points of the tiers"),
}


def performance(whole: Whole, say: Tongue) -> list[Block]:
    """Return every measure on every fold, the test period with intervals."""
    evaluation = whole["evaluation"]
    sections = dict(evaluation["components"]) | ({"score": evaluation["score"]} if "score" in evaluation else {})
    blocks: list[Block] = [Heading(say("指标", "Performance")), *simulated(whole, say), Paragraph(say(
        "区间由按企业成组的自助法得出；测试期晚于训练与验证期，中间留有间隔。",
        "Intervals come from a bootstrap by group (enterprise); the test period lies after train and valid, behind an embargo.",
    ))]
    for name, folds in sections.items():
        blocks += [Heading(part(name, say), 3), *_measures(folds, say), *_quintiles(folds, say)]
    return blocks + pictures(whole, say, QUALITY)


def _measures(folds: Mapping[str, Any], say: Tongue) -> list[Block]:
    names = list(dict.fromkeys(key for values in folds.values() for key, value in values.items() if isinstance(value, float)))
    intervals = (folds.get("test") or {}).get("intervals") or {}
    rows = [
        (measure(key, say), *(number((folds.get(fold) or {}).get(key), say) for fold in FOLDS), between(intervals.get(key), say))
        for key in names if key not in ("weight", "observed")
    ]
    columns = (say("指标", "measure"), *(say.of(pair) for pair in FOLDS.values()), say("95%区间（测试）", "95 % interval (test)"))
    return table(columns, rows)


def _quintiles(folds: Mapping[str, Any], say: Tongue) -> list[Block]:
    found = (folds.get("test") or {}).get("exposure_quintiles") or []
    rows = [
        (between((one["exposure_from"], one["exposure_to"]), say), number(one["rate"], say), number(one["lift_top_decile"], say),
         number(one["gini"], say))
        for one in found
    ]
    columns = (
        say("暴露量五分位", "quintile of exposure"), say("实际率", "rate"), say("最高十分位提升", "lift of the top decile"),
        measure("gini", say),
    )
    return table(columns, rows)


def rivals(whole: Whole, say: Tongue) -> list[Block]:
    """Return all baselines in one table per outcome, with a verdict each."""
    blocks: list[Block] = [Heading(say("基准比较", "Baselines"))]
    tables = list(rival_tables((whole.get("judgement") or {}).get("comparison") or {}))
    if not tables:
        return [*blocks, *unevaluated(whole, say), *_trivial(whole, say)]
    blocks += [*simulated(whole, say), Paragraph(say(
        "差值为评分减基准，区间由同一批测试行上的成对自助法得出；区间全在零以上为领先。五分位内为暴露量五分位内的加权平均。",
        "Difference: score minus rival, with an interval from a paired bootstrap on the same test rows; above zero as a whole "
        "means that the score beats the rival. Within quintiles: mean over quintiles of exposure.",
    ))]
    for found in tables:
        blocks += _rival_table(found, say)
    return blocks + pictures(whole, say, {"rivals": ("评分领先各基准的幅度", "how far the score is ahead of each rival")})


def rival_tables(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the tables of `training.judgement.comparison.compare` that lie anywhere in a document."""
    if isinstance(document, Mapping):
        if "rivals" in document and "measure" in document:
            yield document
            return
        for one in document.values():
            yield from rival_tables(one)
    elif isinstance(document, list):
        for one in document:
            yield from rival_tables(one)


def _rival_table(found: Mapping[str, Any], say: Tongue) -> list[Block]:
    name, ours = found["measure"], found["score"]
    rows = [(
        say(
            "评分", "the score"
        ), "-", number(ours["metrics"].get(name), say), "-", between((ours.get("intervals") or {}).get(name), say),
        "-", "-", "-",
    )]
    for one in found["rivals"]:
        pooled = _within(one.get("within") or {}).get("pooled") or {}
        rows.append((
            worded(one, say) + (
                " [A]" if one.get("assumed") else ""
            ), term(str(one.get("kind", "")), say), number(one["metrics"].get(name), say),
            number(one["overall"]["difference"], say), between(one["overall"].get("interval"), say),
            percent((one.get("deviance_saved") or {}).get("share")), term(str(one["overall"].get("verdict", "-")), say),
            term(str(pooled.get("verdict", "-")), say),
        ))
    columns = (
        say("基准", "rival"), say("种类", "kind"), measure(name, say), say("差值", "difference"), say("95%区间", "95 % interval"),
        say("节省的偏差", "deviance saved"), say("总体结论", "verdict overall"), say("五分位内结论", "verdict within quintiles"),
    )
    lost = found.get("not_beaten") or []
    told_lost = say(
        "未能领先：", "Not beaten: "
    ) + (say("、", ", ").join(f"`{one}`" for one in lost) or say("无", "none")) + say("。", ".")
    return [Heading(part(found["part"], say), 3), *table(columns, rows), Paragraph(told_lost, note=bool(lost))]


def _within(axes: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = axes.get("exposure") or next(iter(axes.values()), {})
    return found


def _trivial(whole: Whole, say: Tongue) -> list[Block]:
    rows = []
    for name, folds in whole["evaluation"]["components"].items():
        for key, one in ((folds.get("test") or {}).get("baselines") or {}).items():
            rows.append((part(name, say), f"`{key}`", number(one["deviance"], say), percent(one["saved_by_score"])))
    columns = (say(
        "部分", "part"
    ), say("简单基准", "trivial baseline"), measure("deviance", say), say("评分节省的偏差", "saved by the score"))
    return table(columns, rows)


def oracle(whole: Whole, say: Tongue) -> list[Block]:
    """Return how near the score is to the simulated truth and to what the observable inputs allow."""
    blocks: list[Block] = [Heading(say("真值与上限", "Oracle and ceiling"))]
    if not whole["data"]["simulated"]:
        return [*blocks, Paragraph(say("真实数据没有已知的真值。", "Real data have no known truth."))]
    found = whole.get("oracle")
    if not found:
        return [*blocks, *simulated(whole, say), *unevaluated(whole, say)]
    intro = say(
        "真值为模拟省份的真实强度；上限为可观测输入所能达到的估计。两者都只在模拟数据上存在。",
        "The oracle is the true intensity of the simulated province; the ceiling is an estimate of what the observable inputs "
        "allow. Both exist on simulated data only.",
    )
    return [*blocks, *simulated(whole, say), Paragraph(intro), *judged.oracle(found, say)]


def calibration(whole: Whole, say: Tongue) -> list[Block]:
    """Return the affine calibration of each component, and the bands."""
    rows = [
        (part(one["component"], say), number(one["n_trees"], say), number(one["slope"], say), number(one["intercept"], say),
         say(CALIBRATED.get(one["reason"], one["reason"]), one["reason"]), percent(one["isotonic_would_save"]))
        for one in whole["calibration"]
    ]
    columns = (
        say("部分", "component"), say("树数", "trees"), say("斜率", "slope"), say("截距", "intercept"), say("方法", "how"),
        say("等渗校准可再节省", "isotonic would save"),
    )
    return [
        Heading(say("校准", "Calibration")),
        Paragraph(say("边际值上的校准为仿射变换，因此各项贡献精确相加。",
                      "Calibration is affine on the margin, so contributions add up exactly.")),
        *table(columns, rows), *_bands(whole, say), *pictures(whole, say, CALIBRATION),
    ]


def _bands(whole: Whole, say: Tongue) -> list[Block]:
    blocks: list[Block] = []
    for name, curves in ((whole.get("curves") or {}).get("parts") or {}).items():
        rows = [
            (str(one["index"] + 1), number(one["expected"], say), number(one["actual"], say),
             number(one["actual"] / one["expected"], say), between((one["low"], one["high"]), say))
            for one in curves["bands"]
        ]
        columns = (
            say("十分位", "decile"), say("预测", "expected"), say("实际", "actual"), say("实际/预测", "actual / expected"),
            say("95%区间", "95 % interval"),
        )
        blocks += [Heading(part(name, say), 3), *table(columns, rows)]
    return blocks


def stability(whole: Whole, say: Tongue) -> list[Block]:
    """Return how the score holds over time."""
    found = (whole.get("judgement") or {}).get("stability")
    drawn = pictures(whole, say, {"periods": ("实际/预测，按截止时刻所在月份", "observed over predicted by month of the cut-off")})
    body = [*simulated(whole, say), *judged.stability(found, say)] if found else unevaluated(whole, say)
    return [Heading(say("稳定性", "Stability")), *body, *drawn]
