"""Join entity rows with what was known then, through our offline store and Feast's DuckDB store.

Five views of one million rows each (100,000 entities, 8 numbers a view, times drawn from a year). Both sides are
`FeatureStore.get_historical_features(...).to_df()` on the same files and the same entity rows, in turns: 200,000 rows where
values live for 10 days, and one million where they live for ever. One entity row in fifty names nobody. Every value of the two
answers is compared, row by row; the bench ends with an error if one differs. Memory is the largest resident size of a process
that does one join and nothing else; the ratio is the lower of the two joins.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from features.pit import STORE_TYPE
from tests.lib.feature_tables import Shape, open_tables, spine, write_tables
from tests.lib.timing import medians

TITLE: Final = "Point-in-time join"
FIGURES: Final = {
    "vs_feast_duckdb_200k": "200,000 entity rows, time to live 10 days: Feast's DuckDB store / our time",
    "vs_feast_duckdb_1m": "1,000,000 entity rows, no time to live: Feast's DuckDB store / our time",
    "peak_memory_ratio": "peak memory of Feast's DuckDB store / ours, the lower of the two joins",
    "ours_200k_s": "our time for 200,000 entity rows in seconds",
    "ours_1m_s": "our time for 1,000,000 entity rows in seconds",
    "ours_peak_200k_mb": "our peak memory for 200,000 entity rows in MB",
    "ours_peak_1m_mb": "our peak memory for 1,000,000 entity rows in MB",
}
HIGHER_IS_BETTER: Final = frozenset({"vs_feast_duckdb_200k", "vs_feast_duckdb_1m", "peak_memory_ratio"})
SHAPE: Final = Shape(views=5, rows=1_000_000, entities=100_000)
STORES: Final = {"stock": "duckdb", "ours": STORE_TYPE}
JOINS: Final[dict[str, tuple[int, timedelta | None]]] = {"200k": (200_000, timedelta(days=10)), "1m": (1_000_000, None)}
ROUNDS: Final = {"200k": 3, "1m": 1}


def run() -> dict[str, float]:
    """Return the figures."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(SHAPE, folder)
        peaks = {(store, join): _peak_in_child(folder, store, join) for join in JOINS for store in STORES}
        for join, rounds in ROUNDS.items():
            spent = _compared(folder, join, rounds)
            figures[f"vs_feast_duckdb_{join}"] = spent["stock"] / spent["ours"]
            figures[f"ours_{join}_s"] = spent["ours"]
            figures[f"ours_peak_{join}_mb"] = peaks["ours", join]
    figures["peak_memory_ratio"] = min(peaks["stock", join] / peaks["ours", join] for join in JOINS)
    return {name: figures[name] for name in FIGURES}


def _compared(folder: Path, join: str, rounds: int) -> dict[str, float]:
    rows, _ = JOINS[join]
    asked, answers = spine(SHAPE, rows), dict[str, pd.DataFrame]()
    stores = {name: _open(folder, name, join) for name in STORES}
    spent = medians(
        {name: lambda name=name: answers.update({name: _joined(stores[name], asked)}) for name in STORES},  # type: ignore[misc]
        rounds=rounds, warm=False,
    )
    assert answers["ours"]["row"].is_monotonic_increasing, "our answer is in another order than the question"
    stock = answers["stock"].sort_values("row").reset_index(drop=True)
    pd.testing.assert_frame_equal(answers["ours"], stock, check_exact=True)
    return spent


def _open(folder: Path, name: str, join: str) -> Any:
    return open_tables(SHAPE, folder, f"{name}_{join}", ttl=JOINS[join][1], stores={"offline_store": {"type": STORES[name]}})


def _joined(store: Any, asked: pd.DataFrame) -> pd.DataFrame:
    found: pd.DataFrame = store.get_historical_features(entity_df=asked, features=SHAPE.references()).to_df()
    return found


def _peak_in_child(folder: Path, name: str, join: str) -> float:
    code = f"from tests.benches.point_in_time_join import peak_mb; print(peak_mb({str(folder)!r}, {name!r}, {join!r}))"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def peak_mb(folder: str, name: str, join: str) -> float:
    """Return the largest resident size of this process after one join, in MB."""
    import resource

    rows, _ = JOINS[join]
    _joined(_open(Path(folder), name, join), spine(SHAPE, rows))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


