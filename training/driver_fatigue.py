"""Training of the fatigue score: a fatigue event in the next driving hour."""

from __future__ import annotations

from typing import Final

from features.build import TIMESTAMP
from features.driver_fatigue import PRODUCT
from registry.entities import ENTERPRISE, VEHICLE
from registry.products import DRIVER_FATIGUE
from training.fit import CAUTIOUS
from training.product import ProductTraining
from training.task import ComponentTask, TrainingTask
from training.windows import Windows

TRAINING: Final = ProductTraining(
    task=TrainingTask.of_product(
        DRIVER_FATIGUE,
        features=PRODUCT.features,
        components=(ComponentTask(
            name="event", objective="binary", target="fatigue_event",
            parameters={
                **CAUTIOUS, "learning_rate": 0.06, "min_data_in_leaf": 250, "lambda_l2": 20.0, "n_trees": 240, "together": True,
                # An hour in a hundred has an event: with a quarter of the others each event still stands beside 25.
                "negative_share": 0.25,
            },
        ),),
        members=6,
        # A city has some hundred watched vehicles and tells them apart by nothing: cuts by its figures fit the few events of a
        # city and cost out of fold (decision 0033).
        group_weights={"area": 0.0},
        unit=VEHICLE.id_column,
        group=ENTERPRISE.id_column,
        time=TIMESTAMP,
        baseline="duty_cont_drive_h",
        purpose="Suggest a rest before fatigue shows; a probability, never a finding about a driver.",
        limits=(
            "Without a roster nobody knows who drives: the score belongs to the vehicle's shift, not to a person.",
            "A long stop is taken for an opportunity to sleep; a stop is not sleep.",
            "No health data are used.",
        ),
    ),
    windows=Windows(test_d=15, embargo_d=1, valid_d=20),
)
