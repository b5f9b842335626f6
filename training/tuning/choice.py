"""Choosing among trials: who is dominated, and which of the others to take."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.errors import TrainingError
from training.tuning.objectives import Objective
from training.tuning.trials import TrialRecord, complete

_FORM: Final = re.compile(r"(cheapest|calibrated)-within[ =:](\d+(?:\.\d+)?) ?%")


@dataclass(frozen=True)
class Pick:
    """How one trial is chosen.

    Parameters
    ----------
    by
        The measure that is least in the chosen trial.
    within
        Share of the best gain that may be given up for it. The gain is what the loss lies below that of the constant mean.
        A share of the loss itself would mean little: most of a claim count's deviance is noise that no model explains, and
        half a percent of it can be a quarter of all that the best model gains.
    """

    by: Objective = "loss"
    within: float = 0.0

    def __str__(self) -> str:
        if self.by == "loss":
            return "best"
        return f"{'cheapest' if self.by == 'latency' else 'calibrated'}-within={100 * self.within:g}%"


def parse_pick(text: str) -> Pick:
    """Return the pick that a text names: ``best``, ``cheapest-within=1%`` or ``calibrated-within=1%``.

    Raises
    ------
    TrainingError
        If the text has another form, or gives up everything.
    """
    if text == "best":
        return Pick()
    found = _FORM.fullmatch(text)
    if found is None or float(found[2]) >= 100:
        raise TrainingError(
            f"no way to choose a trial is called {text!r}", where="--pick",
            remedy="Use best, cheapest-within=1% or calibrated-within=1%.",
        )
    return Pick("latency" if found[1] == "cheapest" else "calibration", float(found[2]) / 100)


def eligible(trials: Sequence[TrialRecord], pick: Pick) -> tuple[TrialRecord, ...]:
    """Return the complete trials that keep enough of the best gain, the one to take first.

    Equal ones are in order of their loss and number, so that the choice does not depend on the order of trials.
    """
    done = complete(trials)
    if not done:
        return ()
    best = min(done, key=_order)
    # Where not even the best trial beats the constant there is no gain to give up.
    floor = best.gain * (1 - pick.within) if best.gain > 0 else best.gain
    kept = [trial for trial in done if trial.gain >= floor or trial is best]
    return tuple(sorted(kept if pick.by != "loss" else done, key=lambda t: (t.measures[pick.by], *_order(t))))


def front(trials: Sequence[TrialRecord], objectives: Sequence[Objective]) -> tuple[TrialRecord, ...]:
    """Return the complete trials that no other one beats or equals in all objectives and beats in one, by loss."""
    done = complete(trials)
    points = {trial.number: tuple(trial.measures[name] for name in objectives) for trial in done}
    kept = [
        trial for trial in done
        if not any(_dominates(other, points[trial.number]) for other in points.values())
    ]
    return tuple(sorted(kept, key=_order))


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def _order(trial: TrialRecord) -> tuple[float, int]:
    return trial.measures["loss"], trial.number
