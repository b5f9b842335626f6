"""Train the four products of a built home with their declared parameters, and say where the seconds go.

The home is that of `ROADRISK_HOME` (features built, definitions registered; the key of `ROADRISK_KEYS_DIR` signs); nothing is
written into it. Every step is that of `roadrisk train all`, on two threads: read the labelled rows through Feast, fit, calibrate,
sign the bundle and prove it in a child process, evaluate with bootstrap intervals, gather the card, and let another process write
its documents while the next product is fitted. MLflow is left alone. A step's seconds are summed over products; `wait` is what the
documents hold up, those of the last product above all. On a busy machine compare `cpu_s`, the seconds that the processors worked:
`load` says how many wanted them. A record with a load far above 2 was taken on a shared machine: its seconds say nothing of idle
cores, which could at best take half of `cpu_s`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from registry.products import PRODUCTS
from registry.settings import Settings
from training.cards.aside import Aside
from training.fit import wait_passively

if TYPE_CHECKING:
    from training.pipeline import Begun

TITLE: Final = "Training of the four products"
STEPS: Final = {
    "read": "read labelled rows", "fit": "fit", "calibrate": "calibrate", "bundle": "bundle", "evaluate": "evaluate",
    "card": "card", "wait": "wait for documents",
}
GOAL_S: Final = 180.0
FIGURES: Final = {
    "total_s": "seconds of all four products",
    "goal_ratio": "those seconds / the goal of three minutes on two idle cores",
    "cpu_s": "seconds of the processors in this process and its children, over both cores",
    "least_ratio": "half of cpu_s / the goal: the best that two cores could reach, had neither ever to wait",
    "load": "mean of the machine's load average at start and end; 2 is what this bench itself asks for",
    **{f"{product}_s": f"seconds of {product}" for product in PRODUCTS},
    **{f"{step}_s": f"seconds: {words}" for step, words in STEPS.items()},
}


def run() -> dict[str, float]:
    """Return the figures."""
    wait_passively()
    given = Settings()
    steps = dict.fromkeys(STEPS, 0.0)
    products: dict[str, float] = {}
    before, loads, started = _cpu_s(), [os.getloadavg()[0]], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = _borrowed(given, Path(folder))
        waiting: list[Begun] = []
        with Aside() as aside:
            for product in PRODUCTS:
                spent, begun = trained(product, settings, aside)
                products[product] = sum(spent.values())
                for step, seconds in spent.items():
                    steps[step] += seconds
                waiting.append(begun)
                if len(waiting) > 1:
                    steps["wait"] += _concluded(waiting.pop(0))
            steps["wait"] += _concluded(waiting.pop(0))
    total = time.perf_counter() - started
    loads.append(os.getloadavg()[0])
    cpu_s = _cpu_s() - before
    return {
        "total_s": total, "goal_ratio": total / GOAL_S, "cpu_s": cpu_s, "least_ratio": cpu_s / 2 / GOAL_S,
        "load": sum(loads) / len(loads),
        **{f"{product}_s": seconds for product, seconds in products.items()},
        **{f"{step}_s": seconds for step, seconds in steps.items()},
    }


def trained(product: str, settings: Settings, aside: Aside) -> tuple[dict[str, float], Begun]:
    """Train one product up to its documents; return step -> seconds, and what is to be concluded."""
    from training.pipeline import begin_product
    from training.products import task_for, training_frame

    marks: list[tuple[str, float]] = [("read", time.perf_counter())]
    frame, snapshot = training_frame(product, settings)

    def tell(label: str, _share: float) -> None:
        step = label.partition(" ")[0]
        if step != marks[-1][0]:
            marks.append((step, time.perf_counter()))

    tell("fit", 0.0)
    begun = begin_product(
        task_for(product, settings), frame, settings=settings, snapshot=snapshot, progress=tell, register=False, aside=aside
    )
    marks.append(("done", time.perf_counter()))
    return {step: ended - started for (step, started), (_, ended) in pairwise(marks)}, begun


def _concluded(begun: Begun) -> float:
    started = time.perf_counter()
    begun.conclude()
    return time.perf_counter() - started


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _borrowed(given: Settings, folder: Path) -> Settings:
    """Return settings of a home that reads the features of the given one and keeps what it writes."""
    home = folder / "home"
    home.mkdir()
    (home / given.feature_dir.name).symlink_to(given.feature_dir.absolute())
    shutil.copytree(given.feast_dir, home / given.feast_dir.name)  # Feast opens its registry to write
    return given.model_copy(update={"home": home, "threads": 2})
