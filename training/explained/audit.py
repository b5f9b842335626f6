"""The audit of a version's explanations, as far as no truth is needed: one document, kept as evidence beside its card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from registry.reasons import dictionary_version
from training.explained.deletion import deletion
from training.explained.effects import local_effects
from training.explained.interventional import interventional
from training.explained.noise import stability
from training.explained.sample import Sample

KIND: Final = "explanation"
LIMITS: Final = (
    "Agreement with another game and with the truth of a simulation says how much hangs on the choice of game, not which is right.",
    "Deletion makes rows that nobody has, so the score is asked about places where it has seen little.",
    "Noise is drawn per input; errors of one source move together.",
)

Tell = Callable[[str, float], None]


def audited(sample: Sample, *, seed: int, tell: Tell = lambda _label, _share: None) -> dict[str, Any]:
    """Return additivity, agreement with interventional SHAP, stability under noise and faithfulness by deletion."""
    tell("additivity", 0.0)
    sums = sample.explanation.base + sample.contributions.sum(axis=1) + sample.explanation.clamp
    found: dict[str, Any] = {
        "n_rows": len(sample.matrix), "dictionary": dictionary_version(), "engine": sample.scorer.engine,
        "additivity": {"max_error": float(np.max(np.abs(sums - sample.points)))},
    }
    tell("stability", 0.1)
    found["stability"] = stability(sample, seed=seed)
    tell("deletion", 0.3)
    found["deletion"] = deletion(sample, seed=seed)
    found["effects"] = local_effects(sample)
    found["interventional"] = interventional(sample, seed=seed, tell=lambda label, share: tell(label, 0.5 + 0.5 * share))
    return found | {"limits": list(LIMITS)}
