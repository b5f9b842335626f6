"""What is sent about alerts, and what is taken in, as declared in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from registry.local_time import SHANGHAI
from registry.supervision.book import Written, lines_of
from registry.supervision.events import DismissReason, Outcome
from registry.supervision.life_cycle import STATUS_WORDS, Alert, Status
from registry.supervision.ranking import Ranked
from registry.supervision.rule_table import RULES_BY_ID
from registry.supervision.rules import CLASS_WORDS, AlertClass, AlertRule, Severity
from registry.supervision.subscriptions import Subscription
from serving.answer_schema import Closed, Wording


class AlertRuleOut(Wording):
    """The rule of an alert."""

    rule_id: str
    alert_class: AlertClass
    class_zh: str
    class_en: str
    article: str
    note: str


class AlertOut(Closed):
    """An alert as it stands. It is what a machine noticed, and no finding."""

    alert_id: str
    rule: AlertRuleOut
    vehicle: str = Field(description="pseudonym")
    enterprise: str = Field(description="pseudonym")
    severity: Severity
    worst: Severity
    evidence: str = Field(description="of the threshold: F1 read in the text, F2 secondary, G general knowledge, A assumption")
    value: float | None
    unit: str
    status: Status
    status_zh: str
    open: bool = Field(description="whether its condition goes on")
    raised_at: str
    cleared_at: str | None
    escalates_at: str | None = Field(description="when it is escalated if nobody acknowledges it")
    violation: bool = Field(description="confirmed by a person and not dismissed")
    points: float = Field(description="what it adds to the supervision score now")
    score_id: str | None = Field(
        description="decision whose score it rests on: `GET /v1/scores/{score_id}` has inputs, model and explanation",
    )


class AlertsOut(Closed):
    """Alerts, the newest first."""

    total: int
    alerts: list[AlertOut]


class LivedOut(Closed):
    """One line of the life of an alert."""

    seq: int = Field(description="line of the ledger")
    at: str
    what: str
    severity: Severity | None = None
    value: float | None = None
    score_id: str | None = None
    by: str | None = None
    code: str | None = None
    note: str | None = None


class AlertWithLife(AlertOut):
    """An alert and everything that happened to it."""

    life: list[LivedOut]


class RankedOut(Closed):
    """A vehicle with its supervision score: the sum of the points of its alerts that go on."""

    vehicle: str
    enterprise: str
    points: float
    tier: Literal["red", "orange", "yellow", "green"]
    alerts: list[AlertOut]


class RankingOut(Closed):
    """Vehicles to look at, most points first."""

    total: int
    vehicles: list[RankedOut]


class WebhookOut(Closed):
    """A subscription."""

    id: str
    url: str
    severity: Severity
    scenario: str
    since: str
    live: bool
    cursor: int
    delivered: int
    dead: int = Field(description="deliveries that did not arrive and can be sent again")


class WebhookMade(WebhookOut):
    """A new subscription with the secret that signs its deliveries; it is shown once."""

    secret: str


class WebhooksOut(Closed):
    """Subscriptions of the consumer."""

    webhooks: list[WebhookOut]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AcknowledgeRequest(_Body):
    """Somebody has taken notice."""

    official: str = Field(min_length=1, max_length=60, description="who")
    note: str = Field(default="", max_length=500)


class HandleRequest(AcknowledgeRequest):
    """What was done."""

    outcome: Outcome


class DismissRequest(AcknowledgeRequest):
    """Why it was none."""

    reason: DismissReason


class WebhookRequest(_Body):
    """Where alerts shall be sent."""

    url: str = Field(min_length=9, max_length=500, description="https address of a host that the operator has allowed")
    severity: Severity = "yellow"


def alert_out(alert: Alert) -> dict[str, Any]:
    """Return an alert as `AlertOut`."""
    # A ledger outlives its rules: what a rule does not say any more is an assumption of its time.
    rule = RULES_BY_ID.get(alert.rule_id) or _gone(alert.rule_id)
    evidence = next((level.evidence for level in rule.levels if level.severity == alert.severity), "A")
    class_zh, class_en = CLASS_WORDS[rule.alert_class]
    return {
        "alert_id": alert.alert_id,
        "rule": {"rule_id": rule.rule_id, "zh": rule.zh, "en": rule.en, "alert_class": rule.alert_class, "class_zh": class_zh,
                 "class_en": class_en, "article": rule.article, "note": rule.note},
        "vehicle": alert.vehicle_id, "enterprise": alert.enterprise_id, "severity": alert.severity, "worst": alert.worst,
        "evidence": evidence, "value": alert.value, "unit": rule.unit, "status": alert.status,
        "status_zh": STATUS_WORDS[alert.status][0], "open": alert.is_open, "raised_at": instant(alert.raised_at),
        "cleared_at": instant(alert.cleared_at), "escalates_at": instant(alert.escalates_at()), "violation": alert.is_violation,
        "points": alert.points(), "score_id": alert.score_id or None,
    }


def _gone(rule_id: str) -> AlertRule:
    return AlertRule(
        rule_id=rule_id, zh=f"已停用的规则 {rule_id}", en=f"rule {rule_id}, which is no longer used", alert_class="terminal",
        signal="", unit="", levels=(),
    )


def alert_with_life(alert: Alert) -> dict[str, Any]:
    """Return an alert as `AlertWithLife`."""
    life = [{**line, "at": instant(line["at"])} for line in lines_of(alert)]
    return {**alert_out(alert), "life": life}


def written_out(line: Written) -> dict[str, Any]:
    """Return a line of the ledger as it is streamed and sent: what happened, and the alert as it stands."""
    return {"seq": line.seq, "at": instant(line.at), "what": line.what.kind, "alert": alert_out(line.alert)}


def ranked_out(one: Ranked) -> dict[str, Any]:
    """Return a vehicle as `RankedOut`."""
    return {
        "vehicle": one.vehicle_id, "enterprise": one.enterprise_id, "points": one.points, "tier": one.tier,
        "alerts": [alert_out(alert) for alert in one.alerts],
    }


def webhook_out(one: Subscription) -> dict[str, Any]:
    """Return a subscription as `WebhookOut`."""
    return {
        "id": one.id, "url": one.url, "severity": one.severity, "scenario": one.scenario, "since": instant(one.since),
        "live": one.live, "cursor": one.cursor, "delivered": one.n_delivered, "dead": len(one.dead),
    }


def instant(at: datetime | None) -> str | None:
    """Return an instant as ISO 8601 of Shanghai."""
    return None if at is None else at.astimezone(SHANGHAI).isoformat(timespec="seconds")
