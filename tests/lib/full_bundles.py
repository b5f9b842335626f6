"""Tiny bundles with every optional field of the format: dispersion, insurance lines, a band, causes, a service rule."""

from __future__ import annotations

from typing import Any, Final

import lightgbm  # noqa: TID253 - its subject
import numpy as np

from registry.bundle import BOOSTER_SUFFIX, Band, Component, Golden, Line, ScoreBundle, Service, make_bundle
from tests.lib.bundles import N_TREES, tiny_bundle

Further = tuple[str, str, dict[str, Any]]

EXTRA: Final[dict[str, tuple[Further, ...]]] = {
    "pure_premium": (
        ("frequency_cargo", "poisson", {"line": "cargo", "dispersion": 0.3}), ("severity_cargo", "gamma", {"line": "cargo"}),
    ),
    "hazard": (("cause_brake", "binary", {"cause": "brake"}), ("cause_tyre", "binary", {"cause": "tyre"})),
}
"""Kind of answer -> further components of weight 0: name, objective, fields."""


def full_bundle(product: str, seed: int = 1) -> ScoreBundle:
    """Return the tiny bundle of a product with everything that its kind of answer may have beside."""
    bundle = tiny_bundle(product, seed)
    manifest, golden = bundle.manifest, bundle.golden
    rows = np.array([[np.nan if v is None else v for v in row] for row in golden.rows])
    boosters = {component.name: bundle.booster_text(component.name) for component in manifest.components}
    components = [component.model_copy(update={"dispersion": 0.2}) for component in manifest.components]
    raw = np.array(golden.raw)
    # A further component is another product's booster on the same inputs: what it predicts does not matter here.
    donors = {"poisson": "enterprise_risk", "gamma": "insurance_pricing", "binary": "driver_fatigue"}
    for k, (name, objective, fields) in enumerate(EXTRA.get(manifest.answer, ())):
        donor = tiny_bundle(donors[objective], seed + 10 + k)
        text = next(
            donor.files[c.name + BOOSTER_SUFFIX].decode() for c in donor.manifest.components if c.objective == objective
        )
        boosters[name] = text
        components.append(Component(name=name, objective=objective, weight=0.0, n_trees=N_TREES, **fields))
        margins = lightgbm.Booster(model_str=text).predict(rows, raw_score=True, num_threads=1)
        raw = np.column_stack([raw, margins])
    changed = manifest.model_copy(update={"components": tuple(components), **_beside(manifest.answer)})
    return make_bundle(changed, Golden(rows=golden.rows, raw=tuple(map(tuple, raw.tolist()))), boosters)


def _beside(answer: str) -> dict[str, Any]:
    match answer:
        case "pure_premium":
            return {"band": Band(low=0.65, high=1.35), "lines": (
                Line(id="motor", zh="机动车", en="motor", frequency="frequency", severity="severity", mean_answer=2000.0,
                     large_loss=100_000.0, large_loss_factor=1.08, n_claims=120),
                Line(id="cargo", zh="货运", en="cargo", frequency="frequency_cargo", severity="severity_cargo",
                     mean_answer=900.0, large_loss=50_000.0, large_loss_factor=1.2, n_claims=40),
            )}
        case "hazard":
            return {"service": Service(threshold=0.5, usage_feature="mileage_90d_km", usage_d=90)}
    return {}
