"""A made-up motor portfolio of any size whose true claim rate is known."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from registry.feature_spec import Feature
from training.splits import FOLD, TEST, TRAIN, VALID
from training.task import ComponentTask, TrainingTask

N_NUMBERS: Final = 20
NUMBERS: Final = tuple(f"number_{i:02d}" for i in range(N_NUMBERS))


def portfolio(n: int, *, seed: int = 1) -> pd.DataFrame:
    """Return n rows: twenty numbers of which six matter, a tenth of three of them missing, exposure, claims, true rate."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, N_NUMBERS))
    log_rate = (
        -2.0 + 0.4 * values[:, 0] + 0.3 * np.maximum(values[:, 1], 0) - 0.25 * values[:, 2] * values[:, 3]
        + 0.3 * (values[:, 4] > 0.5) + 0.15 * values[:, 5] ** 2
    )
    values[:, 6:9] = np.where(rng.random((n, 3)) < 0.1, np.nan, values[:, 6:9])
    exposure, rate = rng.uniform(0.1, 1.0, n), np.exp(log_rate)
    frame = pd.DataFrame(dict(zip(NUMBERS, values.T, strict=True)))
    return frame.assign(
        exposure=exposure, claims=rng.poisson(exposure * rate).astype(float), rate=rate, group=np.arange(n),
        **{FOLD: rng.choice(np.array([TRAIN, VALID, TEST], dtype=object), n, p=[0.6, 0.15, 0.25])},
    )


def portfolio_task() -> TrainingTask:
    """Return the task of its claim frequency."""
    features = tuple(
        Feature(name=name, entity="request", zh="数值", en="number", group="exposure") for name in NUMBERS
    )
    return TrainingTask(
        id="bench", zh="基准", en="made-up claim frequency", entity="request", answer="rate", horizon_d=None,
        exposure_unit="vehicle_year", features=features, group="group",
        components=(ComponentTask(name="claims", objective="poisson", target="claims", exposure="exposure"),),
    )
