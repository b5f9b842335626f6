"""Promotes in child processes and kills each with SIGKILL: after stepped delays, and as soon as a file of the ledger changes.

Run as a module with the home, the keys and the number of kills; prints one JSON line per kill. It imports once and forks, so that a
kill costs a promotion and no start of Python.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from registry.models import import_mlflow
from registry.promotion import audit, history, live, promote
from registry.scorer import load_scorer
from registry.settings import Settings
from tests.lib.registered import PRODUCT


def main(home: str, keys: str, kills: int) -> None:
    settings = Settings(home=Path(home), keys_dir=Path(keys))
    import_mlflow()
    for folder in settings.bundle_dir.iterdir():
        load_scorer(folder, settings.keys_dir)  # proved once, here, for all children
    took = promoted(settings, lambda _: False)["took_s"]
    for k in range(kills):
        print(json.dumps(promoted(settings, stop(settings, k, kills, took))), flush=True)


def stop(settings: Settings, k: int, kills: int, took: float) -> Callable[[float], bool]:
    """Return when to kill: every third at a change of a file, the others at delays stepped over a whole promotion and a bit."""
    if k % 3 == 2:
        name = ("promotions.db-wal", "promotions.head")[k // 3 % 2]
        path = settings.ledger_dir / name
        before = stamp(path)
        return lambda _: stamp(path) != before
    due = took * 1.1 * k / kills
    return lambda elapsed: elapsed >= due


def stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def promoted(settings: Settings, due: Callable[[float], bool]) -> dict[str, object]:
    """Promote the version that is not live in a child, kill it when due, and say what stands afterwards."""
    before = [line.seq for line in history(settings)]
    old = live(settings)[PRODUCT].version if before else 0
    new = 2 if old == 1 else 1
    began, child = time.monotonic(), os.fork()
    if child == 0:
        promote(settings, PRODUCT, new, approver="李工", reason="again", at=datetime.now(UTC))
        os._exit(0)
    status = 0
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if due(time.monotonic() - began):
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            break
        time.sleep(0.0005)
    else:
        status = ended[1]
    after = history(settings)
    return {
        "took_s": time.monotonic() - began, "killed": os.WIFSIGNALED(status), "exit": os.waitstatus_to_exitcode(status),
        "old": old, "new": new, "live": live(settings)[PRODUCT].version if after else 0,
        "lines": [len(before), len(after)], "kept": [line.seq for line in after][: len(before)] == before,
        "ok": audit(settings).ok,
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
