"""The reason dictionary: one versioned thing, whole in both directions and languages."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from registry import reasons
from registry.reason_directions import DIRECTIONS
from registry.reasons import REASONS, SUPPRESS, dictionary_entries, dictionary_version


def test_every_code_is_worded_in_both_directions_and_nothing_is_left_over():
    assert set(DIRECTIONS) == set(REASONS)
    assert [code for code, reason in REASONS.items() if not reason.worded] == []


@pytest.mark.parametrize("code", REASONS)
def test_the_two_directions_say_different_things_in_the_right_language(code):
    reason = REASONS[code]
    assert len({reason.zh, *(said[0] for said in (reason.raises, reason.lowers))}) == 3
    for zh, en in (reason.raises, reason.lowers):
        assert re.search("[\u4e00-\u9fff]", zh)
        assert not re.search("[\u4e00-\u9fff]", en)


def test_the_version_is_the_same_in_every_process():
    command = "from registry.reasons import dictionary_version; print(dictionary_version())"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == dictionary_version()


@pytest.mark.parametrize("change", ["word", "direction", "rule"])
def test_the_version_changes_with_every_word_and_rule(monkeypatch, change):
    before = dictionary_version()
    if change == "word":
        monkeypatch.setitem(REASONS, "R01", replace(REASONS["R01"], en="penalties"))
    elif change == "direction":
        changed = replace(REASONS["R01"])
        object.__setattr__(changed, "raises", ("多", "more"))
        monkeypatch.setitem(REASONS, "R01", changed)
    else:
        monkeypatch.setattr(reasons, "SUPPRESS", replace(SUPPRESS, most_reasons=5))
    assert dictionary_version.__wrapped__() != before


def test_entries_come_in_the_order_of_their_codes():
    assert [entry["code"] for entry in dictionary_entries()] == sorted(REASONS)
