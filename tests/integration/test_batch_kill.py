"""Workers of batches killed with SIGKILL at random points: every row is recorded and answered exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.lib.batch_desks import Office, mixed, office
from tests.lib.batch_nursery import ROWS
from tests.lib.processes import ROOT

KILLS = 25


def test_killed_workers_leave_every_row_answered_once(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.lib.batch_nursery", str(tmp_path / "killed"), str(KILLS), "11"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["killed"] >= KILLS
    killed, undisturbed = office(tmp_path / "killed"), office(tmp_path / "undisturbed")
    expected = undisturbed.timeless(_done(undisturbed))
    ids = set[str]()
    for batch_id in told["ids"]:
        assert killed.client.get(f"/v1/batches/{batch_id}").json()["status"] == "done"
        lines = killed.result(batch_id)
        ids |= {line["answer"]["score_id"] for line in lines if "answer" in line}
        assert killed.timeless(batch_id) == expected
    recorded = [one.score_id for one in killed.desk.decisions.decisions() if one.batch]
    assert len(recorded) == len(set(recorded))
    assert set(recorded) == ids
    assert sum(one.n for one in killed.desk.decisions.usage() if one.kind == "batch") == len(recorded)
    assert killed.desk.decisions.verify().ok


def _done(made: Office) -> str:
    told = made.submit(mixed(ROWS))
    made.work()
    return str(told["id"])
