"""Whether a worker is ready: it can answer, and what it answers is worth something.

Not ready: a ledger that cannot be read, a store that does not answer, every live product of declared data with a stale mandatory
source, so that all answers would be grey. A promotion that could not be loaded leaves the former models answering; it is told
(`GET /readyz` names it, `roadrisk_model_reloads_total` counts it) and takes no worker out of service.
"""

from __future__ import annotations

from typing import Any

from registry.errors import ServiceUnavailable
from registry.products import PRODUCTS
from serving.breaker import Breaker
from serving.desk import ScoringDesk
from serving.holder import ModelHolder
from serving.ports import FeatureSource


def readiness(desk: ScoringDesk) -> dict[str, Any]:
    """Return what a ready worker says of itself.

    Raises
    ------
    ServiceUnavailable
        If it is not ready; the message names what is wrong.
    IntegrityError
        If the newest record of the ledger was changed.
    """
    models = desk.live.current.live
    if not models:
        raise ServiceUnavailable("no model is loaded", remedy="Train and promote a model.")
    desk.decisions.check()
    desk.source.ready()
    stale = stale_products(desk)
    if stale and set(stale) == {name for name in models if name in PRODUCTS}:
        named = "; ".join(f"{product}: {', '.join(sources)}" for product, sources in stale.items())
        raise ServiceUnavailable(
            f"mandatory sources of every product are stale ({named})", remedy="Load newer deliveries.", details={"stale": stale}
        )
    told: dict[str, Any] = {"models": {name: model.version for name, model in sorted(models.items())}, "stale": stale}
    if isinstance(desk.live, ModelHolder) and desk.live.reloads.problem:
        told["not_reloaded"] = desk.live.reloads.problem
    if isinstance(desk.source, Breaker):
        told["breaker"] = desk.source.circuit.state
    return told


def stale_products(desk: ScoringDesk) -> dict[str, list[str]]:
    """Return live product -> its mandatory sources that are stale at this moment, of those that have any."""
    source: FeatureSource = desk.source.source if isinstance(desk.source, Breaker) else desk.source
    found = {name: source.stale(name) for name in sorted(desk.live.current.live) if name in PRODUCTS}
    return {name: sources for name, sources in found.items() if sources}
