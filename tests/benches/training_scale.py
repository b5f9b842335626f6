"""Train one product on ten million rows of 60 inputs, and say how much memory that takes.

Made-up rows, drawn block by block from a seed straight into float32 columns: 52 numbers (every sixth with a tenth missing,
every tenth mostly zero), eight categories of twelve kinds, exposure, claims, and one of 20,000 enterprises. All of
`fit_score`, `calibrate` and `assemble` is measured: checks, matrix, LightGBM's bins, 100 trees of at most 31 leaves, margins
on every row, calibration, bundle. Each size runs in a process of its own on two threads; the peak is the largest resident
set of that process (VmHWM), rows and libraries included. `share_of_24_gib` is the peak of ten million rows.

A frame whose numbers are all float32 is encoded as a float32 matrix, and chosen rows are read by LightGBM in batches. Both
give the trees of a copied float64 matrix, byte for byte (`tests/unit/test_training_streamed.py`): no value is rounded. A frame
with one wider number is encoded as float64, because the service scores the value that it is sent, and a value rounded in
training alone could fall on the other side of a split; `peak_float64_gib` says what the same rows take then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.feature_spec import Feature
from training.splits import FOLD, TEST, TRAIN, VALID
from training.task import ComponentTask, TrainingTask

TITLE: Final = "Training at scale"
SIZES_M: Final = (1, 3, 10)
"""Millions of rows."""
MEMBERS: Final = 4
FIGURES: Final = {
    **{f"peak_{size}m_gib": f"peak memory at {size} million rows, float32, GiB" for size in SIZES_M},
    **{f"seconds_{size}m": f"seconds at {size} million rows" for size in SIZES_M},
    **{f"rows_per_s_{size}m": f"rows over seconds, {size} million rows" for size in SIZES_M},
    "share_of_24_gib": "peak of the largest size / 24 GiB",
    "bytes_per_row": "growth of the peak from the smallest to the largest size",
    "memory_ratio": "that growth / the rows themselves (float32 numbers and codes)",
    "own_gib": "at the largest size: the frame that is handed over, GiB",
    "peak_float64_gib": f"peak at {SIZES_M[1]} million rows, float64",
    "peak_members_gib": f"peak at {SIZES_M[0]} million rows, float32, {MEMBERS} members",
    "members_time_ratio": f"time of {MEMBERS} members / of one, {SIZES_M[0]} million rows",
}
N_NUMBERS: Final = 52
KINDS: Final = tuple(f"kind_{i:02d}" for i in range(12))
NUMBERS: Final = tuple(f"number_{i:02d}" for i in range(N_NUMBERS))
CATEGORIES: Final = tuple(f"category_{i}" for i in range(8))
BLOCK: Final = 1 << 18
PARAMETERS: Final = {"n_trees": 100, "patience": 0}


def run() -> dict[str, float]:
    """Return the figures."""
    single = {size: measured(size * 1_000_000) for size in SIZES_M}
    wide = measured(SIZES_M[1] * 1_000_000, width="float64")
    crossed = measured(SIZES_M[0] * 1_000_000, members=MEMBERS)
    first, last = SIZES_M[0], SIZES_M[-1]
    growth = (single[last]["peak_gib"] - single[first]["peak_gib"]) * 2**30 / ((last - first) * 1_000_000)
    return {
        **{f"peak_{size}m_gib": found["peak_gib"] for size, found in single.items()},
        **{f"seconds_{size}m": found["seconds"] for size, found in single.items()},
        **{f"rows_per_s_{size}m": size * 1_000_000 / found["seconds"] for size, found in single.items()},
        "share_of_24_gib": single[last]["peak_gib"] / 24,
        "bytes_per_row": growth,
        "memory_ratio": growth / (single[last]["frame_gib"] * 2**30 / (last * 1_000_000)),
        "own_gib": single[last]["frame_gib"],
        "peak_float64_gib": wide["peak_gib"],
        "peak_members_gib": crossed["peak_gib"],
        "members_time_ratio": crossed["seconds"] / single[first]["seconds"],
    }


def measured(n: int, *, width: str = "float32", members: int = 1) -> dict[str, float]:
    """Return what one training of n rows takes, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benches.training_scale", str(n), width, str(members)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )
    print(done.stdout.strip(), file=sys.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def rows(n: int, *, width: str = "float32", seed: int = 1) -> pd.DataFrame:
    """Return n rows, of which nothing but what is returned is ever held whole."""
    numbers = np.empty((N_NUMBERS, n), dtype=width)
    codes = np.empty((len(CATEGORIES), n), dtype=np.int8)
    exposure, claims = np.empty(n), np.empty(n)
    for start in range(0, n, BLOCK):
        block = slice(start, min(start + BLOCK, n))
        rng = np.random.default_rng([seed, start])
        drawn, kinds, lived, happened = _block(rng, block.stop - block.start)
        numbers[:, block], codes[:, block], exposure[block], claims[block] = drawn, kinds, lived, happened
    frame = pd.DataFrame(numbers.T, columns=list(NUMBERS), copy=False)
    for name, column in zip(CATEGORIES, codes, strict=True):
        frame[name] = _categorical(column, KINDS)
    rng = np.random.default_rng([seed, n])
    drawn_folds = rng.choice(3, n, p=[0.6, 0.15, 0.25]).astype(np.int8)
    folds = _categorical(drawn_folds, (TRAIN, VALID, TEST))
    # `assign` would copy every column.
    frame[FOLD], frame["exposure"], frame["claims"] = folds, exposure, claims
    frame["group"] = rng.integers(0, 20_000, n, dtype=np.int32)
    return frame


def _categorical(codes: Any, names: tuple[str, ...]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(list(names)))


def _block(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Any]:
    values = rng.standard_normal((N_NUMBERS, n), dtype=np.float32)
    for j in range(3, N_NUMBERS, 10):
        values[j] = np.where(values[j] < 0.5, 0.0, values[j])
    codes = rng.integers(-1, len(KINDS), (len(CATEGORIES), n), dtype=np.int8)  # -1 is missing
    log_rate = (
        -2.0 + 0.4 * values[1] + 0.3 * np.maximum(values[2], 0) - 0.25 * values[4] * values[5] + 0.3 * (codes[0] > 8)
        + 0.2 * values[3]
    )
    values[::6] = np.where(rng.random((len(values[::6]), n)) < 0.1, np.nan, values[::6])
    exposure = rng.uniform(0.1, 1.0, n)
    return values, codes, exposure, rng.poisson(exposure * np.exp(log_rate))


def scale_task(members: int = 1) -> TrainingTask:
    """Return the task of their claim frequency."""
    common: dict[str, Any] = {"entity": "request", "group": "exposure"}
    features = (
        *(Feature(name=name, zh="数值", en="number", **common) for name in NUMBERS),
        *(Feature(name=name, zh="类别", en="category", dtype="category", vocabulary=KINDS, **common) for name in CATEGORIES),
    )
    return TrainingTask(
        id="bench_scale", zh="基准", en="made-up claim frequency", entity="request", answer="rate", horizon_d=None,
        exposure_unit="vehicle_year", features=features, group="group", members=members,
        components=(ComponentTask(name="claims", objective="poisson", target="claims", exposure="exposure"),),
    )


def child(n: int, width: str, members: int) -> dict[str, float]:
    """Train once in this process and return seconds and peak."""
    from training.assemble import assemble
    from training.calibration import calibrate
    from training.fit import fit_score

    frame = rows(n, width=width)
    handed = peak_gib()
    started = time.perf_counter()
    calibrated, _ = calibrate(fit_score(scale_task(members), frame, seed=1, threads=2, parameters=PARAMETERS))
    fitted_s = time.perf_counter() - started
    bundle = assemble(calibrated, snapshot="made up")
    return {
        "rows": n, "members": members, "seconds": time.perf_counter() - started, "fit_s": fitted_s, "peak_gib": peak_gib(),
        "frame_gib": float(frame.memory_usage(deep=True).sum()) / 2**30, "made_gib": handed,
        "cpu_s": time.process_time(), "trees": sum(c.n_trees for c in bundle.manifest.components),
    }


def peak_gib() -> float:
    """Return the largest resident set that this process ever had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


if __name__ == "__main__":
    from training.fit import wait_passively

    wait_passively()
    print(json.dumps(child(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
