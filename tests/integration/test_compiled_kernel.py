"""The kernel's machine code: kept for processes that start at once, mended when damaged, done without where nothing can be kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 300
# Prints what one tree gives, and whether the machine code came from the cache.
PROGRAM = """
import os
import numpy as np
from registry.treeshap.exact import ExactForest
text = '''max_feature_idx=1
tree_sizes=1

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=0.5 0.25
decision_type=2 2
left_child=-1 -2
right_child=1 -3
leaf_value=0.1 0.2 -0.7
leaf_count=5 3 2
internal_count=10 5
end of trees
'''
out, raw = ExactForest(text).explain(np.array([[1.0, 1.0]]))
from registry.treeshap.kernel import __file__ as source, explain_rows
assert source.startswith(os.getcwd()), source
print(out.tobytes().hex(), raw.tobytes().hex(), sum(explain_rows.stats.cache_hits.values()))
"""


def started(cache: Path, root: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(root)} | environment,
    )


def said(process: subprocess.Popen[str]) -> tuple[str, int]:
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    values, _, hits = out.strip().rpartition(" ")
    return values, int(hits)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numba")
    # Two workers that start at once with nothing kept yet.
    first, second = [said(process) for process in [started(folder), started(folder)]]
    assert first[0] == second[0]
    return folder


def test_machine_code_is_compiled_once_and_then_read(cache: Path) -> None:
    one, two = [said(process) for process in [started(cache), started(cache)]]
    assert one == two
    assert one[1] == 1


@pytest.mark.parametrize("kind", ["*.nbc", "*.nbi"])
def test_damaged_machine_code_is_compiled_again(cache: Path, tmp_path: Path, kind: str) -> None:
    expected, damaged = said(started(cache))[0], tmp_path / "damaged"
    shutil.copytree(cache, damaged)
    (file,) = damaged.rglob(kind)
    file.write_bytes(file.read_bytes()[:100])
    assert said(started(damaged)) == (expected, 0)
    assert said(started(damaged)) == (expected, 1)


def test_machine_code_older_than_a_source_beside_the_kernel_is_made_again(cache: Path, tmp_path: Path) -> None:
    expected = said(started(cache))[0]
    shutil.copytree(ROOT / "registry", tmp_path / "registry", ignore=shutil.ignore_patterns("__pycache__"))
    kept = tmp_path / "kept"
    assert said(started(kept, tmp_path)) == (expected, 0)
    assert said(started(kept, tmp_path)) == (expected, 1)
    (tmp_path / "registry/treeshap/lanes.py").touch()  # not the file of the kernel, but compiled into it
    assert said(started(kept, tmp_path)) == (expected, 0)
    assert said(started(kept, tmp_path)) == (expected, 1)


def test_where_no_folder_can_be_written_it_is_compiled_in_the_process(cache: Path, tmp_path: Path) -> None:
    expected = said(started(cache))[0]
    shutil.copytree(ROOT / "registry", tmp_path / "registry", ignore=shutil.ignore_patterns("__pycache__"))
    nothing = tmp_path / "file"
    nothing.touch()
    (tmp_path / "registry/treeshap/__pycache__").touch()
    # Numba would keep it beside the source if a folder could be made there.
    homeless = {"HOME": str(nothing), "XDG_CACHE_HOME": str(nothing)}
    assert said(started(nothing / "cache", tmp_path, **homeless)) == (expected, 0)


@pytest.mark.parametrize("shared", ["*/*.nbi", "*", ""])
def test_machine_code_that_others_can_write_is_not_read(cache: Path, tmp_path: Path, shared: str) -> None:
    expected, folder = said(started(cache))[0], tmp_path / "shared"
    shutil.copytree(cache, folder)
    (path,) = folder.glob(shared) if shared else [folder]
    path.chmod(path.stat().st_mode | 0o022)
    assert said(started(folder)) == (expected, 0)
    # Nor is it mended: whoever wrote it there may do it again.
    assert said(started(folder)) == (expected, 0)


def test_a_process_that_only_scores_does_without_numba() -> None:
    program = "import sys, registry.scorer; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=TIMEOUT_S, check=False).returncode == 0
