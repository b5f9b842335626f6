"""Two small trained scores on one made-up frame, with card facts, made once per process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from registry.bundle import ScoreBundle
from tests.lib.frames import COMPONENTS, FAST, made_up, task
from training.assemble import assemble
from training.calibration import calibrate, isotonic_gain
from training.card import make_card
from training.evaluation import Figures, evaluate
from training.fit import fit_score
from training.task import ComponentTask, TrainingTask


@dataclass(frozen=True)
class SmallScore:
    """A trained score and what its card is made from."""

    task: TrainingTask
    frame: pd.DataFrame
    bundle: ScoreBundle
    card: dict[str, Any]
    figures: Figures


def fast(component: ComponentTask, **parameters: Any) -> ComponentTask:
    """Return a component that is trained in a moment."""
    fields = {name: getattr(component, name) for name in component.__dataclass_fields__}
    return ComponentTask(**{**fields, "parameters": {**FAST, **parameters}})


@cache
def small_score(answer: str = "pure_premium", seed: int = 7, learning_rate: float = 0.1) -> SmallScore:
    """Return a score on `made_up` rows, named as a product is."""
    product = {"pure_premium": "insurance_pricing", "rate": "enterprise_risk", "probability": "driver_fatigue"}[answer]
    components = tuple(fast(component, learning_rate=learning_rate) for component in COMPONENTS[answer])
    subject, frame = task(answer, id=product, components=components), made_up(1500)
    calibrated, affine = calibrate(fit_score(subject, frame, seed=seed, threads=1))
    bundle = assemble(calibrated, snapshot="abc")
    figures = evaluate(calibrated.data, calibrated.component_margins, seed=seed, replicates=20)
    gains = [isotonic_gain(calibrated, component) for component in calibrated.components]
    return SmallScore(subject, frame, bundle, make_card(calibrated, bundle, figures, affine, gains), figures)
