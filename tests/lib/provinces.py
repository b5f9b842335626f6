"""A whole home of a simulated province: simulated, taken in, features built, registered, loaded."""

from __future__ import annotations

from pathlib import Path

from features.simulation.presets import TINY, Preset
from registry.settings import Settings
from registry.signing import init_keys, pseudonym_keys

SEED = 20260704


def settled(folder: Path) -> Settings:
    """Return settings of a home of its own, with keys, whatever the environment says."""
    settings = Settings(home=folder / "home", keys_dir=folder / "keys", seed=SEED, threads=2, memory_limit="2GB")
    init_keys(settings.keys_dir)
    return settings


def simulate(settings: Settings, preset: Preset = TINY) -> None:
    """Write the deliveries of a province."""
    from features.simulation.province import simulate_province

    simulate_province(preset, seed=settings.seed, outbox=settings.outbox_dir, truth=settings.truth_dir)


def take_in(settings: Settings) -> str:
    """Take all deliveries in; return the snapshot hash of the warehouse."""
    from features.landing import ingest_inbox
    from features.warehouse import Warehouse

    warehouse = Warehouse(settings.warehouse_dir)
    for _ in ingest_inbox(settings.outbox_dir, warehouse, pseudonym_keys(settings.keys_dir, settings.pseudonym_epoch)):
        pass
    return warehouse.snapshot()


def load(settings: Settings) -> None:
    """Build features, register them with Feast and fill the online store."""
    from features.build import build_features
    from features.retrieval import apply_store, materialise

    build_features(settings, simulated=True)
    apply_store(settings)
    materialise(settings)
