"""Starts live services by fork, with everything imported and compiled, so that each is there in a blink and can be killed often.

`python -m tests.lib.live_nursery HOME KEYS PORT [BROKERS]`: for each line read it forks one and answers its process id; a line
"wait PID" is answered with how it ended.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import uvicorn
from pydantic import SecretStr

from features.live.engine import EngineTimes
from features.live.fold import LiveFold
from features.live.positions import POSITION
from features.live.road_map import road_map
from features.live.roster import Roster, roster_of
from features.live.service import open_service
from features.pseudonyms import pseudonym
from registry.settings import Settings
from registry.signing import pseudonym_keys

KEY = "secret"
PLATES = [(f"赣A{10_000 + n}", "2") for n in range(60)]
TIMES = EngineTimes(batch_s=0.01, push_s=0.05, checkpoint_s=0.4)


def settings_of(home: Path, keys: Path, brokers: str = "") -> Settings:
    """Return the settings of the service."""
    return Settings(
        home=home, keys_dir=keys, push_key=SecretStr(KEY), store_timeout_s=10.0, kafka_brokers=brokers, kafka_topics=("positions",),
        kafka_security="plaintext",
    )


def roster_for(settings: Settings) -> Roster:
    """Return the roster of the service."""
    keys = pseudonym_keys(settings.keys_dir, 1)
    return roster_of([(f"v{n}", pseudonym(keys, "plate", *plate), "e", "8") for n, plate in enumerate(PLATES)], keys)


def _serve(settings: Settings, port: int) -> None:
    service = open_service(settings, replay=True, roster=roster_for(settings), times=TIMES)
    uvicorn.run(service.app(kafka=bool(settings.kafka_brokers)), port=port, log_level="critical", access_log=False)


def _warm() -> None:
    fold = LiveFold.empty(1)
    fold.apply(np.zeros(1, np.int64), np.zeros(1, POSITION))
    fold.duty_rows()
    fold.now(0)
    road_map().classes(np.zeros(1), np.zeros(1))


def main(home: Path, keys: Path, port: int, brokers: str = "") -> None:
    """Fork at each line."""
    _warm()
    for line in sys.stdin:
        if line.startswith("wait"):
            print(os.waitstatus_to_exitcode(os.waitpid(int(line.split()[1]), 0)[1]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            _serve(settings_of(home, keys, brokers), port)
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
