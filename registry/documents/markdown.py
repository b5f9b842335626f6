"""A document as Markdown."""

from __future__ import annotations

from registry.documents.document import Block, Bullets, Document, Heading, Paragraph, Picture, Table


def render_markdown(document: Document) -> str:
    """Return the document as Markdown; its pictures are linked as files beside it."""
    parts = [f"# {document.title}", *(_block(block) for block in document.blocks)]
    return "\n\n".join([*parts, *([document.footer] if document.footer else [])]) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Paragraph(text, note):
            return f"> {text}" if note else text
        case Bullets(items):
            return "\n".join(f"- {item}" for item in items)
        case Table(columns, rows):
            lines = [_line(columns), "|" + " --- |" * len(columns), *(_line(row) for row in rows)]
            return "\n".join(lines)
        case Picture(file, caption):
            return f"![{caption}]({file})"


def _line(cells: tuple[str, ...]) -> str:
    # A bar or a line break inside a cell would end it.
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
