"""Every call of the service as a method. Generated from its OpenAPI document by `roadrisk docs`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.transport import Transport


class Api(Transport):
    """The calls of one service."""

    def score_enterprise_risk(
        self, body: Mapping[str, Any], *, scenario: str | None = None, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Road-transport enterprise risk portrait.

        `POST /v1/enterprise_risk/scores`.
        """
        return self.call(
            "POST",
            "/v1/enterprise_risk/scores",
            body=dict(body),
            headers={"X-Scenario": scenario, "Idempotency-Key": idempotency_key},
            once=True,
        )

    def what_if_enterprise_risk(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Road-transport enterprise risk portrait: the score with other values of what the subject can change.

        `POST /v1/enterprise_risk/what-if`.
        """
        return self.call("POST", "/v1/enterprise_risk/what-if", body=dict(body), headers={"X-Scenario": scenario})

    def recourse_enterprise_risk(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Road-transport enterprise risk portrait: the fewest changes that would bring the subject into a lower tier.

        `POST /v1/enterprise_risk/recourse`.
        """
        return self.call("POST", "/v1/enterprise_risk/recourse", body=dict(body), headers={"X-Scenario": scenario})

    def score_insurance_pricing(
        self, body: Mapping[str, Any], *, scenario: str | None = None, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Road-transport insurance pricing.

        `POST /v1/insurance_pricing/scores`.
        """
        return self.call(
            "POST",
            "/v1/insurance_pricing/scores",
            body=dict(body),
            headers={"X-Scenario": scenario, "Idempotency-Key": idempotency_key},
            once=True,
        )

    def what_if_insurance_pricing(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Road-transport insurance pricing: the score with other values of what the subject can change.

        `POST /v1/insurance_pricing/what-if`.
        """
        return self.call("POST", "/v1/insurance_pricing/what-if", body=dict(body), headers={"X-Scenario": scenario})

    def recourse_insurance_pricing(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Road-transport insurance pricing: the fewest changes that would bring the subject into a lower tier.

        `POST /v1/insurance_pricing/recourse`.
        """
        return self.call("POST", "/v1/insurance_pricing/recourse", body=dict(body), headers={"X-Scenario": scenario})

    def score_maintenance(
        self, body: Mapping[str, Any], *, scenario: str | None = None, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Vehicle maintenance prediction.

        `POST /v1/maintenance/scores`.
        """
        return self.call(
            "POST",
            "/v1/maintenance/scores",
            body=dict(body),
            headers={"X-Scenario": scenario, "Idempotency-Key": idempotency_key},
            once=True,
        )

    def what_if_maintenance(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Vehicle maintenance prediction: the score with other values of what the subject can change.

        `POST /v1/maintenance/what-if`.
        """
        return self.call("POST", "/v1/maintenance/what-if", body=dict(body), headers={"X-Scenario": scenario})

    def recourse_maintenance(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Vehicle maintenance prediction: the fewest changes that would bring the subject into a lower tier.

        `POST /v1/maintenance/recourse`.
        """
        return self.call("POST", "/v1/maintenance/recourse", body=dict(body), headers={"X-Scenario": scenario})

    def score_driver_fatigue(
        self, body: Mapping[str, Any], *, scenario: str | None = None, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Driver health and fatigue care.

        `POST /v1/driver_fatigue/scores`.
        """
        return self.call(
            "POST",
            "/v1/driver_fatigue/scores",
            body=dict(body),
            headers={"X-Scenario": scenario, "Idempotency-Key": idempotency_key},
            once=True,
        )

    def what_if_driver_fatigue(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Driver health and fatigue care: the score with other values of what the subject can change.

        `POST /v1/driver_fatigue/what-if`.
        """
        return self.call("POST", "/v1/driver_fatigue/what-if", body=dict(body), headers={"X-Scenario": scenario})

    def recourse_driver_fatigue(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Driver health and fatigue care: the fewest changes that would bring the subject into a lower tier.

        `POST /v1/driver_fatigue/recourse`.
        """
        return self.call("POST", "/v1/driver_fatigue/recourse", body=dict(body), headers={"X-Scenario": scenario})

    def score_portfolio(
        self, name: str, body: Mapping[str, Any], *, scenario: str | None = None, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """One row of a portfolio, every input sent by the caller.

        `POST /v1/portfolios/{name}/scores`.
        """
        return self.call(
            "POST",
            f"/v1/portfolios/{name}/scores",
            body=dict(body),
            headers={"X-Scenario": scenario, "Idempotency-Key": idempotency_key},
            once=True,
        )

    def get_score(self, score_id: str, *, scenario: str | None = None) -> dict[str, Any]:
        """A past answer, as recorded.

        `GET /v1/scores/{score_id}`.
        """
        return self.call("GET", f"/v1/scores/{score_id}", headers={"X-Scenario": scenario})

    def explain_score(
        self, score_id: str, *, rows: bool | None = None, scenario: str | None = None
    ) -> dict[str, Any]:
        """The exact explanation of a past decision, recomputed from its record.

        `GET /v1/scores/{score_id}/explanation`.
        """
        return self.call(
            "GET",
            f"/v1/scores/{score_id}/explanation",
            query={"rows": rows},
            headers={"X-Scenario": scenario},
        )

    def replay_score(self, score_id: str, *, scenario: str | None = None) -> dict[str, Any]:
        """The decision computed again from its recorded inputs and bundle, compared byte by byte.

        `GET /v1/scores/{score_id}/replay`.
        """
        return self.call("GET", f"/v1/scores/{score_id}/replay", headers={"X-Scenario": scenario})

    def recourse_of_score(self, score_id: str, *, scenario: str | None = None) -> dict[str, Any]:
        """The fewest changes of the recorded inputs that would have brought the subject into the next lower tier.

        `GET /v1/scores/{score_id}/recourse`.
        """
        return self.call("GET", f"/v1/scores/{score_id}/recourse", headers={"X-Scenario": scenario})

    def report_of_score(self, score_id: str, *, scenario: str | None = None) -> dict[str, Any]:
        """The signed report of a past decision, which anybody can check off line.

        `GET /v1/scores/{score_id}/report`.
        """
        return self.call("GET", f"/v1/scores/{score_id}/report", headers={"X-Scenario": scenario})

    def object(self, score_id: str, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Object to a decision.

        `POST /v1/scores/{score_id}/objections`.
        """
        return self.call(
            "POST",
            f"/v1/scores/{score_id}/objections",
            body=dict(body),
            headers={"X-Scenario": scenario},
        )

    def ask_review(self, score_id: str, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Ask that a person reviews a decision.

        `POST /v1/scores/{score_id}/reviews`.
        """
        return self.call("POST", f"/v1/scores/{score_id}/reviews", body=dict(body), headers={"X-Scenario": scenario})

    def list_duties(self, score_id: str, *, scenario: str | None = None) -> dict[str, Any]:
        """Objections, requests for review and their results.

        `GET /v1/scores/{score_id}/duties`.
        """
        return self.call("GET", f"/v1/scores/{score_id}/duties", headers={"X-Scenario": scenario})

    def list_batches(self) -> dict[str, Any]:
        """The caller's batches.

        `GET /v1/batches`.
        """
        return self.call("GET", "/v1/batches")

    def batch_status(self, batch_id: str) -> dict[str, Any]:
        """How far a batch is.

        `GET /v1/batches/{batch_id}`.
        """
        return self.call("GET", f"/v1/batches/{batch_id}")

    def list_alerts(
        self, *, status: str | None = None, severity: str | None = None, rule: str | None = None, vehicle: str | None
        = None, enterprise: str | None = None, only_open: bool | None = None, limit: int | None = None, offset: int |
        None = None, scenario: str | None = None
    ) -> dict[str, Any]:
        """Alerts, the newest first.

        `GET /v1/vehicle_supervision/alerts`.
        """
        return self.call(
            "GET",
            "/v1/vehicle_supervision/alerts",
            query={"status": status, "severity": severity, "rule": rule, "vehicle": vehicle, "enterprise": enterprise,
                "only_open": only_open, "limit": limit, "offset": offset},
            headers={"X-Scenario": scenario},
        )

    def get_alert(self, alert_id: str, *, scenario: str | None = None) -> dict[str, Any]:
        """An alert and everything that happened to it.

        `GET /v1/vehicle_supervision/alerts/{alert_id}`.
        """
        return self.call("GET", f"/v1/vehicle_supervision/alerts/{alert_id}", headers={"X-Scenario": scenario})

    def rank_vehicles(self, *, limit: int | None = None, scenario: str | None = None) -> dict[str, Any]:
        """Vehicles by their supervision score, most points first.

        `GET /v1/vehicle_supervision/vehicles`.
        """
        return self.call(
            "GET",
            "/v1/vehicle_supervision/vehicles",
            query={"limit": limit},
            headers={"X-Scenario": scenario},
        )

    def acknowledge_alert(
        self, alert_id: str, body: Mapping[str, Any], *, scenario: str | None = None
    ) -> dict[str, Any]:
        """Somebody has taken notice of an alert.

        `POST /v1/vehicle_supervision/alerts/{alert_id}/acknowledge`.
        """
        return self.call(
            "POST",
            f"/v1/vehicle_supervision/alerts/{alert_id}/acknowledge",
            body=dict(body),
            headers={"X-Scenario": scenario},
        )

    def handle_alert(self, alert_id: str, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """What was done about an alert.

        `POST /v1/vehicle_supervision/alerts/{alert_id}/handle`.
        """
        return self.call(
            "POST",
            f"/v1/vehicle_supervision/alerts/{alert_id}/handle",
            body=dict(body),
            headers={"X-Scenario": scenario},
        )

    def dismiss_alert(self, alert_id: str, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """An alert was none; it is never counted as a violation.

        `POST /v1/vehicle_supervision/alerts/{alert_id}/dismiss`.
        """
        return self.call(
            "POST",
            f"/v1/vehicle_supervision/alerts/{alert_id}/dismiss",
            body=dict(body),
            headers={"X-Scenario": scenario},
        )

    def escalate_alert(
        self, alert_id: str, body: Mapping[str, Any], *, scenario: str | None = None
    ) -> dict[str, Any]:
        """An alert goes to whoever stands above.

        `POST /v1/vehicle_supervision/alerts/{alert_id}/escalate`.
        """
        return self.call(
            "POST",
            f"/v1/vehicle_supervision/alerts/{alert_id}/escalate",
            body=dict(body),
            headers={"X-Scenario": scenario},
        )

    def list_webhooks(self, *, scenario: str | None = None) -> dict[str, Any]:
        """Webhooks of the consumer.

        `GET /v1/vehicle_supervision/webhooks`.
        """
        return self.call("GET", "/v1/vehicle_supervision/webhooks", headers={"X-Scenario": scenario})

    def subscribe_webhook(self, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Send alerts to an https address from now on.

        `POST /v1/vehicle_supervision/webhooks`.
        """
        return self.call(
            "POST",
            "/v1/vehicle_supervision/webhooks",
            body=dict(body),
            headers={"X-Scenario": scenario},
        )

    def unsubscribe_webhook(self, webhook_id: str, *, scenario: str | None = None) -> dict[str, Any]:
        """Send no more.

        `DELETE /v1/vehicle_supervision/webhooks/{webhook_id}`.
        """
        return self.call("DELETE", f"/v1/vehicle_supervision/webhooks/{webhook_id}", headers={"X-Scenario": scenario})

    def oip_server(self) -> dict[str, Any]:
        """What serves.

        `GET /v2`.
        """
        return self.call("GET", "/v2")

    def oip_model(self, name: str) -> dict[str, Any]:
        """Inputs and outputs of a live model.

        `GET /v2/models/{name}`.
        """
        return self.call("GET", f"/v2/models/{name}")

    def oip_model_ready(self, name: str) -> dict[str, Any]:
        """Whether a model is live.

        `GET /v2/models/{name}/ready`.
        """
        return self.call("GET", f"/v2/models/{name}/ready")

    def oip_infer(self, name: str, body: Mapping[str, Any], *, scenario: str | None = None) -> dict[str, Any]:
        """Score rows that the caller sends.

        `POST /v2/models/{name}/infer`.
        """
        return self.call("POST", f"/v2/models/{name}/infer", body=dict(body), headers={"X-Scenario": scenario})

    def mlflow_invocations(
        self, name: str, body: Mapping[str, Any], *, scenario: str | None = None
    ) -> dict[str, Any]:
        """Score rows that an MLflow client sends.

        `POST /v1/models/{name}/invocations`.
        """
        return self.call("POST", f"/v1/models/{name}/invocations", body=dict(body), headers={"X-Scenario": scenario})

    def list_products(self) -> dict[str, Any]:
        """Scored products and portfolios.

        `GET /v1/products`.
        """
        return self.call("GET", "/v1/products")

    def list_models(self) -> dict[str, Any]:
        """Live models, their inputs and provenance.

        `GET /v1/models`.
        """
        return self.call("GET", "/v1/models")

    def list_reason_codes(self) -> dict[str, Any]:
        """The reason dictionary.

        `GET /v1/reason-codes`.
        """
        return self.call("GET", "/v1/reason-codes")

    def get_notice(self, product: str) -> dict[str, Any]:
        """What the subject of an automated decision is told.

        `GET /v1/notices/{product}`.
        """
        return self.call("GET", f"/v1/notices/{product}")

    def oip_live(self) -> dict[str, Any]:
        """The process answers.

        `GET /v2/health/live`.
        """
        return self.call("GET", "/v2/health/live")

    def oip_ready(self) -> dict[str, Any]:
        """As /readyz.

        `GET /v2/health/ready`.
        """
        return self.call("GET", "/v2/health/ready")
