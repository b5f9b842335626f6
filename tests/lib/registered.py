"""Registered versions of a product with cards and evidence that pass every gate, and the pieces to make one fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from registry.bundle import ScoreBundle
from registry.evidence import write_evidence
from registry.models import ModelRegistry
from registry.settings import Settings
from tests.lib.bundles import tiny_bundle, write_signed

PRODUCT: Final = "enterprise_risk"


def full_card(bundle: ScoreBundle, **changes: Any) -> dict[str, Any]:
    """Return a card with every part that its gate asks for."""
    manifest = bundle.manifest
    figures = {
        "n_rows": 4000, "weight": 2000.0, "observed": 400.0, "gini": 0.31, "auc": 0.68, "balance": 1.02, "ece": 0.01,
        "deviance": 0.9, "d2": 0.1,
        "intervals": {"gini": [0.28, 0.34], "auc": [0.66, 0.7], "balance": [0.95, 1.1]},
    }
    part = {"rate": "events", "probability": "event"}.get(manifest.answer, manifest.components[0].name)
    return {
        "product": manifest.product, "zh": manifest.zh, "en": manifest.en, "digest": bundle.digest,
        "purpose": "a test", "outcome": "events", "data": {"simulated": True, "snapshot": manifest.provenance.snapshot},
        "windows": {"train": ["2024-01-01", "2025-06-30"], "test": ["2026-01-01", "2026-06-30"]},
        "features": [{"name": name} for name in manifest.feature_names], "metrics": {f"{part}_test_gini": 0.31},
        "evaluation": {"components": {part: {"test": figures}}}, "calibration": [{"component": part}],
        "limits": ["simulated"], "seed": manifest.provenance.seed, "libraries": manifest.provenance.libraries, **changes,
    }


def full_judgement(**changes: Any) -> dict[str, Any]:
    """Return a judgement that lets a version pass."""
    beaten = {"difference": 0.1, "interval": [0.05, 0.15], "verdict": "beats"}
    return {
        "main": "events", "measure": "gini", "baselines": {"eu_2022_695": {"kind": "formula", "gini": 0.2}},
        "comparison": {"events": {"part": "events", "measure": "gini", "rivals": [
            {"id": "eu_2022_695", "kind": "formula", "overall": beaten, "within": {"exposure": {"pooled": beaten}}},
            {"id": "mileage_90d", "kind": "single_input", "overall": {**beaten, "verdict": "equal"}, "within": {}},
        ]}},
        "stability": {"score_psi": 0.03, "input_csi": {"age_year": 0.05, "use": 0.01}},
        "segments": {"dimensions": {"city": {"zh": "地市", "segments": [
            {"segment": "南昌", "actual_to_expected": 1.1, "actual_to_expected_interval": [0.9, 1.3]},
        ]}}},
        **changes,
    }


def registered(
    folder: Path, *, versions: int, without_card: tuple[int, ...] = (), evaluated: bool = True,
    tags: Mapping[str, str] | None = None,
) -> Settings:
    """Register versions 1, 2, .. of `PRODUCT` below a folder; each is a tiny bundle of its own seed."""
    settings = Settings(home=folder / "home", keys_dir=folder / "keys")
    models = ModelRegistry(settings)
    for seed in range(1, versions + 1):
        made = tiny_bundle(PRODUCT, seed=seed)
        written, _ = write_signed(made, folder)
        card = folder / f"card-{seed}.json"
        card.write_text(json.dumps(full_card(made)))
        run = models.client.create_run(models.experiment("registered"), tags=dict(tags or {}))
        models.register(written, run_id=run.info.run_id, card=None if seed in without_card else card)
        if evaluated:
            write_evidence(settings, PRODUCT, made.digest, "judgement", full_judgement())
    return settings
