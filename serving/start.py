"""Start-up: check every live bundle, open store and ledger, and refuse with the name of what is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from features.online import OnlineInputs
from registry.decisions import DecisionLedger
from registry.entities import Entity
from registry.errors import RoadRiskError, ServiceUnavailable
from registry.products import PRODUCTS
from registry.scorer import proved_before
from registry.settings import Settings
from serving.breaker import Breaker
from serving.desk import ScoringDesk
from serving.holder import ModelHolder
from serving.live import LiveModels, check_live, load_live
from serving.ports import FeatureSource
from serving.shadow import ShadowHolder

if TYPE_CHECKING:
    from registry.promotion import LiveModel

ENVIRONMENT: Final[Mapping[str, str]] = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # One row is scored at a time: OpenMP's spinning barrier costs more than threads gain.
    "OMP_NUM_THREADS": "1",
}
PROVED_VARIABLE: Final = "ROADRISK_PROVED_DIGESTS"
"""Digests that a parent process has proved in a throw-away child; a worker need not do it again."""


class NoStore:
    """The feature source of a service that has portfolios only."""

    epoch = 1

    def resolve(self, entity: Entity, key: Mapping[str, str]) -> str:
        """Refuse."""
        raise ServiceUnavailable(
            f"there is no feature store to find a {entity.en} in",
            remedy="Build and materialise features, promote a product's model, then restart the service.",
        )

    def resolve_many(self, entity: Entity, keys: Sequence[Mapping[str, str]]) -> list[str | RoadRiskError]:
        """Refuse."""
        del keys
        raise ServiceUnavailable(f"there is no feature store to find a {entity.en} in")

    def read(
        self, product_id: str, entity_id: str, *, resources: frozenset[str] | None = None
    ) -> OnlineInputs:
        """Refuse."""
        del resources
        raise ServiceUnavailable(f"there is no feature store for {product_id}")

    def read_many(
        self, product_id: str, entity_ids: Sequence[str], *, resources: frozenset[str] | None = None
    ) -> list[OnlineInputs | RoadRiskError]:
        """Refuse."""
        del entity_ids, resources
        raise ServiceUnavailable(f"there is no feature store for {product_id}")

    def stale(self, product_id: str) -> list[str]:
        """Return nothing."""
        del product_id
        return []

    def ready(self) -> None:
        """Say nothing: what is not needed is not missing."""


def check_start(settings: Settings) -> dict[str, LiveModel]:
    """Check all that a worker will need, so that a refusal comes once, at the start, from the parent process.

    Every live bundle is verified, and proved once per tree of processes; the decision ledger is opened; the snapshot
    of the feature store is read where a product needs it.

    Returns
    -------
    dict
        Product -> what is live.

    Raises
    ------
    ConfigurationError
        If no model is live, or a key or the snapshot is missing.
    IntegrityError
        If a bundle or the ledger does not verify; the message names it.
    """
    models = check_live(settings, proved=_proved())
    os.environ[PROVED_VARIABLE] = ",".join(sorted(model.digest for model in models.values()))
    DecisionLedger.open(settings).close()
    if _needs_store(models):
        from features.views import published

        published(settings)
    return models


def open_desk(settings: Settings) -> ScoringDesk:
    """Return a scoring desk of a worker, warmed up, with its challengers."""
    made = make_desk(settings)
    shadow = ShadowHolder(settings)
    holder = ModelHolder.open(settings, made.live.current, changed=shadow.reload)
    desk = replace(made, live=holder, source=Breaker(made.source), shadow=shadow)
    desk.warm_up()
    holder.start()
    return desk


def make_desk(settings: Settings) -> ScoringDesk:
    """Return a scoring desk on the live models, the real store and the real ledger."""
    models = load_live(settings, proved=_proved())
    source, ledger = _source(settings, models), DecisionLedger.open(settings)
    return ScoringDesk(
        models, source, ledger, _now, degraded=frozenset(settings.degraded_products)
    )


def make_batch_desk(settings: Settings) -> ScoringDesk:
    """Return a scoring desk that loads a model when it is asked for by its digest; none is live for it."""
    proved_before(_proved())
    models = LiveModels({}, settings.bundle_dir, settings.keys_dir)
    return ScoringDesk(models, _online_store(settings), DecisionLedger.open(settings), _now)


def _now() -> datetime:
    return datetime.now(UTC)


def _proved() -> list[str]:
    return os.environ.get(PROVED_VARIABLE, "").split(",")


def set_environment() -> None:
    """Set what our processes need before heavy libraries are imported; what an operator has set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def _source(settings: Settings, models: LiveModels) -> FeatureSource:
    return _online_store(settings) if _needs_store(models.live) else NoStore()


def _online_store(settings: Settings) -> FeatureSource:
    from features.online import OnlineStore

    return OnlineStore(settings, _now)


def _needs_store(names: Iterable[str]) -> bool:
    return any(name in PRODUCTS for name in names)
