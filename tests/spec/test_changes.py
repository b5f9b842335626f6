"""How many similar entities made a change: rows in, counts out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.changes import WITHIN_D, change_document
from features.families import FEATURES
from registry.bundle import ManifestFeature
from registry.change_evidence import ChangeEvidence, enterprise_group, vehicle_group
from registry.settings import Settings

LAST = datetime(2026, 6, 30, tzinfo=UTC)
FEATURE = "weak_driver_share"
FLEET = 5.0


def written(folder: Path, histories: dict[str, list[float | None]], *, fleet: dict[str, float] | None = None) -> ChangeEvidence:
    """Return the evidence of shares at cut-offs one month apart, the last of them `LAST`."""
    rows = [
        (entity, LAST - timedelta(days=30 * (len(values) - 1 - place)), value)
        for entity, values in histories.items() for place, value in enumerate(values)
    ]
    frame = pd.DataFrame(rows, columns=["enterprise_id", "event_timestamp", FEATURE])
    settings = Settings(home=folder)
    settings.feature_dir.mkdir(parents=True)
    frame.to_parquet(settings.feature_dir / "enterprise_people.parquet")
    sizes = frame[["enterprise_id", "event_timestamp"]].assign(fleet_size=[(fleet or {}).get(row[0], FLEET) for row in rows])
    sizes.to_parquet(settings.feature_dir / "enterprise_profile.parquet")
    return ChangeEvidence(change_document(settings, [ManifestFeature.of(FEATURES[FEATURE])]))


def cohort(n: int, values: list[float | None], name: str = "e") -> dict[str, list[float | None]]:
    return {f"{name}{place}": values for place in range(n)}


@pytest.fixture
def asked() -> dict[str, float]:
    return {"fleet_size": FLEET}


def test_those_that_came_down_within_the_months_are_counted_and_no_others(tmp_path, asked):
    fell, stood, later = [0.5] * 4 + [0.0] * 4, [0.5] * 8, [0.5] * 7 + [None]
    evidence = written(tmp_path, cohort(12, fell, "f") | cohort(18, stood, "s") | cohort(5, later, "l"))
    found = evidence.similar(FEATURE, asked, old=0.5, new=0.0)
    assert found is not None
    assert (found.group, found.n_similar, found.n_changed, found.months) == ("2+", 35, 12, 6)


def test_what_happened_after_the_months_does_not_count(tmp_path, asked):
    cutoffs = WITHIN_D // 30 + 1
    late = [0.5] * (cutoffs + 1) + [0.0]
    evidence = written(tmp_path, cohort(20, [0.5, *late]) | cohort(20, [0.0] * (len(late) + 1), "z"))
    found = evidence.similar(FEATURE, asked, old=0.5, new=0.0)
    assert found is not None
    # The newest start sees the fall; the one before it does not. Each enterprise is counted once, with the best it did.
    assert (found.n_similar, found.n_changed) == (20, 20)


def test_the_way_up_is_counted_apart_from_the_way_down(tmp_path, asked):
    evidence = written(tmp_path, cohort(15, [0.0] * 4 + [0.5] * 4, "u") | cohort(15, [0.0] * 8, "s"))
    up = evidence.similar(FEATURE, asked, old=0.0, new=0.5)
    assert up is not None
    assert (up.n_similar, up.n_changed) == (30, 15)


def test_peers_are_of_the_same_fleet_size_and_all_where_those_are_too_few(tmp_path):
    histories = cohort(12, [0.5] * 4 + [0.0] * 4, "small") | cohort(4, [0.5] * 8, "large")
    evidence = written(tmp_path, histories, fleet={f"large{place}": 300.0 for place in range(4)})
    small = evidence.similar(FEATURE, {"fleet_size": 3.0}, old=0.5, new=0.0)
    large = evidence.similar(FEATURE, {"fleet_size": 300.0}, old=0.5, new=0.0)
    assert small is not None
    assert large is not None
    assert (small.group, small.n_similar) == ("2+", 12)
    assert (large.group, large.n_similar, large.n_changed) == ("*", 16, 12)


def test_one_to_nine_that_did_are_not_told_exactly(tmp_path, asked):
    evidence = written(tmp_path, cohort(9, [0.5] * 4 + [0.0] * 4, "f") | cohort(30, [0.5] * 8, "s"))
    found = evidence.similar(FEATURE, asked, old=0.5, new=0.0)
    assert found is not None
    answer = found.as_answer()
    assert (answer["changed"], answer["fewer_than"]) == (None, 10)


def test_nothing_is_said_of_a_change_within_a_band_of_few_or_of_an_unknown_input(tmp_path, asked):
    evidence = written(tmp_path, cohort(5, [0.5] * 8, "s") | cohort(40, [0.0] * 8, "z"))
    assert evidence.similar(FEATURE, asked, old=0.5, new=0.0) is None
    assert evidence.similar(FEATURE, asked, old=0.0, new=0.0) is None
    assert evidence.similar("no_such", asked, old=1.0, new=0.0) is None


@pytest.mark.parametrize(
    ("size", "group"), [(1, "0+"), (2, "2+"), (49.0, "10+"), (1e6, "200+"), (None, "*"), ("x", "*"), (-1, "*")]
)
def test_groups_of_enterprises_are_bands_of_their_fleet(size, group):
    assert enterprise_group(size) == group


def test_groups_of_vehicles_are_letter_and_size_of_their_type():
    assert [vehicle_group(one) for one in ("H11", "Q12", "", None, 3.0)] == ["H1", "Q1", "*", "*", "*"]
