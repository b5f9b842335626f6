"""A table and a declaration, and nothing else: trained, signed, explained and judged by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from experiments.table_cli import table_command
from registry.errors import DataError
from registry.scorer import load_scorer
from registry.signing import init_keys
from tests.lib.tables import made_up_declaration, made_up_policies, write_declaration

Ran = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    monkeypatch.setenv("ROADRISK_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(tmp_path / "keys"))
    init_keys(tmp_path / "keys")

    def run(content: dict[str, Any], *more: str) -> dict[str, Any]:
        path = write_declaration(tmp_path, content)
        arguments = [str(path), "--data", str(tmp_path), "--json", "--seed", "7", *more]
        done = CliRunner().invoke(table_command, arguments, catch_exceptions=False)
        assert done.exit_code == 0
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def test_a_declaration_is_all_that_a_new_table_needs(ran: Ran, tmp_path: Path) -> None:
    result = ran(made_up_declaration(), "--write", str(tmp_path / "pages"))  # type: ignore[call-arg]
    score = result["scores"]["made_up"]
    assert result["metrics"]["deviance_test"]["ours"] < result["metrics"]["deviance_test"]["published"]
    assert result["metrics"]["balance_train"]["ours"] == pytest.approx(1.0, abs=1e-9)
    assert set(score["test"]["frequency"]["gini"]["peers"]) == {"glm", "untuned"}
    assert len(score["search"]["frequency"][0]["loss"]) == 2
    assert len(score["calibration"]["deciles"]) == 10
    assert score["explanation"]["largest_difference_points"] < 1e-9
    scorer = load_scorer(tmp_path / "var" / result["bundle"]["folder"], tmp_path / "keys", digest=result["bundle"]["digest"])
    assert scorer.manifest.features[1].vocabulary == ("NO", "on", "van")
    matrix, _ = scorer.encode([result["example_request"]["features"]])
    assert float(scorer.points(matrix)[0]) == result["example_expected"]["points"]
    page = (tmp_path / "pages" / "made-up.md").read_text()
    assert "| `deviance_test` |" in page
    assert "GLM (glum)" in page
    assert (tmp_path / "pages" / "made-up.svg").read_text().count("<svg") == 1
    kept = json.loads((tmp_path / "pages" / "made-up.json").read_text())
    assert "seconds" not in kept
    assert kept["metrics"] == result["metrics"]


def test_several_rounds_are_judged_and_all_rows_are_kept(ran: Ran) -> None:
    content = made_up_declaration()
    score = content["scores"][0]
    score |= {
        "answer": "probability", "members": 3, "peers": [], "search": {}, "calibration": "failed",
        "split": {"kind": "stratified_kfold", "by": "failed", "folds": 3},
        "components": [{"name": "failed", "objective": "binary", "target": "failed", "parameters": {"n_trees": 20, "patience": 0}}],
        "figures": [{"name": "auc_test", "of": "failed", "measure": "auc", "better": "higher", "published": 0.5, "by": "chance"}],
    }
    result = ran(content)
    found = result["scores"]["made_up"]
    assert found["rounds"] == ["fold 1", "fold 2", "fold 3"]
    assert found["trees"] == {"failed": 60}
    assert result["metrics"]["auc_test"]["ours"] > 0.6
    assert len(found["test"]["failed"]["auc"]["per_round"]) == 3
    assert found["test"]["failed"]["auc"]["over_rounds"][0] < result["metrics"]["auc_test"]["ours"]


@pytest.mark.parametrize(
    ("column", "says"),
    [("colour", r"columns \['colour'\] are missing, there are \['age', 'body', "), ("body", r"not a number: .*feature age_year")],
)
def test_a_table_that_does_not_fit_is_refused(ran: Ran, column: str, says: str) -> None:
    content = made_up_declaration()
    content["features"][0]["column"] = column
    with pytest.raises(DataError, match=says):
        ran(content)


def test_a_category_that_only_test_rows_have_is_the_explicit_other(ran: Ran, tmp_path: Path) -> None:
    content = made_up_declaration()
    content["scores"][0] |= {"peers": [], "search": {}, "split": {"kind": "column", "column": "part", "test": ["later"]}}
    rows = made_up_policies()
    path = write_declaration(tmp_path, content)
    rows.loc[rows["part"] == "later", "body"] = "tractor"
    rows.to_csv(tmp_path / "policies.csv", index=False)
    done = CliRunner().invoke(table_command, [str(path), "--data", str(tmp_path), "--json"], catch_exceptions=False)
    result = json.loads(done.stdout)
    scorer = load_scorer(tmp_path / "var" / result["bundle"]["folder"], tmp_path / "keys")
    assert "tractor" not in scorer.manifest.features[1].vocabulary
    assert scorer.encode([result["example_request"]["features"]])[1] == [["body"]]
