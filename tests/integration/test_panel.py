"""The score panel: what it holds is what the service answers, and a change splits into data and model."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.online import OnlineStore
from features.snapshot import read_snapshot, write_snapshot
from registry.errors import IntegrityError, NotFound
from registry.products import PRODUCTS
from registry.scorer import Scorer
from registry.settings import Settings
from serving.answering import answer_score
from serving.panel.build import build_panel, plan_of
from serving.panel.changes import changes
from serving.panel.cli import panel as panel_command
from serving.panel.layout import month_file, panel_folder, read_index
from serving.panel.peers import peers_of
from serving.panel.reader import Panel
from tests.lib.panels import copied, enterprise_bundle, promote_at

PRODUCT = "enterprise_risk"
OLD, NEW = enterprise_bundle(), enterprise_bundle(weights=(1.0, 2.0, 0.2, 0.6, -0.1))


@pytest.fixture(scope="module")
def home(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two models: the first from before the middle of the months, the second from the middle on."""
    settings = copied(tiny, tmp_path_factory.mktemp("panel"))
    cutoffs = [*map(_time, read_snapshot(settings.feature_dir).cutoffs)]
    middle = cutoffs[len(cutoffs) // 2]
    promote_at(settings, OLD, 1, cutoffs[1] - timedelta(hours=1))
    promote_at(settings, NEW, 2, middle - timedelta(hours=1))
    (built,) = build_panel(settings)
    assert built.made == len(plan(settings).wanted)
    assert not built.skipped
    return settings


@pytest.fixture(scope="module")
def panel(home: Settings) -> Panel:
    return Panel.open(home)


def _time(text: str):
    from datetime import datetime

    return datetime.fromisoformat(text)


def plan(settings: Settings):
    from features.population import month_ends
    from registry.promotion import history

    snapshot = read_snapshot(settings.feature_dir)
    return plan_of(PRODUCT, history(settings, PRODUCT), month_ends(snapshot, months=24), snapshot)


def test_the_newest_month_is_what_the_service_answers(home: Settings, panel: Panel) -> None:
    store, scorer, newest = OnlineStore(home), Scorer(NEW), panel.month(PRODUCT)
    assert len(newest.ids) > 20
    assert list(newest.ids) == sorted(newest.ids)
    for place, entity_id in enumerate(newest.ids):
        answer = answer_score(
            scorer, "2", store.read(PRODUCT, entity_id), score_id="0" * 32, product=PRODUCTS[PRODUCT]
        ).answer
        one = panel.at(newest, entity_id)
        assert one is not None
        assert one.tier == newest.tiers[place] == answer["tier"]["code"]
        assert one.coverage == pytest.approx(answer["coverage"]["share"], abs=1e-6)
        if answer["points"] is None:
            assert one.points is None
            assert np.isnan(newest.points[place])
            continue
        assert one.points == pytest.approx(answer["points"], abs=1e-9)
        assert one.answer == pytest.approx(answer["answer"]["expected_rate"], rel=1e-12)
        exact = {line["feature"]: line["points"] for line in answer["decomposition"]["contributions"]}
        assert one.contributions == pytest.approx(exact, abs=1e-4)
        assert one.groups == pytest.approx({group["group"]: group["points"] for group in answer["groups"]}, abs=1e-4)
        assert one.base + sum(one.contributions.values()) + one.clamp == pytest.approx(one.points, abs=1e-3)
    store.close()


def test_a_month_holds_everybody_and_their_contributions_as_one_matrix(panel: Panel) -> None:
    newest = panel.month(PRODUCT)
    matrix = newest.contributions()
    assert matrix.shape == (len(newest.ids), len(newest.manifest.features))
    scored = ~np.isnan(newest.points)
    assert scored.sum() == newest.manifest.scored
    assert np.isnan(matrix[~scored]).all()
    total = newest.manifest.base + matrix[scored].sum(axis=1) + newest._heads["clamp"][scored]
    np.testing.assert_allclose(total, newest.points[scored], atol=1e-3)


def test_every_month_is_by_the_model_of_its_time(home: Settings, panel: Panel) -> None:
    index = read_index(panel_folder(home), PRODUCT)
    assert index.months[0].reconstructed
    assert {one.digest for one in index.months} == {OLD.digest, NEW.digest}
    digests = [one.digest for one in index.months]
    turn = digests.index(NEW.digest)
    assert digests == [OLD.digest] * turn + [NEW.digest] * (len(digests) - turn)
    # The live model has scored every month, the old one its own and the first of the new one.
    assert all(panel.under(PRODUCT, one.month, NEW.digest) for one in index.months)
    assert [panel.under(PRODUCT, one.month, OLD.digest) is not None for one in index.months].count(True) == turn + 1


def test_a_change_of_model_splits_exactly_into_data_and_model(panel: Panel) -> None:
    met = 0
    for entity_id in panel.month(PRODUCT).ids:
        months = panel.entity(PRODUCT, entity_id)
        for change in changes(panel, PRODUCT, months, entity_id):
            assert change.data is not None
            assert change.model is not None
            assert change.data + change.model == pytest.approx(change.total, abs=1e-9)
            if change.earlier.digest == change.later.digest:
                assert change.model == 0.0
                continue
            met += 1
            old = panel.at(panel.under(PRODUCT, change.later.month, OLD.digest), entity_id)
            assert change.data == pytest.approx(old.points - change.earlier.points, abs=1e-12)
            assert sum(change.features.values()) == pytest.approx(change.data, abs=1e-2)
    assert met > 10


def test_peers_are_of_the_same_size_and_business_or_of_a_wider_circle(panel: Panel) -> None:
    newest = panel.month(PRODUCT)
    circles = set()
    for entity_id in newest.ids:
        one = panel.at(newest, entity_id)
        found = peers_of(newest, one)
        assert found.n >= 10
        circles.add(found.circle)
        if found.circle == "size_and_business":
            same = (newest.size_classes == one.size_class) & (newest.businesses == one.business)
            assert found.n == (same & ~np.isnan(newest.points)).sum()
            assert found.percentile == pytest.approx(100 * (np.mean(newest.points[same] < one.points)
                                                            + 0.5 * np.mean(newest.points[same] == one.points)))
    assert "size_and_business" in circles


def test_a_second_build_makes_nothing_and_a_new_snapshot_everything(home: Settings, tmp_path: Path) -> None:
    settings = copied(home, tmp_path)
    before = {path: path.read_bytes() for path in sorted(panel_folder(settings).rglob("*.*")) if path.is_file()}
    (built,) = build_panel(settings)
    assert (built.made, built.kept) == (0, len(plan(settings).wanted))
    (built,) = build_panel(settings, again=True)
    assert built.made == len(plan(settings).wanted)
    # The same data and the same bundles give the same bytes.
    assert {path: path.read_bytes() for path in before} == before
    snapshot = read_snapshot(settings.feature_dir)
    write_snapshot(dataclasses.replace(snapshot, digest="0" * 64), settings.feature_dir)
    (built,) = build_panel(settings)
    assert built.kept == 0


def test_a_bundle_that_is_gone_leaves_its_months_out_and_is_named(home: Settings, tmp_path: Path) -> None:
    settings = copied(home, tmp_path)
    for path in (settings.bundle_dir / f"{PRODUCT}-{OLD.digest[:16]}").iterdir():
        path.unlink()
    (built,) = build_panel(settings, again=True)
    assert {one["digest"] for one in built.skipped} == {OLD.digest}
    assert built.made == len(read_index(panel_folder(settings), PRODUCT).months)


def test_changed_bytes_are_found_and_a_panel_of_another_build_is_not_read(home: Settings, tmp_path: Path) -> None:
    settings = copied(home, tmp_path)
    panel = Panel.open(settings)
    assert panel.verify() == len(plan(settings).wanted)
    path = month_file(panel.folder, PRODUCT, NEW.digest, read_index(panel.folder, PRODUCT).months[-1].month)
    pq.write_table(pq.read_table(path), path, compression="none")
    with pytest.raises(IntegrityError, match="its manifest says"):
        panel.verify()
    path.unlink()
    with pytest.raises(IntegrityError, match="another feature build"):
        Panel.open(settings).month(PRODUCT)


def test_without_a_panel_a_reader_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as met:
        Panel(tmp_path).month(PRODUCT)
    assert "roadrisk panel build" in met.value.remedy


def test_the_command_says_what_it_made(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    monkeypatch.setenv("ROADRISK_HOME", str(home.home))
    monkeypatch.setenv("ROADRISK_KEYS_DIR", str(home.keys_dir))
    answer = CliRunner().invoke(panel_command, ["build", "--json"])
    assert answer.exit_code == 0, answer.output
    assert '"made": 0' in answer.stdout
    assert CliRunner().invoke(panel_command, ["verify"]).stdout.startswith(str(len(plan(home).wanted)))
