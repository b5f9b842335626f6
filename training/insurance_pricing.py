"""Training of the pricing score: Poisson frequency times Gamma severity, motor first and two side lines beside it."""

from __future__ import annotations

from typing import Final

from features.build import TIMESTAMP
from features.insurance_pricing import LINES, MOTOR, PRODUCT, SLICE_D, LineLabels
from registry.bundle import Band
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import INSURANCE_PRICING
from training.fit import BRISK, CAUTIOUS
from training.product import ProductTraining
from training.task import ComponentTask, LineTask, TrainingTask
from training.windows import Windows

MOTOR_FREQUENCY: Final = {**BRISK, "extra_trees": True, "feature_fraction": 0.5, "n_trees": 480, "together": True}
"""Cuts drawn by chance, the best of them taken: less to remember in a claim count, so more inputs may stand for each tree."""
BAND: Final = Band(low=0.5, high=1.5)
"""Permitted band of the insurer's own pricing coefficient (自主定价系数). [G: reported by trade pages, not by a text read]"""


def _components(line: LineLabels) -> tuple[ComponentTask, ComponentTask]:
    beside, weight = (None, 1.0) if line is MOTOR else (line.id, 0.0)
    return (
        ComponentTask(
            name="frequency" + line.suffix, objective="poisson", target=line.claims, exposure=line.exposure,
            at_risk=line.insured, line=beside, score_weight=weight, parameters=MOTOR_FREQUENCY if line is MOTOR else CAUTIOUS,
        ),
        ComponentTask(
            name="severity" + line.suffix, objective="gamma", target=line.mean_claim, weight=line.claims,
            at_risk=line.has_claim, line=beside, score_weight=weight, parameters=CAUTIOUS,
        ),
    )


def _line(line: LineLabels) -> LineTask:
    return LineTask(
        id=line.id, frequency="frequency" + line.suffix, severity="severity" + line.suffix, exposure=line.exposure,
        amount=line.amount, amount_full=line.amount_full, large_loss=line.large_loss_cny,
    )


TRAINING: Final = ProductTraining(
    task=TrainingTask.of_product(
        INSURANCE_PRICING,
        features=PRODUCT.features,
        components=tuple(component for line in LINES for component in _components(line)),
        lines=tuple(map(_line, LINES)),
        members=4,
        # Inputs that tell cities apart and claims do not: cuts on them fitted the few claims of a city.
        group_weights={"area": 0.0},
        unit=VEHICLE.id_column,
        band=BAND,
        group=ENTERPRISE.id_column,
        time=TIMESTAMP,
        baseline="distance_km_90d",
        amount=MOTOR.amount,
        currency="CNY",
        purpose="Give an insurer the relativity of a vehicle's burning cost to its portfolio, factor by factor.",
        limits=(
            "Points and tier speak of the motor line; cargo and carrier's liability are priced beside it.",
            "Single claims are cut for severity ("
            + ", ".join(f"{line.id} at {line.large_loss_cny:,.0f} yuan" for line in LINES)
            + "); what lies above is spread over the line as a loading of its own.",
            "The insured's own claims history (NCD) is kept out, so that it is not counted twice.",
            "Individual operators are persons: prices for them need notice and human review (PIPL Art. 24).",
        ),
    ),
    windows=Windows(test_d=150, embargo_d=SLICE_D, valid_d=150),
)
