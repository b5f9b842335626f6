"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import os
import re
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("registry", "features", "training", "serving", "experiments")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = {
    "bentoml", "duckdb", "fastapi", "feast", "ibis", "lightgbm", "matplotlib", "mlflow", "numpy", "optuna", "pandas",
    "pyarrow", "pydantic", "scipy", "shap", "sklearn",
}
PICKLERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
HELP_BUDGET_S = 0.5
MAX_LINES = 400
GENERATED = {"serving/api_client.py"}
"""One method per operation of the contract; nobody reads it from end to end."""

# Built of character classes, so that this file does not hold what it looks for.
FORBIDDEN_TEXT = {
    "a package registry's host": re.compile(
        r"pypi[.](?:org|python)|python[h]osted|tuna[.]tsinghua|mirrors?[.](?:aliyun|cloud|ustc)|registry[.]npmjs"
    ),
    "an index option": re.compile(r"--(?:extra-|default-)?index[-_]url|(?:PIP|UV)_(?:EXTRA_)?INDEX"),
    "a machine path": re.compile(r"(?<![\w.}/])/(?:work|root|home|tmp)/[\w.]"),
}


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment
    )


def committed_files() -> list[Path]:
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z").stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def imported_names(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = run(str(linter), "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


def test_help_names_every_declared_command() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["roadrisk.commands"]
    shown = run(sys.executable, "-m", "registry.cli", "--help")
    assert shown.returncode == 0, shown.stderr
    for name in declared:
        assert re.search(rf"^  {name}  ", shown.stdout, re.MULTILINE), name
    assert "(unavailable" not in shown.stdout


def test_help_stays_within_its_budget() -> None:
    # Seconds of the processor, the best of five: a busy machine may make every single one wait, the command cannot.
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(sys.executable, "-m", "registry.cli", "--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < HELP_BUDGET_S, spent


def test_help_loads_nothing_heavy() -> None:
    script = "import sys; from registry.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    loaded = run(sys.executable, "-c", script).stderr.split()
    assert "click" in loaded
    assert not HEAVY & set(loaded)


def test_no_committed_file_names_a_registry_or_a_machine() -> None:
    met = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for what, pattern in FORBIDDEN_TEXT.items():
            found = pattern.search(text)
            if found:
                line = text.count("\n", 0, found.start()) + 1
                met.append(f"{path.relative_to(ROOT)}:{line} names {what}: {found.group()!r}")
    assert not met, "\n".join(met)


@pytest.mark.parametrize(
    "text", ["see https://pypi" + ".org/simple", "--index" + "-url x", "cp a /tm" + "p/x", 'Path("/wor' + 'k/main")']
)
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert any(pattern.search(text) for pattern in FORBIDDEN_TEXT.values())


def test_no_module_is_longer_than_its_limit() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES and name not in GENERATED} == {}


def test_no_module_is_named_for_nothing() -> None:
    assert [path for path in MODULES if path.stem in {"utils", "util", "helpers", "helper", "common", "misc"}] == []


def test_nothing_pickles() -> None:
    assert {str(path): names for path in MODULES if (names := imported_names(ast.parse(path.read_text())) & PICKLERS)} == {}


def test_importing_every_module_writes_nothing(tmp_path: Path) -> None:
    here, home, other = tmp_path / "here", tmp_path / "home", tmp_path / "other"
    for folder in (here, home, other):
        folder.mkdir()
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
    script = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    # The libraries' own caches have a place of their own; ours have none.
    result = run(
        sys.executable, "-c", script, cwd=here, HOME=str(home), PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1",
        BENTOML_HOME=str(other / "bentoml"), BENTOML_DO_NOT_TRACK="True", MPLCONFIGDIR=str(other),
        XDG_CACHE_HOME=str(other), XDG_CONFIG_HOME=str(other), NUMBA_CACHE_DIR=str(other), MLFLOW_DISABLE_TELEMETRY="true",
    )
    assert result.returncode == 0, result.stderr
    assert [*here.rglob("*"), *home.rglob("*")] == []
