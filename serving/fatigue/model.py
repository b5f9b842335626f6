"""The live model of driver fatigue, followed through the promotion ledger while the service runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from registry.errors import RoadRiskError, ServiceUnavailable
from registry.ledger_watch import NOTHING, watch_of
from registry.model_ledgers import PROMOTIONS
from registry.products import DRIVER_FATIGUE
from registry.promotion import live
from registry.scorer import load_scorer
from serving.live import LiveModels, LiveScorer

if TYPE_CHECKING:
    from registry.settings import Settings

_log = logging.getLogger("roadrisk.fatigue")


class FollowedModel:
    """The model that is live, looked up again whenever the promotion ledger has changed.

    What cannot be loaded changes nothing: the model in place goes on, and `problem` says why.

    Parameters
    ----------
    settings
        Names promotion ledger, bundles and keys.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._watch = settings, watch_of(settings, PROMOTIONS)
        self._stamp: tuple[int, int] | None = None
        self._models = LiveModels({}, settings.bundle_dir, settings.keys_dir)
        self.problem = ""
        self.taken = 0

    @property
    def current(self) -> LiveModels:
        """The model as a desk wants it."""
        return self._models

    @property
    def scorer(self) -> LiveScorer | None:
        """The model in place; None where none has been promoted."""
        return self._models.live.get(DRIVER_FATIGUE.id)

    def check(self) -> bool:
        """Look whether another model is live; return whether one was put in place."""
        try:
            stamp = self._watch.stamp()
            if stamp == self._stamp:
                return False
            found = self._load() if stamp != NOTHING else None
        except RoadRiskError as error:
            # What does not verify now will not by waiting, and is tried when the ledger changes next; a locked one is.
            if not isinstance(error, ServiceUnavailable):
                self._stamp = stamp
            if error.message != self.problem:
                _log.error("the model of driver fatigue was not taken, the one in place goes on: %s", error)
            self.problem = error.message
            return False
        self._stamp, self.problem = stamp, ""
        if found is None:
            return False
        models = LiveModels({DRIVER_FATIGUE.id: found}, self._settings.bundle_dir, self._settings.keys_dir)
        models.remember(self._models)
        self._models, self.taken = models, self.taken + 1
        return True

    def close(self) -> None:
        """Let go of the ledger."""
        self._watch.close()

    def _load(self) -> LiveScorer | None:
        promoted, held = live(self._settings).get(DRIVER_FATIGUE.id), self.scorer
        if promoted is None or (held and (held.version, held.scorer.digest) == (str(promoted.version), promoted.digest)):
            return None
        scorer = load_scorer(promoted.folder, self._settings.keys_dir, digest=promoted.digest)
        made = LiveScorer(str(promoted.version), scorer)
        made.warm()
        return made
