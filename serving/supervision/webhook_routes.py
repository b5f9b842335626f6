"""Routes of webhooks: subscribe under a scenario, end it, and send again what did not arrive."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from registry.supervision.subscriptions import Subscription, secret_of
from serving.authorised import Door, ScenarioHeader
from serving.documents import GET_PROBLEMS, POST_PROBLEMS, problem_responses
from serving.json_response import json_response
from serving.supervision.desk import PRODUCT, AlertDesk
from serving.supervision.shapes import WebhookMade, WebhookOut, WebhookRequest, WebhooksOut, webhook_out

ROOT: Final = f"/v1/{PRODUCT}/webhooks"
WebhookId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="id of a webhook")]


def webhook_router(desk: AlertDesk, door: Door) -> APIRouter:
    """Return the routes of webhooks."""
    router = APIRouter(tags=["supervision"])

    @router.get(
        ROOT, operation_id="list_webhooks", summary="webhooks of the consumer",
        responses={200: {"model": WebhooksOut}, **problem_responses((*GET_PROBLEMS, 422))},
    )
    def list_webhooks(request: Request, scenario: ScenarioHeader = None) -> Response:
        grant = door.grant(request, PRODUCT, "alerts", scenario)
        own = [one for one in desk.hooks.all().values() if one.consumer == grant.consumer]
        return json_response({"webhooks": [webhook_out(one) for one in own]})

    @router.post(
        ROOT, operation_id="subscribe_webhook", summary="send alerts to an https address from now on", status_code=201,
        description="The host must be on the operator's list. Deliveries carry `X-RoadRisk-Signature: t=…,v1=…`, an HMAC-SHA256 "
        "with the secret of this answer over `t.body`; refuse what is older than five minutes.",
        responses={201: {"model": WebhookMade}, **problem_responses(POST_PROBLEMS)},
    )
    def subscribe(body: WebhookRequest, request: Request, scenario: ScenarioHeader = None) -> Response:
        grant = door.grant(request, PRODUCT, "alerts", scenario)
        desk.book.refresh()
        made = desk.hooks.subscribe(
            consumer=grant.consumer, scenario=grant.scenario, url=body.url, severity=body.severity, cursor=desk.book.seq,
            at=desk.clock(),
        )
        return json_response({**webhook_out(made), "secret": secret_of(desk.settings, made.id)}, status=201)

    @router.delete(
        f"{ROOT}/{{webhook_id}}", operation_id="unsubscribe_webhook", summary="send no more",
        responses={200: {"model": WebhookOut}, **problem_responses((*GET_PROBLEMS, 422))},
    )
    def unsubscribe(webhook_id: WebhookId, request: Request, scenario: ScenarioHeader = None) -> Response:
        grant = door.grant(request, PRODUCT, "alerts", scenario)
        held: Subscription = desk.hooks.get(webhook_id, grant.consumer)
        desk.hooks.unsubscribe(held.id, by=grant.consumer, at=desk.clock())
        return json_response(webhook_out(desk.hooks.get(webhook_id)))

    return router
