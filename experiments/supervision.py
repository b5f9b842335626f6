"""False alarms of fatigue supervision, held against the truth of the simulated province.

Every driving hour of watched vehicles has a true probability of a fatigue event, and whether one happened; no rule sees either.
An hour is *alarmed* when the alert engine has an alert of a rule in it, at least of a severity. Three readings of an alarm, because
for something rare the word has no single meaning:

- **no event**: share of alarmed hours in which nothing happened; near one for every rule, since an event is rare at any wheel.
- **not riskier**: share of alarmed hours whose true probability is not above the mean of all hours: an alarm without a cause. This
  is what is called a false alarm here.
- **lift**: true probability in alarmed hours over the mean of all. **found**: share of the events that lie in alarmed hours.

Signals are those of the hour's beginning, driving goes on through the hour, and whoever has a pause between two hours rests. The
tier of the fatigue score is not judged here: its own figures are on the model's card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from features.supervision.engine import AlertBoard
from registry.errors import NotFound
from registry.supervision.rule_table import RULES_BY_ID
from registry.supervision.rules import AlertRule

if TYPE_CHECKING:
    from rich.console import RenderableType

    from registry.settings import Settings

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
RULES: Final = tuple(RULES_BY_ID[name] for name in ("sleepiness", "duty_continuous_4h"))
HOUR_S: Final = 3_600
STEP_S: Final = 300
STEPS: Final = HOUR_S // STEP_S
PAUSE_STEPS: Final = 4
"""Looks between two hours that do not follow each other: a rest of 20 minutes."""
LIMIT_S: Final = 14_400.0
RESTED_KSS: Final = 1.0


def supervision_study(settings: Settings) -> dict[str, Any]:
    """Return false alarms by rule and severity.

    Raises
    ------
    NotFound
        If the home has no simulated driving hours.
    """
    hours = read_hours(settings)
    levels = alarmed_levels(hours)
    return {
        "simulated": True, "hours": len(hours["hazard"]), "vehicles": int(hours["vehicle"].max()) + 1,
        "events": int(hours["event"].sum()), "mean_hazard": float(hours["hazard"].mean()),
        "rules": [
            {"rule_id": rule.rule_id, "severity": level.severity, **judged(levels[rule.rule_id] >= rank, hours)}
            for rule in RULES for rank, level in enumerate(rule.levels, start=1)
        ],
    }


def read_hours(settings: Settings) -> dict[str, Any]:
    """Return the driving hours as they were delivered last, by vehicle and time, with their true probability."""
    import duckdb

    truth, delivered = settings.truth_dir / "driving_hour.parquet", settings.warehouse_dir / "driving_hour"
    if not truth.exists() or not delivered.exists():
        raise NotFound("no simulated driving hours", where=str(settings.home), remedy="Run `roadrisk demo` first.")
    with duckdb.connect() as db:
        found = db.execute(
            "SELECT dense_rank() OVER (ORDER BY plate_id) - 1 AS vehicle, epoch(hour_start) AS start_s, cont_drive_h, kss, "
            "fatigue_event, hazard FROM (SELECT * FROM read_parquet(?, union_by_name => true) QUALIFY "
            "row_number() OVER (PARTITION BY row_id ORDER BY arrived_at DESC, delivery_id DESC) = 1) "
            "JOIN read_parquet(?) USING (row_id) "
            "WHERE NOT withdrawn AND plate_id IS NOT NULL AND cont_drive_h IS NOT NULL AND fatigue_event IS NOT NULL "
            "ORDER BY vehicle, start_s, row_id",
            [str(delivered / "*" / "*.parquet"), str(truth)],
        ).fetchnumpy()
    plain = {name: np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan) for name, values in found.items()}
    return {
        "vehicle": plain["vehicle"].astype(np.int64), "start_s": plain["start_s"], "cont_s": plain["cont_drive_h"] * HOUR_S,
        "kss": plain["kss"], "event": plain["fatigue_event"] > 0, "hazard": plain["hazard"],
    }


def alarmed_levels(hours: Mapping[str, Any], rules: tuple[AlertRule, ...] = RULES) -> dict[str, npt.NDArray[np.int8]]:
    """Return by rule the highest level that the engine had on in each hour, shape (n_hours,).

    The n-th hours of all vehicles are looked at together; a vehicle without an n-th hour rests.
    """
    vehicle, n = hours["vehicle"], int(hours["vehicle"].max()) + 1
    first = np.searchsorted(vehicle, np.arange(n))
    turn = np.arange(len(vehicle)) - first[vehicle]
    goes_on = np.r_[False, (vehicle[1:] == vehicle[:-1]) & (hours["start_s"][1:] - hours["start_s"][:-1] <= HOUR_S + 60)]
    board = AlertBoard([str(k) for k in range(n)], [""] * n, ["freight"] * n, rules)
    found = {rule.rule_id: np.zeros(len(vehicle), np.int8) for rule in rules}
    at_s = 0
    for number in range(int(turn.max()) + 1):
        rows = np.flatnonzero(turn == number)
        rests = np.ones(n, bool)
        rests[vehicle[rows[goes_on[rows]]]] = False
        for _ in range(PAUSE_STEPS):
            # Whoever drives on is unknown for the length of somebody else's pause, which turns nothing.
            at_s += STEP_S
            quiet = np.where(rests, 0.0, np.nan)
            board.look(at_s, {"driving_kss": quiet + RESTED_KSS, "over_continuous_4h_s": quiet - LIMIT_S})
        for step in range(STEPS):
            at_s += STEP_S
            kss, over = np.full(n, np.nan), np.full(n, np.nan)
            kss[vehicle[rows]] = hours["kss"][rows]
            over[vehicle[rows]] = hours["cont_s"][rows] + step * STEP_S - LIMIT_S
            board.look(at_s, {"driving_kss": kss, "over_continuous_4h_s": over})
            for place, rule in enumerate(rules):
                held = found[rule.rule_id]
                held[rows] = np.maximum(held[rows], board.levels[vehicle[rows], place])
    return found


def judged(alarmed: BoolArray, hours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of an alarm."""
    hazard, event = hours["hazard"], hours["event"]
    n, mean = int(alarmed.sum()), float(hazard.mean())
    if not n:
        return {"alarmed": 0, "alarmed_share": 0.0, "no_event_share": None, "not_riskier_share": None, "lift": None,
                "found_share": 0.0}
    return {
        "alarmed": n, "alarmed_share": n / len(hazard), "no_event_share": float((~event[alarmed]).mean()),
        "not_riskier_share": float((hazard[alarmed] <= mean).mean()), "lift": float(hazard[alarmed].mean()) / mean,
        "found_share": float(event[alarmed].sum() / max(event.sum(), 1)),
    }


def render(result: Mapping[str, Any]) -> RenderableType:
    """Return the table of a result."""
    from registry.output import table

    names = ("alarmed_share", "no_event_share", "not_riskier_share", "lift", "found_share")
    rows = [
        (one["rule_id"], one["severity"], one["alarmed"], *("-" if one[name] is None else f"{one[name]:.3f}" for name in names))
        for one in result["rules"]
    ]
    title = f"{result['hours']} simulated driving hours of {result['vehicles']} vehicles, {result['events']} fatigue events"
    return table(("rule", "severity", "alarmed hours", "share", "no event", "not riskier", "lift", "found"), rows, title=title)
