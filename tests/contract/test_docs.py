"""Documentation keeps what it promises: generated pages are current, links resolve, commands shown exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

from experiments.reference import PAGES, REFERENCE, commands, stale_pages, write_pages
from features.families import FAMILIES
from registry.cli import PROGRAM, main, roadrisk
from registry.resources import ANNEX_RESOURCES
from tests.lib.processes import ROOT

WRITTEN = [
    path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if not path.is_relative_to(ROOT / REFERENCE)
]
ALL_PAGES = [*WRITTEN, *(ROOT / REFERENCE).glob("*.md")]
LEAVES = [context.command_path for context, command in commands() if not isinstance(command, click.Group)]
SHELL_BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_generated_pages_are_current() -> None:
    assert stale_pages(ROOT / REFERENCE) == [], "run `roadrisk docs`"


def test_the_check_names_a_page_that_is_stale_or_left_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(write_pages(tmp_path)) == set(PAGES)
    assert write_pages(tmp_path) == []
    (tmp_path / "cli.md").write_text("something else", encoding="utf-8")
    (tmp_path / "old.md").write_text("nothing writes me", encoding="utf-8")
    assert main(["docs", "--check", "--folder", str(tmp_path)]) == 40
    assert "2 generated pages are not current: cli.md, old.md" in capsys.readouterr().err


def test_every_command_has_help_and_is_explained() -> None:
    assert [context.command_path for context, command in commands() if not command.help] == []
    explained = "\n".join(path.read_text(encoding="utf-8") for path in WRITTEN)
    assert [leaf for leaf in LEAVES if leaf not in explained] == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    broken = [target for target in LINK.findall(text) if not _resolves(page, target)]
    assert broken == []


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_commands_shown_exist(page: Path) -> None:
    wrong = [f"{words}: {problem}" for words in _shown_commands(page.read_text(encoding="utf-8"))
             if (problem := _problem_of(words))]
    assert wrong == []


def test_the_picture_is_well_formed_and_counts_right() -> None:
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    shown = " ".join("".join(text.itertext()) for text in ET.fromstring(picture).iter() if text.tag.endswith("text"))
    assert f"{len(FAMILIES)} feature families" in shown
    assert f"{len(ANNEX_RESOURCES)} resources of Annex 1" in shown


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_make_targets_shown_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    shown = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(shown) <= targets


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("roadrisk models promote maintenance 1 --approver a --reason b", ""), ("roadrisk nosuch", "No such command"),
        ("roadrisk train --nosuch", "No such option"), ("roadrisk simulate --preset huge", "huge"),
        ("roadrisk models promote maintenance 1", "--approver"), ("roadrisk train", ""),
    ],
)
def test_the_search_finds_what_it_looks_for(line: str, problem: str) -> None:
    assert problem in _problem_of(shlex.split(line)) if problem else not _problem_of(shlex.split(line))


def _resolves(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target):
        return True
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists() or not path.is_relative_to(ROOT):
        return False
    return not anchor or anchor in _anchors(path)


@cache
def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    # As GitHub makes them: lower case, punctuation dropped, blanks as hyphens.
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _shown_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every roadrisk command in a block of shell, and of those in a line of prose."""
    for block in SHELL_BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(rf"(?:^|[\s/(;&|])({PROGRAM} .*)", line)
            if found and not line.lstrip().startswith("#"):
                yield shlex.split(re.split(r"\)\"|\s[|>&]", found.group(1))[0], comments=True)
    for inline in re.findall(rf"`({PROGRAM} [^`]+)`", FENCED.sub("", text)):
        yield [*shlex.split(inline), "..."]


def _problem_of(words: list[str]) -> str:
    """Return what is wrong with a command; a command in prose ends in "..." and may leave arguments out."""
    command: click.Command = roadrisk
    context, rest = click.Context(roadrisk, info_name=PROGRAM), words[1:]
    in_prose = rest[-1:] == ["..."]
    rest = rest[:-1] if in_prose else rest
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        try:
            name, child, rest = command.resolve_command(context, rest)
        except click.UsageError as error:
            return error.format_message()
        assert child is not None
        command, context = child, click.Context(child, info_name=name, parent=context)
    try:
        given, left, _ = command.make_parser(context).parse_args(list(rest))
    except click.UsageError as error:
        return error.format_message()
    if left and not isinstance(command, click.Group):
        return f"unexpected {left}"
    return _problem_of_values(command, given, in_prose=in_prose)


def _problem_of_values(command: click.Command, given: dict[str, object], *, in_prose: bool) -> str:
    for parameter in command.params:
        value = given.get(parameter.name or "")
        absent = value is None or "UNSET" in repr(value)
        if absent and parameter.required and not in_prose:
            return f"{parameter.opts[0]} is missing"
        if not absent and isinstance(parameter.type, click.Choice) and value not in parameter.type.choices:
            return f"{value!r} is none of {list(parameter.type.choices)}"
    return ""
