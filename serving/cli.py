"""`roadrisk serve`, `roadrisk score` and `roadrisk explain`."""

from __future__ import annotations

import json as jsonlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from registry.errors import InvalidRequest
from registry.output import emit

if TYPE_CHECKING:
    from registry.settings import Settings

SERVICE = "serving.service:RoadRisk"
KEEP_ALIVE_S = 75
"""How long a connection may idle: longer than proxies and clients keep one (60 s is common), or one of theirs would now and then be
closed under a request. [A]"""


@click.command()
@click.option("--host", default=None, help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Port to listen on.  [default: 8350]")
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Worker processes.  [default: 1]")
@click.option("--dry-run", is_flag=True, help="Check bundles and print what would be served.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run, print JSON.")
def serve(host: str | None, port: int | None, workers: int | None, dry_run: bool, as_json: bool) -> None:
    """Start the scoring service; refuse to start on a bundle that does not verify (exit code 40).

    The process becomes BentoML's; stop it with Ctrl-C or SIGTERM. Options override ROADRISK_HOST, ROADRISK_PORT and
    ROADRISK_WORKERS.
    """
    from registry.settings import Settings
    from serving.start import check_start, set_environment

    set_environment()
    given = {"host": host, "port": port, "workers": workers}
    settings = Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    live: list[dict[str, Any]] = [
        {"product": name, "version": model.version, "digest": model.digest}
        for name, model in sorted(check_start(settings).items())
    ]
    address = f"http://{settings.host}:{settings.port}"
    if dry_run:
        emit({"address": address, "workers": settings.workers, "live": live}, as_json, _serve_view)
        return
    click.echo(f"serving {', '.join(entry['product'] for entry in live)} at {address}", err=True)
    _become_bentoml(settings)


def _become_bentoml(settings: Settings) -> None:
    root = Path(__file__).resolve().parent.parent
    # Each service has its own BentoML home: a shared one lets a starting service delete another's figures.
    home = settings.home.absolute() / "service" / str(settings.port)
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ, "BENTOML_HOME": str(home), "ROADRISK_HOME": str(settings.home.absolute()),
        "ROADRISK_KEYS_DIR": str(settings.keys_dir.absolute()), "ROADRISK_WORKERS": str(settings.workers),
    }
    command = [sys.executable, "-m", "bentoml", "serve", SERVICE, "--working-dir", str(root), "--host", settings.host,
               "--port", str(settings.port), "--timeout-keep-alive", str(KEEP_ALIVE_S)]
    sys.stdout.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - our own interpreter and module, no shell


def _serve_view(plan: Mapping[str, Any]) -> Any:
    from registry.output import table

    rows = [(entry["product"], entry["version"], entry["digest"][:16]) for entry in plan["live"]]
    return table(("product", "version", "digest"), rows, title=f"would serve at {plan['address']}")


@click.command()
@click.argument("product")
@click.option("--plate", help="车牌号码: number plate of a vehicle; needs --color.")
@click.option("--color", help="车牌颜色: code of the plate's colour, 2 is yellow.")
@click.option("--vin", help="车架号: VIN of a vehicle.")
@click.option("--uscc", help="统一社会信用代码: credit code of an enterprise.")
@click.option("--features", type=click.File(encoding="utf-8"), help="JSON file of one row of a portfolio; - reads input.")
@click.option("--url", default=None, help="Address of the service.  [default: from ROADRISK_HOST and ROADRISK_PORT]")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def score(
    product: str, plate: str | None, color: str | None, vin: str | None, uscc: str | None, features: IO[str] | None,
    url: str | None, as_json: bool,
) -> None:
    """Ask a running service for the score of PRODUCT and show its exact decomposition.

    \b
    roadrisk score insurance_pricing --plate 赣A12345 --color 2
    roadrisk score enterprise_risk --uscc 913601000000001664
    roadrisk score french_mtpl --features policy.json
    """  # noqa: D301 - click's mark of a block is the control character itself
    from serving.show import answer_view

    named = {"plate_no": plate, "plate_color": color, "vin": vin, "uscc": uscc}
    entity = {name: value for name, value in named.items() if value is not None}
    if bool(entity) == (features is not None):
        raise click.UsageError("Name an entity (--plate and --color, --vin, or --uscc), or give --features.")
    with _client(url) as client:
        answer = client.score_row(product, _row(features)) if features else client.score(product, entity)
    emit(answer, as_json, answer_view)


@click.command()
@click.argument("score_id")
@click.option("--url", default=None, help="Address of the service.  [default: from ROADRISK_HOST and ROADRISK_PORT]")
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
def explain(score_id: str, url: str | None, as_json: bool) -> None:
    """Explain the past decision SCORE_ID exactly, recomputed from its record."""
    from serving.show import answer_view

    with _client(url) as client:
        answer = client.explain(score_id)
    emit(answer, as_json, answer_view)


def _client(url: str | None) -> Any:
    from registry.settings import Settings
    from serving.client import ScoringClient

    return ScoringClient.local(Settings(), url)


def _row(file: IO[str]) -> dict[str, Any]:
    try:
        row = jsonlib.load(file)
    except ValueError as error:
        raise InvalidRequest(f"the row is no JSON: {error}", where=file.name, remedy="Give one JSON object.") from error
    if not isinstance(row, dict):
        raise InvalidRequest(f"the row is a JSON {type(row).__name__}, not an object", where=file.name)
    return row
