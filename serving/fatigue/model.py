"""The live model of driver fatigue, followed through the promotion ledger while the service runs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from registry.ledger_watch import watch_of
from registry.model_ledgers import PROMOTIONS
from registry.products import DRIVER_FATIGUE
from registry.promotion import live
from registry.scorer import load_scorer
from serving.holder import ModelHolder
from serving.live import LiveModels, LiveScorer

if TYPE_CHECKING:
    from registry.settings import Settings


class FollowedModel(ModelHolder):
    """The model that is live, looked up again whenever the promotion ledger has changed.

    What cannot be loaded changes nothing: the model in place goes on.

    Parameters
    ----------
    settings
        Names promotion ledger, bundles and keys.
    """

    def __init__(self, settings: Settings) -> None:
        nothing = LiveModels({}, settings.bundle_dir, settings.keys_dir)
        super().__init__(nothing, partial(_followed, settings), (watch_of(settings, PROMOTIONS),), loaded=False)

    @property
    def scorer(self) -> LiveScorer | None:
        """The model in place; None where none has been promoted."""
        return self.current.live.get(DRIVER_FATIGUE.id)


def _followed(settings: Settings, before: LiveModels) -> LiveModels:
    promoted, held = live(settings).get(DRIVER_FATIGUE.id), before.live.get(DRIVER_FATIGUE.id)
    if promoted is None or (held and (held.version, held.scorer.digest) == (str(promoted.version), promoted.digest)):
        return before
    made = LiveScorer(str(promoted.version), load_scorer(promoted.folder, settings.keys_dir, digest=promoted.digest))
    made.warm()
    models = LiveModels({DRIVER_FATIGUE.id: made}, settings.bundle_dir, settings.keys_dir)
    models.remember(before)
    return models
