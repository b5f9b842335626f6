"""Commands of the door: pull from a source, receive what is pushed, and serve the simulated province as a source would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from features.cli import DRY_RUN, JSON_OPTION
from registry.commands import Instant

if TYPE_CHECKING:
    from rich.console import RenderableType
    from starlette.applications import Starlette

    from features.pseudonyms import Pseudonymiser
    from features.warehouse import Warehouse
    from registry.settings import Settings

HOST_OPTION = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")


@click.command()
@click.option("--resource", "resources", multiple=True, help="Only this resource; may be given several times.")
@click.option("--until", type=Instant(), help="Only what arrived up to this instant; everything by default.")
@click.option("--url", help="Address of the source; the setting ROADRISK_PULL_URL by default.")
@click.option("--page-rows", type=click.IntRange(1, 50_000), default=5_000, show_default=True, help="Rows per request.")
@click.option("--delivery-rows", type=click.IntRange(1), default=200_000, show_default=True, help="Rows that close a delivery.")
@DRY_RUN
@JSON_OPTION
def pull(
    resources: tuple[str, ...], until: datetime | None, url: str | None, page_rows: int, delivery_rows: int, dry_run: bool,
    as_json: bool,
) -> None:
    """Pull new rows from the source; goes on where the last pull stopped, however it ended."""
    from features.door.pull import Pulled, PullTarget, pull_all
    from features.door.source import PullLimits, Source
    from registry.output import emit, progress
    from registry.settings import Settings

    settings = Settings()
    warehouse, pseudonyms = _inside(settings)
    target = PullTarget(
        folder=settings.intake_dir / "pull", warehouse=warehouse, pseudonyms=pseudonyms, delivery_rows=delivery_rows
    )
    outcomes: list[Pulled] = []
    address, limits = url or settings.pull_url, PullLimits(page_rows=page_rows)
    with Source(address, settings.pull_key.get_secret_value(), limits) as source, progress("pull") as report:
        told = until.astimezone(UTC).isoformat() if until else ""
        outcomes += pull_all(source, target, resources, until=told, dry_run=dry_run, progress=report)
    emit({"dry_run": dry_run, "resources": outcomes}, as_json, lambda found: _pulled_table(found["resources"]))
    _fail_if_refused({outcome.resource: outcome.refused for outcome in outcomes if outcome.refused})


@click.command("serve-reference")
@click.option("--port", type=click.IntRange(1, 65_535), default=8360, show_default=True, help="Port to listen on.")
@HOST_OPTION
@click.option("--as-of", type=Instant(), help="Serve only what had arrived by this instant; everything by default.")
@click.option("--fail-share", type=click.FloatRange(0, 0.95), default=0.0, show_default=True, help="Share of requests that fail.")
@click.option("--slow", "slow_s", type=click.FloatRange(0, 60), default=0.0, show_default=True, help="Seconds before each answer.")
def serve_reference(port: int, host: str, as_of: datetime | None, fail_share: float, slow_s: float) -> None:
    """Serve the simulated province as a source would (simulated data); asks for ROADRISK_PULL_KEY where it is set."""
    from features.door.outbox_pages import OutboxPages
    from features.door.reference_server import Faults, create_source
    from registry.errors import ConfigurationError, NotFound
    from registry.settings import Settings

    settings = Settings()
    key = settings.pull_key.get_secret_value()
    if not settings.outbox_dir.is_dir():
        raise NotFound("no simulated province", where=str(settings.outbox_dir), remedy="Run `roadrisk simulate` first.")
    if not key and host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigurationError(f"nothing but the loopback is served without a key, met {host}", remedy="Set ROADRISK_PULL_KEY.")
    pages = OutboxPages(settings.outbox_dir, as_of=as_of and as_of.astimezone(UTC), memory_limit=settings.memory_limit)
    _serve(create_source(pages, key=key, faults=Faults(share=fail_share, slow_s=slow_s, seed=settings.seed)), host, port)


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=8361, show_default=True, help="Port to listen on.")
@HOST_OPTION
@click.option("--seal-rows", type=click.IntRange(1), default=200_000, show_default=True, help="Rows that make a delivery.")
@click.option("--seal-seconds", type=click.FloatRange(0.1), default=60.0, show_default=True, help="Age that makes a delivery.")
@click.option("--replay", is_flag=True, help="Rows tell their own arrival (simulated rows of the past only).")
def receive(port: int, host: str, seal_rows: int, seal_seconds: float, replay: bool) -> None:
    """Receive rows of the real-time resources; asks for ROADRISK_PUSH_KEY."""
    from features.door.journal import PushJournal
    from features.door.push import Receiver
    from features.door.sealing import Sealer, SealLimits
    from registry.settings import Settings

    settings = Settings()
    warehouse, pseudonyms = _inside(settings)
    journal = PushJournal(settings.intake_dir / "push")
    sealer = Sealer(journal, warehouse, pseudonyms, SealLimits(rows=seal_rows, age_s=seal_seconds))
    _serve(Receiver(journal, sealer, settings.push_key.get_secret_value(), replay=replay).app(), host, port)


def _inside(settings: Settings) -> tuple[Warehouse, Pseudonymiser]:
    from features.pseudonyms import Pseudonymiser
    from features.warehouse import Warehouse
    from registry.generation import epoch_of
    from registry.signing import pseudonym_keys

    # The keys are those of the warehouse that is opened here, also where they are being rotated at this moment.
    warehouse = Warehouse(settings.warehouse_dir)
    return warehouse, Pseudonymiser(pseudonym_keys(settings.keys_dir, epoch_of(warehouse.root)))


def _serve(app: Starlette, host: str, port: int) -> None:
    import uvicorn

    click.echo(f"listening on http://{host}:{port}", err=True)
    # The access log would hold cursors and addresses; nobody reads it, so there is none.
    uvicorn.run(
        app, host=host, port=port, access_log=False, log_level="error", server_header=False, limit_concurrency=64,
        timeout_keep_alive=15, timeout_graceful_shutdown=10, h11_max_incomplete_event_size=16_384,
    )


def _pulled_table(outcomes: list[Any]) -> RenderableType:
    from registry.output import table

    columns = ("resource", "deliveries", "rows", "quarantined", "complete_until", "refused")
    return table(columns, [[getattr(outcome, name) or None for name in columns] for outcome in outcomes], title="pulled")


def _fail_if_refused(refused: dict[str, str]) -> None:
    from registry.errors import DeliveryRefused

    if refused:
        raise DeliveryRefused(
            f"{len(refused)} resources were refused: {', '.join(refused)}", remedy="The others have entered.",
            details={"refused": refused},
        )
