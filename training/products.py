"""The four products' training, by product id."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from features.snapshot import read_snapshot
from registry.products import product_named
from registry.settings import Settings
from training import driver_fatigue, enterprise_risk, insurance_pricing, maintenance
from training.product import ProductTraining
from training.task import TrainingTask

if TYPE_CHECKING:
    import pandas as pd

PRODUCT_TRAINING: Final[dict[str, ProductTraining]] = {
    training.task.id: training
    for training in (
        enterprise_risk.TRAINING, insurance_pricing.TRAINING, maintenance.TRAINING, driver_fatigue.TRAINING,
    )
}


def task_for(product_id: str, settings: Settings) -> TrainingTask:
    """Return the training task of a product on the data of a home.

    Raises
    ------
    NotFound
        If there is no such product, or no feature snapshot.
    """
    training = PRODUCT_TRAINING[product_named(product_id).id]
    return replace(training.task, simulated=read_snapshot(settings.feature_dir).simulated)


def training_frame(product_id: str, settings: Settings) -> tuple[pd.DataFrame, str]:
    """Return a product's labelled rows with features and fold, and the hash of the snapshot they come from.

    Rows without a required input are left out: the service gives them no score either.
    """
    from features.retrieval import training_rows

    training = PRODUCT_TRAINING[product_named(product_id).id]
    rows, snapshot = training_rows(product_id, settings, max_rows=training.max_rows)
    task = training.task
    assert task.time is not None, "every product has a time column"
    required = [feature.name for feature in task.features if feature.null_rule == "required"]
    scored = rows.dropna(subset=required).reset_index(drop=True)
    return training.windows.fold(training.prepare(scored), time=task.time), snapshot.digest
