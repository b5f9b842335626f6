"""One MLflow run per trained score, written through the registry's client: no global tracking state, no telemetry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.bundle import ScoreBundle
from registry.code_version import code_digest, code_version
from registry.models import ModelRegistry
from registry.settings import Settings
from registry.supplements import keep_supplement
from training.card import features_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT: Final = "roadrisk"
MAX_PARAMETER: Final = 500


@dataclass(frozen=True)
class Tracked:
    """What was written: the run and, when registered, the version of the model."""

    run_id: str
    version: int


def track(
    settings: Settings, bundle: ScoreBundle, bundle_folder: Path, *, metrics: Mapping[str, float], card_folder: Path,
    at: datetime | None = None,
) -> Tracked:
    """Write a run with parameters, metrics, tags, bundle, card and pictures, and register the bundle.

    A digest that is registered already keeps its version, run and card; what this card measures otherwise becomes a dated
    supplement (`registry.supplements`). A new run is marked FAILED when anything after its start raises.

    Parameters
    ----------
    settings
        Tells where MLflow's database and artefacts lie.
    bundle, bundle_folder
        The signed bundle, in memory and on disk.
    metrics
        Flat numbers by name.
    card_folder
        Folder with `card.json`, `card.md` and pictures.
    at
        Instant of the training, for a supplement; without one none is kept.
    """
    registry = ModelRegistry(settings)
    client = registry.client
    manifest = bundle.manifest
    for made in registry.versions(manifest.product):
        if made.digest == bundle.digest:
            registered = registry.card(made)
            if at is not None and registered is not None:
                keep_supplement(settings, registered, json.loads((card_folder / "card.json").read_bytes()), at=at)
            return Tracked(made.run_id, made.version)
    run_id = client.create_run(
        registry.experiment(f"{EXPERIMENT}-{manifest.product}"),
        run_name=f"{manifest.product}-{bundle.digest[:12]}",
        tags={
            "product": manifest.product, "digest": bundle.digest, "snapshot": manifest.provenance.snapshot,
            "seed": str(manifest.provenance.seed), "simulated": str(manifest.provenance.simulated).lower(),
            "code_version": code_version(), "code_digest": code_digest(), "features_digest": features_digest(bundle),
        },
    ).info.run_id
    try:
        _log(client, run_id, bundle, metrics)
        client.log_artifacts(run_id, str(bundle_folder), "bundle")
        client.log_artifacts(run_id, str(card_folder), "card")
        version = registry.register(bundle_folder, run_id=run_id, card=card_folder / "card.json")
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id, "FINISHED")
    return Tracked(run_id, version)


def _log(client: MlflowClient, run_id: str, bundle: ScoreBundle, metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric, Param

    manifest = bundle.manifest
    params = {"n_features": len(manifest.features), "reference_rows": manifest.reference.n_rows}
    texts = {name: str(value) for name, value in params.items()}
    for component in manifest.components:
        texts[f"{component.name}.n_trees"] = str(component.n_trees)
        for name, value in manifest.provenance.parameters[component.name].items():
            texts[f"{component.name}.{name}"] = str(value)[:MAX_PARAMETER]
    # One batch: a call per number costs a transaction each. The time is that of the run's row, not of a measurement.
    started = client.get_run(run_id).info.start_time
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, started, 0) for name, value in sorted(metrics.items())],
        params=[Param(name, text) for name, text in sorted(texts.items())],
    )
