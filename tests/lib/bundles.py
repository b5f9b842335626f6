"""Tiny real bundles: 20 trees on made-up rows with numbers, a category and missing values, as training would make."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import lightgbm  # noqa: TID253 - its subject
import numpy as np

from registry.bundle import (
    Component,
    Golden,
    Manifest,
    ManifestFeature,
    Provenance,
    Reference,
    ScoreBundle,
    make_bundle,
    write_bundle,
)
from registry.feature_spec import Feature
from registry.products import PRODUCTS
from registry.scale import ScoreScale
from registry.signing import init_keys, sign_bundle
from registry.treeshap.exact import ENGINE

N_ROWS: Final = 600
N_TREES: Final = 20
PORTFOLIO: Final = "tiny_portfolio"
COMPONENTS: Final = {
    "rate": [("rate", "poisson", None)],
    "probability": [("event", "binary", None)],
    "hazard": [("hazard_7", "binary", 7), ("hazard_30", "binary", 30), ("hazard_90", "binary", 90)],
    "pure_premium": [("frequency", "poisson", None), ("severity", "gamma", None)],
}


def tiny_features(entity: str) -> tuple[Feature, ...]:
    """Return six inputs: four numbers of which one is often missing, one zero-filled count, one category."""
    return (
        Feature(name="age_year", entity=entity, zh="车龄", en="vehicle age", group="condition", unit="year",
                resources=("vehicle_basic",), reason_code="R13", actionable=True),
        Feature(name="penalties_365d", entity=entity, zh="处罚次数", en="penalties", group="enforcement",
                resources=("enforcement_case",), null_rule="zero", monotone=1, actionable=True,
                monotone_reason="penalties mark risky operation", reason_code="R01"),
        Feature(name="night_share", entity=entity, zh="夜间里程占比", en="share of night driving", group="dynamics",
                resources=("vehicle_location",), reason_code="R14", actionable=True, sensitivity="location"),
        Feature(name="mileage_90d_km", entity=entity, zh="行驶里程", en="mileage", group="exposure", unit="km",
                resources=("vehicle_location",), reason_code="R16"),
        Feature(name="fleet_n", entity=entity, zh="车队规模", en="fleet size", group="enterprise", reason_code="R15",
                resources=("operator_basic",)),
        Feature(name="use", entity=entity, zh="用途", en="use", group="exposure", dtype="category",
                vocabulary=("freight", "bus", "hazmat"), reason_code="R17", resources=("vehicle_basic",)),
    )


def tiny_rows(seed: int, n: int = N_ROWS) -> list[dict[str, float | str | None]]:
    """Return n rows of inputs as plain values."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, float | str | None]] = []
    for _ in range(n):
        night = float(rng.beta(2, 5))
        rows.append({
            "age_year": round(float(rng.uniform(0, 15)), 2),
            "penalties_365d": float(rng.poisson(0.6)),
            "night_share": None if rng.random() < 0.2 else night,
            "mileage_90d_km": float(rng.gamma(3, 4000)),
            "fleet_n": float(rng.integers(1, 200)),
            "use": str(rng.choice(["freight", "bus", "hazmat"])),
        })
    return rows


def tiny_bundle(product: str, seed: int = 1) -> ScoreBundle:
    """Return a trained, unsigned bundle for a product of `PRODUCTS`, or for `PORTFOLIO` with a price."""
    declared = PRODUCTS.get(product)
    answer = declared.answer if declared else "pure_premium"
    entity = declared.entity if declared else "request"
    features = tuple(ManifestFeature.of(feature) for feature in tiny_features(entity))
    matrix = _encoded(tiny_rows(seed))
    boosters, components, raw = {}, [], []
    for k, (name, objective, horizon_d) in enumerate(COMPONENTS[answer]):
        booster = _train(matrix, objective, seed + k)
        boosters[name] = booster.model_to_string()
        components.append(Component(
            name=name, objective=objective, horizon_d=horizon_d, n_trees=N_TREES, slope=0.95, intercept=0.05,
            weight=1 / 3 if answer == "hazard" else 1.0,
        ))
        raw.append(booster.predict(matrix, raw_score=True, num_threads=1))
    raw_margins = np.column_stack(raw)
    manifest = Manifest(
        explained_by=ENGINE, product=product,
        zh=declared.zh if declared else "测试组合", en=declared.en if declared else "tiny portfolio",
        entity=entity, answer=answer, exposure_unit=declared.exposure_unit if declared else "vehicle_year",
        horizon_d=declared.horizon_d if declared else 365, features=features, components=tuple(components),
        **_measured(raw_margins, components, matrix, answer), provenance=_provenance(seed),
    )
    golden = Golden(
        rows=tuple(tuple(None if np.isnan(v) else v for v in row) for row in matrix[:5].tolist()),
        raw=tuple(map(tuple, raw_margins[:5].tolist())),
    )
    return make_bundle(manifest, golden, boosters)


