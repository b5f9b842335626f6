"""`roadrisk decision report`: asks a running service for the signed report of a decision and keeps it as files."""

from __future__ import annotations

from pathlib import Path

import click

from registry.cli_options import json_option
from registry.decision_cli import decision

__all__ = ["decision"]


@decision.command("report")
@click.argument("score_id")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="Folder for the files.  [default: here]")
@click.option("--form", type=click.Choice(["pdf", "json", "both"]), default="both", show_default=True, help="Which files.")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True, help="Language of the PDF.")
@click.option("--url", default=None, help="Address of the service.  [default: from ROADRISK_HOST and ROADRISK_PORT]")
@json_option
def report(score_id: str, out: Path, form: str, language: str, url: str | None, as_json: bool) -> None:
    """Write the signed report of the past decision SCORE_ID, which anybody can check with `verify-report`."""
    from registry.output import emit, record
    from registry.settings import Settings
    from serving.client import ScoringClient

    out.mkdir(parents=True, exist_ok=True)
    files = {}
    with ScoringClient.local(Settings(), url) as client:
        for ending in ("pdf", "json") if form == "both" else (form,):
            path = f"/v1/scores/{score_id}/report" + (".pdf" if ending == "pdf" else "")
            content = client.fetch(path, query={"language": language} if ending == "pdf" else None)
            target = out / f"decision-{score_id[:12]}.{ending}"
            target.write_bytes(content)
            files[ending] = str(target)
    emit({"score_id": score_id, **files}, as_json, record)
