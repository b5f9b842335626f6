"""`roadrisk card`: the model card of a version as documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli_options import json_option, settings_now
from registry.output import emit, progress, table

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command()
@click.argument("product")
@click.argument("version", required=False)
@click.option("--lang", "languages", type=click.Choice(["zh", "en"]), multiple=True, help="Language; both by default.")
@click.option("--format", "formats", type=click.Choice(["md", "html", "pdf"]), multiple=True, help="Format; all by default.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder to write to; the version's card folder by default.")
@json_option
def card(
    product: str, version: str | None, languages: tuple[str, ...], formats: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Write the model card of PRODUCT as Markdown, HTML and PDF, in Chinese and English.

    VERSION is a number or the beginning of a digest; by default the live version, or else the newest. The card holds what was found
    out since training too: baselines, oracle, fairness, gates, approvals.
    """
    from registry.documents.fonts import ADVICE, find_cjk_font
    from registry.documents.tongue import LANGUAGES
    from registry.evidence import card_folder
    from training.cards.render import FORMATS, write_documents
    from training.cards.whole import find_version, newest_version, whole_of

    settings = settings_now()
    made = newest_version(settings, product) if version is None else find_version(settings, version, product=product)
    source = card_folder(settings, made.product, made.digest)
    with progress(f"card {made.name}") as tell:
        files = write_documents(
            whole_of(settings, made), source, out or source, font=settings.cjk_font, tell=tell,
            languages=[lang for lang in LANGUAGES if lang in (languages or LANGUAGES)],
            formats=[form for form in FORMATS if form in (formats or FORMATS)],
        )
    note = "" if find_cjk_font(
        settings.cjk_font
    ) else f"No font with Chinese characters: pictures and PDF are in English. To mend it, {ADVICE}."
    found = {
        "product": made.product, "version": made.number, "digest": made.digest, "files": [
            str(path) for path in files
        ], "note": note,
    }
    emit(found, as_json, _render)


def _render(found: dict[str, Any]) -> RenderableType:
    rows = [(path, Path(path).stat().st_size) for path in found["files"]]
    return table(("written", "bytes"), rows, title=found["note"] or None)
