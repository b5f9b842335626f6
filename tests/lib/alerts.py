"""Installations with alerts, for tests of supervision."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from registry.settings import Settings
from registry.supervision.book import AlertBook
from registry.supervision.events import AlertEvent
from tests.lib.access import installation

AT_S = 1_780_000_000
AT = datetime.fromtimestamp(AT_S, UTC)


def event(name: str = "a1", kind: str = "raised", after_s: int = 0, severity: str = "yellow", **changes: Any) -> AlertEvent:
    """Return an event of an alert of vehicle v1 of enterprise-1; a short name is filled up to the form of an alert's id."""
    fields: dict[str, Any] = {
        "alert_id": id_of(name), "kind": kind, "rule_id": "duty_continuous_4h", "vehicle_id": "v1", "enterprise_id": "enterprise-1",
        "at_s": AT_S + after_s, "severity": severity, "value": 1.0,
    }
    return AlertEvent(**{**fields, **changes})


def id_of(name: str) -> str:
    """Return the id that stands for a short name of hexadecimal digits."""
    return name.rjust(24, "0")


def alerting_home(folder: Path, *further: AlertEvent) -> Settings:
    """Return an installation with a yellow alert of enterprise-1, a red one of enterprise-2, and further events."""
    settings = installation(folder).model_copy(update={"webhook_hosts": ("hooks.example.org",)})
    with AlertBook.open(settings) as book:
        book.record([event(), event("a2", severity="red", vehicle_id="v2", enterprise_id="enterprise-2"), *further], at=AT)
    return settings
