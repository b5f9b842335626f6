"""What was planted into the province on purpose, so that tests and demonstrations can find it: part of the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import pyarrow as pa

from features.simulation.clock import Month, local_days
from features.simulation.enforcement import WRONG_CASE_REQUEST_D, Cases
from features.simulation.identities import Identities
from features.simulation.records_enforcement import case_ids
from features.simulation.world import World

KINDS: Final = ("rule_change", "firmware_step", "missing_day", "plate_reuse", "wrong_case")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One planted event.

    Parameters
    ----------
    kind
        One of `KINDS`.
    day
        Local day on which it begins: the rule is in force, the terminals change, nothing arrives, the new holder of the
        plate enters, the case is filed.
    until
        First day on which it is over: the day after the missing one, the correction of the case.
    requested
        Day on which the correction of the wrong case is asked for.
    row_id
        Identifier of the case, or of the rule.
    plate_no, vin
        The plate; the vehicle that is wrongly named, or had the plate before.
    other_vin
        The vehicle that is meant, or has the plate from then on.
    uscc, other_uscc
        The operators of the two vehicles.
    """

    kind: str
    day: Any
    until: Any = None
    requested: Any = None
    row_id: str | None = None
    plate_no: str | None = None
    vin: str | None = None
    other_vin: str | None = None
    uscc: str | None = None
    other_uscc: str | None = None


def scheduled_events(world: World, identities: Identities) -> Iterator[Event]:
    """Yield the events of the window whose days are set beforehand, and every plate that passes on."""
    activity = world.assumed.activity
    firmware, missing = np.datetime64(activity.firmware_day), np.datetime64(activity.missing_day)
    planned = [Event(kind="firmware_step", day=firmware), Event(kind="missing_day", day=missing, until=missing + 1)]
    planned += [
        Event(kind="rule_change", day=np.datetime64(rule.effective_from), row_id=rule.rule_id)
        for rule in world.assumed.enforcement.rules
    ]
    yield from (event for event in planned if world.start <= event.day < world.end)
    operator = world.vehicles.operator
    for vehicle in np.flatnonzero(identities.previous_holder >= 0).tolist():
        before = int(identities.previous_holder[vehicle])
        yield Event(
            kind="plate_reuse", day=world.vehicles.enters[vehicle], plate_no=identities.plate_no[vehicle],
            vin=identities.vin[before], other_vin=identities.vin[vehicle], uscc=identities.uscc[operator[before]],
            other_uscc=identities.uscc[operator[vehicle]],
        )


def wrong_case_events(world: World, identities: Identities, month: Month, cases: Cases) -> Iterator[Event]:
    """Yield the case of the month that is first registered against another's vehicle, if it has one."""
    numbers, filed = case_ids(month, len(cases)), local_days(cases.filing)
    for row in np.flatnonzero(cases.wrong_vehicle).tolist():
        wrong, right = int(cases.registered_vehicle[row]), int(cases.vehicle[row])
        operator = world.vehicles.operator
        yield Event(
            kind="wrong_case", day=filed[row], requested=filed[row] + WRONG_CASE_REQUEST_D,
            until=local_days(cases.corrected[row : row + 1])[0], row_id=numbers[row],
            plate_no=identities.plate_no[wrong], vin=identities.vin[wrong], other_vin=identities.vin[right],
            uscc=identities.uscc[operator[wrong]], other_uscc=identities.uscc[operator[right]],
        )


def columns_of(events: Sequence[Event]) -> dict[str, pa.Array]:
    """Return the events as columns: days as dates, the rest as text."""
    days = ("day", "until", "requested")
    columns = {}
    for item in fields(Event):
        values = [getattr(event, item.name) for event in events]
        if item.name in days:
            values = [None if value is None else value.astype("datetime64[D]").astype(object) for value in values]
        columns[item.name] = pa.array(values, pa.date32() if item.name in days else pa.string())
    return columns
