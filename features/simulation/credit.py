"""Enterprises' yearly ratings (#30) and the red and black lists (#35)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.simulation.accidents import FATAL, Accidents
from features.simulation.clock import Month, add_months
from features.simulation.deliveries import Batch, next_month, only_where
from features.simulation.enforcement import Cases
from features.simulation.identities import Identities
from features.simulation.streams import Stream, generator
from features.simulation.world import INDIVIDUAL, World
from registry.codes import CASE_SEVERITY

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]

PUBLISH_MONTH: Final = 5
"""Ratings of a year are published in May of the next. [A]"""
GRADES: Final = ("AAA", "AA", "A", "B")
GRADE_FLOORS: Final = (850.0, 700.0, 600.0)
"""Thresholds of the 1000-point scheme. [G]"""
EXPIRED, REPAIRED, REVOKED = "1", "2", "3"
"""Reasons of removal from a list."""
PENALTY: Final = {"MI": 1.0, "SI": 3.0, "VSI": 6.0, "MSI": 15.0}
FULL_MARKS: Final = {
    "score_management": 200.0, "score_safety": 400.0, "score_operation": 200.0, "score_service": 100.0, "score_social": 100.0,
}


@dataclass
class OperatorRecords:
    """What is counted about operators in the current year, arrays of shape (n_operators,)."""

    penalty: FloatArray
    accidents: FloatArray
    fatal: IntArray
    grade: npt.NDArray[np.object_]
    grade_year: IntArray


def initial_operator_records(world: World) -> OperatorRecords:
    """Return empty counters; grades come with the first publication."""
    n = len(world.operators)
    return OperatorRecords(
        penalty=np.zeros(n), accidents=np.zeros(n), fatal=np.zeros(n, dtype=np.int64),
        grade=np.full(n, None, dtype=object), grade_year=np.zeros(n, dtype=np.int64),
    )


def count_operator_month(world: World, records: OperatorRecords, cases: Cases, accidents: Accidents) -> None:
    """Add a month's cases and accidents to the operators' year."""
    found = ~cases.not_punished & ~cases.withdrawn
    weight = np.array([PENALTY[CASE_SEVERITY[reason]] for reason in cases.reason.tolist()], dtype=np.float64)
    np.add.at(records.penalty, cases.operator[found], weight[found])
    operator = world.vehicles.operator[accidents.vehicle]
    np.add.at(records.accidents, operator[accidents.registered], 1.0)
    np.add.at(records.fatal, operator[accidents.severity == FATAL], 1)


def rating_batch(
    world: World, identities: Identities, month: Month | None, records: OperatorRecords, *, year_share: float = 1.0
) -> Batch:
    """Rate every company for the year before and start a new count.

    Parameters
    ----------
    world, identities
        Who.
    month
        Month of publication; None for the publication before the window.
    records
        Changed in place.
    year_share
        Part of the rated year that the counters cover; the rest is filled with an average like the present.
    """
    index = -1 if month is None else month.index
    rng = generator(world.seed, Stream.CREDIT, index + 1)
    first = world.start.astype("datetime64[M]") - 2 if month is None else month.first.astype("datetime64[M]")
    rated = np.flatnonzero(world.operators.stratum != INDIVIDUAL)
    n, size = len(rated), world.operators.size[rated]
    year = int(first.astype("datetime64[Y]").astype(np.int64)) + 1970 - 1
    published = first.astype("datetime64[D]") + rng.integers(9, 28, n).astype("timedelta64[D]")
    scores = _scores(rng, world, rated, records, year_share)
    total = np.round(sum(scores.values()), 1)
    veto = (records.fatal[rated] > 0) & (rng.random(n) < 0.5 / np.sqrt(size))
    level = np.where(veto, 3, np.searchsorted(-np.array(GRADE_FLOORS), -total))
    grade = np.array(GRADES, dtype=object)[level]
    records.grade[rated], records.grade_year[rated] = grade, year
    for counter in (records.penalty, records.accidents, records.fatal):
        counter[:] = 0
    business = world.operators.business[rated]
    columns: dict[str, Any] = {
        "uscc": identities.uscc[rated], "licence_no": identities.licence_no[rated], "assess_year": np.full(n, year),
        "category": np.array(["2", "1", "3"], dtype=object)[business], "publish_date": published, **scores,
        "total_score": total, "veto_flag": veto, "veto_type": only_where(veto, "1"), "grade": grade,
        "assess_org": "交通运输主管部门", "valid_to": add_months(published, 12),
    }
    row_id = np.array([f"KH{uscc}{year}" for uscc in identities.uscc[rated]], dtype=object)
    arrived = np.maximum(next_month(rng, published), world.start.astype("datetime64[us]"))
    return Batch("road_enterprise_rating", columns, row_id=row_id, arrived=arrived)


def _scores(
    rng: np.random.Generator, world: World, rated: IntArray, records: OperatorRecords, year_share: float
) -> dict[str, FloatArray]:
    """Return sub-scores: what an assessor sees of the safety culture, less what was found."""
    culture, size = world.operators.culture[rated], world.operators.size[rated].astype(np.float64)
    missing = (1.0 - year_share) * np.exp(-0.4 * culture)
    penalty = records.penalty[rated] / size + 0.8 * missing
    accidents = records.accidents[rated] / size + 0.18 * missing
    noise = world.assumed.people.rating_noise / 1000.0
    shares = {
        "score_management": 0.80 + 0.055 * culture, "score_safety": 0.82 + 0.045 * culture - 0.12 * accidents,
        "score_operation": 0.84 + 0.030 * culture - 0.030 * penalty, "score_service": 0.80 + 0.020 * culture,
        "score_social": 0.80 + 0.020 * culture,
    }
    scores = {
        name: np.round(FULL_MARKS[name] * np.clip(share + 2.0 * noise * rng.standard_normal(len(rated)), 0.05, 1.0), 1)
        for name, share in shares.items()
    }
    return scores | {"score_bonus": np.round(rng.exponential(8.0, len(rated)).clip(max=60.0), 1)}


def credit_list_batches(
    world: World, identities: Identities, month: Month, cases: Cases, accidents: Accidents
) -> list[Batch]:
    """List operators of the month, black for fatal accidents and gravest cases, red for the excellent, and their removals."""
    rng = generator(world.seed, Stream.CREDIT, month.index + 1, 1)
    people = world.assumed.people
    n_operators = len(world.operators)
    fatal = world.vehicles.operator[accidents.vehicle[accidents.severity == FATAL]]
    gravest = cases.operator[np.isin(cases.reason, ["C13", "C02", "C03"]) & ~cases.not_punished & ~cases.withdrawn]
    culture = world.operators.culture
    company = world.operators.stratum != INDIVIDUAL
    stray = np.flatnonzero(rng.random(n_operators) < people.blacklist_rate / 12.0 * np.exp(-0.6 * culture))
    red = np.flatnonzero(company & (rng.random(n_operators) < people.redlist_rate * 3.0 / 12.0 * np.exp(0.8 * culture)))
    groups = (
        (fatal[rng.random(len(fatal)) < 0.5], "2", "B1"), (gravest[rng.random(len(gravest)) < 0.3], "2", "B4"),
        (stray, "2", "B3"), (red, "1", "R1"),
    )
    operator = np.concatenate([members for members, _, _ in groups]).astype(np.int64)
    kinds = np.repeat([kind for _, kind, _ in groups], [len(members) for members, _, _ in groups]).astype(object)
    reasons = np.repeat([reason for _, _, reason in groups], [len(members) for members, _, _ in groups]).astype(object)
    listed = rng.choice(month.days, len(operator))
    number = np.array([f"HM{month.label}{serial:04d}" for serial in range(len(operator))], dtype=object)
    columns: dict[str, Any] = {
        "entry_no": number, "uscc": identities.uscc[operator], "subject_name": identities.operator_name[operator],
        "list_type": kinds, "reason": reasons, "occurred_at": listed - rng.integers(1, 20, len(operator)),
        "listed_at": listed, "expires_at": add_months(listed, np.where(kinds == "1", 12, 24)),
        "source_dept": "交通运输主管部门",
    }
    entries = Batch("credit_list", columns, row_id=number, arrived=next_month(rng, listed), versions=True)
    return [entries, *_removals(rng, world, entries)]


def _removals(rng: np.random.Generator, world: World, entries: Batch) -> list[Batch]:
    """Return what becomes of entries: repaired early (信用修复), run out, or taken back because they were wrong."""
    people, columns = world.assumed.people, entries.columns
    n = len(entries.row_id)
    fate, black = rng.random(n), columns["list_type"] == "2"
    revoked = fate < people.revoked_share
    repaired = black & ~revoked & (fate < people.revoked_share + people.repaired_share)
    early = add_months(columns["listed_at"], rng.integers(*people.repaired_after_months, n))
    soon = columns["listed_at"] + rng.integers(40, 90, n).astype("timedelta64[D]")
    removed = np.select([revoked, repaired], [soon, early], columns["expires_at"])
    reason = np.select([revoked, repaired], [REVOKED, REPAIRED], EXPIRED).astype(object)
    document = only_where(repaired, np.array([f"XF{number}" for number in entries.row_id], dtype=object))
    changed = {**columns, "removed_at": removed, "removal_reason": reason, "repair_doc_no": document}
    batches = []
    for rows, withdrawn in ((revoked, True), (~revoked, False)):
        chosen = {name: value[rows] if isinstance(value, np.ndarray) else value for name, value in changed.items()}
        batches.append(Batch(
            "credit_list", chosen, row_id=entries.row_id[rows], arrived=next_month(rng, removed[rows]), versions=True,
            withdrawn=withdrawn,
        ))
    return batches
