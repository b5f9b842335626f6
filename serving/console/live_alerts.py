"""The alert list of the live page: what is waiting, what was acknowledged, what is done; filters, and the steps as forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from registry.errors import InvalidRequest, ServiceUnavailable
from registry.supervision.events import DISMISS_REASONS, OUTCOMES, StepKind
from registry.supervision.life_cycle import FINDING, LIFE_CYCLE, STATUS_WORDS, Alert, Status
from registry.supervision.rule_table import ALERT_RULES, RULES_BY_ID
from registry.supervision.rules import SEVERITIES, SEVERITY_WORDS, Severity
from registry.supervision.sight import sees
from serving.supervision.shapes import AcknowledgeRequest

if TYPE_CHECKING:
    from fastapi import Request

    from serving.console.live_access import Watching

SHOWN: Final = 60
GROUPS: Final[dict[str, tuple[Status, ...]]] = {
    "waiting": ("raised", "escalated"), "acknowledged": ("acknowledged",), "done": ("handled", "dismissed"),
}
"""Group of the list -> statuses in it."""
_UNITS: Final = {"d", "%", "KSS"}


@dataclass(frozen=True)
class Filter:
    """Which alerts are listed.

    Parameters
    ----------
    group
        One of `GROUPS`.
    severity
        Least severity.
    rule
        Only those of this rule; empty for all.
    """

    group: str = "waiting"
    severity: Severity = "yellow"
    rule: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Filter:
        """Return the filter of a query or form; what is none is left out."""
        severity: Severity = next((one for one in SEVERITIES if one == fields.get("severity")), "yellow")
        group, rule = fields.get("group", ""), fields.get("rule", "")
        return cls(group if group in GROUPS else "waiting", severity, rule if rule in RULES_BY_ID else "")

    def passes(self, alert: Alert) -> bool:
        """Return whether an alert has the severity and rule."""
        return SEVERITIES.index(alert.severity) >= SEVERITIES.index(self.severity) and self.rule in ("", alert.rule_id)


def alert_list(watch: Watching, request: Request, asked: Filter) -> dict[str, Any]:
    """Return what the list is drawn from."""
    desk = watch.console.alerts
    found = [] if desk is None else [one for one in desk.book.alerts(sees(watch.grant)) if asked.passes(one)]
    group_of = {status: group for group, statuses in GROUPS.items() for status in statuses}
    counts = dict.fromkeys(GROUPS, 0)
    for one in found:
        counts[group_of[one.status]] += 1
    chosen = [one for one in found if group_of[one.status] == asked.group]
    # What goes on comes first, the worst of it leading; then what is over.
    ordered = sorted(chosen, key=_urgency, reverse=True)
    listed = ordered[:SHOWN]
    seen = watch.console.relay.seen
    return {
        "filter": asked, "counts": counts, "n": len(chosen), "groups": GROUPS, "severities": SEVERITY_WORDS, "rules": ALERT_RULES,
        "names": watch.names([one.enterprise_id for one in listed]), "steps": _steps(watch),
        "finding": FINDING, "outcomes": OUTCOMES, "reasons": DISMISS_REASONS,
        "alerts": [{
            "alert": one, "rule": RULES_BY_ID.get(one.rule_id), "status": STATUS_WORDS[one.status], "value": _value(one),
            "address": watch.address(request, one.vehicle_id),
            "may": [kind for kind in _steps(watch) if one.status in LIFE_CYCLE[kind][0]],
            "slot": seen[0].slot(one.vehicle_id) if seen else None, "escalates_at": one.escalates_at(),
        } for one in listed],
    }


def alerts_of_vehicle(watch: Watching, vehicle_id: str, *, most: int = 5) -> list[tuple[Alert, Any, tuple[str, str]]]:
    """Return the newest alerts of a vehicle with their rules and the words of their status."""
    desk, may = watch.console.alerts, sees(watch.grant)
    found = [] if desk is None else desk.book.alerts(lambda one: one.vehicle_id == vehicle_id and may(one))
    return [(one, RULES_BY_ID.get(one.rule_id), STATUS_WORDS[one.status]) for one in found[:most]]


def take_step(watch: Watching, request: Request, alert_id: str, form: Mapping[str, str]) -> Alert:
    """Take the step of a form: its field `step` is a step, with a code behind a colon where it needs one.

    Raises
    ------
    RoadRiskError
        If there is no such alert, the step does not follow, or the visitor may not take it.
    """
    desk = watch.console.alerts
    if desk is None:
        raise ServiceUnavailable("there is no ledger of alerts here", where="alerts", remedy="Run `roadrisk ledger init`.")
    named, _, code = form.get("step", "").partition(":")
    kind = next((one for one in LIFE_CYCLE if one == named), None)
    official, note = form.get("by", "").strip(), form.get("note", "").strip()
    if kind is None:
        raise InvalidRequest("there is no such step", where="step", remedy="Choose one of the list.")
    if not 0 < len(official) <= 60 or len(note) > 500:
        raise InvalidRequest("nobody is named, or the note is too long", where="by", remedy="Name who decides.")
    grant = watch.console.door.grant(request, watch.grant.product, "handle_alerts")
    return desk.step(grant, alert_id, kind, AcknowledgeRequest(official=official, note=note), code)


def _urgency(alert: Alert) -> tuple[bool, int, datetime]:
    return alert.is_open, SEVERITIES.index(alert.severity) if alert.is_open else 0, alert.raised_at


def _steps(watch: Watching) -> list[StepKind]:
    """Return the steps that the visitor may take."""
    if "handle_alerts" not in watch.grant.actions:
        return []
    return ["acknowledge", "handle", "dismiss", "escalate"] if watch.everything else ["acknowledge", "handle"]


def _value(alert: Alert) -> tuple[float, str] | None:
    rule = RULES_BY_ID.get(alert.rule_id)
    if alert.value is None or rule is None or rule.unit not in _UNITS or not alert.is_open:
        return None
    return alert.value, rule.unit
