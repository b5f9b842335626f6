"""From the facts about a version to documents on disk: Markdown, HTML, PDF, in Chinese and English, with pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

from registry.documents.document import Block, Document, Paragraph
from registry.documents.fonts import ADVICE, find_cjk_font
from registry.documents.html import render_html
from registry.documents.markdown import render_markdown
from registry.documents.pdf import render_pdf
from registry.documents.tongue import LANGUAGES, Language, Tongue
from registry.output import ProgressCallback
from training.cards import about, conduct, explained, quality
from training.pictures.album import draw_album
from training.pictures.contributions import read_sample

Format = Literal["md", "html", "pdf"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

Section = Callable[[Mapping[str, Any], Tongue], list[Block]]
SECTIONS: Final[tuple[Section, ...]] = (
    about.summary, about.purpose, about.data, about.label, about.features, quality.performance, quality.rivals, quality.oracle,
    quality.calibration, quality.stability, explained.explanations, conduct.fairness, conduct.robustness, conduct.limits,
    conduct.approvals, conduct.software,
)
"""In the order of the document."""


def card_document(whole: Mapping[str, Any], lang: Language, *, note: str = "") -> Document:
    """Return the card in one language.

    Parameters
    ----------
    whole
        Facts of the card, with `judgement`, `oracle`, `gates`, `approvals`, `test_reads` and `pictures` where there are any.
    note
        Something about this copy that its reader must know first.
    """
    say = Tongue(lang)
    name = say(whole["zh"], whole["en"])
    version = f" {say('版本', 'version')} {whole['version']}" if whole.get("version") else ""
    blocks = [block for section in SECTIONS for block in section(whole, say)]
    head: list[Block] = [Paragraph(note, note=True)] if note else []
    footer = say("由 roadrisk 生成；摘要 ", "Made by roadrisk; digest ") + f"`{whole['digest']}`"
    return Document(f"{say('模型卡：', 'Model card: ')}{name}{version}", lang, (*head, *blocks), footer)


def write_documents(
    whole: Mapping[str, Any], source: Path, folder: Path, *, languages: Sequence[Language] = LANGUAGES,
    formats: Sequence[Format] = FORMATS, font: Path | None = None, tell: ProgressCallback | None = None,
) -> list[Path]:
    """Write the card's documents and pictures; return the documents.

    Without a font with Chinese characters Markdown and HTML are whole, pictures are in English, and no PDF is made in Chinese:
    the English one says so.

    Parameters
    ----------
    source
        Folder of the card, where the sample behind the SHAP pictures lies.
    folder
        Where to write.
    font
        `Settings.cjk_font`; by default the system's folders are searched.
    """
    chinese, sample = find_cjk_font(font), read_sample(source)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    texts: list[str] = []
    albums: dict[Language, dict[str, str]] = {}
    for position, lang in enumerate(languages):
        drawn_in: Language = lang if chinese is not None else "en"
        _tell(tell, f"pictures {lang}", position / len(languages))
        if drawn_in not in albums:
            albums[drawn_in] = draw_album(whole, sample, folder, lang=drawn_in, font=chinese)
        _tell(tell, f"documents {lang}", (position + 0.6) / len(languages))
        document = card_document({**whole, "pictures": albums[drawn_in]}, lang)
        texts.append(render_markdown(document))
        pictures = {name: folder / name for name in document.pictures}
        if "html" in formats:
            made.append(_write(folder / f"card.{lang}.html", render_html(document, pictures).encode()))
        if "pdf" in formats and (chinese is not None or lang == "en" or "en" not in languages):
            made.append(_pdf({**whole, "pictures": albums[drawn_in]}, lang, folder, chinese))
    if "md" in formats:
        made.insert(0, _write(folder / "card.md", "\n".join(texts).encode()))
    _tell(tell, "done", 1.0)
    return made


def _pdf(whole: Mapping[str, Any], lang: Language, folder: Path, chinese: Path | None) -> Path:
    shown: Language = lang if chinese is not None else "en"
    note = "" if chinese is not None else (
        "This machine has no font with Chinese characters: this document and its pictures are in English only, and Chinese names "
        f"are left out. For Chinese, {ADVICE}."
    )
    document = card_document(whole, shown, note=note)
    content = render_pdf(document, {name: folder / name for name in document.pictures}, font=chinese)
    return _write(folder / f"card.{shown}.pdf", content)


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _tell(tell: ProgressCallback | None, label: str, share: float) -> None:
    if tell is not None:
        tell(label, share)
