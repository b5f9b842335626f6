"""Rows as LightGBM trains on them: binned once for all boosters of a task, or for one booster alone.

Members, components and trials differ in rows, labels and weights, not in inputs. Finding cuts and filling bins takes a fifth of a
small fit, so development rows are binned once and every fit takes its own out of them. Cuts come from inputs alone: a member
that is blind to a group's outcomes stays so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from training.matrix import Mask, Outcome, TrainingData
from training.side_by_side import MOST_ROWS
from training.streamed import readable

BIN_SETTINGS: Final = ("max_bin", "min_data_in_bin", "bin_construct_sample_cnt", "enable_bundle", "linear_tree")
"""LightGBM parameters that decide the bins."""


@dataclass(frozen=True)
class Binned:
    """Binned development rows of a task.

    Parameters
    ----------
    table
        Constructed `lightgbm.Dataset` of the rows of train and valid.
    position
        (n,) place of a row of the frame in it.
    """

    table: Any
    position: Any

    def rows(self, target: Outcome, rows: Mask, *, threads: int) -> Any:
        """Return a dataset of some development rows with an outcome; all of them have the same bins.

        `threads` is what the fit has. LightGBM keeps the number in one place for the whole process, and a call that meets two
        numbers of calls beside it writes behind the end of its buffers: what runs at the same time must name the same.
        """
        chosen = self.table.subset(self.position[rows], params={**self.table.params, "num_threads": threads}).construct()
        chosen.set_label(target.label[rows])
        chosen.set_weight(target.weight[rows])
        return chosen


def binned(data: TrainingData, settings: Mapping[str, Any], *, seed: int, threads: int) -> Binned | None:
    """Return the binned development rows, made at the first call and kept with the data; None where sharing does not pay.

    It does not for a task with one member, and above `MOST_ROWS` rows a second copy of the bins costs more memory than time.

    Parameters
    ----------
    settings
        LightGBM parameters of a component.
    seed
        Draws the rows that cuts are found from, where there are more than LightGBM looks at.
    threads
        The bins do not depend on it.
    """
    if data.task.members == 1 or len(data.matrix) > MOST_ROWS:
        return None
    chosen = {"seed": seed} | {name: settings[name] for name in BIN_SETTINGS if name in settings}
    key = tuple(chosen.items())
    if key not in data.kept:
        data.kept.clear()  # one table at a time
        data.kept[key] = _made(data, chosen, threads)
    found: Binned = data.kept[key]
    return found


def dataset(data: TrainingData, target: Outcome, rows: Mask, reference: Any = None, **settings: Any) -> Any:
    """Return a dataset of its own for some rows; nothing is binned before it is used."""
    import lightgbm

    return lightgbm.Dataset(
        readable(data.matrix, rows), label=target.label[rows], weight=target.weight[rows], reference=reference,
        params=settings or None, free_raw_data=True,
        feature_name=[feature.name for feature in data.task.features],
        categorical_feature=[j for j, feature in enumerate(data.task.features) if feature.dtype == "category"],
    )


def _made(data: TrainingData, settings: Mapping[str, Any], threads: int) -> Binned:
    rows = data.fitted_rows
    blank = np.zeros(len(rows))
    table = dataset(
        data, Outcome(blank, blank + 1.0, rows), rows,
        # Which inputs are worth a cut depends on the rows of a fit, and on its smallest leaf.
        **settings, feature_pre_filter=False, num_threads=threads, verbosity=-1, deterministic=True,
    ).construct()
    return Binned(table, np.cumsum(rows) - 1)
