"""登记表: what the operating institution fills in for a product, and the department for a resource, on the registration platform.

Which fields the platform (省公共数据资源登记平台) asks for was not found; these are the ones that ledgers and declarations can
fill, and the form says so. [A]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from registry.documents.document import Block, Document, Heading, Paragraph, bullets, table
from registry.governance.sourced import LEGEND, TO_FILL, assumed, evidence, plan, unverified
from registry.governance.wording import CYCLES, KINDS, SENSITIVITIES, SUPPLIERS, day, when
from registry.products import PRODUCTS
from registry.resources import RESOURCES

if TYPE_CHECKING:
    from registry.access.rules import AccessRules
    from registry.data_products import DataProduct
    from registry.governance.facts import Facts
    from registry.promotion import Promotion
    from registry.resources.schema import Resource

TITLE: Final = "数据产品登记表"


def product_registration(facts: Facts) -> Document:
    """Return the registration form of a scenario's product, and of each resource behind it."""
    blocks: list[Block] = [
        Paragraph(LEGEND, note=True),
        Paragraph(plan("开发形成的数据产品和服务须在省公共数据资源登记平台登记；数据资源由省交通运输厅登记。", "四（四）6")),
        Paragraph(assumed("登记平台的正式表单未取得，下列栏目供填报时引用，以平台表单为准。"), note=True),
        *_product(facts), Heading("三、所用数据资源"),
    ]
    for one in facts.resources:
        blocks += _resource(one)
    return Document(f"{TITLE}：{facts.product.zh}", "zh", tuple(blocks), footer=f"生成时间 {when(facts.at)}")


def product_rows(product: DataProduct, rules: AccessRules, promotion: Promotion | None) -> list[tuple[str, object]]:
    """Return the fields of a product's registration with what is known of each."""
    scored, own = PRODUCTS.get(product.id), sum(RESOURCES[one].no is not None for one in product.resources)
    return [
        ("产品名称", product.zh), ("附件2序号", product.no), ("登记编号", TO_FILL), ("运营机构", rules.handler_zh),
        ("统一社会信用代码", TO_FILL), ("联系方式", rules.contact),
        ("服务方式", "接口（按请求评分）与批量文件" if scored else TO_FILL),
        ("输出", scored.outcome_zh if scored else TO_FILL),
        ("评价对象", {"vehicle": "车辆", "enterprise": "企业"}.get(scored.entity, scored.entity) if scored else TO_FILL),
        ("在用版本", f"v{promotion.version}（{promotion.digest[:16]}）" if promotion else "尚未上线"),
        ("上线时间", day(promotion.at) if promotion else "—"),
        ("所用资源", f"附件1 {own} 项，其他来源 {len(product.resources) - own} 项"),
        ("用于产业、行业发展", price_words(product.id, rules)), ("用于公共治理、公益事业", _free(rules)),
    ]


def _product(facts: Facts) -> list[Block]:
    tested = [
        ("数据安全", "密钥与场景逐次核对；台账可核验"), ("功能合规", _gates(facts)), ("性能稳定", TO_FILL), ("服务可用", TO_FILL),
    ]
    rows = [*product_rows(facts.product, facts.rules, facts.promotion), ("本场景服务对象", facts.consumer.zh)]
    return [
        Heading("一、产品"),
        *table(("栏目", "内容"), rows),
        Heading("二、测试结论"),
        *table(("要求", "结论或证据"), tested),
        *bullets([plan("测试结果须符合“数据安全、功能合规、性能稳定、服务可用”要求。", "四（四）5"),
                  unverified("登记适用《公共数据资源登记管理暂行办法》（发改数据规〔2025〕26号），条文未查阅。")]),
    ]


def _resource(one: Resource) -> list[Block]:
    kept = [column for column in one.columns if column.sensitivity in ("public", "business", "location")]
    shown = sorted({SENSITIVITIES[column.sensitivity] for column in one.columns})
    number = f"附件1第{one.no}项" if one.no else "不在附件1"
    return [
        Heading(f"{one.zh}（{number}）", level=3),
        *table(("栏目", "内容"), [
            ("提供方", SUPPLIERS[one.supplier]), ("供给方式", "接口" if one.no else "—"), ("更新周期", CYCLES[one.cycle]),
            ("字段数", f"{len(one.columns)}，其中 {len(kept)} 项以明值入库"), ("敏感性", "、".join(shown)),
            ("声明来源", evidence(one.evidence) + ("；为简表" if one.brief else "")),
        ]),
    ]


def price_words(product: str, rules: AccessRules) -> str:
    """Return what paid calls of a product cost, in words, with the source of the prices."""
    prices = rules.prices.get(product, rules.prices.get("*", {}))
    words = "，".join(f"{KINDS.get(kind, kind)} {price} 元/次" for kind, price in prices.items())
    return assumed(words) if rules.price_source == "[A]" else f"{words}（{rules.price_source}）"


def _free(rules: AccessRules) -> str:
    return plan("免费", "四（四）7") if rules.publicly_free else TO_FILL


def _gates(facts: Facts) -> str:
    if facts.promotion is None or not facts.promotion.gates:
        return TO_FILL
    said = facts.promotion.gates
    return f"发布时核对 {len(said)} 道关口：" + "，".join(f"{name} {verdict}" for name, verdict in sorted(said.items()))
