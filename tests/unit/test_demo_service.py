"""The demonstration's service: a port that is free, a former service that is ended, and only ours."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from experiments.demo_service import SERVICE, _end_former, _first_score, _free_port
from registry.errors import NotFound, UnknownEntity
from registry.settings import Settings

SLEEPS = "import sys, time; print('up', flush=True); time.sleep(60)"
EXAMPLES = {"vehicle": [{"plate_no": f"赣A1234{n}", "plate_color": "2", "vin": f"v{n}"} for n in range(3)]}


@dataclass
class Client:
    """Answers by plate; None for an entity that nobody knows."""

    answers: Mapping[str, dict[str, Any] | None]

    def score(self, _product: str, key: Mapping[str, str]) -> dict[str, Any]:
        answer = self.answers[key["plate_no"]]
        if answer is None:
            raise UnknownEntity("no such vehicle")
        return answer


def sleeping(*arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SLEEPS, *arguments], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


def test_a_taken_port_is_left_alone() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        assert _free_port(Settings(port=taken)) not in (taken, 0)
    assert _free_port(Settings(port=taken)) == taken


def test_a_former_service_is_ended(tmp_path: Path) -> None:
    former, note = sleeping(SERVICE), tmp_path / "service.json"
    note.write_text(json.dumps({"url": "x", "pid": former.pid}))
    _end_former(note)
    assert former.wait(5) is not None
    assert not note.exists()


def test_a_process_that_got_its_number_is_not_ended(tmp_path: Path) -> None:
    stranger, note = sleeping(), tmp_path / "service.json"
    try:
        note.write_text(json.dumps({"url": "x", "pid": stranger.pid}))
        _end_former(note)
        assert stranger.poll() is None
        assert not note.exists()
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "{}", '{"pid": "x"}', '{"pid": 999999999}'])
def test_a_note_that_means_nothing_is_removed(content: str, tmp_path: Path) -> None:
    note = tmp_path / "service.json"
    note.write_text(content)
    _end_former(note)
    assert not note.exists()


def test_the_first_entity_with_a_score_is_shown() -> None:
    answers = {"赣A12340": None, "赣A12341": {"score": None}, "赣A12342": {"score": 0.5}}
    assert _first_score(Client(answers), "maintenance", EXAMPLES) == {"score": 0.5}


def test_where_nobody_has_a_score_the_demonstration_says_so() -> None:
    with pytest.raises(NotFound, match="none of 3 example entities has a score"):
        _first_score(Client(dict.fromkeys(("赣A12340", "赣A12341", "赣A12342"))), "maintenance", EXAMPLES)
