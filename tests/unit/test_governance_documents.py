"""Documents of the authorised operation: what they say, that nothing unsourced passes for a fact, that files are whole."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from registry.access.changes import Writer
from registry.access.rules import AccessRules
from registry.documents.document import Bullets, Document, Heading, Paragraph, Table
from registry.documents.docx import render_docx
from registry.documents.docx_font import hidden, subset_of
from registry.documents.fonts import find_cjk_font
from registry.errors import InvalidRequest, NotFound
from registry.governance.exports import Export, exports, record_export
from registry.governance.facts import Facts, gather
from registry.governance.pack import MANIFEST, PAPERS, make_pack, zipped
from registry.governance.registration import price_words
from registry.settings import Settings
from tests.lib.access import NOW, REQUEST, activate, add_consumer, installation

FONT = find_cjk_font()
needs_font = pytest.mark.skipif(FONT is None, reason="no font with Chinese characters on this machine")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = installation(tmp_path)
    add_consumer(made)
    return made


@pytest.fixture
def facts(settings: Settings) -> Facts:
    return gather(settings, activate(settings), at=NOW)


def words(document: Document) -> str:
    found = [document.title, document.footer]
    for block in document.blocks:
        match block:
            case Heading(text) | Paragraph(text):
                found.append(text)
            case Bullets(items):
                found.extend(items)
            case Table(columns, rows):
                found.extend((*columns, *(cell for row in rows for cell in row)))
    return "\n".join(found)


def test_every_document_is_made_where_no_model_is_live_and_says_so(facts: Facts) -> None:
    said = {paper.id: words(paper.make(facts)) for paper in PAPERS}
    assert "没有在用模型" in said["model_statement"]
    assert "尚未上线" in said["product_registration"]
    assert all("一般知识，未经核实" in one for one in said.values()), "the legend stands in every document"


def test_the_plan_names_what_was_asked_for_and_each_resource_once(facts: Facts) -> None:
    said = words(PAPERS[0].make(facts))
    assert "车险定价" in said
    assert "2026-07-04 至 2029-07-03" in said
    assert [one.zh for one in facts.resources if one.zh not in said] == []
    assert [line for line in said.splitlines() if line == facts.resources[0].zh] == [facts.resources[0].zh]
    assert "不在附件1内" in said, "claims are the insurer's"
    assert [name for name in ("李工", "王工", "张局") if name not in said] == []


def test_a_narrower_scenario_says_what_it_did_not_ask_for(settings: Settings) -> None:
    request = replace(REQUEST, resources=frozenset({"vehicle_basic", "vehicle_transport_permit"}))
    found = gather(settings, activate(settings, request), at=NOW)
    assert [one.id for one in found.resources] == ["vehicle_basic", "vehicle_transport_permit"]
    assert re.search("本场景未申请：.*policy", words(PAPERS[0].make(found)))


def test_placeholder_prices_are_never_stated_as_published(facts: Facts) -> None:
    assert "平台假设" in price_words("insurance_pricing", facts.rules)
    agreed = AccessRules(price_source="价目表 2026-1")
    assert "平台假设" not in price_words("insurance_pricing", agreed)
    assert "价目表 2026-1" in price_words("insurance_pricing", agreed)


def test_the_algorithm_statement_is_about_the_law_and_its_terms(facts: Facts) -> None:
    said = words(PAPERS[3].make(facts))
    assert "个人信息保护法第24条" in said
    assert "拒绝仅通过自动化决策" in said
    assert f"{facts.rules.review_working_days}个工作日" in said


def test_the_hand_over_names_the_newest_line_of_every_ledger(facts: Facts) -> None:
    said = words(PAPERS[5].make(facts))
    assert "access" in facts.heads
    assert all(digest in said for _, digest in facts.heads.values())


def test_a_scenario_that_is_none_or_about_a_portfolio_has_no_documents(settings: Settings) -> None:
    with pytest.raises(NotFound):
        gather(settings, "nowhere", at=NOW)
    scenario = activate(settings, replace(REQUEST, product="french_mtpl"))
    with pytest.raises(InvalidRequest, match="no product of Annex 2"):
        gather(settings, scenario, at=NOW)


@needs_font
def test_a_pack_is_the_same_twice_and_its_manifest_names_every_file(settings: Settings) -> None:
    scenario = activate(settings)
    one, two = (make_pack(settings, scenario, at=NOW) for _ in range(2))
    assert zipped(one) == zipped(two)
    manifest = json.loads(one.files[MANIFEST])
    assert set(manifest["files"]) == set(one.files) - {MANIFEST}
    assert len(one.files) == 2 * len(PAPERS) + 1
    assert all(content[:5] == b"%PDF-" for name, content in one.files.items() if name.endswith(".pdf"))


@needs_font
def test_a_docx_carries_its_font_and_every_word(facts: Facts) -> None:
    import docx
    from fontTools.ttLib import TTFont

    document = PAPERS[1].make(facts)
    content = render_docx(document, {}, font=FONT)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        table = archive.read("word/fontTable.xml").decode()
        key = re.search(r'fontKey="([^"]+)"', table)
        assert key
        font = TTFont(io.BytesIO(hidden(archive.read("word/fonts/font1.odttf"), key[1])))
        assert "embedTrueTypeFonts" in archive.read("word/settings.xml").decode()
        assert str(font["name"].getDebugName(1)) in archive.read("word/styles.xml").decode()
    letters = {letter for letter in words(document) if "一" <= letter <= "鿿"}
    assert letters <= {chr(code) for code in font.getBestCmap()}
    opened = docx.Document(io.BytesIO(content))
    told = "\n".join([p.text for p in opened.paragraphs] + [c.text for t in opened.tables for r in t.rows for c in r.cells])
    assert all(cell in told for block in document.blocks if isinstance(block, Table) for row in block.rows for cell in row)


@needs_font
def test_hiding_a_font_twice_brings_it_back() -> None:
    assert FONT
    font = subset_of(FONT, "授权运营")
    assert font is not None
    assert hidden(font.content, font.key)[:32] != font.content[:32]
    assert hidden(hidden(font.content, font.key), font.key) == font.content


def test_exports_are_lines_of_a_ledger_and_name_a_person(settings: Settings) -> None:
    export = Export(at=NOW, what="pack", about="s", by="周敏", via="command", digest="ab")
    assert record_export(settings, export) == 1
    assert exports(settings) == [replace(export, seq=1)]
    with pytest.raises(InvalidRequest, match="nobody"):
        record_export(settings, replace(export, by=" "))


def test_how_a_line_came_about_is_kept_where_it_is_told(settings: Settings) -> None:
    from registry.model_ledgers import ACCESS, lines

    Writer(settings, "李工", NOW, via="console regulator-a k").add_consumer("insurer-b", role="insurer", zh="乙", en="b")
    first, second = lines(settings, ACCESS)
    assert "via" not in first.payload
    assert second.payload["via"] == "console regulator-a k"
