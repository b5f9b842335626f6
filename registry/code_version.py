"""Which code made something: the version of the distribution, a digest over its source files, and what it runs on.

No version control is asked: an installed copy has none. The digest names the code of a run and of a model card. The digest of a
bundle does not depend on it, so that a comment changed somewhere does not make a new model out of the same data and seed.
"""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "roadrisk"
PACKAGES: Final = ("registry", "features", "training", "serving", "experiments")
SUFFIXES: Final = (".py", ".yaml")
LIBRARIES: Final = (
    "bentoml", "duckdb", "feast", "fpdf2", "ibis-framework", "lightgbm", "matplotlib", "mlflow", "numpy", "optuna", "pandas",
    "pyarrow", "scikit-learn", "scipy", "shap",
)
"""Libraries that can change a number or a picture of a card."""


@lru_cache(maxsize=8)
def code_digest(root: Path | None = None) -> str:
    """Return SHA-256 over names and bytes of the source files of the five packages, as lower-case hex.

    It is computed once per process (about 300 files, less than 0.1 s); a package that is not installed is left out.

    Parameters
    ----------
    root
        Folder that holds the packages; by default the one that this module was imported from.
    """
    folder = Path(__file__).resolve().parents[1] if root is None else root
    found = hashlib.sha256()
    for path in _sources(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"{content}  {path.relative_to(folder).as_posix()}\n".encode())
    return found.hexdigest()


def code_version() -> str:
    """Return the version of the installed distribution, ``unknown`` where it runs without having been installed."""
    return _version(DISTRIBUTION) or "unknown"


def environment() -> dict[str, str]:
    """Return interpreter, platform and versions of the libraries that matter, by name."""
    found = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    return found | {name: met for name in LIBRARIES if (met := _version(name))}


def _sources(folder: Path) -> list[Path]:
    paths = [path for name in PACKAGES for path in (folder / name).rglob("*") if path.suffix in SUFFIXES and path.is_file()]
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
