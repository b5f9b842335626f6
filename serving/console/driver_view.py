"""What the platform knows of one driver, for himself: records, duty by his card, decisions, who looked, and what he said."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from registry.access import duty_book
from registry.care.health import health_notice
from registry.duty_rules import DUTY_RULES
from registry.errors import NotFound, ServiceUnavailable
from serving.console.portrait_facts import coded, events_of, source_of

if TYPE_CHECKING:
    from serving.console.parts import Console
    from serving.panel.dossier import Dossier

SHOWN_DECISIONS: Final = 20
SHOWN_LOOKS: Final = 50
RUN: Final = "continuous_4h"
TIMED: Final = frozenset(rule.rule_id for rule in DUTY_RULES if rule.limit_s)
"""Rules with hours to count down; the others forbid driving at a time of day."""


def driver_view(console: Console, dossier: Dossier, driver_id: str) -> dict[str, Any]:
    """Return everything of the page that is about this driver and nobody else."""
    book, now = console.care.book(), console.now()
    person, declared = book.person(driver_id), []
    if console.settings.health_data:
        declared = [one for one in book.declared(driver_id) if one.holds(console.today())]
    try:
        rating, rows, as_of = dossier.driver(driver_id), dossier.events({driver_id}), dossier.as_of
    except NotFound:
        rating, rows, as_of = None, [], None
    operator = rating["enterprise_id"] if rating else None
    duty, away, fatigue = _live(console, driver_id)
    decisions = [
        (decision, duty_book.recorded(console.desk.decisions, decision.score_id))
        for _, decision in console.desk.decisions.about(driver_id, limit=SHOWN_DECISIONS)
    ]
    return {
        "now": now, "driver_id": driver_id, "person": person, "declared": declared, "rating": rating, "events": events_of(rows),
        "as_of": as_of, "employer": console.names.known([operator], now).get(operator, "") if operator else "",
        "coded": coded, "source": source_of, "duty": duty, "away": away, "timed": TIMED,
        "since": datetime.fromisoformat(duty["since"]) if duty else None,
        "fatigue": fatigue, "decisions": decisions,
        "looks": console.desk.decisions.subject_looks(driver_id)[::-1][:SHOWN_LOOKS],
        "health_notice": _notice(console, person, declared, duty),
    }


def _live(console: Console, driver_id: str) -> tuple[dict[str, Any] | None, bool, dict[str, Any] | None]:
    """Return duty by card (None where no card of his was seen), whether the live service is away, and the score where he drives."""
    try:
        duty = console.relay.driver(driver_id)
    except NotFound:
        return None, False, None
    except ServiceUnavailable:
        return None, True, None
    try:
        fatigue = console.relay.vehicle(duty["vehicle_id"]).get("fatigue") if duty["vehicle_id"] else None
    except (NotFound, ServiceUnavailable):
        fatigue = None
    return duty, False, fatigue


def _notice(console: Console, person: Any, declared: Any, duty: dict[str, Any] | None) -> dict[str, Any] | None:
    if not console.settings.health_data or "fatigue_care" not in person.standing:
        return None
    run = next((one["used_s"] for one in (duty or {}).get("limits", ()) if one["rule"] == RUN), None)
    driven_s = float(run) if run is not None and duty and duty["vehicle_id"] else None
    return health_notice(declared, on=console.today(), driven_s=driven_s)
