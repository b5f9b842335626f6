"""A font inside a DOCX: a subset with the signs of the document, obfuscated as ECMA-376 part 4, 2.8.1 asks for.

python-docx has no interface for it, so the parts are added to its package: the font, its entry in the font table, and the setting
that says that fonts are embedded.
"""

from __future__ import annotations

import hashlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_TYPE: Final = "application/vnd.openxmlformats-officedocument.obfuscatedFont"
_FONT_RELATION: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/font"
_TABLE_RELATION: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/fontTable"
_W: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_HIDDEN: Final = 32
_NO_EMBEDDING: Final = 0x0002
"""Bit of OS/2 fsType by which a font forbids to be embedded."""


@dataclass(frozen=True)
class Embedded:
    """A subset of a font, and the family name that the document calls it by."""

    family: str
    content: bytes

    @property
    def key(self) -> str:
        """The GUID that hides it: made from its bytes, so that the same document stays the same."""
        digest = hashlib.sha256(self.content).hexdigest()[:32].upper()
        return "{" + "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:])) + "}"


def subset_of(font: Path, letters: str) -> Embedded | None:
    """Return the subset of a font that a text needs; None where the font forbids to be embedded."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTCollection, TTFont

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    opened: Any = TTCollection(font).fonts[0] if font.suffix.lower() == ".ttc" else TTFont(font)
    if opened["OS/2"].fsType & _NO_EMBEDDING:
        return None
    family = str(opened["name"].getDebugName(1))
    options = Options(notdef_outline=True, recalc_timestamp=False, hinting=False, layout_features=[])
    subsetter = Subsetter(options)
    subsetter.populate(text=letters)
    subsetter.subset(opened)
    # A collection's tables carry the time of now otherwise.
    opened.recalcTimestamp = False
    out = io.BytesIO()
    opened.save(out)
    return Embedded(family, out.getvalue())


def hidden(content: bytes, key: str) -> bytes:
    """Return a font with its first 32 bytes hidden by a GUID; doing it again brings them back."""
    mask = bytes.fromhex(key.strip("{}").replace("-", ""))[::-1]
    first = bytes(byte ^ mask[place % len(mask)] for place, byte in enumerate(content[:_HIDDEN]))
    return first + content[_HIDDEN:]


def embed(made: Any, font: Embedded) -> None:
    """Put a font into a document of python-docx."""
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part
    from lxml import etree

    main = made.part
    part = Part(PackURI("/word/fonts/font1.odttf"), _TYPE, hidden(font.content, font.key), main.package)
    table = next(rel.target_part for rel in main.rels.values() if rel.reltype == _TABLE_RELATION)
    relation = table.relate_to(part, _FONT_RELATION)
    root = etree.fromstring(table.blob)
    for old in root.findall(f"{{{_W}}}font[@{{{_W}}}name='{font.family}']"):
        root.remove(old)
    entry = etree.SubElement(root, f"{{{_W}}}font", {f"{{{_W}}}name": font.family})
    etree.SubElement(entry, f"{{{_W}}}charset", {f"{{{_W}}}val": "86"})
    etree.SubElement(entry, f"{{{_W}}}embedRegular", {f"{{{_R}}}id": relation, f"{{{_W}}}fontKey": font.key})
    table._blob = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    settings = made.settings.element
    for place, name in enumerate(("embedTrueTypeFonts", "saveSubsetFonts")):
        element = settings.makeelement(f"{{{_W}}}{name}", {})
        settings.insert(_place_of(settings) + place, element)


def _place_of(settings: Any) -> int:
    """Return where the setting belongs: the schema has an order, with these after view, zoom and the removals of personal data."""
    before = {f"{{{_W}}}{name}" for name in ("writeProtection", "view", "zoom", "removePersonalInformation", "removeDateAndTime",
                                             "doNotDisplayPageBoundaries", "displayBackgroundShape", "printPostScriptOverText",
                                             "printFractionalCharacterWidth", "printFormsData")}
    return sum(1 for one in settings if one.tag in before)
