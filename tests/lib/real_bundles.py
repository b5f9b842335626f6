"""A small trained bundle of a declared product over real features of the store, for tests that need both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import lightgbm  # noqa: TID253 - its subject
import numpy as np

from features.families import FEATURES
from registry.bundle import (
    Component,
    Golden,
    Manifest,
    ManifestFeature,
    Provenance,
    Reference,
    ScoreBundle,
    make_bundle,
)
from registry.products import ENTERPRISE_RISK, PRODUCTS
from registry.scale import ScoreScale
from registry.treeshap.exact import ENGINE

N_ROWS: Final = 800


@cache
def enterprise_bundle() -> ScoreBundle:
    """Return a bundle of the enterprise risk on two inputs that the tiny province has."""
    return rate_bundle(
        ENTERPRISE_RISK.id, ("case_per_vehicle_year", "fine_cny_per_vehicle_year"), upper=(1.0, 1.0), weights=(1.0, 1.0)
    )


def rate_bundle(
    product: str, names: Sequence[str], *, upper: Sequence[float], weights: Sequence[float], rounds: int = 40
) -> ScoreBundle:
    """Return an unsigned bundle of a rate whose risk rises with numeric features, uniform from 0 to `upper`.

    Parameters
    ----------
    weights
        Log-rate that each feature adds over its whole range.
    rounds
        Number of trees.
    """
    declared = PRODUCTS[product]
    rng = np.random.default_rng(5)
    share = rng.random((N_ROWS, len(names)))
    matrix = share * np.array(upper)
    target = rng.poisson(np.exp(share @ np.array(weights) - 1.0)).astype(float)
    parameters = {
        "objective": "poisson", "num_leaves": 7, "min_data_in_leaf": 10, "seed": 5, "deterministic": True,
        "force_row_wise": True, "num_threads": 1, "verbose": -1,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, target, params={"verbose": -1}), num_boost_round=rounds)
    raw = booster.predict(matrix, raw_score=True, num_threads=1)
    scale = ScoreScale(reference_margin=float(raw.mean()), cut_points=(0.0, 0.0, 0.0))
    points = np.array([value + scale.clamp(value) for value in map(scale.points, raw.tolist())])
    manifest = Manifest(
        explained_by=ENGINE, product=product, zh=declared.zh, en=declared.en, entity=declared.entity, answer=declared.answer,
        exposure_unit=declared.exposure_unit, horizon_d=declared.horizon_d,
        features=tuple(ManifestFeature.of(FEATURES[name]) for name in names),
        components=(Component(
            name="rate", objective="poisson", horizon_d=None, n_trees=rounds, slope=1.0, intercept=0.0, weight=1.0,
        ),),
        cut_points=tuple(np.quantile(points, [0.5, 0.8, 0.95]).tolist()),
        reference=Reference(
            n_rows=N_ROWS, mean_margin=float(raw.mean()), mean_answer=float(np.exp(raw).mean()),
            medians=dict(zip(names, np.median(matrix, axis=0).tolist(), strict=True)),
            point_quantiles=tuple(np.quantile(points, np.linspace(0, 1, 101)).tolist()),
        ),
        provenance=Provenance(
            data_cut="2026-07-01T00:00:00+00:00", train_window=("2024-01-01", "2025-06-30"),
            valid_window=("2025-07-01", "2025-12-31"), test_window=("2026-01-01", "2026-06-30"), snapshot="0" * 64,
            seed=5, parameters={}, libraries={"lightgbm": lightgbm.__version__}, simulated=True,
        ),
    )
    golden = Golden(rows=tuple(map(tuple, matrix[:5].tolist())), raw=tuple((value,) for value in raw[:5].tolist()))
    return make_bundle(manifest, golden, {"rate": booster.model_to_string()})


