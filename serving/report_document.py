"""The report of a decision as a document for people: identity, score, reasons, price, exact sum, inputs, ledger, how to check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.documents.tongue import Language, Tongue
from registry.local_time import SHANGHAI
from serving.console.quantities import quantities
from serving.console.wording import number, signed

Content = Mapping[str, Any]
CHECK: Final = "roadrisk decision verify-report FILE --public-key ledger-verify.pem"
STRONGEST: Final = 20
"""So many contributions have a line of their own on paper; the attached report has all of them."""


def report_document(report: Mapping[str, Any], lang: Language) -> Document:
    """Return the document of a signed report in one language."""
    say, content = Tongue(lang), report["content"]
    sections = (_identity, _score, _reasons, _price, _sum, _inputs)
    blocks = [block for section in sections for block in section(content, say)]
    name = say(content["product_name"]["zh"], content["product_name"]["en"])
    footer = say("报告编号 ", "Report of ") + f"`{content['score_id']}`"
    return Document(
        f"{say('评分决定报告：', 'Report of a scoring decision: ')}{name}", lang,
        (*_head(report, say), *blocks, *_ledger(report, say), *_checking(say)), footer,
    )


def _head(report: Mapping[str, Any], say: Tongue) -> list[Block]:
    simulated = report["content"]["model"]["simulated"]
    notes: list[Block] = [Paragraph(say(
        "模拟数据训练的模型：不是对真实企业、车辆或驾驶员的陈述。",
        "Model trained on simulated data: no statement about real carriers, vehicles or drivers.",
    ), note=True)] if simulated else []
    if report["content"]["superseded_by"]:
        notes.append(Paragraph(
            say("该决定已被取代：", "This decision has been superseded by ") + f"`{report['content']['superseded_by']}`", note=True
        ))
    return notes


def _identity(content: Content, say: Tongue) -> list[Block]:
    rows = [
        (say("评分编号", "score id"), f"`{content['score_id']}`"),
        (say("对象（假名）", "entity (pseudonym)"), f"`{content['entity'] or '-'}`"),
        (say("决定时间", "decided at"), when(content["decided_at"])), (say("数据截至", "inputs as of"), when(content["as_of"])),
        (say("申请方", "asked by"), content["consumer"] or say("平台自身", "the platform")),
        (say("授权场景", "scenario"), content["scenario"] or "-"),
        (say("模型", "model"), f"{content['model']['name']} v{content['model_version']}"),
        (say("模型摘要", "digest of the model"), f"`{content['digest']}`"),
        (say("披露程度", "detail"), content["detail"]),
    ]
    if content["supersedes"]:
        rows.append((say("取代", "supersedes"), f"`{content['supersedes']}`"))
    return [Heading(say("身份与授权", "Identity and authorisation")), *table((say("项目", "item"), say("内容", "content")), rows)]


def _score(content: Content, say: Tongue) -> list[Block]:
    blocks: list[Block] = [Heading(say("评分结果", "Score"))]
    if content["outcome"]:
        blocks.append(Paragraph(say("预测内容：", "What is predicted: ") + say(content["outcome"]["zh"], content["outcome"]["en"])))
    if content["no_score"]:
        return [*blocks, Paragraph(say(content["no_score"]["zh"], content["no_score"]["en"]), note=True)]
    rows = [
        (say("评分（0 至 1000，越高风险越大）", "score (0 to 1000, higher is riskier)"), number(content["score"], 1)),
        (say("等级", "tier"), say(content["tier"]["zh"], content["tier"]["en"])),
        (say("同业百分位", "percentile among peers"), number(content["percentile"], 1)),
    ]
    rows += [
        (one.label, one.value + (say("（90% 区间 ", " (90 % interval ") + one.interval + say("）", ")") if one.interval else ""))
        for one in quantities(content, say.lang)
    ]
    return [*blocks, *table((say("项目", "item"), say("数值", "value")), rows)]


def _reasons(content: Content, say: Tongue) -> list[Block]:
    if not content["reasons"]:
        return []
    raises = {"raises": say("提高", "raises"), "lowers": say("降低", "lowers")}
    rows = [
        (one["code"], raises[one["direction"]], signed(one["contribution"], 1), say(one["zh"], one["en"]))
        for one in content["reasons"]
    ]
    advice = [say(one["remedy"]["zh"], one["remedy"]["en"]) for one in content["reasons"] if one["remedy"]]
    columns = (say("代码", "code"), say("方向", "direction"), say("分", "points"), say("理由", "reason"))
    blocks: list[Block] = [Heading(say("主要理由", "Main reasons")), *table(columns, rows)]
    if advice:
        blocks += [Paragraph(say("可以做的：", "What helps:")), *bullets(dict.fromkeys(advice))]
    groups = [(say(one["zh"], one["en"]), signed(one["points"], 2)) for one in content["groups"]]
    return [*blocks, *table((say("特征组", "group"), say("分", "points")), groups)]


def _price(content: Content, say: Tongue) -> list[Block]:
    if not content["factors"]:
        return []
    rows = [(say(one["zh"], one["en"]), number(one["factor"], 4), signed(one["amount"], 2)) for one in content["factors"]]
    rule = content["factor_rule"]
    columns = (say("因子", "factor"), say("相对系数", "relativity"), say("金额（元）", "amount (yuan)"))
    product = math.prod(one["factor"] for one in content["factors"])
    return [
        Heading(say("定价因子", "Price factors")), Paragraph(say(rule["zh"], rule["en"])), *table(columns, rows),
        Paragraph(say("各因子之积 ", "Product of the factors ") + repr(product)),
    ]


def _sum(content: Content, say: Tongue) -> list[Block]:
    whole = content["decomposition"]
    if whole is None:
        return []
    lines = whole["contributions"]
    own, rest = lines[:STRONGEST], lines[STRONGEST:]
    rows = [(say("基准分", "base"), "", number(whole["base"], 4))]
    rows += [(say(one["zh"], one["en"]), number(one["value"]), signed(one["points"], 4)) for one in own]
    if rest:
        total = math.fsum(one["points"] for one in rest)
        rows.append((say(f"其余 {len(rest)} 项", f"the other {len(rest)}"), "", signed(total, 4)))
    rows += [(say("量程修正", "clamp"), "", signed(whole["clamp"], 4)), (say("分值", "points"), "", number(whole["total"], 4))]
    error = abs(whole["base"] + math.fsum(one["points"] for one in lines) + (whole["clamp"] or 0.0) - whole["total"])
    columns = (say("特征", "input"), say("取值", "value"), say("分", "points"))
    return [
        Heading(say("精确分解", "Exact decomposition")), *table(columns, rows),
        Paragraph(say("核对：各项之和与分值之差 ", "Check: the sum differs from the points by ") + repr(error)),
    ]


def _inputs(content: Content, say: Tongue) -> list[Block]:
    rows = [
        (
            say(one["zh"], one["en"]), number(one["value"]), "" if one["unit"] == "1" else one["unit"],
            ", ".join(source["resource"] for source in one["sources"]),
        )
        for one in content["inputs"]
    ]
    columns = (say("输入", "input"), say("取值", "value"), say("单位", "unit"), say("数据资源", "resources"))
    return [Heading(say("输入数据", "Inputs")), *table(columns, rows)] if rows else []


def _ledger(report: Mapping[str, Any], say: Tongue) -> list[Block]:
    row, anchored = report["row"], report["anchored"]
    rows = [
        (say("账本行", "row of the ledger"), str(row["seq"])), (say("该行摘要", "digest of the row"), f"`{row['digest']}`"),
        (say("前一行摘要", "digest of the row before"), f"`{row['prev']}`"),
        (say("该行签名", "signature of the row"), f"`{row['anchor']['signature']}`"),
        (say("公钥指纹", "fingerprint of the public key"), f"`{row['anchor']['key']}`"),
        (say("出具时间", "report made at"), when(report["made_at"])),
    ]
    if anchored:
        seq, at = anchored["anchor"]["seq"], when(anchored["anchor"]["at"])
        rows.append((say("库外锚点", "anchored outside the database"), say(f"第 {seq} 行，{at}", f"row {seq}, {at}")))
    title = Heading(say("账本位置与签名", "Place in the ledger and signatures"))
    return [title, *table((say("项目", "item"), say("内容", "content")), rows)]


def _checking(say: Tongue) -> list[Block]:
    return [
        Heading(say("如何核验", "How to check this")),
        Paragraph(say(
            f"用平台公布的公钥，不联网运行：`{CHECK}`。它核对整份文件、内容的签名、账本行的摘要与签名。本文件附有机器可读的完整报告。",
            f"With the published public key, off line: `{CHECK}`. It checks the whole file, the signature of the content, and "
            "digest and signature of the ledger's row. The whole report is attached to this file in a form for machines.",
        )),
    ]


def when(instant: str) -> str:
    """Return an instant in the time of Shanghai."""
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S UTC+8")
