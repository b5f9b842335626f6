"""The model card as documents: every section in both languages, sound HTML, readable PDF, the same bytes each time."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from registry.documents import fonts
from registry.documents.fonts import find_cjk_font
from registry.documents.tongue import LANGUAGES
from registry.errors import ConfigurationError
from tests.lib.small_scores import SmallScore, small_score
from training.card import save_card
from training.cards.render import card_document, write_documents

HEADINGS = {
    "zh": ("概要", "用途与禁止用途", "数据", "标签", "特征", "指标", "基准比较", "真值与上限", "校准", "稳定性",
           "解释的质量", "细分、公平性与代理变量", "稳健性与灰色规则", "限制", "关卡、批准与测试期读取", "软件与物料清单"),
    "en": ("Summary", "Purpose and prohibited uses", "Data", "Label", "Inputs", "Performance", "Baselines", "Oracle and ceiling",
           "Calibration", "Stability", "Quality of the explanations", "Segments, fairness and proxies",
           "Robustness and the grey rule", "Limits", "Gates, approvals and readings of the test period", "Software and SBOM"),
}
JUDGEMENT = {
    "main": "frequency", "measure": "gini",
    "verdicts": [{"name": "calibrated", "passed": True, "reason": "A/E 1.01"}, {"name": "no_proxy", "passed": None, "reason": "-"}],
    "comparison": {"frequency": {
        "part": "frequency", "measure": "gini", "not_beaten": ["eu_2022_695"],
        "score": {"metrics": {"gini": 0.3}, "intervals": {"gini": [0.2, 0.4]}},
        "rivals": [{
            "id": "eu_2022_695", "zh": "欧盟公式", "en": "EU formula", "kind": "formula", "metrics": {"gini": 0.2},
            "overall": {"difference": 0.1, "interval": [-0.01, 0.2], "verdict": "equal"}, "deviance_saved": {"share": 0.03},
            "within": {"exposure": {"pooled": {"difference": 0.1, "interval": [0.0, 0.2], "verdict": "equal"}}},
        }],
    }},
    "stability": {"score_psi": 0.02, "input_csi": {"age_year": 0.3}, "over_time": {"measure": "gini", "months": [
        {"month": "2025-11", "fold": "test", "n_events": 40, "actual_to_expected": 0.9, "actual_to_expected_interval": [0.8, 1.0],
         "gini": 0.3, "gini_interval": [0.2, 0.4]},
    ]}},
    "segments": {"measure": "gini", "absent": [], "off_balance": ["city: 360100"], "dimensions": {"city": {
        "zh": "地市", "en": "city", "segments": [{
            "segment": "360100", "n_groups": 20, "n_events": 30, "mean_points": 510.0, "share_orange_or_red": 0.2, "gini": 0.3,
            "actual_to_expected": 1.3, "actual_to_expected_interval": [1.1, 1.5], "gini_interval": [0.2, 0.4],
        }]}}},
    "robustness": {"measure": "gini", "baseline": {"coverage": 0.8, "grey": 0.0}, "fragile": ["vehicle_basic"], "sources": {
        "vehicle_basic": {"missing": {"p95_abs_move": 30.0, "mean_move": 1.0, "tier_changes": 0.1, "change": -0.02, "grey": 1.0}},
    }},
    "proxies": None, "limits": ["Thresholds are assumptions [A]; an institution sets its own."],
}
VOID = {"meta", "img", "br", "link", "hr"}


class Balanced(HTMLParser):
    """Keeps open elements; fails where one is closed that is not the last opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def score() -> SmallScore:
    return small_score()


