"""Every benchmark has its contract and its page; none is timed here."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

from tests.benches.__main__ import FOLDER, PAGES, index, main, names, page


def test_the_benchmarks_are_the_modules_of_the_folder() -> None:
    assert names() == sorted(path.stem for path in FOLDER.iterdir() if path.suffix == ".py" and path.stem != "__main__")
    assert {"command", "features", "scoring", "training"} <= set(names())


@pytest.mark.parametrize("name", names())
def test_each_has_a_title_a_text_and_declared_figures(name: str) -> None:
    module = import_module(f"tests.benches.{name}")
    assert module.TITLE
    assert len(module.__doc__ or "") > 100
    assert callable(module.run)
    text = page(name, module, dict.fromkeys(module.FIGURES, 0.5))
    assert all(f"| `{figure}` | 0.5 | {meaning} |" in text for figure, meaning in module.FIGURES.items())


@pytest.mark.parametrize("name", names())
def test_each_record_holds_the_declared_figures(name: str) -> None:
    record = json.loads((PAGES / f"{name}.json").read_text(encoding="utf-8"))
    assert set(record["figures"]) == set(import_module(f"tests.benches.{name}").FIGURES)
    assert f"({name}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")
    assert (PAGES / "README.md").read_text(encoding="utf-8") == index()


def test_an_unknown_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "no benchmark 'nothing'; there are batch, command, " in capsys.readouterr().err
