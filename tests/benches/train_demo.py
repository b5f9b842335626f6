"""Train the four products of a built home with their declared parameters, and say where the seconds go.

The home is that of `ROADRISK_HOME` (features built, definitions registered; the key of `ROADRISK_KEYS_DIR` signs); nothing is
written into it. Every step is that of `roadrisk train all`, with two products at a time on a thread each: read the labelled rows
through Feast, fit, calibrate, sign the bundle and prove it in a child process, evaluate with bootstrap intervals, write the card
with its documents. MLflow is left alone. Seconds of a product or step are those of its worker and are summed over products, so
that they add up to about twice `total_s`. On a busy machine compare `cpu_s`, the seconds that the processors worked: `load` says
how many wanted them. A record with a load far above 2 was taken on a shared machine: its seconds say nothing of idle cores, which
could at best take half of `cpu_s`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from registry.products import PRODUCTS
from registry.settings import Settings
from training.fit import wait_passively

TITLE: Final = "Training of the four products"
STEPS: Final = {
    "read": "read labelled rows", "fit": "fit", "calibrate": "calibrate", "bundle": "bundle", "evaluate": "evaluate",
    "card": "card and documents",
}
GOAL_S: Final = 180.0
JOBS: Final = 2
"""What the command takes by default on two threads."""
FIGURES: Final = {
    "total_s": "seconds of all four products",
    "goal_ratio": "those seconds / the goal of three minutes on two idle cores",
    "cpu_s": "seconds of the processors in this process and its children, over both cores",
    "least_ratio": "half of cpu_s / the goal: the best that two cores could reach, had neither ever to wait",
    "load": "mean of the machine's load average at start and end; 2 is what this bench itself asks for",
    **{f"{product}_s": f"seconds of {product}, beside another" for product in PRODUCTS},
    **{f"{step}_s": f"seconds: {words}" for step, words in STEPS.items()},
}


def run() -> dict[str, float]:
    """Return the figures."""
    from training.beside import Order, train_beside

    wait_passively()
    given = Settings()
    marks: dict[str, list[tuple[str, float]]] = {product: [] for product in PRODUCTS}

    def tell(product: str, label: str, _share: float) -> None:
        step, met = label.partition(" ")[0], marks[product]
        if not met or step != met[-1][0]:
            met.append((step, time.perf_counter()))

    before, loads, started = _cpu_s(), [os.getloadavg()[0]], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = _borrowed(given, Path(folder))
        train_beside([Order(product, settings) for product in PRODUCTS], lambda *_made: None, jobs=JOBS, tell=tell)
    total = time.perf_counter() - started
    loads.append(os.getloadavg()[0])
    cpu_s = _cpu_s() - before
    spent = {product: _spent(met) for product, met in marks.items()}
    return {
        "total_s": total, "goal_ratio": total / GOAL_S, "cpu_s": cpu_s, "least_ratio": cpu_s / 2 / GOAL_S,
        "load": sum(loads) / len(loads),
        **{f"{product}_s": sum(steps.values()) for product, steps in spent.items()},
        **{f"{step}_s": sum(steps[step] for steps in spent.values()) for step in STEPS},
    }


def _spent(marks: list[tuple[str, float]]) -> dict[str, float]:
    """Return step -> seconds; a step begins when it is first told of."""
    return {step: ended - started for (step, started), (_, ended) in pairwise(marks)}


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _borrowed(given: Settings, folder: Path) -> Settings:
    """Return settings of a home that reads the features of the given one and keeps what it writes."""
    home = folder / "home"
    home.mkdir()
    (home / given.feature_dir.name).symlink_to(given.feature_dir.absolute())
    shutil.copytree(given.feast_dir, home / given.feast_dir.name)  # Feast opens its registry to write
    return given.model_copy(update={"home": home, "threads": JOBS})
