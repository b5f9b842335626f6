"""Run the benchmarks: `python -m tests.benches [NAME]`, or `make bench NAME=x`.

Each writes `docs/benchmarks/<name>.json` and a page, shows a table on standard error, and prints one line of JSON on
standard output. Figures are medians of runs taken in turns, and mostly ratios to a named peer of the same run.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import psutil

FOLDER = Path(__file__).parent
PAGES = FOLDER.parents[1] / "docs" / "benchmarks"
LIBRARIES = ("duckdb", "feast", "lightgbm", "mlflow", "numpy", "pandas", "scikit-learn", "shap")


def names() -> list[str]:
    """Return the name of every benchmark: every module of this folder but this one."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def machine() -> str:
    """Return what the figures depend on, without naming the machine."""
    memory = psutil.virtual_memory().total / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB; Python "
        f"{platform.python_version()}; {libraries}"
    )


def page(name: str, module: ModuleType, figures: dict[str, float]) -> str:
    """Return the page of one benchmark."""
    rows = "\n".join(
        f"| `{key}` | {shown(value)} | {module.FIGURES[key]} | {better(module, key)} |" for key, value in figures.items()
    )
    return (
        f"# {module.TITLE}\n\n{(module.__doc__ or '').strip()}\n\n"
        f"| figure | value | meaning | better |\n|---|---:|---|---|\n{rows}\n\n"
        f"Machine: {machine()}.\n\nRepeat with `make bench NAME={name}`; the code is `tests/benches/{name}.py`.\n"
    )


def better(module: ModuleType, figure: str) -> str:
    """Return which way a figure is better: a ratio is ours over the peer's unless its module says that it is the inverse."""
    if figure in getattr(module, "HIGHER_IS_BETTER", ()):
        return "higher"
    return "lower" if figure.endswith("_ratio") else ""


def shown(value: float) -> str:
    """Return a figure in four significant digits."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def index() -> str:
    """Return the page that leads to every benchmark."""
    lines = [f"- [{import_module(f'tests.benches.{name}').TITLE}]({name}.md)" for name in names()]
    return (
        "# Benchmarks\n\nFigures are medians of runs taken in turns; a ratio compares with a named peer of the same run, and "
        "below 1 is faster or smaller unless its page says that higher is better. Times depend on the machine, ratios much less. "
        "`make bench` runs all, "
        "`make bench NAME=x` one.\n\n" + "\n".join(lines) + "\n"
    )


def bench(name: str) -> dict[str, float]:
    """Run one benchmark, write its record and page, and return its figures."""
    module = import_module(f"tests.benches.{name}")
    figures: dict[str, float] = module.run()
    assert set(figures) == set(module.FIGURES), "a benchmark gives the figures that it declares"
    PAGES.mkdir(parents=True, exist_ok=True)
    record = {"name": name, "title": module.TITLE, "machine": machine(), "figures": figures}
    (PAGES / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (PAGES / f"{name}.md").write_text(page(name, module, figures), encoding="utf-8")
    width = max(map(len, figures))
    table = "\n".join(f"  {key:<{width}}  {shown(value):>10}  {module.FIGURES[key]}" for key, value in figures.items())
    print(f"{module.TITLE}\n{table}\n", file=sys.stderr)
    return figures


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks, or all; return the exit code."""
    unknown = [name for name in arguments if name not in names()]
    if unknown:
        print(f"error: no benchmark {unknown[0]!r}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    figures = {}
    for name in arguments or names():
        figures[name] = bench(name)
        print(json.dumps({"name": name, "figures": figures[name]}), flush=True)
    (PAGES / "README.md").write_text(index(), encoding="utf-8")
    if len(figures) > 1:
        everything = {f"{name}.{key}": value for name, found in figures.items() for key, value in found.items()}
        print(json.dumps({"name": "all", "figures": everything}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