@pytest.fixture(scope="module")
def folder(score: SmallScore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_card(score.card, score.figures, tmp_path_factory.mktemp("card") / "card")


def facts(score: SmallScore, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in score.card.items() if name != "sample"} | more


def headings(document: Any) -> tuple[str, ...]:
    return tuple(block.text for block in document.blocks if getattr(block, "level", None) == 2)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_section_is_there_in_both_languages(score: SmallScore, lang: Any) -> None:
    bare = card_document(facts(score), lang)
    judged = card_document(facts(score, judgement=JUDGEMENT, oracle={"metrics": {"gini": {"model": 0.3, "oracle": 0.4}}}), lang)
    assert headings(bare) == headings(judged) == HEADINGS[lang]


def test_what_was_not_found_out_says_how_to_find_it_out(folder: Path) -> None:
    text = (folder / "card.md").read_text()
    assert text.count("尚未评估：请运行 `roadrisk evaluate insurance_pricing`") == 5
    assert text.count("Not evaluated yet: run `roadrisk evaluate insurance_pricing`") == 5
    assert text.index("模型卡") < text.index("Model card")


def test_evidence_is_worded(score: SmallScore) -> None:
    from registry.documents.markdown import render_markdown

    whole = facts(
        score, judgement=JUDGEMENT, version=3, live=True, sbom={"file": "sbom.cdx.json", "components": 9},
        oracle={"metrics": {"gini": {"model": 0.3, "ceiling_low": 0.35, "oracle": 0.4, "ratio_to_oracle": 0.75}}},
        gates=[{"gate": "fair", "passed": False, "reason": "city 360100"}],
        approvals=[{"at": "2026-07-04T01:00:00+00:00", "by": "A. Name", "reason": "lower deviance", "grounds": {}}],
        test_reads=[{"at": "2026-07-03T01:00:00+00:00", "test_window": ["2025-11-02", "2025-11-30"], "snapshot": "abc",
                     "position": 2, "position_in_window": 3}],
    )
    zh, en = (render_markdown(card_document(whole, lang)) for lang in LANGUAGES)
    for words in ("欧盟公式", "无差别", "未能领先：`eu_2022_695`", "360100", "车辆", "75.00%", "拒绝",
                  "2026-07-04 09:00", "sbom.cdx.json"):
        assert words in zh
    for words in ("EU formula", "no difference", "Not beaten: `eu_2022_695`", "refuse", "A. Name", "candidate number"):
        assert words in en
    assert "尚未评估" not in zh
    assert "Simulated data" in en


def test_simulated_is_said_in_every_section_with_figures(score: SmallScore) -> None:
    document = card_document(facts(score, judgement=JUDGEMENT), "en")
    section, told = "", {}
    for block in document.blocks:
        if getattr(block, "level", None) == 2:
            section = block.text
        told[section] = told.get(section, "") + getattr(block, "text", "")
    for name in ("Summary", "Data", "Performance", "Baselines", "Stability", "Segments, fairness and proxies"):
        assert "Simulated data" in told[name]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_is_sound_and_fetches_nothing(folder: Path, lang: str) -> None:
    page = Balanced()
    text = (folder / f"card.{lang}.html").read_text()
    page.feed(text)
    assert page.open == []
    assert all(one.startswith(("data:image/png;base64,", "#")) for one in page.references)
    assert sum(one.startswith("data:") for one in page.references) >= 9
    assert 'name="viewport"' in text


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext (Debian: poppler-utils) is not installed")
@pytest.mark.skipif(find_cjk_font() is None, reason="no font with Chinese characters (Debian: fonts-wqy-microhei)")
def test_chinese_can_be_read_out_of_the_pdf(folder: Path) -> None:
    command = ["pdftotext", str(folder / "card.zh.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for words in ("模型卡", "禁止", "校准", "模拟数据", "基尼系数"):
        assert words in text


def test_pdf_holds_its_fonts_and_no_time(folder: Path) -> None:
    content = (folder / "card.en.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"(D:20000101000000" in content


def test_the_same_card_gives_the_same_bytes(score: SmallScore, folder: Path, tmp_path: Path) -> None:
    again = save_card(score.card, score.figures, tmp_path / "again", languages=["en"])
    for path in sorted(again.iterdir()):
        if path.name != "card.md":  # of one language here
            assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def test_without_a_font_pictures_and_pdf_are_english(
    score: SmallScore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "FOLDERS", (tmp_path,))
    made = write_documents(facts(score), tmp_path, tmp_path / "out", languages=["zh"])
    assert [path.name for path in made] == ["card.md", "card.zh.html", "card.en.pdf"]
    assert "概要" in (tmp_path / "out" / "card.zh.html").read_text()
    assert not list((tmp_path / "out").glob("*.zh.png"))


def test_a_font_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no font file"):
        find_cjk_font(tmp_path / "missing.ttf")


def test_the_facts_name_code_inputs_and_environment(score: SmallScore, folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    assert "sample" not in card
    assert (len(card["code"]["digest"]), len(card["features_digest"])) == (64, 64)
    assert card["environment"]["lightgbm"] == card["libraries"]["lightgbm"]
    parts = card["curves"]["parts"]
    assert set(parts) == {"frequency", "severity", "score"}
    for part in parts.values():
        assert sum(band["share"] for band in part["bands"]) == pytest.approx(1.0, abs=1e-5)
        assert all(band["low"] <= band["actual"] / band["expected"] <= band["high"] for band in part["bands"])


def test_the_sample_adds_up_to_points(score: SmallScore) -> None:
    sample = score.card["sample"]
    sums = [sample.base + sum(row) + rest for row, rest in zip(sample.contributions, sample.rest, strict=True)]
    assert min(sums) > 0
    assert max(sums) < 1000
    assert len(sample.inputs) == 3
