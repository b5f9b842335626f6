"""Small made-up training frames whose truth is known, and tasks that read them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from registry.feature_spec import Feature
from training.splits import FOLD
from training.task import ComponentTask, TrainingTask, hazard_components, hazard_frame

FAST: Final[dict[str, Any]] = {"n_trees": 40, "patience": 10, "num_leaves": 7, "learning_rate": 0.1}

FEATURES: Final = (
    Feature(name="age_year", entity="vehicle", zh="车龄", en="vehicle age", group="condition", unit="year"),
    Feature(name="penalties", entity="vehicle", zh="处罚次数", en="penalties", group="enforcement", null_rule="zero",
            monotone=1, monotone_reason="penalties mark risky operation"),
    Feature(name="use", entity="vehicle", zh="用途", en="use", group="exposure", dtype="category",
            vocabulary=("freight", "bus", "hazmat")),
)
NUMBERS: Final = FEATURES[:2]
"""The features without the category."""


def made_up(n: int = 3000, *, seed: int = 1) -> pd.DataFrame:
    """Return n rows with every kind of outcome, a fifth of the ages missing, and one use that no vocabulary has."""
    rng = np.random.default_rng(seed)
    age = rng.gamma(2.0, 4.0, n)
    penalties = rng.poisson(0.8, n).astype(float)
    use = rng.choice(np.array(["freight", "bus", "hazmat", "tricycle"], dtype=object), n, p=[0.6, 0.2, 0.15, 0.05])
    log_rate = -1.0 + 0.06 * age + 0.4 * penalties + np.where(use == "hazmat", 0.7, 0.0)
    exposure = rng.uniform(0.1, 1.0, n)
    claims = rng.poisson(exposure * np.exp(log_rate)).astype(float)
    average = rng.gamma(4.0, 250.0, n) * np.exp(0.03 * age)
    day = rng.exponential(200.0 / np.exp(log_rate))
    observed = rng.choice([60.0, 120.0], n)
    event_day = pd.Series(np.where(day <= observed, day, np.nan))
    frame = pd.DataFrame({
        "age_year": np.where(rng.random(n) < 0.2, np.nan, age),
        "penalties": np.where(rng.random(n) < 0.1, np.nan, penalties),
        "use": pd.Series(use, dtype=object).mask(rng.random(n) < 0.05, None),
        "group": rng.integers(0, n // 10, n),
        "exposure": exposure, "claims": claims, "has_claim": claims > 0,
        "average": np.where(claims > 0, average, np.nan), "amount": claims * average,
        "event": (rng.random(n) < 1 / (1 + np.exp(-log_rate))).astype(float),
        "cutoff": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
    })
    frame[FOLD] = rng.choice(np.array(["train", "valid", "test"], dtype=object), n, p=[0.6, 0.2, 0.2])
    return frame.join(hazard_frame(event_day, pd.Series(observed)))


COMPONENTS: Final = {
    "rate": (ComponentTask(name="events", objective="poisson", target="claims", exposure="exposure"),),
    "probability": (ComponentTask(name="event", objective="binary", target="event"),),
    "hazard": hazard_components(),
    "pure_premium": (
        ComponentTask(name="frequency", objective="poisson", target="claims", exposure="exposure"),
        ComponentTask(name="severity", objective="gamma", target="average", weight="claims", at_risk="has_claim"),
    ),
}


def task(answer: str, **changes: Any) -> TrainingTask:
    """Return the task with this answer on `made_up` rows."""
    fields: dict[str, Any] = {
        "id": "tiny", "zh": "测试", "en": "test score", "entity": "vehicle", "answer": answer, "horizon_d": 90,
        "exposure_unit": "vehicle_year", "features": FEATURES, "components": COMPONENTS[answer], "group": "group",
        "time": "cutoff", "baseline": "age_year", "amount": "amount" if answer == "pure_premium" else None,
    }
    return TrainingTask(**(fields | changes))
