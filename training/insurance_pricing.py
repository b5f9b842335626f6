"""Training of the pricing score: Poisson frequency times Gamma severity on the motor line."""

from __future__ import annotations

from typing import Final

from features.build import TIMESTAMP
from features.insurance_pricing import LARGE_LOSS_CNY, PRODUCT, SLICE_D
from registry.entities import ENTERPRISE
from registry.products import INSURANCE_PRICING
from training.product import ProductTraining
from training.task import ComponentTask, TrainingTask
from training.windows import Windows

TRAINING: Final = ProductTraining(
    task=TrainingTask.of_product(
        INSURANCE_PRICING,
        features=PRODUCT.features,
        components=(
            ComponentTask(name="frequency", objective="poisson", target="n_claims", exposure="exposure_year"),
            ComponentTask(
                name="severity", objective="gamma", target="mean_claim_cny", weight="n_claims", at_risk="has_claim"
            ),
        ),
        group=ENTERPRISE.id_column,
        time=TIMESTAMP,
        baseline="distance_km_90d",
        amount="claim_cny",
        currency="CNY",
        purpose="Give an insurer the relativity of a vehicle's burning cost to its portfolio, factor by factor.",
        limits=(
            "Motor line only; cargo and carrier's liability have their own claims and need their own components.",
            f"Amounts are cut at {LARGE_LOSS_CNY:,.0f} yuan; a loading for large losses is the insurer's.",
            "The insured's own claims history (NCD) is kept out, so that it is not counted twice.",
            "Individual operators are persons: prices for them need notice and human review (PIPL Art. 24).",
        ),
    ),
    windows=Windows(test_d=150, embargo_d=SLICE_D),
    max_rows=120_000,
)
