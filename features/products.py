"""What each scored product takes from this floor, by product id."""

from __future__ import annotations

from typing import Final

from features import driver_fatigue, enterprise_risk, insurance_pricing, maintenance
from features.product import ProductFeatures

PRODUCT_FEATURES: Final[dict[str, ProductFeatures]] = {
    product.id: product
    for product in (enterprise_risk.PRODUCT, insurance_pricing.PRODUCT, maintenance.PRODUCT, driver_fatigue.PRODUCT)
}
