"""Who runs a trial, whether it still does, and what becomes of a trial whose process has died.

Optuna leaves such a trial RUNNING for ever. Its heartbeat exists for databases only, and not with ask and tell; so each
trial carries the process that began it and, every half minute, the time of its last sign of life.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final

import psutil

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

OWNER: Final = "owner"
SIGN_OF_LIFE: Final = "alive_at"
GIVEN_UP: Final = "given_up"
RETRIES: Final = "retries"

BEAT_S: Final = 30.0
GRACE_S: Final = 900.0
"""Silence after which a process on another machine counts as dead; one on this machine is simply looked for."""
MAX_RETRIES: Final = 2
"""A trial that ends its process three times, by its memory for instance, is not tried again."""
_CLOCK_DRIFT_S: Final = 2.0


def this_process() -> dict[str, Any]:
    """Return what identifies the running process among all that there are and have been."""
    return {
        "host": socket.gethostname(), "pid": os.getpid(), "began": round(psutil.Process().create_time(), 2),
    }


def own(trial: Trial, now: float) -> None:
    """Write down that this process runs a trial. Call it under the study's claim, right after asking."""
    trial.set_user_attr(OWNER, this_process())
    trial.set_user_attr(SIGN_OF_LIFE, now)


def is_abandoned(trial: FrozenTrial, now: float) -> bool:
    """Return whether nobody runs a RUNNING trial any more. Call it under the study's claim.

    Parameters
    ----------
    trial
        In state RUNNING.
    now
        Seconds since 1970-01-01 UTC.
    """
    owner = trial.user_attrs.get(OWNER)
    if owner is None:
        # Owners sign under the claim that we hold: whoever asked for this one died in between.
        return True
    if owner["host"] != socket.gethostname():
        return now - float(trial.user_attrs.get(SIGN_OF_LIFE, 0.0)) > GRACE_S
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["began"]) < _CLOCK_DRIFT_S
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def sweep(study: Study, now: float) -> int:
    """Give up every trial that nobody runs any more; return how many. Call it under the study's claim."""
    from optuna.trial import TrialState

    left = [t for t in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if is_abandoned(t, now)]
    for trial in left:
        give_up(study, trial, "its process died")
    return len(left)


def give_up(study: Study, trial: FrozenTrial, reason: str, *, blame: bool = True) -> None:
    """Fail a trial that did not end by itself and enqueue its parameters again. Call it under the study's claim.

    A trial that is enqueued again does not count. Killed in between, the next sweep does the rest.

    Parameters
    ----------
    blame
        Whether the trial may be what ended its process; False for one that the user stopped.
    """
    from optuna.trial import TrialState

    retries = int(trial.user_attrs.get(RETRIES, 0)) + int(blame)
    if retries <= MAX_RETRIES:
        study.set_user_attr(GIVEN_UP, {**study.user_attrs.get(GIVEN_UP, {}), str(trial.number): reason})
    study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    if retries <= MAX_RETRIES:
        study.enqueue_trial(dict(trial.params), user_attrs={RETRIES: retries})


def counted(study: Study) -> list[FrozenTrial]:
    """Return the trials that count towards the number asked for: begun, and not to be tried again under another number.

    A trial that failed by itself counts, so that a search whose every trial fails comes to an end.
    """
    from optuna.trial import TrialState

    given_up = study.user_attrs.get(GIVEN_UP, {})
    return [
        trial for trial in study.get_trials(deepcopy=False)
        if trial.state is not TrialState.WAITING and str(trial.number) not in given_up
    ]
