"""The scorer of a home's live service, put together; `roadrisk live serve` finds it by name."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from features.online import OnlineStore
from registry.decisions import DecisionLedger
from serving.fatigue.model import FollowedModel
from serving.fatigue.scorer import LiveFatigue
from serving.start import set_environment

if TYPE_CHECKING:
    from features.live.service import LiveService
    from registry.settings import Settings


def open_fatigue(service: LiveService, settings: Settings) -> LiveFatigue:
    """Return the scorer of a live service.

    Raises
    ------
    ConfigurationError
        If a key of the ledger does not exist.
    IntegrityError
        If the ledger does not agree with its head.
    """
    set_environment()
    model = FollowedModel(settings)
    model.check()
    open_store = partial(OnlineStore, settings, lambda: datetime.now(UTC))
    return LiveFatigue(service, settings, model, open_store, DecisionLedger.open(settings))
