"""What training adds to a product: its components, its windows, and words for its card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from training.task import TrainingTask
from training.windows import Windows


@dataclass(frozen=True, kw_only=True)
class ProductTraining:
    """How one product is trained.

    Parameters
    ----------
    task
        Task on the product's training frame.
    windows
        Its out-of-time split.
    prepare
        Further target columns made from the labels.
    max_rows
        Rows to train on at most, chosen by a hash of their identity; None for all.
    """

    task: TrainingTask
    windows: Windows
    prepare: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    max_rows: int | None = None
