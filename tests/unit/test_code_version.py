"""The digest over the source files: names and bytes count, nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.code_version import code_digest, code_version, environment


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "registry" / "codes").mkdir(parents=True)
    (tmp_path / "training").mkdir()
    (tmp_path / "registry" / "codes" / "a.py").write_text("a = 1\n")
    (tmp_path / "training" / "b.py").write_text("b = 2\n")
    return tmp_path


def again(root: Path) -> str:
    code_digest.cache_clear()
    return code_digest(root)


def test_the_same_files_give_the_same_digest(root: Path) -> None:
    assert again(root) == again(root)
    assert len(again(root)) == 64


def test_what_is_no_source_does_not_count(root: Path) -> None:
    before = again(root)
    (root / "registry" / "__pycache__").mkdir()
    (root / "registry" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (root / "elsewhere.py").write_text("")
    assert again(root) == before


@pytest.mark.parametrize("change", [
    lambda root: (root / "training" / "b.py").write_text("b = 3\n"),
    lambda root: (root / "training" / "b.py").rename(root / "training" / "c.py"),
    lambda root: (root / "training" / "new.py").write_text(""),
])
def test_a_byte_a_name_or_a_file_changes_it(root: Path, change: object) -> None:
    before = again(root)
    change(root)  # type: ignore[operator]
    assert again(root) != before


def test_version_and_environment_are_those_of_this_process() -> None:
    assert code_version() != "unknown"
    assert {"python", "platform", "lightgbm", "numpy", "shap"} <= set(environment())
