"""Promotions reach a running holder of models; what cannot be loaded changes nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from registry.errors import ServiceUnavailable
from registry.scorer import Scorer
from serving.holder import ModelHolder
from serving.live import load_live
from tests.lib.bundles import PORTFOLIO, tiny_bundle, tiny_rows
from tests.lib.desks import tiny_client, tiny_desk
from tests.lib.homes import bundle_folder, make_home, make_live

ROW = tiny_rows(7, 1)[0]


def home(folder):
    first, second = tiny_bundle(PORTFOLIO), tiny_bundle(PORTFOLIO, seed=2)
    settings = make_home(folder, [first])
    proved = [first.digest, second.digest]
    return settings, first, second, ModelHolder.open(settings, load_live(settings, proved=proved))


def test_a_promotion_is_taken_and_a_refused_one_leaves_the_old(tmp_path):
    settings, first, second, holder = home(tmp_path)
    assert not holder.check()
    make_live(settings, [second])
    assert holder.check()
    assert holder.current.live[PORTFOLIO].scorer.digest == second.digest
    assert holder.current.with_digest(PORTFOLIO, first.digest).digest == first.digest
    target = bundle_folder(settings, first) / "manifest.json"
    target.write_bytes(target.read_bytes()[:-10])
    make_live_again(settings, first)
    assert not holder.check()
    assert holder.current.live[PORTFOLIO].scorer.digest == second.digest
    assert (holder.reloads.taken, holder.reloads.failed) == (1, 1)
    assert "is refused" in holder.reloads.problem
    assert not holder.check(), "what did not verify is not tried again until the ledger changes"
    holder.close()


def test_a_ledger_that_is_locked_for_a_moment_is_looked_at_again(tmp_path):
    settings, _, second, followed = home(tmp_path)
    outcomes = iter((ServiceUnavailable("the ledger is locked"), None))

    def load(before):
        if (error := next(outcomes)) is not None:
            raise error
        return load_live(settings, proved=[second.digest], kept=before)

    holder = ModelHolder(followed.current, load, followed._watches)
    make_live(settings, [second])
    assert not holder.check()
    assert holder.check()
    assert (holder.current.live[PORTFOLIO].scorer.digest, holder.reloads.problem) == (second.digest, "")
    holder.close()


def make_live_again(settings, bundle):
    from datetime import UTC, datetime

    from registry.chain import ChainLedger
    from registry.promotion import LEDGER_FILE, TABLE
    from registry.signing import LEDGER_KEY, read_secret

    with ChainLedger(settings.ledger_dir / LEDGER_FILE, read_secret(settings.keys_dir, LEDGER_KEY), TABLE) as ledger:
        ledger.append(
            {"kind": "rollback", "product": PORTFOLIO, "version": 1, "digest": bundle.digest, "previous": None,
             "approver": "test", "reason": "test"}, at=datetime(2026, 7, 5, tzinfo=UTC),
        )


def test_fifty_swaps_under_load_lose_no_request_and_mix_no_versions(tmp_path):
    settings, first, second, holder = home(tmp_path)
    desk = replace(tiny_desk(tmp_path), live=holder)
    client = tiny_client(tmp_path, desk)
    by_digest = {bundle.digest: Scorer(bundle) for bundle in (first, second)}
    expected = {
        digest: float(scorer.explain(scorer.encode([ROW])[0]).points[0]) for digest, scorer in by_digest.items()
    }
    done = threading.Event()

    def call(_: int) -> tuple[int, str, float]:
        answer = client.post(f"/v1/portfolios/{PORTFOLIO}/scores", json={"features": ROW})
        body = answer.json()
        return answer.status_code, body["model"]["digest"], body["points"]

    def ask() -> list[tuple[int, str, float]]:
        met = []
        while not done.is_set():
            met.append(call(0))
        return met

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        make_live(settings, [second])
        assert holder.check()
        for turn in range(49):
            make_live_again(settings, (first, second)[turn % 2])
            assert holder.check()
        done.set()
        answers = [one for task in asking for one in task.result()]
    assert {status for status, _, _ in answers} == {200}
    assert {digest for _, digest, _ in answers} == set(expected)
    assert all(points == expected[digest] for _, digest, points in answers)
    assert holder.reloads.taken == 50
    holder.close()
    desk.decisions.close()
