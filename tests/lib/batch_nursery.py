"""A process that forks workers of batches by twos and kills them at random: `python -m tests.lib.batch_nursery FOLDER KILLS SEED`.

It has imported everything before it forks, so that a worker costs no start. Batches are taken in with chunks of a few rows, so that
there are many commits to kill between. It prints the ids of the batches, and how many workers it killed, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from serving.batches import formats
from tests.lib.batch_desks import VEHICLE, VIN, mixed, office

ROWS, CHUNK = 120, 4
LONGEST_S = 0.25


def main(folder: Path, kills: int, seed: int) -> None:
    """Take batches in and kill their workers until enough were killed, then let the last one finish."""
    formats.CHUNK_ROWS = CHUNK  # type: ignore[misc]
    made, draw, killed, ids = office(folder), random.Random(seed), 0, list[str]()
    # What a first score loads lazily is loaded here, once.
    made.client.post(f"/v1/{VEHICLE}/scores", json={"entity": VIN})
    while killed < kills:
        if not made.batches.folders.waiting():
            ids.append(made.submit(mixed(ROWS))["id"])
        pair = [_forked(folder), _forked(folder)]
        for child in pair:
            time.sleep(draw.uniform(0.0, LONGEST_S))
            killed += _killed(child)
    office(folder).work()
    print(json.dumps({"killed": killed, "ids": ids}))


def _forked(folder: Path) -> int:
    child = os.fork()
    if child == 0:
        # Connections of the parent must not be used by the child.
        office(folder).work()
        os._exit(0)
    return child


def _killed(child: int) -> bool:
    ended, _ = os.waitpid(child, os.WNOHANG)
    if ended:
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
