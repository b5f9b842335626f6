"""Online = offline for live rows: what the online store holds against what the batch computes of the same messages.

The batch reads all messages at once, whatever their order, with the code that makes training data (`features.track`,
`features.driving_hours`); the instants at which its hours end are those of the rows that it is held against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.driving_hours import hours_at
from features.families.duty import FAMILY
from features.live.checkpoint import ANSWERED, Checkpoint, by_number
from features.live.duty_rows import COLUMNS, same_values
from features.live.online_push import OnlinePush
from features.live.roster import Roster
from features.reduction import within_hours
from features.segments import DAY_S, HOUR_S, REDUCTION_RULES, IntArray, ReductionRules
from features.track import stretches_of_track, track_of
from registry.duty_rules import rule_named

CLOSE: Final = ("duty_kss", "duty_kss_next_hour", "duty_safte_effectiveness", "duty_shift_start_sd_h", "duty_speed_cv")
"""Columns that are equal to nine digits: exponentials of another library, and sums of floats in another order. All others are equal
to the bit."""
_DIGITS: Final = 1e-9
_FLOOR: Final = 1e-7
"""The spread of shifts that begin at one clock is the root of a rounding error."""


@dataclass(frozen=True)
class LiveAgreement:
    """What a comparison found.

    Parameters
    ----------
    vehicles, rows
        Vehicles of the messages, and those that have a row.
    compared, different
        Values; absent on both sides is equal.
    examples
        (vehicle, feature, online, offline) of the first differences.
    """

    vehicles: int
    rows: int
    compared: int
    different: int
    examples: tuple[tuple[str, str, float | None, float | None], ...]


def verified(
    roster: Roster, push: OnlinePush, checkpoint: Checkpoint | None, messages: pa.Table,
    progress: Callable[[str, float], None] | None = None,
) -> LiveAgreement:
    """Compare what the online store holds of vehicles with what the batch computes of all that they sent.

    Rows that the batch has loaded since, or that speak of other messages than these, are not compared.

    Parameters
    ----------
    roster, push
        The vehicles, and the store.
    checkpoint
        The live state, which knows the instant of each row that it pushed; None to compare every row of the messages' time.
    messages
        All that vehicles of the roster sent, as `replay.day_of_messages` returns it.
    """
    tell = progress or (lambda _step, _share: None)
    tell("read the online store", 0.0)
    answered_s, answered = push.answered()
    ours = answered_s if checkpoint is None else by_number(checkpoint, ANSWERED, roster.numbers)
    keys = pc.binary_join_element_wise(messages["plate_no"], messages["plate_color"], "\0").combine_chunks().dictionary_encode()
    slots = roster.slots_of(roster.numbers_of([tuple(key.split("\0")) for key in keys.dictionary.to_pylist()]))
    ids = [roster.plate_id[slot] if slot >= 0 else "" for slot in slots.tolist()]
    tell("reduce all messages at once", 0.3)
    positions = messages.append_column("plate_id", pa.array(ids).take(keys.indices)).drop_columns(["plate_no", "plate_color"])
    positions = positions.filter(pc.not_equal(positions["plate_id"], ""))
    oldest, newest = pc.min_max(positions["gps_time"].cast(pa.int64())).as_py().values() if len(positions) else (0, 0)
    order = np.unique(slots[slots >= 0])
    here = (answered_s[order] == ours[order]) & (answered_s[order] <= newest // 1_000_000)
    here &= (answered_s[order] > 0) & (answered_s[order] - HOUR_S >= oldest // 1_000_000)
    cutoff_s = np.where(here, answered_s[order], 0)
    names = [roster.vehicle_id[slot] for slot in order.tolist()]
    found = compared(names, cutoff_s, answered[order], batch_rows(positions, cutoff_s))
    tell("done", 1.0)
    return found


def batch_rows(
    positions: pa.Table, cutoff_s: IntArray, rules: ReductionRules = REDUCTION_RULES
) -> npt.NDArray[np.float64]:
    """Return the rows (`duty_rows.COLUMNS`) that the batch gives vehicles whose hours end at some instants.

    Parameters
    ----------
    positions
        Messages of vehicles by `plate_id`.
    cutoff_s
        By vehicle in the order of their pseudonyms; 0 where no row is wanted.
    """
    track = track_of(positions, rules)
    vehicle = np.flatnonzero(cutoff_s > 0)
    start = cutoff_s[vehicle] - HOUR_S
    hours = hours_at(stretches_of_track(track, None, rules), vehicle, start, rules)
    columns: dict[str, Any] = hours.columns | within_hours(track, vehicle, start, rules)
    limits = {
        name: rule_named(rule).limit_s / HOUR_S - columns[name]
        for rule, name in (("continuous_4h", "cont_drive_h"), ("passenger_24h", "drive_h_24h"), ("passenger_7d", "drive_h_7d"))
    }
    columns["nearest_limit_h"] = np.min(list(limits.values()), axis=0)
    driven = np.where(columns["drive_h_24h"] > 0.0, columns["drive_h_24h"], np.nan)
    columns["night_share_24h"] = columns["night_drive_h_24h"] / driven
    columns["clock_hour"] = (columns["clock_hour"] + 1) % (DAY_S // HOUR_S)
    found = np.full((len(cutoff_s), len(COLUMNS)), np.nan)
    for place, name in enumerate(COLUMNS):
        found[vehicle, place] = columns[name.removeprefix(f"{FAMILY.id}_")]
    return found


def compared(
    ids: list[str], cutoff_s: IntArray, online: npt.NDArray[np.float64], offline: npt.NDArray[np.float64], *, examples: int = 10
) -> LiveAgreement:
    """Compare rows of vehicles."""
    close = np.array([name in CLOSE for name in COLUMNS])
    here = cutoff_s > 0
    same = same_values(online, offline)
    same |= close & (np.abs(online - offline) <= _FLOOR + _DIGITS * np.abs(offline))
    wrong = np.argwhere(~same & here[:, None])
    told = tuple(
        (ids[row], COLUMNS[place], _null(online[row, place]), _null(offline[row, place]))
        for row, place in wrong[:examples].tolist()
    )
    return LiveAgreement(len(ids), int(here.sum()), int(here.sum()) * len(COLUMNS), len(wrong), told)


def _null(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
