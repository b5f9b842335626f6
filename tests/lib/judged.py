"""Small scores on made-up rows, ready to be judged."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from registry.scorer import Scorer
from tests.lib.frames import FAST, FEATURES, made_up, task
from training.assemble import assemble
from training.fit import fit_score
from training.judgement.subject import Subject

RESOURCES = {"age_year": ("vehicle_basic",), "penalties": ("enforcement_case",), "use": ("vehicle_basic",)}
"""The age drives the made-up risk through one resource, penalties through another."""


@cache
def judged(answer: str, product: str = "insurance_pricing", n: int = 3000) -> Subject:
    """Return a score of this kind on n made-up rows, with attributes that segments and formulas know."""
    frame = described(made_up(n))
    features = tuple(replace(feature, resources=RESOURCES[feature.name]) for feature in FEATURES)
    what = task(answer, id=product, features=features)
    fitted = fit_score(what, frame, seed=7, threads=1, parameters=FAST)
    return Subject(Scorer(assemble(fitted, snapshot="0" * 64)), what, frame)


def described(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a mileage, an owner, a fleet and a city; the city is that of the group."""
    rng = np.random.default_rng(3)
    group = frame["group"].to_numpy()
    return frame.assign(
        vehicle_age_year=frame["age_year"], distance_km_90d=rng.gamma(3.0, 4000.0, len(frame)),
        is_individual=(group % 3 == 0).astype(float), fleet_size=(group % 60 + 1).astype(float),
        city_code=np.where(group % 2 == 0, "3601", "3607"),
    )


def part_of(subject: Subject, **changes: Any) -> Any:
    """Return the main part of a subject with changed fields."""
    return replace(subject.main, **changes)
