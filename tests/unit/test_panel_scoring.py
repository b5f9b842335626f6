"""The arithmetic of the panel, beside that of a single answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.online_inputs import SourceAge
from features.population import BUSINESS, SIZE, Population
from features.snapshot import FeatureSnapshot
from registry.products import PRODUCTS
from registry.promotion import Promotion
from registry.scorer import Scorer
from serving.answering import answer_score
from serving.panel.build import plan_of
from serving.panel.changes import between
from serving.panel.reader import EntityMonth
from serving.panel.scoring import PanelScorer, answer_name
from tests.lib.bundles import tiny_rows
from tests.lib.desks import AS_OF, tiny_inputs
from tests.lib.full_bundles import full_bundle

N = 40


def population(product: str) -> Population:
    frame = pd.DataFrame(tiny_rows(3, N))
    # The last is known too little of to be scored.
    frame.loc[N - 1, ["age_year", "night_share", "mileage_90d_km", "use"]] = None
    own = f"{PRODUCTS[product].entity}_id"
    ids = {own: [f"x{place:03d}" for place in range(N)], "enterprise_id": [f"x{place:03d}" for place in range(N)]}
    return Population(AS_OF, frame.assign(**ids, **{SIZE: 1, BUSINESS: "8"}), tiny_inputs().sources)


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_column_is_what_one_answer_says(product: str) -> None:
    scorer, everybody = Scorer(full_bundle(product)), population(product)
    made = PanelScorer(scorer, 1).score(everybody).to_pylist()
    grey = 0
    for row, values in zip(made, tiny_rows(3, N), strict=True):
        if row is made[-1]:
            values |= dict.fromkeys(("age_year", "night_share", "mileage_90d_km", "use"))
        inputs = replace(tiny_inputs(), values=values, exposure=1.0)
        answer = answer_score(scorer, "1", inputs, score_id="0" * 32, product=PRODUCTS[product]).answer
        assert row["tier"] == answer["tier"]["code"]
        assert row["coverage"] == pytest.approx(answer["coverage"]["share"], abs=1e-6)
        if answer["points"] is None:
            grey += 1
            assert row["points"] is None
            assert row["answer"] is None
            continue
        assert row["points"] == pytest.approx(answer["points"], abs=1e-9)
        assert row["answer"] == pytest.approx(answer["answer"][answer_name(scorer.manifest)], rel=1e-12)
        exact = {line["feature"]: line["points"] for line in answer["decomposition"]["contributions"]}
        assert row["contributions"] == pytest.approx([exact[name] for name in scorer.manifest.feature_names], abs=1e-4)
        for group in answer["groups"]:
            assert row[f"group_{group['group']}"] == pytest.approx(group["points"], abs=1e-4)
    assert grey == 1


def test_a_stale_mandatory_source_leaves_everybody_grey() -> None:
    everybody = population("maintenance")
    old = tuple(
        SourceAge(age.resource, age.complete_until, 99.0, age.limit_d) if age.resource == "vehicle_basic" else age
        for age in everybody.sources
    )
    made = PanelScorer(Scorer(full_bundle("maintenance")), 1).score(replace(everybody, sources=old))
    assert set(made["tier"].to_pylist()) == {"grey"}
    assert made["points"].null_count == N


SNAPSHOT = FeatureSnapshot(
    warehouse="w", digest="s", as_of="2026-07-01T00:00:00+00:00", cutoffs=(), tables={}, complete_until={}, simulated=True
)
ENDS = {f"2026-0{n}": datetime(2026, n + 1, 1, tzinfo=UTC) for n in range(1, 7)}


def line(version: int, at: datetime, kind: str = "promote") -> Promotion:
    return Promotion(
        seq=version, at=at, kind=kind, product="maintenance", version=version, digest=f"{version}" * 64, previous=None,
        approver="a", reason="r",
    )


def test_who_spoke_for_a_month_and_what_must_be_scored_for_exact_splits() -> None:
    past = [line(1, ENDS["2026-02"] - timedelta(days=1)), line(2, ENDS["2026-04"])]
    plan = plan_of("maintenance", past, ENDS, SNAPSHOT)
    assert [one.version for one in plan.index.months] == [1, 1, 1, 2, 2, 2]
    # Before the first promotion the first promoted one stands in; one that went live at the cut-off was live then.
    assert [one.reconstructed for one in plan.index.months] == [True, False, False, False, False, False]
    scored = {version: [one.month for one in plan.wanted if one.version == version] for version in (1, 2)}
    assert scored[1] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert scored[2] == list(ENDS)


def test_a_model_promoted_after_all_months_has_scored_them_all_beside_the_one_of_the_time() -> None:
    past = [line(1, datetime(2025, 1, 1, tzinfo=UTC)), line(2, datetime(2026, 9, 1, tzinfo=UTC))]
    plan = plan_of("maintenance", past, ENDS, SNAPSHOT)
    assert {one.version for one in plan.index.months} == {1}
    assert plan.index.live_version == 2
    assert sum(one.version == 2 for one in plan.wanted) == len(ENDS)


def _month(points: float, digest: str, **groups: float) -> EntityMonth:
    return EntityMonth(
        month="2026-01", as_of=AS_OF, digest=digest, version=1, reconstructed=False, points=points, tier="blue", answer=0.1,
        coverage=1.0, enterprise_id="e", size_class=0, business="8", base=500.0, clamp=0.0, groups=groups, contributions=groups,
    )


def test_a_change_says_nothing_about_its_parts_where_the_old_model_did_not_score_the_new_data() -> None:
    change = between(_month(500, "a", x=0.0), _month(530, "b", x=30.0), None)
    assert (change.total, change.data, change.model) == (30.0, None, None)
    change = between(_month(500, "a", x=0.0, y=0.0), _month(530, "b", x=30.0, y=0.0), _month(510, "a", x=-2.0, y=12.0))
    assert (change.total, change.data, change.model) == (30.0, 10.0, 20.0)
    assert list(change.features.items()) == [("y", 12.0), ("x", -2.0)]
    assert np.isclose(sum(change.groups.values()), 10.0)
