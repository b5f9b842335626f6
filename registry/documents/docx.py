"""A document as DOCX, by python-docx: what an office edits on; the font with Chinese embedded, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.documents.document import Block, Bullets, Document, Heading, Paragraph, Picture, Table
from registry.documents.docx_font import Embedded, embed, subset_of

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_TIME: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - the format holds local times without a zone
_ZIP_TIME: Final = (2000, 1, 1, 0, 0, 0)
_MARGIN_MM: Final = 18
_TEXT_PT: Final = 10.0
_TABLE_PT: Final = 8.5
_BLUE: Final = "1F4E79"
_SHADE: Final = "EAF0F6"
_NOTE: Final = "FFF8E5"
_DEFAULT_FONT: Final = "Microsoft YaHei"
"""Named where no font with Chinese is found to embed: what the reader's machine has takes its place."""


def render_docx(document: Document, pictures: Mapping[str, Path], *, font: Path | None) -> bytes:
    """Return the document as DOCX.

    Parameters
    ----------
    pictures
        File of each picture by the name that the document gives it.
    font
        Font with Chinese characters to embed; without one the reader's machine must have one.
    """
    import docx

    made = docx.Document()
    held = subset_of(font, _letters(document)) if font is not None else None
    _style(made, document, held)
    made.add_heading(document.title.replace("`", ""), level=0)
    for block in document.blocks:
        _draw(made, block, pictures)
    _footer(made, document)
    if held is not None:
        embed(made, held)
    out = io.BytesIO()
    made.save(out)
    return _without_times(out.getvalue())


def _letters(document: Document) -> str:
    return "".join((*document.texts, "0123456789 /"))


def _style(made: Any, document: Document, held: Embedded | None) -> None:
    from docx.oxml.ns import qn
    from docx.shared import Mm, Pt, RGBColor

    name = held.family if held is not None else _DEFAULT_FONT
    section = made.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(_MARGIN_MM)
    for style in ("Normal", "Title", "Heading 2", "Heading 3", "List Bullet"):
        one = made.styles[style]
        one.font.name = name
        fonts = one.element.get_or_add_rPr().get_or_add_rFonts()
        for attribute in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
            fonts.set(qn(attribute), name)
        for attribute in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
            fonts.attrib.pop(qn(attribute), None)
    made.styles["Normal"].font.size = Pt(_TEXT_PT)
    made.styles["Title"].font.size = Pt(19)
    for style in ("Title", "Heading 2", "Heading 3"):
        made.styles[style].font.color.rgb = RGBColor.from_string(_BLUE)
    core = made.core_properties
    core.title, core.author, core.comments, core.last_modified_by = document.title, "roadrisk", "", "roadrisk"
    core.language = "zh-CN" if document.lang == "zh" else "en"
    core.created = core.modified = NO_TIME


def _draw(made: Any, block: Block, pictures: Mapping[str, Path]) -> None:
    from docx.shared import Mm

    match block:
        case Heading(text, level):
            made.add_heading(text.replace("`", ""), level=level)
        case Paragraph(text, note):
            drawn = made.add_paragraph(text.replace("`", ""))
            if note:
                _shade(drawn._p.get_or_add_pPr(), _NOTE)
        case Bullets(items):
            for item in items:
                made.add_paragraph(item.replace("`", ""), style="List Bullet")
        case Table():
            _table(made, block)
        case Picture(file, caption):
            made.add_picture(str(pictures[file]), width=Mm(170))
            made.add_paragraph(caption)


def _table(made: Any, block: Table) -> None:
    from docx.shared import Pt

    drawn = made.add_table(rows=1 + len(block.rows), cols=len(block.columns), style="Table Grid")
    for place, cells in enumerate((block.columns, *block.rows)):
        for cell, text in zip(drawn.rows[place].cells, cells, strict=True):
            run = cell.paragraphs[0].add_run(text.replace("`", ""))
            run.font.size = Pt(_TABLE_PT)
            cell.paragraphs[0].paragraph_format.space_after = Pt(1)
            if place == 0:
                run.bold = True
                _shade(cell._tc.get_or_add_tcPr(), _SHADE)
    _repeat_head(drawn.rows[0])
    made.add_paragraph()


def _repeat_head(row: Any) -> None:
    from docx.oxml import OxmlElement

    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def _shade(properties: Any, color: str) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    shade = OxmlElement("w:shd")
    for name, value in (("w:val", "clear"), ("w:color", "auto"), ("w:fill", color)):
        shade.set(qn(name), value)
    properties.append(shade)


def _footer(made: Any, document: Document) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Pt

    paragraph = made.sections[0].footer.paragraphs[0]
    text = paragraph.add_run(f"{document.title}    {document.footer}    ")
    page = paragraph.add_run()
    for kind, code in (("begin", ""), ("", "PAGE"), ("end", "")):
        element = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            element.set(qn("w:fldCharType"), kind)
        else:
            element.text = code
        page._r.append(element)
    text.font.size = page.font.size = Pt(7.5)


def _without_times(content: bytes) -> bytes:
    """Return the archive with the same time at every part, so that the same document has the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(zipfile.ZipInfo(name, _ZIP_TIME), before.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()
