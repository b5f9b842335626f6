"""Fits in threads of one process leave it alive: LightGBM keeps its number of threads in one place for all of them."""

from __future__ import annotations

import subprocess
import sys

from tests.lib.processes import ROOT

BESIDE = """
import threading, time
import lightgbm, numpy as np
from training.binned import Binned
from training.matrix import Outcome

rng, n = np.random.default_rng(7), 6000
matrix = rng.normal(size=(n, 100))
matrix[:, 20:] *= rng.random((n, 80)) < 0.05
label, everything = rng.poisson(0.3, n).astype(float), np.ones(n, bool)
settings = {"num_threads": 2, "verbosity": -1, "feature_pre_filter": False, "deterministic": True}
table = lightgbm.Dataset(matrix, label=label, params=settings).construct()
shared, target = Binned(table, np.arange(n)), Outcome(label, np.ones(n), everything)
end = time.monotonic() + 8

def fits(seed):
    own = np.random.default_rng(seed)
    while time.monotonic() < end:
        train, valid = (shared.rows(target, own.random(n) < share, threads=1) for share in (0.7, 0.3))
        lightgbm.train({**settings, "num_threads": 1, "objective": "poisson"}, train, num_boost_round=2, valid_sets=[valid])

both = [threading.Thread(target=fits, args=(seed,)) for seed in (1, 2)]
for one in both:
    one.start()
for one in both:
    one.join()
print("alive")
"""


def test_fits_beside_each_other_that_share_their_bins_do_not_write_behind_their_buffers():
    done = subprocess.run([sys.executable, "-c", BESIDE], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr[-2000:]
