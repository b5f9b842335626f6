"""The pack of the authorised operation: six documents about a scenario as PDF and DOCX, with a manifest of their digests."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from registry.canonical_json import canonical_json
from registry.documents.fonts import ADVICE, find_cjk_font
from registry.errors import ConfigurationError, NotFound
from registry.governance.algorithm_statement import TITLE as ALGORITHM
from registry.governance.algorithm_statement import algorithm_statement
from registry.governance.facts import gather
from registry.governance.handover import TITLE as HANDOVER
from registry.governance.handover import handover
from registry.governance.model_statement import TITLE as MODEL
from registry.governance.model_statement import model_statement
from registry.governance.registration import TITLE as REGISTRATION
from registry.governance.registration import product_registration
from registry.governance.scenario_plan import TITLE as PLAN
from registry.governance.scenario_plan import scenario_plan
from registry.governance.usage_disclosure import TITLE as USAGE
from registry.governance.usage_disclosure import usage_disclosure

if TYPE_CHECKING:
    from datetime import datetime

    from registry.documents.document import Document
    from registry.governance.facts import Facts
    from registry.output import ProgressCallback
    from registry.settings import Settings

FORMATS: Final = ("pdf", "docx")
MANIFEST: Final = "manifest.json"
_ZIP_TIME: Final = (2000, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One document of the pack: its number, which names the file, what it is called, and who makes it."""

    no: int
    id: str
    zh: str
    en: str
    make: Callable[[Facts], Document]


PAPERS: Final[tuple[Paper, ...]] = (
    Paper(no=1, id="scenario_plan", zh=PLAN, en="annex of the scenario plan", make=scenario_plan),
    Paper(no=2, id="product_registration", zh=REGISTRATION, en="registration of the data product", make=product_registration),
    Paper(no=3, id="model_statement", zh=MODEL, en="model statement", make=model_statement),
    Paper(no=4, id="algorithm_statement", zh=ALGORITHM, en="statement about automated decisions (PIPL Art. 24)",
          make=algorithm_statement),
    Paper(no=5, id="usage_disclosure", zh=USAGE, en="use, charges and disclosure", make=usage_disclosure),
    Paper(no=6, id="handover", zh=HANDOVER, en="hand-over at the end of the term", make=handover),
)


@dataclass(frozen=True, kw_only=True)
class Pack:
    """The files of a pack by name, its manifest among them, and the digest over the manifest."""

    scenario: str
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which names the digest of every file."""
        return hashlib.sha256(self.files[MANIFEST]).hexdigest()


def paper_named(name: str) -> Paper:
    """Return a document of the pack.

    Raises
    ------
    NotFound
        If there is none of this id.
    """
    found = next((one for one in PAPERS if one.id == name), None)
    if found is None:
        raise NotFound(f"no document {name!r}", where="governance", remedy=f"Documents: {', '.join(one.id for one in PAPERS)}.")
    return found


def make_pack(
    settings: Settings, scenario: str, *, at: datetime, month: str | None = None, progress: ProgressCallback | None = None
) -> Pack:
    """Return all documents of a scenario in both formats.

    Parameters
    ----------
    at
        Instant of the documents.
    month
        Month of use and charges; the last one that is over by default.

    Raises
    ------
    NotFound, InvalidRequest
        If there is no such scenario, or it is about no product of Annex 2.
    ConfigurationError
        If this machine has no font with Chinese characters.
    """
    font, facts = chinese_font(settings), gather(settings, scenario, at=at, month=month)
    files: dict[str, bytes] = {}
    for done, paper in enumerate(PAPERS):
        if progress:
            progress(paper.zh, done / len(PAPERS))
        document = paper.make(facts)
        for kind in FORMATS:
            files[file_name(paper, kind)] = rendered(document, kind, font)
    files[MANIFEST] = canonical_json(_manifest(facts, files))
    if progress:
        progress(MANIFEST, 1.0)
    return Pack(scenario=scenario, files=files)


def one_paper(settings: Settings, scenario: str, paper: Paper, kind: str, *, at: datetime) -> bytes:
    """Return one document of a scenario in one format. It raises what `make_pack` raises."""
    return rendered(paper.make(gather(settings, scenario, at=at)), kind, chinese_font(settings))


def file_name(paper: Paper, kind: str) -> str:
    """Return the name of a document's file."""
    return f"{paper.no:02d}-{paper.id}.{kind}"


def rendered(document: Document, kind: str, font: Path) -> bytes:
    """Return a document in a format."""
    from registry.documents.docx import render_docx
    from registry.documents.pdf import render_pdf

    return (render_docx if kind == "docx" else render_pdf)(document, {}, font=font)


def chinese_font(settings: Settings) -> Path:
    """Return the font that documents embed.

    Raises
    ------
    ConfigurationError
        If this machine has none.
    """
    found = find_cjk_font(settings.cjk_font)
    if found is None:
        raise ConfigurationError("this machine has no font with Chinese characters", where="ROADRISK_CJK_FONT", remedy=ADVICE)
    return found


def zipped(pack: Pack) -> bytes:
    """Return the pack as one archive; the same pack gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(pack.files.items()):
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _manifest(facts: Facts, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "format": "roadrisk-pack/1", "scenario": facts.scenario.id, "consumer": facts.consumer.id, "product": facts.product.id,
        "at": facts.at.isoformat(), "month": facts.statement.month, "simulated": facts.simulated,
        "model": None if facts.promotion is None else {"version": facts.promotion.version, "digest": facts.promotion.digest},
        "ledgers": {name: list(head) for name, head in sorted(facts.heads.items())},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }
