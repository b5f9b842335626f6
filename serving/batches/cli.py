"""`roadrisk batch`: bring a file of entities to a running service, wait, and keep the result."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from registry.errors import InvalidRequest
from registry.output import emit

if TYPE_CHECKING:
    import httpx

TYPES: Final[Mapping[str, str]] = {
    ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson", ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet", ".arrow": "application/vnd.apache.arrow.stream",
}
SEND_S: Final = 120.0
PAUSE_S: Final = 0.5


@click.command()
@click.argument("product")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Where to write the result.")
@click.option("--format", "form", type=click.Choice(("ndjson", "csv", "parquet", "arrow")), default="ndjson", show_default=True,
              help="Form of the result.")
@click.option("--charset", type=click.Choice(("utf-8", "gb18030")), default="utf-8", show_default=True, help="Of a CSV file.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is done.")
@click.option("--url", default=None, help="Address of the service.  [default: from ROADRISK_HOST and ROADRISK_PORT]")
@click.option("--dry-run", is_flag=True, help="Check the file and print what would be sent.")
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
def batch(
    product: str, file: Path, out: Path | None, form: str, charset: str, wait: bool, url: str | None, dry_run: bool, as_json: bool
) -> None:
    """Ask a running service for the scores of all entities in FILE (.ndjson, .csv, .parquet, .arrow).

    \b
    roadrisk batch maintenance fleet.csv --out scores.csv --format csv
    roadrisk batch enterprise_risk operators.ndjson --out scores.ndjson
    """  # noqa: D301 - click's mark of a block is the control character itself
    media = _media(file, charset)
    if dry_run:
        emit({"product": product, "type": media, "bytes": file.stat().st_size}, as_json, _view)
        return
    if out is not None and not wait:
        raise click.UsageError("--out needs --wait: the result is there when the batch is done.")
    with _http(url) as http:
        status = _sent(http, product, file, media)
        if wait:
            status = _waited(http, status)
            if out is not None and status["status"] == "done":
                _kept(http, status, form, out)
    emit(status, as_json, _view)


def _media(file: Path, charset: str) -> str:
    media = TYPES.get(file.suffix.lower())
    if media is None:
        raise InvalidRequest(
            f"a file that ends in {file.suffix or 'nothing'} is no batch", where=str(file), remedy=f"Use one of {', '.join(TYPES)}."
        )
    return f"{media}; charset={charset}" if media == "text/csv" else media


def _http(url: str | None) -> httpx.Client:
    from registry.settings import Settings
    from serving.client import key_of, url_of
    from serving.transport import http_client

    settings = Settings()
    return http_client(
        url or url_of(settings), timeout_s=SEND_S, key=key_of(settings), scenario=settings.scenario or None
    )


def _sent(http: httpx.Client, product: str, file: Path, media: str) -> dict[str, Any]:
    import uuid

    headers = {"Content-Type": media, "Prefer": "respond-async", "Idempotency-Key": uuid.uuid4().hex}
    return _answer(http, "POST", f"/v1/{product}/batches", content=file.read_bytes(), headers=headers)


def _waited(http: httpx.Client, status: dict[str, Any]) -> dict[str, Any]:
    from registry.output import progress
    from serving.batches.folder import ENDED

    path = status["links"]["self"]
    with progress(f"batch {status['product']}") as report:
        while True:
            status = _answer(http, "GET", path)
            report(status["status"], status["progress"])
            if status["status"] in ENDED:
                return status
            time.sleep(PAUSE_S)


def _kept(http: httpx.Client, status: Mapping[str, Any], form: str, out: Path) -> None:
    """Write the result beside its place and rename it there, so that a broken connection leaves no half of it."""
    partial = out.with_name(f".{out.name}.part")
    with http.stream("GET", status["links"]["result"], params={"format": form}) as answer:
        if not answer.is_success:
            answer.read()
            _check(answer)
        with partial.open("wb") as file:
            for chunk in answer.iter_bytes():
                file.write(chunk)
    partial.rename(out)


def _answer(http: httpx.Client, method: str, path: str, **options: Any) -> dict[str, Any]:
    import httpx

    from serving.transport import no_answer

    try:
        answer = http.request(method, path, **options)
    except httpx.HTTPError as error:
        raise no_answer(error, str(http.base_url)) from error
    _check(answer)
    return dict(answer.json())


def _check(answer: httpx.Response) -> None:
    from serving.transport import error_of

    if not answer.is_success:
        raise error_of(answer.json(), answer.status_code)


def _view(status: Mapping[str, Any]) -> Any:
    from registry.output import record

    return record({name: value for name, value in status.items() if name not in ("links", "problem")}, title="batch")
