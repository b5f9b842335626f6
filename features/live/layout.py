"""What the fold keeps of a vehicle, as columns of plain memory: 400,000 vehicles lie in a few arrays and no Python object.

Of each vehicle two copies of a record of fixed size: what is settled, and what is known with the messages that may still be
preceded by late ones. Beside them two lists that grow and shrink: its newest messages (two hours), and its stretches (eight
days). Lists lie in pools, in pieces of eight sizes an octave; pieces that are given back are used again, and a pool that is
mostly such pieces, or full, is laid anew without them (`lists.laid_messages`, `lists.laid_stretches`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from features.reduction import ALARMS
from features.segments import DAY_S, HOUR_S, REDUCTION_RULES, ReductionRules

Array = npt.NDArray[Any]

LATENESS_S: Final = 2_700
"""How long a message waits for older ones: the longest delay of an ordinary re-sending terminal. [A]"""
KEEP_S: Final = 8 * DAY_S
"""Stretches are kept so long: the seven days of the longest limit, and a day."""
MESSAGES_S: Final = HOUR_S + LATENESS_S + 600
"""Messages are kept so long: what an hour shows that ended when the oldest message that is waited for was sent, and whether an
alarm began in it."""
SETTLED, NEWEST = 0, 1
FIRST_PIECE: Final = 8
"""The smallest piece of a pool holds so many entries; each octave of sizes from there on has as many steps."""
N_SIZES: Final = 256

ACC, FIXED, DRIVING, DRIFTED, LANE_WARNED = 1, 2, 4, 8, 16
CLASS_SHIFT: Final = 8
"""Bits of a kept message: ignition, fixed, drives, dropped as drift, lane departure; from bit 8 on the road's class plus one."""

MESSAGE: Final = np.dtype([
    ("received_us", "<i8"), ("time_s", "<u4"), ("lon_e6", "<i4"), ("lat_e6", "<i4"), ("odometer_m", "<u4"), ("alarm_bits", "<u4"),
    ("speed", "<u2"), ("bits", "<u2"),
])
"""A kept message, 32 bytes."""
STRETCH: Final = np.dtype([
    ("start_s", "<u4"), ("drive_s", "<u4"), ("night_s", "<u4"), ("small_s", "<u4"), ("spare_s", "<i4"), ("crossed_s", "<u4"),
    ("state", "<u4"),
])
"""A kept stretch, 28 bytes: it ends where the next one starts, the last one at the last message. `drive_s`, `night_s` and
`small_s` are all driving, that from 22 to 6 and that from 2 to 5 o'clock up to its start; `crossed_s` is the instant at which
continuous driving passed four hours in it, 0 where it did not."""
VEHICLE: Final = np.dtype([
    ("s_at_wake", "<f8"), ("reservoir", "<f8"), ("intensity", "<f8"),
    ("first_s", "<u4"), ("last_s", "<u4"), ("place_s", "<u4"), ("place_lon_e6", "<i4"), ("place_lat_e6", "<i4"),
    ("lon_e6", "<i4"), ("lat_e6", "<i4"), ("odometer_m", "<u4"), ("alarm_bits", "<u4"),
    ("drive_s", "<u4"), ("night_s", "<u4"), ("small_s", "<u4"),
    ("run_since_s", "<u4"), ("run_begin_s", "<u4"), ("run_drive_s", "<u4"), ("run_night_s", "<u4"),
    ("wake_s", "<u4"), ("woke_s", "<u4"), ("long_rest_s", "<u4"), ("day_rest_s", "<u4"),
    ("fast_start_s", "<u4"), ("fast_end_s", "<u4"), ("over_start_s", "<u4"), ("over_end_s", "<u4"),
    ("n_stretches", "<u4"), ("n_drifted", "<u4"), ("speed", "<u2"), ("bits", "<u2"),
    ("over_class", "u1"), ("sleep", "u1"), ("dropped", "u1"), ("raised", "u1"), ("placed", "u1"), ("known", "u1"),
    ("braking", "u1"), ("spare", "u1"),
])
"""What is carried from message to message. `run_*`: since the last rest (since when, first driving, driving and night driving up
to then). `wake_s`, `woke_s`: supposed waking, and end of the stop it was supposed in; `sleep` 0 none, 1 seen, 2 hidden by an
off-line time. `long_rest_s`, `day_rest_s`: end of the last stop of five and of 24 hours. `fast_*`, `over_*`: speeding that goes
on, above the vehicle's and above the road's cap."""

