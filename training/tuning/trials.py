"""Trials as plain data: what a study knows, without Optuna."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from training.tuning.owners import GIVEN_UP

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

State = Literal["complete", "pruned", "failed", "handed back", "running", "waiting"]

MEASURES: Final = "measures"
ERROR: Final = "error"


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Parameters
    ----------
    number
        In its study, from 0; the first is the starting point.
    state
        How it ended. What was handed back was stopped or lost its process, and was enqueued again under another number.
    parameters
        LightGBM parameters.
    measures
        What `training.tuning.objectives.measure` found, flat; empty unless complete.
    began_ms, ended_ms
        Milliseconds since 1970-01-01 UTC; None where it has not.
    note
        Why it failed or was handed back.
    """

    number: int
    state: State
    parameters: Mapping[str, Any]
    measures: Mapping[str, float] = field(default_factory=dict)
    began_ms: int | None = None
    ended_ms: int | None = None
    note: str = ""

    @property
    def gain(self) -> float:
        """How much lower its loss is than that of the constant mean."""
        return self.measures["null_loss"] - self.measures["loss"]


def records(study: Study) -> tuple[TrialRecord, ...]:
    """Return the trials of a study in order of their numbers."""
    given_up = study.user_attrs.get(GIVEN_UP, {})
    return tuple(_record(trial, given_up.get(str(trial.number), "")) for trial in study.get_trials(deepcopy=False))


def complete(trials: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the trials that can be chosen."""
    return tuple(trial for trial in trials if trial.state == "complete")


def counts(trials: Iterable[TrialRecord]) -> dict[str, int]:
    """Return how many trials ended in which way; `finished` is what counts towards the number asked for."""
    found = Counter(trial.state for trial in trials)
    ended: dict[str, int] = {state: found[state] for state in ("complete", "pruned", "failed", "handed back", "running")}
    return {"finished": ended["complete"] + ended["pruned"] + ended["failed"], **ended}


def _record(trial: FrozenTrial, given_up: str) -> TrialRecord:
    state: State = "handed back" if given_up else _STATES[trial.state.name]
    return TrialRecord(
        trial.number, state, dict(trial.params), dict(trial.user_attrs.get(MEASURES, {})) if state == "complete" else {},
        _ms(trial.datetime_start), _ms(trial.datetime_complete), given_up or str(trial.user_attrs.get(ERROR, "")),
    )


_STATES: Final[Mapping[str, State]] = {
    "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting",
}


def _ms(instant: dt.datetime | None) -> int | None:
    # Optuna keeps local naive times; as a difference to the epoch they are what `timestamp` takes them for.
    return None if instant is None else int(instant.timestamp() * 1000)
