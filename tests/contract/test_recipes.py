"""Recipes of the container, the bento and the unit name what is there: a package that was added is not left out of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGES = ("registry", "features", "training", "serving", "experiments")


def copied() -> list[str]:
    """Return what the Containerfile takes from the checkout."""
    lines = (ROOT / "deploy/Containerfile").read_text("utf-8").splitlines()
    return [name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]]


def test_the_container_takes_every_package_and_is_let_see_it() -> None:
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert set(PACKAGES) <= set(copied())
    assert set(copied()) == seen
    assert all((ROOT / name).exists() for name in seen)


def test_the_bento_holds_every_file_that_the_service_reads() -> None:
    wanted = yaml.safe_load((ROOT / "bentofile.yaml").read_text("utf-8"))["include"]
    packed = {path for pattern in wanted for path in ROOT.glob(pattern)}
    tracked = subprocess.run(
        ["git", "ls-files", "registry", "features", "serving"], cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\n")
    assert sorted(name for name in tracked if name and ROOT / name not in packed) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    unit = tmp_path / "roadrisk.service"
    # The program of the unit lies where the operator installs it; everything else is read as it stands.
    unit.write_text((ROOT / "deploy/roadrisk.service").read_text("utf-8").replace("/opt/roadrisk/.venv/bin/roadrisk", "/bin/true"))
    told = subprocess.run(["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")
