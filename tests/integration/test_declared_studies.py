"""The studies that are declarations, on the first of the real rows at a reduced cost: they run whole and learn something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.table_declaration import TableDeclaration, shipped
from experiments.table_study import run_table
from registry.settings import Settings
from registry.signing import init_keys
from training.fit import wait_passively

ROWS = 8_000
DATA = Settings().real_data_dir
# One round instead of five, two folds instead of ten, few trees, no search and no peers.
CHEAPER: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "datacar": ({"random_states": (0,)}, {"frequency": {"n_trees": 40}, "severity": {"n_trees": 20}}),
    "polish-bankruptcy": ({"folds": 2}, {"bankrupt": {"n_trees": 25}}),
}


def cheaper(study: str) -> TableDeclaration:
    declared = shipped(study)
    (score,) = declared.scores
    split = score.split.model_copy(update=CHEAPER[study][0])
    return declared.model_copy(update={"scores": (score.model_copy(update={"split": split, "members": 2}),)})


@pytest.mark.parametrize(("study", "figure", "least"), [
    ("datacar", "frequency_gini_test", 0.0), ("polish-bankruptcy", "auc_test", 0.9),
])
def test_a_declared_study_runs_whole(study: str, figure: str, least: float, tmp_path: Path) -> None:
    declared = cheaper(study)
    if not (DATA / declared.source.file).is_file():
        pytest.skip(f"{declared.source.file} is not in {DATA} (ROADRISK_REAL_DATA_DIR)")
    wait_passively()
    part = tmp_path / declared.source.file
    part.parent.mkdir(parents=True)
    pd.read_csv(DATA / declared.source.file, nrows=ROWS).to_csv(part, index=False)
    settings = Settings(home=tmp_path / "var", keys_dir=tmp_path / "keys")
    init_keys(settings.keys_dir)
    result = run_table(
        declared, settings, data=tmp_path, trials=0, parameters=CHEAPER[study][1], peers=False, replicates=4, seed=1
    )
    (found,) = result["scores"].values()
    assert result["metrics"][figure]["ours"] > least
    assert found["explanation"]["largest_difference_points"] < 1e-9
    assert (settings.home / found["bundle"]["folder"] / "manifest.json").is_file()
    assert (settings.home / found["bundle"]["card"]).is_file()
