"""A document of a few kinds of blocks, which every format can show: headings, paragraphs, lists, tables, pictures.

Text may hold `code` between backticks and nothing else that is marked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.documents.tongue import Language


@dataclass(frozen=True)
class Heading:
    """A heading; level 2 begins a section, 3 a part of one. The document's title has level 1."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text; a note stands out from it."""

    text: str
    note: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of texts; every row has as many cells as there are columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A PNG file that lies beside the document, with the words that say what it shows."""

    file: str
    caption: str


Block = Heading | Paragraph | Bullets | Table | Picture


@dataclass(frozen=True)
class Document:
    """A title and blocks in one language."""

    title: str
    lang: Language
    blocks: tuple[Block, ...]
    footer: str = ""

    @property
    def pictures(self) -> tuple[str, ...]:
        """File names of the pictures, in order."""
        return tuple(block.file for block in self.blocks if isinstance(block, Picture))

    @property
    def texts(self) -> list[str]:
        """Every text of it, for which a font must have letters."""
        found = [self.title, self.footer]
        for block in self.blocks:
            match block:
                case Heading(text) | Paragraph(text) | Picture(_, text):
                    found.append(text)
                case Bullets(items):
                    found.extend(items)
                case Table(columns, rows):
                    found.extend((*columns, *(cell for row in rows for cell in row)))
        return found


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[Block]:
    """Return a table, or nothing when there is no row."""
    cells = tuple(tuple(_cell(value) for value in row) for row in rows)
    return [Table(tuple(columns), cells)] if cells else []


def bullets(items: Iterable[str]) -> list[Block]:
    """Return a list, or nothing when there is no item."""
    found = tuple(item for item in items if item)
    return [Bullets(found)] if found else []


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)
