"""Which models answer now: a promotion goes live in a running service, and one that cannot be loaded changes nothing.

A request takes the models once and keeps to them, so its answer speaks of one version. A thread looks at the promotion ledger
every second; what is new is verified, proved in a throw-away child process, warmed up, and then put in place by one assignment.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from registry.errors import RoadRiskError, ServiceUnavailable
from registry.ledger_watch import Watch, watch_of
from registry.model_ledgers import CHALLENGERS, PROMOTIONS
from serving.live import LiveModels, load_live

if TYPE_CHECKING:
    from registry.settings import Settings

LOOK_EVERY_S: Final = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reloads:
    """What became of changes of the ledgers: how many were taken, how many failed, and why the last one did, if it did."""

    taken: int = 0
    failed: int = 0
    problem: str = ""


class ModelHolder:
    """The models of a worker, kept as the promotion ledger has them.

    Parameters
    ----------
    models
        Those to begin with.
    load
        Returns the models that are live, given those that are in place; the same object where nothing has changed for it.
    watches
        Say whether a ledger changed.
    changed
        Told after models were put in place.
    loaded
        Whether `models` are what the ledgers say now; the first look loads otherwise.
    """

    def __init__(
        self, models: LiveModels, load: Callable[[LiveModels], LiveModels], watches: tuple[Watch, ...], *,
        changed: Callable[[], None] | None = None, loaded: bool = True,
    ) -> None:
        self._models, self._load, self._watches, self._changed = models, load, watches, changed
        self._stamps = self._look() if loaded else None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self.reloads = Reloads()

    @classmethod
    def open(cls, settings: Settings, models: LiveModels, *, changed: Callable[[], None] | None = None) -> ModelHolder:
        """Return a holder that follows the ledgers of an installation."""
        watches = tuple(watch_of(settings, name) for name in (PROMOTIONS, CHALLENGERS))
        return cls(models, lambda before: reloaded(settings, before), watches, changed=changed)

    @property
    def current(self) -> LiveModels:
        """The models of this instant."""
        return self._models

    def start(self, *, every_s: float = LOOK_EVERY_S) -> None:
        """Follow the ledgers in a thread that ends with the process or by `close`."""
        self._thread = threading.Thread(target=self._run, args=(every_s,), name="models", daemon=True)
        self._thread.start()

    def check(self) -> bool:
        """Look once; return whether other models were put in place. A failure is noted and logged, and nothing else changes."""
        stamps = self._stamps
        try:
            stamps = self._look()
            if stamps == self._stamps:
                return False
            models = self._load(self._models)
        except RoadRiskError as error:
            # What does not verify now will not verify by waiting and is tried when the ledger changes next; a locked one is.
            if not isinstance(error, ServiceUnavailable):
                self._stamps = stamps
            self.reloads = Reloads(self.reloads.taken, self.reloads.failed + 1, error.message)
            _log.error("models were not reloaded, those in place go on: %s", error)
            return False
        self._stamps = stamps
        if models is self._models:
            self.reloads = Reloads(self.reloads.taken, self.reloads.failed)
            return False
        self._models = models
        self.reloads = Reloads(self.reloads.taken + 1, self.reloads.failed)
        if self._changed is not None:
            self._changed()
        return True

    def close(self) -> None:
        """End the thread and let go of the ledgers."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        for watch in self._watches:
            watch.close()

    def _run(self, every_s: float) -> None:
        while not self._end.wait(every_s):
            try:
                self.check()
            except Exception as error:  # noqa: BLE001 - a thread that dies would leave the service on old models unnoticed
                self.reloads = Reloads(self.reloads.taken, self.reloads.failed + 1, type(error).__name__)
                _log.exception("models were not reloaded")

    def _look(self) -> tuple[tuple[int, int], ...]:
        return tuple(watch.stamp() for watch in self._watches)


def reloaded(settings: Settings, before: LiveModels) -> LiveModels:
    """Return the models that are live, those that did not change taken over as they are, new ones warmed up.

    Raises
    ------
    IntegrityError
        If a bundle or the ledger does not verify.
    ConfigurationError
        If no model is live any more.
    """
    models = load_live(settings, kept=before)
    for name, model in models.live.items():
        if model is not before.live.get(name):
            model.warm()
    return models
