"""Train the four products of a built home with their declared parameters, and say where the seconds go.

The home is that of `ROADRISK_HOME` (features built, definitions registered; the key of `ROADRISK_KEYS_DIR` signs); nothing is
written into it. Every step is that of `roadrisk train all`, on two threads: read the labelled rows through Feast, fit, calibrate,
sign the bundle and prove it in a child process, evaluate with bootstrap intervals, write the card. MLflow is left alone. A
step's seconds are summed over products. On a busy machine compare `cpu_s`, the seconds that the processor worked.
"""

from __future__ import annotations

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
    "card": "card",
}
GOAL_S: Final = 180.0
FIGURES: Final = {
    "total_s": "seconds of all four products",
    "goal_ratio": "those seconds / the goal of three minutes on two idle cores",
    "cpu_s": "seconds of the processor in this process, over both cores",
    **{f"{product}_s": f"seconds of {product}" for product in PRODUCTS},
    **{f"{step}_s": f"seconds: {words}" for step, words in STEPS.items()},
}


def run() -> dict[str, float]:
    """Return the figures."""
    wait_passively()
    given = Settings()
    steps = dict.fromkeys(STEPS, 0.0)
    products: dict[str, float] = {}
    before = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        settings = _borrowed(given, Path(folder))
        for product in PRODUCTS:
            spent = trained(product, settings)
            products[product] = sum(spent.values())
            for step, seconds in spent.items():
                steps[step] += seconds
    total = sum(products.values())
    return {
        "total_s": total, "goal_ratio": total / GOAL_S, "cpu_s": time.process_time() - before,
        **{f"{product}_s": seconds for product, seconds in products.items()},
        **{f"{step}_s": seconds for step, seconds in steps.items()},
    }


def trained(product: str, settings: Settings) -> dict[str, float]:
    """Train one product and return step -> seconds."""
    from training.pipeline import train_product
    from training.products import task_for, training_frame

    marks: list[tuple[str, float]] = [("read", time.perf_counter())]
    frame, snapshot = training_frame(product, settings)

    def tell(label: str, _share: float) -> None:
        step = label.partition(" ")[0]
        if step != marks[-1][0]:
            marks.append((step, time.perf_counter()))

    tell("fit", 0.0)
    train_product(task_for(product, settings), frame, settings=settings, snapshot=snapshot, progress=tell, register=False)
    return {step: ended - started for (step, started), (_, ended) in pairwise(marks)}


def _borrowed(given: Settings, folder: Path) -> Settings:
    """Return settings of a home that reads the features of the given one and keeps what it writes."""
    home = folder / "home"
    home.mkdir()
    (home / given.feature_dir.name).symlink_to(given.feature_dir.absolute())
    shutil.copytree(given.feast_dir, home / given.feast_dir.name)  # Feast opens its registry to write
    return given.model_copy(update={"home": home, "threads": 2})
