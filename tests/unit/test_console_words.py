"""The catalogue of messages: both languages have the same keys, with the same values to put in, and templates use no other."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import serving.console
from registry.access.duties import KINDS
from registry.access.roles import ACTIONS, DETAILS, ROLES
from registry.access.scenarios import CHARGE_CLASSES, STATUSES, STEPS
from registry.scale import TIERS
from serving.console.correction_routes import VERDICTS
from serving.console.governance_routes import SECTIONS
from serving.console.messages import LANGUAGES, catalogue, text
from serving.console.pages import NAVIGATION, environment
from serving.console.search import KINDS as NUMBERS

FOLDER = Path(serving.console.__file__).parent
SOURCES = [*FOLDER.glob("templates/*.html"), *FOLDER.glob("*.py")]
USED = re.compile(r"""\bt\(\s*'([a-z_0-9.]+)'\s*[,)]|error="([a-z_]+\.[a-z_]+)\"""")
BUILT = {
    *(f"role.{role}" for role in ROLES), *(f"tier.{tier}" for tier in TIERS), *(f"detail.{detail}" for detail in DETAILS),
    *(f"kind.{kind}" for kind in NUMBERS), *(f"nav.{name}" for name, _ in NAVIGATION), *(f"duty.{kind}" for kind in KINDS),
    *(f"step.{step}" for step in ("apply", "local", *STEPS)), *(f"status.{one}" for one in STATUSES),
    *(f"charge.{one}" for one in CHARGE_CLASSES), *(f"action.{one}" for one in ACTIONS), *(f"gov.tab.{one}" for one in SECTIONS),
    *(f"correct.{step}{one}" for one in VERDICTS for step in ("", "confirm_")),
    *(f"fair.{one}" for one in ("follows", "no_more", "elasticity_score", "elasticity_outcome", "elasticity_excess")),
}
PREFIXES = (
    "quantity.", "problem.", "look.", "direction.", "explain.", "entity.", "cycle.", "promotion.", "measure.", "fresh.", "verdict.",
    "picture.", "part.", "revision.", "alert.", "moved.",
    "changed.", "unit.", "built.", "evidence.", "supplier.", "correction.", "clock.",
    "event.", "place.", "portrait.circle_",
    "me.part_", "me.purpose_", "live.tier_", "live.state_", "live.away_", "live.doing_", "live.trade_", "live.group_", "live.none_",
)


def used() -> set[str]:
    return {one or other for path in SOURCES for one, other in USED.findall(path.read_text())}


def fields(words: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(words) if name)


def test_both_languages_say_the_same_things():
    zh, en = (catalogue(language) for language in LANGUAGES)
    assert sorted(zh) == sorted(en)
    assert {key: (fields(zh[key]), fields(en[key])) for key in zh if fields(zh[key]) != fields(en[key])} == {}
    assert [key for key in zh if not zh[key].strip() or not en[key].strip()] == []


def test_every_key_that_a_page_uses_exists():
    assert len(used()) > 80
    assert sorted((used() | BUILT) - set(catalogue("zh"))) == []


def test_no_key_is_left_over():
    assert [key for key in catalogue("zh") if key not in used() | BUILT and not key.startswith(PREFIXES)] == []


def test_english_has_no_chinese_in_it():
    assert [key for key, words in catalogue("en").items() if re.search(r"[一-鿿]", words) and key != "app.other_language"] == []


def test_a_key_that_does_not_exist_is_a_defect():
    with pytest.raises(KeyError):
        text("zh", "no.such.key")


def test_templates_can_be_read_and_escape_everything():
    made = environment()
    for path in FOLDER.glob("templates/*.html"):
        made.get_template(path.name)
        assert not re.search(r"\|\s*safe|autoescape|Markup", path.read_text()), path
    assert made.autoescape is True
