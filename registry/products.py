"""The products that answer with a score. All 13 products of Annex 2 are in `registry.data_products`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from registry.errors import NotFound

Answer = Literal["rate", "probability", "hazard", "pure_premium"]

ENTERPRISE_HORIZON_D: Final = 180
MAINTENANCE_HORIZON_D: Final = 90


@dataclass(frozen=True, kw_only=True)
class ScoreProduct:
    """A product whose answer is a score.

    Parameters
    ----------
    id, no, zh, en
        Identifier, number in Annex 2 and wording.
    entity
        Id of the entity that is scored (`registry.entities`).
    outcome_zh, outcome_en
        What is predicted, in words.
    answer
        rate: expected events per exposure; probability: of one event; hazard: probabilities within several horizons;
        pure_premium: frequency times severity.
    exposure_unit
        Key of `registry.units.UNITS`.
    horizon_d
        Length of the outcome window in days; None where it is shorter than a day, as the outcome's words then say.
    mandatory
        Resources without which there is no score (grey). [A]
    min_coverage
        Least share of inputs that must be present. [A]
    tier_shares
        Shares of the reference population that are (red, orange, yellow). [A]
    """

    id: str
    no: int
    zh: str
    en: str
    entity: str
    outcome_zh: str
    outcome_en: str
    answer: Answer
    exposure_unit: str
    horizon_d: int | None
    mandatory: tuple[str, ...]
    min_coverage: float = 0.5
    tier_shares: tuple[float, float, float] = (0.05, 0.15, 0.30)


ENTERPRISE_RISK: Final = ScoreProduct(
    id="enterprise_risk", no=1, zh="道路运输企业风险画像", en="road-transport enterprise risk portrait",
    entity="enterprise",
    outcome_zh="未来180天每车年的事故与严重执法结果次数",
    outcome_en="accidents and serious enforcement outcomes per vehicle-year in the next 180 days",
    answer="rate", exposure_unit="vehicle_year", horizon_d=ENTERPRISE_HORIZON_D,
    mandatory=("operator_basic", "vehicle_transport_permit"),
)
INSURANCE_PRICING: Final = ScoreProduct(
    id="insurance_pricing", no=2, zh="道路运输保险智能定价", en="road-transport insurance pricing",
    entity="vehicle",
    outcome_zh="每已赚车年的赔付成本（频率×案均）", outcome_en="claims cost per earned vehicle-year (frequency x severity)",
    answer="pure_premium", exposure_unit="vehicle_year", horizon_d=365,
    mandatory=("vehicle_basic", "vehicle_transport_permit"),
)
MAINTENANCE: Final = ScoreProduct(
    id="maintenance", no=9, zh="车辆智能维保服务", en="vehicle maintenance prediction",
    entity="vehicle",
    outcome_zh="7/30/90天内抛锚或检测不合格", outcome_en="breakdown or failed inspection within 7, 30 and 90 days",
    answer="hazard", exposure_unit="d", horizon_d=MAINTENANCE_HORIZON_D,
    mandatory=("vehicle_basic", "vehicle_inspection"),
)
DRIVER_FATIGUE: Final = ScoreProduct(
    id="driver_fatigue", no=13, zh="司机健康管理与关怀服务", en="driver health and fatigue care",
    entity="vehicle",
    outcome_zh="下一驾驶小时内的疲劳事件", outcome_en="fatigue event in the next driving hour",
    answer="probability", exposure_unit="h", horizon_d=None,
    mandatory=("driving_hour",),
)

PRODUCTS: Final[dict[str, ScoreProduct]] = {
    product.id: product for product in (ENTERPRISE_RISK, INSURANCE_PRICING, MAINTENANCE, DRIVER_FATIGUE)
}


def product_named(product_id: str) -> ScoreProduct:
    """Return the product with this identifier.

    Raises
    ------
    NotFound
        If no scored product has it.
    """
    if product_id not in PRODUCTS:
        raise NotFound(
            f"no product {product_id!r}", where="products", remedy=f"Scored products are: {', '.join(PRODUCTS)}."
        )
    return PRODUCTS[product_id]
