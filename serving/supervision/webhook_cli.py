"""`roadrisk supervision webhooks`, `deliver` and `resend`: alerts sent to subscribers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from registry.cli_options import json_option, local_time, now, settings_now
from serving.supervision.group import supervision

if TYPE_CHECKING:
    from serving.supervision.sender import Sender, Sent


@supervision.command()
@json_option
def webhooks(as_json: bool) -> None:
    """List webhooks with what was delivered and what waits as a dead letter."""
    from registry.output import emit, table
    from registry.supervision.subscriptions import Subscriptions
    from serving.supervision.shapes import webhook_out

    found = list(Subscriptions(settings_now()).all().values())
    rows = [
        (one.id, one.consumer, one.url, one.severity, local_time(one.since), "live" if one.live else "ended", one.n_delivered,
         len(one.dead))
        for one in found
    ]
    columns = ("webhook", "consumer", "url", "severity", "since", "", "delivered", "dead")
    emit(
        {"webhooks": [{"consumer": one.consumer, **webhook_out(one)} for one in found]}, as_json,
        lambda _: table(columns, rows) if rows else "No webhook. Consumers subscribe by POST /v1/vehicle_supervision/webhooks.",
    )


@supervision.command()
@click.option("--watch", is_flag=True, help="Go on until stopped, looking every few seconds.")
@click.option("--every-s", type=click.FloatRange(0.2), default=2.0, show_default=True, help="Pause between two looks.")
@json_option
def deliver(watch: bool, every_s: float, as_json: bool) -> None:
    """Send what is new to every webhook, signed and retried; what does not arrive is kept."""
    with _sender() as sender:
        done = sender.serve_all()
        while watch:
            time.sleep(every_s)
            sender.serve_all()
    _say(done, as_json)


@supervision.command()
@click.argument("webhook_id")
@json_option
def resend(webhook_id: str, as_json: bool) -> None:
    """Send the dead letters of a webhook again."""
    with _sender() as sender:
        done = sender.resend(sender.desk.hooks.get(webhook_id))
    _say(done, as_json)


def _say(done: list[Sent], as_json: bool) -> None:
    from registry.output import emit

    arrived = [one for one in done if one.arrived]
    emit(
        {"delivered": len(arrived), "dead": len(done) - len(arrived), "deliveries": done}, as_json,
        lambda _: f"{len(arrived)} deliveries arrived, {len(done) - len(arrived)} did not and are kept.",
    )


@contextmanager
def _sender() -> Iterator[Sender]:
    from registry.access.book import AccessBook
    from serving.supervision.desk import open_alerts
    from serving.supervision.sender import Sender, plain_client, resolved

    settings = settings_now()
    desk = open_alerts(settings, now)
    with closing(desk.book), closing(AccessBook.open(settings)) as access, plain_client() as client:
        yield Sender(desk, access, client, time.sleep, resolved)
