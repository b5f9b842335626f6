"""What stands beside a score and has too few events is left out; the score itself never is."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from tests.lib.frames import COMPONENTS, made_up, task
from training.task import ComponentTask, LineTask
from training.thin import LEAST_EVENTS, as_trained, without_thin

FREQUENCY, SEVERITY = COMPONENTS["pure_premium"]
SIDE = tuple(
    replace(component, name=f"{component.name}_cargo", line="cargo", score_weight=0.0) for component in (FREQUENCY, SEVERITY)
)
LINE = LineTask(
    id="cargo", frequency="frequency_cargo", severity="severity_cargo", exposure="exposure", amount="amount",
    amount_full="amount", large_loss=1e6,
)
PRICED = task("pure_premium", components=(FREQUENCY, SEVERITY, *SIDE), lines=(LINE,))


def with_claims(n: int) -> pd.DataFrame:
    frame = made_up(600).assign(claims=0.0, fold="train")
    frame.loc[frame.index[:n], "claims"] = 1.0
    return frame


def test_a_line_with_enough_claims_stays() -> None:
    assert without_thin(PRICED, with_claims(LEAST_EVENTS)) is PRICED


def test_a_thin_line_goes_whole_and_the_limits_name_it() -> None:
    left = without_thin(PRICED, with_claims(LEAST_EVENTS - 1))
    assert [component.name for component in left.components] == ["frequency", "severity"]
    assert left.lines == ()
    assert left.limits[-1] == f"cargo is left out: {LEAST_EVENTS - 1} events, {LEAST_EVENTS} are needed."


def test_claims_of_the_test_period_do_not_count() -> None:
    assert without_thin(PRICED, with_claims(LEAST_EVENTS).assign(fold="test")).lines == ()


def test_the_task_of_a_bundle_has_the_bundles_components() -> None:
    assert as_trained(PRICED, ["frequency", "severity"]).lines == ()
    assert [one.name for one in as_trained(PRICED, []).components] == ["frequency", "severity"]
    assert as_trained(PRICED, [c.name for c in PRICED.components]) == PRICED


def test_what_stands_beside_the_score_has_no_weight_in_it() -> None:
    with pytest.raises(ValueError, match="its weight must be 0"):
        ComponentTask(name="cause_tyre", objective="binary", target="is_tyre", cause="tyre")
