"""Several worker processes on the same studies: started, watched, stopped, and replaced when they die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd
import psutil

from registry.errors import RoadRiskError, TrainingError
from training.fit import wait_passively
from training.matrix import prepare
from training.task import TrainingTask
from training.tuning.owners import MAX_RETRIES, counted
from training.tuning.plan import Plan
from training.tuning.store import open_store
from training.tuning.worker import Stopped, Watch, work

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess
    from multiprocessing.queues import SimpleQueue
    from multiprocessing.synchronize import Event

    from optuna import Study

POLL_S: Final = 0.5
STOP_S: Final = 30.0
"""How long workers may take to hand their trials back before they are ended."""
FRAME: Final = ".frame-"


@dataclass(frozen=True)
class Order:
    """What a worker process is given.

    Parameters
    ----------
    task, frame, components, plan
        As for `training.tuning.search.search`; the frame as a Parquet file.
    parent
        Process id of the one that began the search; without it the work ends.
    """

    task: TrainingTask
    frame: Path
    components: tuple[str, ...]
    plan: Plan
    parent: int


def work_in_processes(
    task: TrainingTask, frame: pd.DataFrame, plan: Plan, components: tuple[str, ...], *, jobs: int, scratch: Path | None,
    studies: Sequence[Study], poll: Callable[[], object],
) -> None:
    """Run trials in worker processes until every study has as many as the plan asks for, or the time is over.

    Workers are spawned, not forked: LightGBM's and DuckDB's threads do not survive a fork. Each reads the frame from a file,
    so memory grows by one frame and matrix per worker.

    Parameters
    ----------
    components, jobs, scratch
        Names of components in order; number of processes; folder for the frame.
    studies
        One per component.
    poll
        Called twice a second.

    Raises
    ------
    TrainingError
        If a worker fails with an error of its own.
    """
    if scratch is None:
        raise TrainingError("several jobs need a folder for the frame", where="search", remedy="Give `scratch`.")
    context, began = multiprocessing.get_context("spawn"), time.monotonic()
    with _frame_file(frame, scratch) as file:
        for _ in range(1 + MAX_RETRIES):
            left = None if plan.timeout_s is None else plan.timeout_s - (time.monotonic() - began)
            share = replace(plan, threads=max(1, plan.threads // jobs), timeout_s=left)
            stop, failed = context.Event(), context.SimpleQueue()
            order = Order(task, file, components, share, os.getpid())
            processes = [context.Process(target=_main, args=(order, stop, failed), daemon=True) for _ in range(jobs)]
            died = _watched(processes, stop, poll)
            if not failed.empty():
                raise TrainingError(f"a worker failed: {failed.get()}", where=task.id, remedy="See the message; then run it again.")
            # A worker that was killed leaves its trial to the others; the last ones may have gone by then.
            if not died or all(len(counted(study)) >= plan.trials and not _running(study) for study in studies):
                return


def _watched(processes: Sequence[SpawnProcess], stop: Event, poll: Callable[[], object]) -> bool:
    """Run processes to their end; return whether one was killed."""
    try:
        for process in processes:
            process.start()
        while any(process.is_alive() for process in processes):
            time.sleep(POLL_S)
            poll()
    finally:
        stop.set()
        until = time.monotonic() + STOP_S
        for process in processes:
            if process.pid is not None:
                process.join(max(0.0, until - time.monotonic()))
                if process.is_alive():
                    process.kill()
                    process.join()
    return any(process.exitcode is not None and process.exitcode < 0 for process in processes)


def _running(study: Study) -> bool:
    from optuna.trial import TrialState

    return bool(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def _main(order: Order, stop: Event, failed: SimpleQueue[str]) -> None:
    # An interrupt reaches the whole group of processes: the one that began tells the others, once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wait_passively()
    try:
        _work(order, stop)
    except Stopped:
        return
    except RoadRiskError as error:
        failed.put(str(error))
    except Exception as error:  # noqa: BLE001 - the edge of a process: its parent raises what is put here
        failed.put(f"{type(error).__name__}: {error}")


def _work(order: Order, stop: Event) -> None:
    data = prepare(order.task, pd.read_parquet(order.frame))
    components = tuple(component for component in order.task.components if component.name in order.components)
    watch = Watch(stop=lambda: stop.is_set() or os.getppid() != order.parent)
    with open_store(order.plan.address) as store:
        work(store, data, components, order.plan, watch)


@contextmanager
def _frame_file(frame: pd.DataFrame, scratch: Path) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    for old in scratch.glob(f"{FRAME}*"):
        # Left by a search that was killed.
        if not psutil.pid_exists(int(old.name.removeprefix(FRAME).partition("-")[0])):
            _remove(old)
    with tempfile.TemporaryDirectory(prefix=f"{FRAME}{os.getpid()}-", dir=scratch) as folder:
        file = Path(folder) / "frame.parquet"
        frame.to_parquet(file, index=False)
        yield file


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
