"""A document as one HTML file: style and pictures inside it, readable on a phone and on paper, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Final

from registry.documents.document import Block, Bullets, Document, Heading, Paragraph, Picture, Table

_CODE: Final = re.compile(r"`([^`]+)`")
_NUMBER: Final = re.compile(r"^[<>≤≥~+\-−]?[\d.,]+( ?%| s| ms)?$|^-$")

STYLE: Final = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --blue: #1f4e79; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: var(--ink); background: #fff;
  font: 16px/1.6 "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Micro Hei", system-ui,
  sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.3; margin: .5rem 0 1rem; color: var(--blue); }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; padding-bottom: .2rem; border-bottom: 2px solid var(--blue); color: var(--blue); }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .4rem; }
h4 { font-size: .95rem; margin: 1rem 0 .3rem; }
p.note { padding: .6rem .9rem; border-left: 4px solid #bf8700; background: #fff8e5; }
code { font: .86em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; }
th, td { padding: .3rem .6rem; border: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: #eaf0f6; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody tr:nth-child(even) { background: #f6f8fa; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; border: 1px solid var(--line); }
figcaption, footer { color: var(--soft); font-size: .86rem; }
nav ul { columns: 2; padding-left: 1.2rem; font-size: .9rem; }
@media (max-width: 40rem) { body { padding: .6rem; } nav ul { columns: 1; } th, td { padding: .25rem .4rem; } }
@media print { @page { size: A4; margin: 15mm; } body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  .scroll { overflow: visible; } tr, figure, h2, h3 { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
  thead { display: table-header-group; } }
"""


def render_html(document: Document, pictures: Mapping[str, Path]) -> str:
    """Return the document as one page.

    Parameters
    ----------
    pictures
        File of each picture by the name that the document gives it; they are put into the page.
    """
    lang = "zh-CN" if document.lang == "zh" else "en"
    body = "\n".join(_block(block, position, pictures) for position, block in enumerate(document.blocks))
    footer = f"<footer><p>{_text(document.footer)}</p></footer>" if document.footer else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(document.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{_text(document.title)}</h1>\n{_contents(document)}\n{body}\n</main>\n{footer}\n</body>\n</html>\n"
    )


def _contents(document: Document) -> str:
    links = "".join(
        f'<li><a href="#s{position}">{_text(block.text)}</a></li>'
        for position, block in enumerate(document.blocks) if isinstance(block, Heading) and block.level == 2
    )
    return f"<nav><ul>{links}</ul></nav>" if links else ""


def _block(block: Block, position: int, pictures: Mapping[str, Path]) -> str:
    match block:
        case Heading(text, level):
            return f'<h{level} id="s{position}">{_text(text)}</h{level}>'
        case Paragraph(text, note):
            return f'<p class="note">{_text(text)}</p>' if note else f"<p>{_text(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"
        case Table():
            return _table(block)
        case Picture(file, caption):
            content = base64.b64encode(pictures[file].read_bytes()).decode()
            image = f'<img src="data:image/png;base64,{content}" alt="{escape(caption)}">'
            return f"<figure>{image}<figcaption>{_text(caption)}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in table.columns)
    rows = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>\n" for row in table.rows)
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>'


def _cell(text: str) -> str:
    return f'<td class="n">{_text(text)}</td>' if _NUMBER.match(text) else f"<td>{_text(text)}</td>"


def _text(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
