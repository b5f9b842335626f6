"""The truth of the simulation stays with the simulation: nothing that makes features or models imports what knows it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIMULATION = "features.simulation"
KNOWS_TRUTH = ("truth", "events", "enforcement", "accidents", "insurance", "condition", "fatigue", "world", "province")
MAY_SIMULATE = {"features/cli.py"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def modules_of(package: str) -> list[Path]:
    return [path for path in sorted((ROOT / package).rglob("*.py")) if "simulation" not in path.parts]


def test_training_and_serving_import_nothing_of_what_knows_the_truth() -> None:
    secret = {f"{SIMULATION}.{name}" for name in KNOWS_TRUTH}
    met = {
        str(path.relative_to(ROOT)): sorted(imported(path) & secret)
        for package in ("registry", "features", "training", "serving") for path in modules_of(package)
        if imported(path) & secret and str(path.relative_to(ROOT)) not in MAY_SIMULATE
    }
    assert met == {}


def test_no_feature_or_training_module_speaks_of_the_truth_folder() -> None:
    for package in ("features", "training", "serving"):
        for path in modules_of(package):
            text = path.read_text(encoding="utf-8")
            if str(path.relative_to(ROOT)) not in MAY_SIMULATE:
                assert "truth_dir" not in text, path
                assert "vehicle_month.parquet" not in text, path
