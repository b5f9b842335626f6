"""Training of the maintenance score: discrete-time hazard of the first failure within 7, 30 and 90 days."""

from __future__ import annotations

from typing import Final

import pandas as pd

from features.build import TIMESTAMP
from features.maintenance import HORIZON_D, PRODUCT
from features.outcomes import INSPECTION
from registry.bundle import Service
from registry.codes import CODE_LISTS
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import MAINTENANCE
from training.fit import CAUTIOUS
from training.product import ProductTraining
from training.task import ComponentTask, TrainingTask, hazard_components, hazard_frame
from training.windows import Windows

CAUSES: Final = (INSPECTION, *CODE_LISTS["breakdown_component"].codes)
PARAMETERS: Final = {**CAUTIOUS, "learning_rate": 0.055, "patience": 25, "num_leaves": 12, "max_depth": 4}
"""Faster steps lose: at a rate of 0.07 the deviance is higher for hazard_7 and hazard_30. This one is as good as 0.04 with twice
the patience (decision 0024)."""
SMALL: Final = {
    "num_leaves": 4, "max_depth": 3, "n_trees": 60, "learning_rate": 0.1, "min_data_in_leaf": 100, "max_bin": CAUTIOUS["max_bin"],
}
SERVICE: Final = Service(threshold=0.1, usage_feature="distance_km_30d", usage_d=30)
"""Service is due when a failure has become this likely. [A]"""


def prepare(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with target and at-risk columns of every interval, and of every cause among the failures."""
    causes = {f"is_{cause}": (frame["cause"] == cause).astype("float64") for cause in CAUSES}
    return frame.join(hazard_frame(frame["event_day"], frame["observed_d"])).assign(
        **causes, has_failed=frame["event_day"].notna()
    )


def _ranking() -> tuple[ComponentTask, ...]:
    """Return one component per cause: its share among the failures, on the rows that failed."""
    return tuple(
        ComponentTask(
            name=f"cause_{cause}", objective="binary", target=f"is_{cause}", at_risk="has_failed", score_weight=0.0,
            cause=cause, parameters=SMALL,
        )
        for cause in CAUSES
    )


TRAINING: Final = ProductTraining(
    task=TrainingTask.of_product(
        MAINTENANCE,
        features=PRODUCT.features,
        components=(*hazard_components(parameters=PARAMETERS), *_ranking()),
        members=4,
        unit=VEHICLE.id_column,
        service=SERVICE,
        group=ENTERPRISE.id_column,
        time=TIMESTAMP,
        baseline="vehicle_age_year",
        purpose="Remind operators of vehicles that are likely to fail before their next planned service.",
        limits=(
            "Breakdowns are those that an insurer's rescue service was called to.",
            "An inspection that was not due could not fail: the hazard follows the calendar of inspections too.",
        ),
    ),
    # Cut-offs lie two months apart; test holds the two newest.
    windows=Windows(test_d=65, embargo_d=HORIZON_D, valid_d=130),
    prepare=prepare,
)
