"""`bentoml build` makes a bento that runs from wherever it is copied to."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx

from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.homes import key_header, make_home
from tests.lib.processes import ROOT, environment_of, free_port, running


def test_a_bento_starts_from_another_folder(tmp_path):
    bundle = tiny_bundle(PORTFOLIO)
    settings = make_home(tmp_path, [bundle])
    environment = environment_of(settings) | {
        "BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "ROADRISK_PROVED_DIGESTS": bundle.digest,
    }
    (tmp_path / "bentoml").mkdir()
    build = [sys.executable, "-m", "bentoml", "build", "--output", "tag", str(ROOT)]
    built = subprocess.run(build, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    stored = next(path for path in (tmp_path / "bentoml" / "bentos" / "roadrisk").iterdir() if path.is_dir())
    bento = stored.rename(tmp_path / "bento")

    port, elsewhere = free_port(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment["PYTHONPATH"] = os.pathsep.join([str(bento / "src")])
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, environment, port, tmp_path / "serve.log", elsewhere) as url:
        body = {"features": tiny_rows(7, 1)[0]}
        answer = httpx.post(
            f"{url}/v1/portfolios/{PORTFOLIO}/scores", json=body, headers=key_header(settings), trust_env=False, timeout=20
        )
    assert answer.status_code == 200
    assert answer.json()["model"]["digest"] == bundle.digest
