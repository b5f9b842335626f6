"""The fatigue score of a home on the schedule of the study: sleep inputs from the schedule, the rest at the median.

The score was trained on a simulated province and speaks of driving hours; the volunteers sat in a laboratory and drove nothing. So
what is tried here is one thing only: whether the score's sleep inputs move it the way measured reaction times moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from experiments.sleep_restriction_protocol import Course
from features.fatigue.sleep import SETTLE_S
from registry.encoding import Value
from registry.products import DRIVER_FATIGUE
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.scorer import Scorer

FloatArray = npt.NDArray[np.floating[Any]]

SETTLE_H: Final = SETTLE_S / 3600.0


@dataclass(frozen=True)
class ScoredCourse:
    """The live fatigue score at the tests.

    Parameters
    ----------
    points
        Shape (days, n_tests), not clamped.
    from_sleep
        Points above day 0 that the exact explanation gives to the inputs set from the schedule, shape (days,). It gives the
        rest to inputs that stand still, because trees join them with those that move.
    set_inputs
        Names of the inputs that the schedule decides.
    median_inputs
        Number of inputs at the reference median or, where none is known, missing.
    version, digest, simulated
        Which score.
    """

    points: FloatArray
    from_sleep: FloatArray
    set_inputs: tuple[str, ...]
    median_inputs: int
    version: int
    digest: str
    simulated: bool


def score_course(settings: Settings, course: Course) -> ScoredCourse | None:
    """Return the live fatigue score of the home at every test; None where the home has none."""
    from registry.promotion import live
    from registry.scorer import load_scorer

    model = live(settings).get(DRIVER_FATIGUE.id)
    if model is None:
        return None
    scorer = load_scorer(model.folder, settings.keys_dir, digest=model.digest)
    told = schedule_inputs(course)
    names = tuple(name for name in told if name in scorer.manifest.feature_names)
    rows = input_rows(scorer, {name: told[name] for name in names})
    explanation = scorer.explain(scorer.encode(rows)[0])
    places = [scorer.manifest.feature_names.index(name) for name in names]
    shape = course.kss.shape
    from_sleep = explanation.contributions[:, places].sum(axis=1).reshape(shape).mean(axis=1)
    return ScoredCourse(
        points=(explanation.points - explanation.clamp).reshape(shape), from_sleep=from_sleep - from_sleep[0], set_inputs=names,
        median_inputs=len(scorer.manifest.features) - len(names), version=model.version, digest=model.digest,
        simulated=scorer.manifest.provenance.simulated,
    )


def schedule_inputs(course: Course) -> dict[str, FloatArray]:
    """Return the inputs that the schedule decides, by feature name, shape (days, n_tests).

    The platform sees stops, not sleep: a stop reaches `SETTLE_H` beyond the sleep on either side, and wakefulness is counted from
    its end (`features.fatigue.sleep`). [A]
    """
    return {
        "duty_kss": np.clip(course.kss, 1.0, 9.0),
        "duty_kss_next_hour": np.clip(course.kss_next_hour, 1.0, 9.0),
        "duty_safte_effectiveness": course.effectiveness,
        "duty_hours_awake_proxy_h": np.maximum(course.awake_h - SETTLE_H, 0.0),
        "duty_longest_rest_24h_h": course.slept_h + 2.0 * SETTLE_H,
        "duty_clock_hour": course.clock_h,
    }


def input_rows(scorer: Scorer, told: dict[str, FloatArray]) -> list[dict[str, Value]]:
    """Return one row of inputs per test: what is told, and the reference median of everything else."""
    medians = scorer.manifest.reference.medians
    still: dict[str, Value] = {name: medians.get(name) for name in scorer.manifest.feature_names}
    count = next(iter(told.values())).size
    return [still | {name: float(values.ravel()[row]) for name, values in told.items()} for row in range(count)]
