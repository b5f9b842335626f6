"""The desk of supervision: the book of alerts and the webhooks of a worker, asked under grants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from registry.data_products import SUPERVISION
from registry.errors import AccessRefused
from registry.ledger_watch import Watch, watch_of
from registry.supervision.book import ALERTS, AlertBook
from registry.supervision.events import AlertStep, StepKind
from registry.supervision.life_cycle import FINDING, Alert
from registry.supervision.sight import sees
from registry.supervision.subscriptions import Subscriptions

if TYPE_CHECKING:
    from registry.access.grants import Grant
    from registry.settings import Settings
    from serving.supervision.shapes import AcknowledgeRequest

STREAM_S: Final = 45.0
"""A stream ends after so long, and the client comes back with the line it has seen: so a key that was revoked, a scenario that was
suspended and a worker that stops end it soon, and it stays under BentoML's timeout."""
PRODUCT: Final = SUPERVISION


@dataclass(frozen=True)
class AlertDesk:
    """Answers questions about alerts.

    Parameters
    ----------
    book, hooks
        Alerts and webhooks.
    watch
        Whether the ledger of alerts changed.
    settings
        Of the installation.
    clock
        Returns the current instant.
    stream_s
        How long a stream lasts.
    """

    book: AlertBook
    hooks: Subscriptions
    watch: Watch
    settings: Settings
    clock: Callable[[], datetime]
    stream_s: float = STREAM_S

    def step(self, grant: Grant, alert_id: str, kind: StepKind, body: AcknowledgeRequest, code: str = "") -> Alert:
        """Take a step in the name of an official of a consumer.

        Raises
        ------
        AccessRefused
            If an enterprise would judge its own alerts: it may acknowledge and say what it did, and ask that one is dismissed.
        """
        if grant.sight != "all" and (kind in {"dismiss", "escalate"} or code == FINDING):
            raise AccessRefused(
                f"the role {grant.role} may not {kind} an alert so", where=f"consumer {grant.consumer}",
                remedy="Acknowledge it, say what was done, and ask the supervising authority.",
                details={"lacking": "role", "action": kind},
            )
        step = AlertStep(alert_id=alert_id, kind=kind, by=f"{grant.consumer}: {body.official.strip()}", code=code, note=body.note)
        return self.book.step(step, at=self.clock(), may=sees(grant))


def open_alerts(settings: Settings, clock: Callable[[], datetime], *, stream_s: float = STREAM_S) -> AlertDesk:
    """Return the desk of a worker."""
    return AlertDesk(AlertBook.open(settings), Subscriptions(settings), watch_of(settings, ALERTS), settings, clock, stream_s)
