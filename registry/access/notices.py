"""What individual operators and drivers are told before a product judges them: derived from the product's declaration.

An enterprise's score is no personal information; that of an individual operator (个体) or of a driver is. PIPL Art. 24 asks for
transparency and lets a person refuse a decision made by automated means alone, Arts. 28 and 29 ask for necessity and separate
consent where tracks of movement are used. [F1] That a notice names handler, purpose, kinds, retention and rights is Art. 17. [G]
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from registry.access.rules import AccessRules
from registry.data_products import DATA_PRODUCTS, DataProduct
from registry.errors import NotFound
from registry.resources import RESOURCES

TRACKS: Final = frozenset({"vehicle_location", "vehicle_day", "driving_hour"})
"""Resources that say where somebody was: 行踪轨迹 of PIPL Art. 28. [F1]"""
RETENTION_YEARS: Final = 3
"""PIPL Art. 56 and 网络数据安全管理条例 Art. 12 ask for at least as long. [F1]"""
SOURCES: Final = ("PIPL Art. 17 [G]", "PIPL Art. 24 [F1]", "PIPL Art. 28 [F1]", "PIPL Art. 29 [F1]", "PIPL Art. 46 [F1]",
                  "PIPL Art. 48 [F1]", "PIPL Art. 56 [F1]")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a person is told about one product.

    Parameters
    ----------
    product, zh, en
        The product and the two texts.
    resources
        Ids of the resources that it draws on.
    separate_consent
        Whether tracks of movement are among them, so that a separate consent is needed.
    version
        First signs of the SHA-256 over both texts: what was shown to whom is recorded by it.
    sources
        The articles behind it, each with how well it is sourced.
    """

    product: str
    zh: str
    en: str
    resources: tuple[str, ...]
    separate_consent: bool
    version: str
    sources: tuple[str, ...] = SOURCES


def notice_of(product_id: str, rules: AccessRules) -> Notice:
    """Return the notice of a product of Annex 2.

    Raises
    ------
    NotFound
        If there is no such product.
    """
    if product_id not in DATA_PRODUCTS:
        raise NotFound(f"no product {product_id!r}", where="notices", remedy=f"Products are: {', '.join(DATA_PRODUCTS)}.")
    product = DATA_PRODUCTS[product_id]
    consent = bool(TRACKS.intersection(product.resources))
    zh, en = _zh(product, rules, consent=consent), _en(product, rules, consent=consent)
    version = hashlib.sha256(f"{zh}\n{en}".encode()).hexdigest()[:12]
    return Notice(product=product_id, zh=zh, en=en, resources=product.resources, separate_consent=consent, version=version)


def _zh(product: DataProduct, rules: AccessRules, *, consent: bool) -> str:
    names = "、".join(RESOURCES[one].zh for one in product.resources)
    lines = [
        f"《{product.zh}》自动化决策告知书",
        f"处理者：{rules.handler_zh}。联系方式：{rules.contact}。",
        f"目的：{product.zh}。方式：由模型依据下列数据自动计算风险分值、等级与理由，可能影响您获得的价格或其他条件。",
        f"数据种类：{names}。",
    ]
    if consent:
        lines.append("其中包含行踪轨迹，属敏感个人信息（个人信息保护法第二十八条），处理前需取得您的单独同意（第二十九条），您可以撤回。")
    lines += [
        f"保存：评分记录及处理记录保存不少于{RETENTION_YEARS}年（第五十六条）。",
        "您的权利：要求对评分予以说明，拒绝仅通过自动化决策的方式作出的决定（第二十四条）；请求更正数据（第四十六条）；要求解释处理规则（第四十八条）。",
        f"行使方式：凭评分编号提出异议或人工复核，我们在{rules.review_working_days}个工作日内由人工答复。",
    ]
    return "\n".join(lines)


def _en(product: DataProduct, rules: AccessRules, *, consent: bool) -> str:
    names = ", ".join(RESOURCES[one].en for one in product.resources)
    lines = [
        f"Notice of automated decision making: {product.en}",
        f"Handler: {rules.handler_en}. Contact: {rules.contact}.",
        f"Purpose: {product.en}. A model computes a risk score, a tier and reasons from the data below.",
        "It may affect the price or other terms that you are offered.",
        f"Data: {names}.",
    ]
    if consent:
        lines.append(
            "They include tracks of movement, which are sensitive personal information (PIPL Art. 28) and need your separate "
            "consent (Art. 29), which you may withdraw."
        )
    lines += [
        f"Retention: records of scores and of processing are kept for at least {RETENTION_YEARS} years (Art. 56).",
        "Your rights: an explanation of the score; to refuse a decision made by automated means alone (Art. 24);",
        "correction of data (Art. 46); explanation of the rules of processing (Art. 48).",
        "How: object or ask for human review by the id of the score;",
        f"a person answers within {rules.review_working_days} working days.",
    ]
    return "\n".join(lines)
