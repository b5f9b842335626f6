"""Sections of the card that say what the score is: summary, uses, data, label, inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.documents.document import Block, Heading, Paragraph, Picture, bullets, table
from registry.documents.tongue import Tongue
from registry.feature_spec import GROUPS
from registry.products import PRODUCTS
from registry.resources import RESOURCES
from training.cards import judged
from training.cards.figures import between, number, term
from training.cards.words import (
    ENTITIES,
    FOLDS,
    NEVER,
    SIMULATED,
    USES,
    Pair,
    monotone_reason,
    part,
)
from training.cards.words import measure as measure_words

Whole = Mapping[str, Any]
DIRECTIONS: Final[dict[int, Pair]] = {1: ("升", "rises"), -1: ("降", "falls"), 0: ("不限", "free")}
SENSITIVITIES: Final[dict[str, Pair]] = {
    "public": (
        "公开", "public"
    ), "business": ("经营", "business"), "location": ("位置", "location"), "personal": ("个人", "personal"),
}
HEADLINES: Final = ("auc", "gini", "d2", "balance")


def unevaluated(whole: Whole, say: Tongue) -> list[Block]:
    """Return the note that stands where nothing has been found out yet."""
    return [Paragraph(say(
        f"尚未评估：请运行 `roadrisk evaluate {whole['product']}`。",
        f"Not evaluated yet: run `roadrisk evaluate {whole['product']}`."
    ), note=True)]


def simulated(whole: Whole, say: Tongue) -> list[Block]:
    """Return the note that the figures are simulated, where they are."""
    return [Paragraph(say.of(SIMULATED), note=True)] if whole["data"]["simulated"] else []


def summary(whole: Whole, say: Tongue) -> list[Block]:
    """Return what a reader with one minute needs."""
    live = {True: say("是", "yes"), False: say("否", "no")}.get(whole.get("live"), say("未登记", "not registered"))  # type: ignore[arg-type]
    rows = [
        (say("产品", "product"), f"`{whole['product']}` {say(whole['zh'], whole['en'])}"),
        (say("版本", "version"), number(whole.get("version"), say)),
        (say("在用", "live"), live),
        (say("模型包摘要（SHA-256）", "bundle digest (SHA-256)"), f"`{whole['digest']}`"),
        (say("数据截止", "data cut"), str(whole["data"].get("data_cut") or "-")),
        (say("随机种子", "seed"), str(whole["seed"])),
    ]
    if again := whole.get("supplement"):
        rows.append((
            say("登记后重新测量", "measured again since registration"),
            f"{_day(again['at'])}: {', '.join(again['parts'])}"
            + say("；登记时的模型卡不变", "; the card of registration stays as it was"),
        ))
    return [
        Heading(say("概要", "Summary")), *simulated(whole, say), *table((say("项目", "item"), say("内容", "content")), rows),
        *_headline(whole, say), *judged.verdicts(whole.get("judgement") or {}, say),
    ]


def _headline(whole: Whole, say: Tongue) -> list[Block]:
    evaluation = whole.get("evaluation") or {}
    sections = dict(evaluation.get("components") or {}) | ({"score": evaluation["score"]} if "score" in evaluation else {})
    rows = []
    for name, folds in sections.items():
        test = folds.get("test") or {}
        rows += [
            (part(name, say), measure_words(key, say), number(test[key], say), between((test.get("intervals") or {}).get(key), say))
            for key in HEADLINES if isinstance(test.get(key), float)
        ]
    columns = (say("部分", "part"), say("指标", "measure"), say("测试期", "test period"), say("95%区间", "95 % interval"))
    return table(columns, rows)


def purpose(whole: Whole, say: Tongue) -> list[Block]:
    """Return what the score is for and what it must not be used for."""
    uses = USES.get(whole["product"])
    english = str(whole.get("purpose") or f"{whole['en']}")
    blocks: list[Block] = [
        Heading(
            say("用途与禁止用途", "Purpose and prohibited uses")
        ), Paragraph(say(uses.purpose_zh if uses else english, english)),
    ]
    if uses:
        blocks += [Heading(say("适用", "For"), 3), *bullets(say.of(pair) for pair in uses.allowed)]
    prohibited = (*(uses.prohibited if uses else ()), *NEVER)
    return [*blocks, Heading(say("禁止", "Prohibited"), 3), *bullets(say.of(pair) for pair in prohibited)]


def data(whole: Whole, say: Tongue) -> list[Block]:
    """Return where the rows come from: windows, hashes, code, environment."""
    found, windows = whole["data"], whole["windows"]
    folds = [
        (say.of(FOLDS[fold]), number(found["rows"].get(fold, 0), say), _day(windows[fold][0]), _day(windows[fold][1]))
        for fold in ("train", "valid", "test")
    ]
    return [
        Heading(say("数据", "Data")), *simulated(whole, say),
        *table((
            say("折", "fold"), say("行数", "rows"), say("首个截止时刻", "first cut-off"), say("末个截止时刻", "last cut-off")
        ), folds),
        Heading(say("来历", "Provenance"), 3),
        *table((say("项目", "item"), say("内容", "content")), _provenance(whole, say)),
        *_tables(found.get("record") or {}, say),
    ]


def _provenance(whole: Whole, say: Tongue) -> list[tuple[str, str]]:
    found, code = whole["data"], whole.get("code") or {}
    record = found.get("record") or {}
    unknown = say("未记录", "not recorded")
    return [
        (say("特征快照", "feature snapshot"), f"`{found['snapshot']}`"),
        (say("数据仓库", "warehouse"), f"`{record['warehouse']}`" if record.get("warehouse") else unknown),
        (say(
            "特征定义摘要", "digest of feature definitions"
        ), f"`{whole['features_digest']}`" if whole.get("features_digest") else unknown),
        (say("代码版本", "code version"), code.get("version") or unknown),
        (say("代码摘要", "digest of the code"), f"`{code['digest']}`" if code.get("digest") else unknown),
        (say("随机种子", "seed"), str(whole["seed"])),
    ]


def _tables(record: Mapping[str, Any], say: Tongue) -> list[Block]:
    rows = [(f"`{name}`", number(rows, say), f"`{digest[:16]}`") for name, (rows, digest) in (record.get("tables") or {}).items()]
    return table((say("特征表", "feature table"), say("行数", "rows"), "SHA-256"), rows)


def label(whole: Whole, say: Tongue) -> list[Block]:
    """Return what is predicted."""
    product = PRODUCTS.get(whole["product"])
    outcome = say(product.outcome_zh, product.outcome_en) if product else str(whole.get("outcome") or "-")
    rows = [(say("结果", "outcome"), outcome)]
    if product:
        horizon = say(
            "见结果说明", "as the outcome says"
        ) if product.horizon_d is None else say(f"{product.horizon_d} 天", f"{product.horizon_d} days")
        rows += [
            (say("评分对象", "entity"), say.of(ENTITIES.get(product.entity), product.entity)), (say("预测期", "horizon"), horizon),
            (say("暴露量单位", "unit of exposure"), f"`{product.exposure_unit}`"), (say("回答", "answer"), f"`{product.answer}`"),
        ]
    rule = say(
        "标签只取截止时刻之后、已过报告期的结果；特征只取截止时刻之前已经到达的数据。",
        "Labels are outcomes after the cut-off whose reporting lag has passed; inputs are what had arrived before it.",
    )
    return [Heading(say("标签", "Label")), *table((say("项目", "item"), say("内容", "content")), rows), Paragraph(rule)]


def features(whole: Whole, say: Tongue) -> list[Block]:
    """Return every input with group, direction, its reason and its weight in the score."""
    importance = whole.get("importance") or {}
    inputs = sorted(whole["features"], key=lambda one: (-importance.get(one["name"], 0.0), one["name"]))
    rows = [
        (
            f"`{one['name']}`", say(one["zh"], one["en"]), say.of(GROUPS.get(one["group"]), one["group"]), one["unit"],
            say.of(DIRECTIONS[one["monotone"]]), say.of(SENSITIVITIES.get(one["sensitivity"]), one["sensitivity"]),
            number(round(importance.get(one["name"], 0.0), 3), say),
        )
        for one in inputs
    ]
    columns = (
        say("输入", "input"), say("含义", "meaning"), say("组", "group"), say("单位", "unit"), say("方向", "direction"),
        say("敏感级别", "sensitivity"), say("平均影响（分）", "mean effect, points"),
    )
    return [
        Heading(say("特征", "Inputs")),
        Paragraph(say(
            f"共 {len(rows)} 个输入，按对评分的平均影响排序。", f"{len(rows)} inputs, ordered by their mean effect on the score."
        )),
        *table(columns, rows), *_directions(whole, say), *_dictionary(whole, say), *_sources(whole, say),
        *pictures(whole, say, SHAP),
    ]


def _dictionary(whole: Whole, say: Tongue) -> list[Block]:
    found = whole.get("reasons")
    if not found:
        return []
    return [Paragraph(say(
        f"理由词典版本 `{found['version']}`：{found['inputs']} 个输入归入 {found['codes']} 个代码，均有两个方向的中英文表述。",
        f"Reason dictionary `{found['version']}`: {found['inputs']} inputs under {found['codes']} codes, each worded in both "
        "languages and for both directions.",
    ))]


def _directions(whole: Whole, say: Tongue) -> list[Block]:
    reasons: dict[str, list[str]] = {}
    for one in whole["features"]:
        if one["monotone"]:
            reasons.setdefault(one["monotone_reason"], []).append(f"`{one['name']}`")
    rows = [(monotone_reason(reason, say), say("、", ", ").join(names)) for reason, names in reasons.items()]
    columns = (say("方向的理由", "reason of the direction"), say("输入", "inputs"))
    return [Heading(say("方向的理由", "Reasons of the directions"), 3), *table(columns, rows)] if rows else []


def _sources(whole: Whole, say: Tongue) -> list[Block]:
    product = PRODUCTS.get(whole["product"])
    if product is None:
        return []
    names = [say(RESOURCES[one].zh, RESOURCES[one].en) if one in RESOURCES else one for one in product.mandatory]
    return [Paragraph(say("必需的数据资源：", "Mandatory resources: ") + say("、", ", ").join(names) + say("。", "."))]


SHAP: Final[dict[str, Pair]] = {
    "shap_bar": ("各输入的平均绝对影响（精确 SHAP 值，分）", "mean absolute effect of the inputs (exact SHAP values, points)"),
    "shap_beeswarm": (
        "各输入对单个评分的影响：每点一行，颜色为取值高低，灰色为缺失或类别",
        "effect of the inputs on single scores: one dot per row, colour for the value, grey for missing values and categories",
    ),
    "shap_dependence": ("主要输入的影响随取值的变化", "effect of the main inputs against their value"),
}


def pictures(whole: Whole, say: Tongue, captions: Mapping[str, Pair]) -> list[Block]:
    """Return the pictures of these kinds that have been drawn."""
    drawn: Mapping[str, str] = whole.get("pictures") or {}
    tail = say("（模拟数据）", " (simulated data)") if whole["data"]["simulated"] else ""
    return [Picture(drawn[kind], say.of(pair) + tail) for kind, pair in captions.items() if kind in drawn]


def _day(moment: str) -> str:
    return term(moment[:10], Tongue("en")) if moment else "-"