def write_signed(bundle: ScoreBundle, tmp_path: Path) -> tuple[Path, Path]:
    """Write and sign a bundle below ``tmp_path/home/bundles``; return (bundle folder, keys folder)."""
    keys_dir = tmp_path / "keys"
    init_keys(keys_dir)
    folder = write_bundle(bundle, tmp_path / "home" / "bundles")
    sign_bundle(folder, keys_dir)
    return folder, keys_dir


def _encoded(rows: list[dict[str, float | str | None]]) -> np.ndarray:
    codes = {"freight": 1.0, "bus": 2.0, "hazmat": 3.0}
    return np.array([
        [codes[v] if isinstance(v, str) else np.nan if v is None else v for v in row.values()] for row in rows
    ])


def _train(matrix: np.ndarray, objective: str, seed: int) -> lightgbm.Booster:
    rng = np.random.default_rng(seed)
    risk = 0.08 * matrix[:, 0] + 0.4 * matrix[:, 1] + np.nan_to_num(matrix[:, 2], nan=0.3) + 0.3 * (matrix[:, 5] == 3)
    target = {
        "poisson": lambda: rng.poisson(np.exp(risk - 2.0)),
        "binary": lambda: rng.random(len(risk)) < 1 / (1 + np.exp(2.0 - risk)),
        "gamma": lambda: rng.gamma(2.0, np.exp(risk + 7.0)),
    }[objective]().astype(float)
    data = lightgbm.Dataset(matrix, target, categorical_feature=[5], params={"verbose": -1})
    parameters = {
        "objective": objective, "num_leaves": 7, "min_data_in_leaf": 10, "min_data_per_group": 10, "seed": seed,
        "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1,
    }
    return lightgbm.train(parameters, data, num_boost_round=N_TREES)


def _measured(raw: np.ndarray, components: list[Component], matrix: np.ndarray, answer: str) -> dict[str, Any]:
    calibrated = raw * [c.slope for c in components] + [c.intercept for c in components]
    margin = calibrated @ [c.weight for c in components]
    mean_margin = float(margin.mean())
    scale = ScoreScale(reference_margin=mean_margin, cut_points=(0.0, 0.0, 0.0))
    points = np.array([p + scale.clamp(p) for p in map(scale.points, margin.tolist())])
    yellow, orange, red = np.quantile(points, [0.5, 0.8, 0.95]).tolist()
    floats = [feature.name for feature in tiny_features("vehicle") if feature.dtype == "float"]
    medians = {name: float(np.nanmedian(matrix[:, j])) for j, name in enumerate(floats)}
    mean_answer = float(np.exp(margin).mean() if answer in ("rate", "pure_premium") else 1 / (1 + np.exp(-mean_margin)))
    return {
        "cut_points": (yellow, orange, red),
        "reference": Reference(
            n_rows=len(raw), mean_margin=mean_margin, mean_answer=mean_answer, medians=medians,
            point_quantiles=tuple(np.quantile(points, np.linspace(0, 1, 101)).tolist()),
        ),
    }


def _provenance(seed: int) -> Provenance:
    return Provenance(
        data_cut="2026-07-01T00:00:00+00:00", train_window=("2024-01-01", "2025-06-30"),
        valid_window=("2025-07-01", "2025-12-31"), test_window=("2026-01-01", "2026-06-30"), snapshot="0" * 64,
        seed=seed, parameters={}, libraries={"lightgbm": lightgbm.__version__}, simulated=True,
    )
