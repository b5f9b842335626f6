"""The demonstration: from nothing to four explained scores, through the same functions that the commands call."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from registry.output import ProgressCallback, emit, progress
from registry.products import PRODUCTS
from registry.settings import Settings

APPROVER: Final = "demo"
REASON: Final = "first model of the demonstration on simulated data"


@dataclass
class Walk:
    """What the demonstration has done so far.

    Parameters
    ----------
    settings
        Where everything lies.
    preset
        Size of the simulated province.
    seconds
        Step -> seconds.
    models
        Product -> version and digest that went live.
    """

    settings: Settings
    preset: str
    seconds: dict[str, float] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def step(self, name: str, do: Callable[[ProgressCallback], None]) -> None:
        """Run one step under a progress bar and note how long it took."""
        started = time.monotonic()
        with progress(f"{name:<12}") as report:
            do(report)
            report("done", 1.0)
        self.seconds[name] = round(time.monotonic() - started, 1)


def run_demo(settings: Settings, *, preset: str, exit_after: bool, as_json: bool) -> None:
    """Walk through the whole house and show four explained scores.

    Running it again takes up what stands: the same province is not simulated twice and the same model is not promoted
    twice.
    """
    from experiments.demo_service import call_products, render_walk, running_service

    walk = Walk(settings, preset)
    prepare(walk)
    proved = [model["digest"] for model in walk.models.values()]
    with running_service(settings, keep=not exit_after, proved=proved) as service:
        walk.seconds["serve"] = service.start_s
        answers = call_products(service.url, settings)
    result = {
        "simulated": True, "preset": preset, "seconds": walk.seconds, "models": walk.models, "answers": answers,
        "service": None if exit_after else {"url": service.url, "pid": service.pid},
    }
    emit(result, as_json, render_walk)


def prepare(walk: Walk) -> None:
    """Do everything up to a loaded online store and promoted models."""
    from registry.access.local import init_local
    from registry.signing import init_keys
    from training.fit import wait_passively

    wait_passively()
    init_keys(walk.settings.keys_dir)
    walk.step("simulate", partial(_simulate, walk))
    walk.step("ingest", partial(_ingest, walk))
    walk.step("features", partial(_features, walk))
    for product_id in PRODUCTS:
        walk.step(f"train {product_id}", partial(_train, walk, product_id))
        walk.step(f"judge {product_id}", partial(_promote, walk, product_id))
    walk.step("materialise", partial(_materialise, walk))
    # The commands of this machine get a key and a scenario for each product.
    init_local(walk.settings, now=datetime.now(UTC))
    walk.step("panel", partial(_panel, walk))
    walk.step("monitor", partial(_monitor, walk))


def _simulate(walk: Walk, report: ProgressCallback) -> None:
    from features.simulation.marker import holds_province, mark
    from features.simulation.presets import PRESETS
    from features.simulation.province import simulate_province

    settings = walk.settings
    if holds_province(settings.home, preset=walk.preset, seed=settings.seed):
        return
    simulate_province(
        PRESETS[walk.preset], seed=settings.seed, outbox=settings.outbox_dir, truth=settings.truth_dir, progress=report
    )
    mark(settings.home, preset=walk.preset, seed=settings.seed)


def _ingest(walk: Walk, report: ProgressCallback) -> None:
    from features.landing import ingest_inbox
    from features.warehouse import Warehouse
    from registry.generation import epoch_of
    from registry.signing import pseudonym_keys

    settings = walk.settings
    warehouse = Warehouse(settings.warehouse_dir)
    keys = pseudonym_keys(settings.keys_dir, epoch_of(warehouse.root))
    for _ in ingest_inbox(settings.outbox_dir, warehouse, keys, progress=report):
        pass


def _features(walk: Walk, report: ProgressCallback) -> None:
    from features.build import build_features
    from features.retrieval import apply_store

    build_features(walk.settings, simulated=True, progress=lambda label, share: report(label, 0.9 * share))
    report("register with Feast", 0.9)
    apply_store(walk.settings)


def _train(walk: Walk, product_id: str, report: ProgressCallback) -> None:
    from training.pipeline import train_product
    from training.products import task_for, training_frame

    settings = walk.settings
    report("point-in-time join", 0.0)
    frame, snapshot = training_frame(product_id, settings)
    trained = train_product(
        task_for(product_id, settings), frame, settings=settings, snapshot=snapshot, progress=report, documents=False
    )
    assert trained.version is not None, "train_product registers unless told otherwise"
    walk.models[product_id] = {"version": trained.version, "digest": trained.digest}


def _promote(walk: Walk, product_id: str, report: ProgressCallback) -> None:
    """Judge the version quickly, promote it where the gates of a demonstration let it, and write its card."""
    from registry.gate_rules import demonstration, rules_for
    from registry.promotion import live, promote
    from training.evaluate_cli import refresh_documents
    from training.judgement.judge import judge

    settings, made = walk.settings, walk.models[product_id]
    judge(settings, product_id, made["version"], at=datetime.now(UTC), glass_box=False, progress=report)
    now_live = live(settings).get(product_id)
    if now_live is None or now_live.digest != made["digest"]:
        promote(
            settings, product_id, made["version"], approver=APPROVER, reason=REASON, at=datetime.now(UTC),
            rules=demonstration(rules_for(settings, product_id)),
        )
    report("card", 0.9)
    refresh_documents(settings, product_id, made["version"])


def _materialise(walk: Walk, report: ProgressCallback) -> None:
    from features.retrieval import materialise

    materialise(walk.settings, progress=report)


def _panel(walk: Walk, report: ProgressCallback) -> None:
    """Score everybody at month ends, which portraits, monitoring and fairness read."""
    from serving.panel.build import build_panel

    build_panel(walk.settings, progress=report)


def _monitor(walk: Walk, report: ProgressCallback) -> None:
    from registry.access.rules import access_rules
    from serving.monitoring.report import make_reports

    make_reports(walk.settings, min_cell=access_rules(walk.settings).min_cell, progress=report)
