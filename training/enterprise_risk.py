"""Training of the enterprise risk score: Poisson on events per vehicle-year."""

from __future__ import annotations

from typing import Final

from features.build import TIMESTAMP
from features.enterprise_risk import HORIZON_D, PRODUCT
from registry.entities import ENTERPRISE
from registry.products import ENTERPRISE_RISK
from training.fit import BRISK
from training.product import ProductTraining
from training.task import ComponentTask, TrainingTask
from training.windows import Windows

TRAINING: Final = ProductTraining(
    task=TrainingTask.of_product(
        ENTERPRISE_RISK,
        features=PRODUCT.features,
        components=(
            ComponentTask(
                name="events", objective="poisson", target="n_events", exposure="exposure_vehicle_year",
                parameters={**BRISK, "num_leaves": 12, "max_depth": 4, "min_data_in_leaf": 200},
            ),
        ),
        members=4,
        unit=ENTERPRISE.id_column,
        group=ENTERPRISE.id_column,
        time=TIMESTAMP,
        baseline="distance_km_per_vehicle_30d",
        purpose="Rank operators for supervision and portfolio steering; never the sole ground of a sanction.",
        limits=(
            "Exposure is the fleet at the cut-off for the whole horizon; growth and sale of vehicles are not foreseen.",
            "Accidents are increases of the permit's counter: minor accidents that nobody registered are not in it.",
            "Enforcement outcomes depend on where inspectors look; the score inherits some of that.",
        ),
    ),
    # Test holds the two newest monthly cut-offs.
    windows=Windows(test_d=35, embargo_d=HORIZON_D, valid_d=100),
)
