"""A document as PDF, by fpdf2: fonts embedded as subsets, text that can be searched and copied, the same bytes each time."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.documents.document import Block, Bullets, Document, Heading, Paragraph, Picture, Table
from registry.documents.fonts import latin_font

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.enums import WrapMode

BODY: Final = "body"
SECOND: Final = "second"
TEXT_PT, TABLE_PT, SMALL_PT = 9.5, 7.5, 7.5
HEADING_PT: Final = {1: 18.0, 2: 13.5, 3: 11.0, 4: 9.5}
BLUE: Final = (31, 78, 121)
INK: Final = (27, 31, 36)
SHADE: Final = (234, 240, 246)
NOTE: Final = (255, 248, 229)
WIDEST: Final = 46
"""Characters of a cell beyond which a column gets no wider."""
SHORTEST: Final = 5
NO_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""A PDF has a creation time; a fixed one keeps the bytes of the same card equal."""
_CJK: Final = re.compile(r"[⺀-〿㐀-䶿一-鿿豈-﫿＀-￯]+")


def render_pdf(
    document: Document, pictures: Mapping[str, Path], *, font: Path | None, attachments: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return the document as PDF.

    Parameters
    ----------
    pictures
        File of each picture by the name that the document gives it.
    font
        Font with Chinese characters; without one Chinese characters are left out, so only an English document makes sense.
    attachments
        Files that the PDF carries, by name, as they are.
    """
    page = _pages(document, font)
    for block in document.blocks:
        _draw(page, block, pictures, keep=font is not None)
    if document.footer:
        page.set_font(BODY, size=SMALL_PT)
        _lines(page, document.footer, keep=font is not None)
    for name, content in (attachments or {}).items():
        page.embed_file(bytes=content, basename=name, modification_date=NO_TIME, creation_date=NO_TIME)
    return bytes(page.output())


def plain(text: str, *, keep_chinese: bool = True) -> str:
    """Return text without code marks and, where there is no font for them, without Chinese characters."""
    unmarked = text.replace("`", "")
    if keep_chinese:
        return unmarked
    return re.sub(r"\s{2,}", " ", _CJK.sub("", unmarked)).strip(" /")


def _pages(document: Document, font: Path | None) -> FPDF:
    from fpdf import FPDF

    # What a subset leaves out of a font (bitmaps, unknown tables) is nobody's news.
    for name in ("fontTools", "fpdf"):
        logging.getLogger(name).setLevel(logging.ERROR)
    title, keep = plain(document.title, keep_chinese=font is not None), font is not None

    def footer(self: FPDF) -> None:
        self.set_y(-11)
        self.set_font(BODY, size=SMALL_PT)
        self.set_text_color(110)
        self.cell(0, 5, f"{title}    {self.page_no()} / {{nb}}", align="C")
        self.set_text_color(*INK)

    # fpdf2 asks for a footer through a method of a subclass; its types may be absent, so no class statement.
    page: FPDF = type("Pages", (FPDF,), {"footer": footer})(format="A4")
    page.set_creation_date(NO_TIME)
    page.set_title(title)
    page.set_lang("zh-CN" if document.lang == "zh" else "en")
    page.set_margins(15, 14, 15)
    page.set_auto_page_break(auto=True, margin=15)
    _fonts(page, document, font)
    page.set_text_color(*INK)
    page.add_page()
    page.set_font(BODY, size=HEADING_PT[1])
    page.set_text_color(*BLUE)
    _lines(page, document.title, keep=keep, height=8)
    page.set_text_color(*INK)
    return page


def _fonts(page: FPDF, document: Document, font: Path | None) -> None:
    """Add the font of the text, and a second one where the first lacks a character of the document."""
    chinese = document.lang == "zh" and font is not None
    first, second = (font, latin_font()) if chinese else (latin_font(), font)
    page.add_font(BODY, fname=first)
    known = set(getattr(page.fonts[BODY], "cmap", ()))
    if second is not None and any(ord(letter) not in known for letter in _letters(document)):
        page.add_font(SECOND, fname=second)
        page.set_fallback_fonts([SECOND])


def _letters(document: Document) -> set[str]:
    return {letter for text in (*document.texts, "•") for letter in text if letter.isprintable()}


def _draw(page: FPDF, block: Block, pictures: Mapping[str, Path], *, keep: bool) -> None:
    match block:
        case Heading(text, level):
            _heading(page, text, level, keep=keep)
        case Paragraph(text, note):
            page.set_font(BODY, size=TEXT_PT)
            page.set_fill_color(*NOTE)
            _lines(page, text, keep=keep, fill=note)
            page.set_fill_color(255)  # a table's rows would take it over
            page.ln(1.5)
        case Bullets(items):
            page.set_font(BODY, size=TEXT_PT)
            for item in items:
                _lines(page, f"•  {item}", keep=keep)
            page.ln(1.5)
        case Table():
            _table(page, block, keep=keep)
        case Picture(file, caption):
            _picture(page, pictures[file], plain(caption, keep_chinese=keep))


def _heading(page: FPDF, text: str, level: int, *, keep: bool) -> None:
    # A heading alone at the foot of a page belongs to nothing.
    if page.will_page_break(35 if level == 2 else 25):
        page.add_page()
    page.ln(3 if level == 2 else 1)
    page.set_font(BODY, size=HEADING_PT[level])
    page.set_text_color(*BLUE)
    _lines(page, text, keep=keep, height=7)
    page.set_text_color(*INK)


def _lines(page: FPDF, text: str, *, keep: bool, height: float = 5.0, fill: bool = False) -> None:
    page.multi_cell(
        0, height, plain(text, keep_chinese=keep), new_x="LMARGIN", new_y="NEXT", align="L", fill=fill, wrapmode=_wrap(text)
    )


def _table(page: FPDF, table: Table, *, keep: bool) -> None:
    from fpdf.enums import WrapMode
    from fpdf.fonts import FontFace

    page.set_font(BODY, size=TABLE_PT)
    page.set_draw_color(200, 208, 216)
    rows = [[plain(cell, keep_chinese=keep) for cell in row] for row in (table.columns, *table.rows)]
    widths = column_widths(rows)
    numeric = [all(_is_number(row[k]) for row in rows[1:]) for k in range(len(widths))]
    with page.table(
        col_widths=widths, text_align=tuple("RIGHT" if one else "LEFT" for one in numeric), line_height=4.2, padding=0.6,
        headings_style=FontFace(emphasis="NONE", fill_color=SHADE), wrapmode=WrapMode.CHAR if len(widths) > 4 else WrapMode.WORD,
    ) as drawn:
        for row in rows:
            drawn.row(row)
    page.ln(2.5)


def column_widths(rows: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """Return relative widths by the longest text of each column, a Chinese character counting twice."""
    longest = [max(_columns(row[k]) for row in rows) for k in range(len(rows[0]))]
    return tuple(float(min(max(length, SHORTEST), WIDEST)) for length in longest)


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _wrap(text: str) -> WrapMode:
    from fpdf.enums import WrapMode

    # Chinese has no blanks to break at.
    return WrapMode.CHAR if _CJK.search(text) else WrapMode.WORD


def _is_number(text: str) -> bool:
    return bool(re.match(r"^[<>≤≥~+\-−]?[\d.,]+ ?%?$|^-$", text))


def _picture(page: FPDF, file: Path, caption: str) -> None:
    from PIL import Image

    with Image.open(file) as image:
        width, height = image.size
    shown = min(page.epw, width * 25.4 / 120)
    tall = shown * height / width
    if page.will_page_break(tall + 8):
        page.add_page()
    page.image(file, w=shown, alt_text=caption)
    page.set_font(BODY, size=SMALL_PT)
    page.multi_cell(0, 4, caption, new_x="LMARGIN", new_y="NEXT", align="L", wrapmode=_wrap(caption))
    page.ln(2)
