"""Training of the maintenance score: discrete-time hazard of the first failure within 7, 30 and 90 days."""

from __future__ import annotations

from typing import Final

import pandas as pd

from features.build import TIMESTAMP
from features.maintenance import HORIZON_D, PRODUCT
from registry.entities import ENTERPRISE
from registry.products import MAINTENANCE
from training.product import ProductTraining
from training.task import TrainingTask, hazard_components, hazard_frame
from training.windows import Windows


def prepare(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with target and at-risk columns of every interval."""
    return frame.join(hazard_frame(frame["event_day"], frame["observed_d"]))


TRAINING: Final = ProductTraining(
    task=TrainingTask.of_product(
        MAINTENANCE,
        features=PRODUCT.features,
        components=hazard_components(),
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
    windows=Windows(test_d=65, embargo_d=HORIZON_D),
    prepare=prepare,
    max_rows=90_000,
)