TALLIES: Final = (
    "day", "drive_s", "night_s", "small_s", "offline_s", "overspeed_s", "over_urban_s", "over_ordinary_s", "over_expressway_s",
    "by_odometer", "by_speed", *ALARMS, "n_harsh_brake", "n_cont_over_4h", "n_rest_20min", "longest_s", "n_messages",
)
"""What is counted of a local day; distances in 1/36000 km."""
T: Final = {name: place for place, name in enumerate(TALLIES)}
COUNTS: Final = ("folded", "duplicate", "late", "out_of_order", "drifted")
"""What the fold counts of all messages together."""


class State(NamedTuple):
    """The arrays; the first axis is the vehicle's place in the roster, but in the pools.

    Parameters
    ----------
    vehicle
        (n, 2) of `VEHICLE`: settled and newest.
    tally
        (n, 2, 2, n_tallies): settled and newest, by parity of the local day.
    newest_s, heading, door, received_us
        (n,): newest device time, and what the newest message said.
    messages, stretches
        Pools.
    m_at, m_size, m_count, m_settled
        (n,): where a vehicle's messages lie, room, how many there are and how many of them are settled.
    t_at, t_size
        (n,): where its stretches lie, and room.
    m_free, t_free
        Pieces to use again by class of size (`lists.class_of`), plus one.
    tops
        Used part of both pools.
    counts
        `COUNTS`.
    cap
        (n,): speed cap of the vehicle's class, 0.1 km/h.
    """

    vehicle: Array
    tally: Array
    newest_s: Array
    heading: Array
    door: Array
    received_us: Array
    messages: Array
    stretches: Array
    m_at: Array
    m_size: Array
    m_count: Array
    m_settled: Array
    t_at: Array
    t_size: Array
    m_free: Array
    t_free: Array
    tops: Array
    counts: Array
    cap: Array

    @property
    def n_bytes(self) -> int:
        """Memory of the arrays that is in use."""
        pools = int(self.tops[0]) * MESSAGE.itemsize + int(self.tops[1]) * STRETCH.itemsize
        return pools + sum(int(array.nbytes) for name, array in self._asdict().items() if name not in ("messages", "stretches"))


class StepRules(NamedTuple):
    """`ReductionRules` and the lateness as plain numbers."""

    driving: int
    silence_s: int
    rest_s: int
    limit_s: int
    long_rest_s: int
    max_kmh: float
    max_drift_run: int
    moved_m: int
    gap_kmh: int
    overspeed_s: int
    brake: int
    brake_within_s: int
    lateness_s: int


def step_rules(rules: ReductionRules = REDUCTION_RULES, lateness_s: int = LATENESS_S) -> StepRules:
    """Return thresholds as the kernel takes them."""
    return StepRules(
        round(rules.driving_kmh * 10), rules.silence_s, rules.rest_s, rules.limit_s, rules.long_rest_s, rules.max_kmh,
        rules.max_drift_run, rules.moved_m, rules.gap_kmh, rules.overspeed_s, round(rules.brake_kmh_s * 10),
        rules.brake_within_s, lateness_s,
    )


def empty_state(n_vehicles: int, cap: Array, *, entries: int = 1 << 12) -> State:
    """Return the state of vehicles of which nothing is known.

    Parameters
    ----------
    cap
        Speed cap by vehicle, 0.1 km/h.
    entries
        Room of the pools; they grow.
    """
    def places() -> Array:
        return np.zeros(n_vehicles, np.int64)

    return State(
        np.zeros((n_vehicles, 2), VEHICLE), np.zeros((n_vehicles, 2, 2, len(TALLIES)), np.int32), places(),
        np.zeros(n_vehicles, np.uint16), np.zeros(n_vehicles, np.uint16), places(), np.zeros(entries, MESSAGE),
        np.zeros(entries, STRETCH), places(), np.zeros(n_vehicles, np.int32), np.zeros(n_vehicles, np.int32),
        np.zeros(n_vehicles, np.int32), places(), np.zeros(n_vehicles, np.int32), np.zeros(N_SIZES, np.int64),
        np.zeros(N_SIZES, np.int64), np.zeros(2, np.int64), np.zeros(len(COUNTS), np.int64), cap.astype(np.int32),
    )
