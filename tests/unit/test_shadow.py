"""Shadow scoring behind a real desk: kept beside the decision, never in the answer, never at its expense."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from registry.scorer import Scorer
from registry.shadow import ShadowStore
from serving.asked import Asked
from serving.desk import ScoringDesk
from serving.live import LiveScorer
from serving.shadow import FAILED, FULL, LACKING, Shadow
from tests.lib.bundles import tiny_bundle
from tests.lib.desks import USCC, tiny_desk

PRODUCT = "enterprise_risk"
CHALLENGER = tiny_bundle(PRODUCT, seed=5)
ASKED = Asked("r1", time.perf_counter())


class Blocked(Scorer):
    """A challenger that waits until it is let go."""

    def __init__(self) -> None:
        super().__init__(CHALLENGER)
        self.entered, self.gate = threading.Event(), threading.Event()

    def explain(self, matrix):  # type: ignore[no-untyped-def]
        self.entered.set()
        self.gate.wait(30)
        return super().explain(matrix)


class Broken(Scorer):
    """A challenger that cannot score."""

    def explain(self, matrix):  # type: ignore[no-untyped-def]
        raise MemoryError


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ScoringDesk]:
    made = tiny_desk(tmp_path)
    yield made
    made.decisions.close()


@pytest.fixture
def store(tmp_path: Path) -> ShadowStore:
    return ShadowStore(tmp_path / "shadow" / "shadow.db")


def shadow_of(scorer: Scorer, store: ShadowStore, **options: float) -> Shadow:
    return Shadow({PRODUCT: LiveScorer("4", scorer)}, store, **{"after_s": 0.0, "share": 0.9, **options})


def test_the_challenger_is_kept_beside_the_decision_and_the_answer_is_the_champions(desk: ScoringDesk, store: ShadowStore) -> None:
    shadow = shadow_of(Scorer(CHALLENGER), store)
    shadowed = replace(desk, shadow=shadow)
    answers = [orjson.loads(shadowed.score_entity(PRODUCT, USCC, ASKED).body) for _ in range(3)]
    shadow.close()
    kept = store.read(PRODUCT, CHALLENGER.digest)
    assert list(kept["score_id"]) == sorted(answer["score_id"] for answer in answers)
    assert set(kept["champion_points"]) == {answers[0]["points"]}
    expected = Scorer(CHALLENGER)
    values = {name: desk.source.inputs["e1"].values[name] for name in CHALLENGER.manifest.feature_names}
    assert set(kept["challenger_points"]) == set(expected.points(expected.encode([values])[0]).tolist())
    assert set(kept["challenger_version"]) == {"4"}
    assert kept["champion_answer"][0] == pytest.approx(answers[0]["answer"])
    assert "shadow" not in str(answers[0])
    plain = orjson.loads(desk.score_entity(PRODUCT, USCC, ASKED).body)
    differing = {name for name in plain if plain[name] != answers[0][name]}
    assert differing == {"score_id"}


def test_an_answer_does_not_wait_for_a_challenger_that_hangs(desk: ScoringDesk, store: ShadowStore) -> None:
    blocked = Blocked()
    shadow = shadow_of(blocked, store, size=2)
    shadowed = replace(desk, shadow=shadow)
    shadowed.score_entity(PRODUCT, USCC, ASKED)
    assert blocked.entered.wait(30)
    for _ in range(5):  # two fit into the queue
        assert shadowed.score_entity(PRODUCT, USCC, ASKED).answer["points"] is not None
    blocked.gate.set()
    shadow.close()
    assert len(store.read(PRODUCT, CHALLENGER.digest)) == 3
    assert store.dropped(PRODUCT, CHALLENGER.digest) == {FULL: 3}


def test_a_challenger_that_fails_is_counted_and_nobody_notices(desk: ScoringDesk, store: ShadowStore) -> None:
    shadow = shadow_of(Broken(CHALLENGER), store)
    shadowed = replace(desk, shadow=shadow)
    assert shadowed.score_entity(PRODUCT, USCC, ASKED).answer["points"] is not None
    shadow.close()
    assert store.read(PRODUCT, CHALLENGER.digest).empty
    assert store.dropped(PRODUCT, CHALLENGER.digest) == {FAILED: 1}


def test_a_challenger_with_an_input_that_the_store_lacks_is_counted(desk: ScoringDesk, store: ShadowStore) -> None:
    odd = Scorer(CHALLENGER)
    features = (CHALLENGER.manifest.features[0].model_copy(update={"name": "unheard_of"}), *CHALLENGER.manifest.features[1:])
    odd.manifest = CHALLENGER.manifest.model_copy(update={"features": features})
    shadow = shadow_of(odd, store)
    replace(desk, shadow=shadow).score_entity(PRODUCT, USCC, ASKED)
    shadow.close()
    assert store.dropped(PRODUCT, CHALLENGER.digest) == {LACKING: 1}


def test_a_product_without_a_challenger_starts_no_thread(desk: ScoringDesk, store: ShadowStore) -> None:
    before = threading.active_count()
    shadow = shadow_of(Scorer(CHALLENGER), store)
    replace(desk, shadow=shadow).score_entity("maintenance", {"plate_no": "赣A12345", "plate_color": "2"}, ASKED)
    assert threading.active_count() == before
    shadow.close()


def test_a_store_that_cannot_be_written_does_not_reach_the_answer(desk: ScoringDesk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    shadow = shadow_of(Scorer(CHALLENGER), ShadowStore(tmp_path / "file" / "shadow.db"))
    assert replace(desk, shadow=shadow).score_entity(PRODUCT, USCC, ASKED).answer["points"] is not None
    shadow.close()


def test_the_same_score_is_kept_once_and_drops_add_up(desk: ScoringDesk, store: ShadowStore) -> None:
    shadow = shadow_of(Scorer(CHALLENGER), store)
    replace(desk, shadow=shadow).score_entity(PRODUCT, USCC, ASKED)
    shadow.close()
    row = store.read(PRODUCT, CHALLENGER.digest)
    key = (PRODUCT, CHALLENGER.digest, FULL)
    store.write([], {key: 2})
    store.write([], {key: 3})
    assert store.dropped(PRODUCT, CHALLENGER.digest) == {FULL: 5}
    assert len(row) == 1
    assert row["took_ms"][0] > 0
