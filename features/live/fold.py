"""The live state of a fleet: records in, and at any instant what each vehicle does, what it may still drive, what it is worth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from features.live.layout import COUNTS, FIRST_PIECE, LATENESS_S, NEWEST, State, empty_state, step_rules
from features.live.positions import POSITION, Records
from features.reduction import EXPRESSWAY_CAP_KMH
from features.segments import OFFLINE, REDUCTION_RULES, ReductionRules, Stretches
from registry.duty_rules import DUTY_RULES, DutyKind, DutyRule

IntArray = npt.NDArray[np.int64]
OUT_OF_ORDER: Final = 6
"""What `Applied.said` holds for a record that was folded although newer ones had been."""
ROAD_CAPS_KMH: Final = (50.0, 70.0, 100.0)
"""Caps by road class, urban, ordinary and expressway: 实施条例 Art. 45 and 78; on urban roads with one lane a way. [A]"""
_TIDY, _SPARE = 1.25, 4096
"""A pool is laid anew where so much more than its lists hold is used; entries that it always has to spare."""
_KINDS: Final[dict[DutyKind, int]] = {"run": 0, "night_run": 1, "rolling": 2, "standstill": 3}
_WINDOWS: Final[dict[DutyKind, tuple[int, int]]] = {"night_run": (22, 6), "standstill": (2, 5)}
"""The daily windows whose driving is carried."""


@dataclass(frozen=True)
class Applied:
    """What became of records, arrays of shape (n,).

    Parameters
    ----------
    slots
        Vehicle of each record.
    said
        0 folded in order, `OUT_OF_ORDER`, or a `Refusal`: duplicate, late.
    """

    slots: IntArray
    said: npt.NDArray[np.int8]

    @property
    def changed(self) -> IntArray:
        """Vehicles whose state may have changed, each once, in order."""
        return np.unique(self.slots[(self.said == 0) | (self.said == OUT_OF_ORDER)])


@dataclass
class LiveFold:
    """The state of a roster's vehicles; one thread changes it, and whoever reads holds the service's lock.

    A vehicle is named by its place (slot) in the roster.

    Parameters
    ----------
    state
        Arrays; `LiveFold.empty` makes those of a fleet of which nothing is known.
    rules
        Thresholds of the reduction.
    lateness_s
        How long a message waits for older ones.
    """

    state: State
    rules: ReductionRules = field(default_factory=lambda: REDUCTION_RULES)
    lateness_s: int = LATENESS_S

    @classmethod
    def empty(
        cls, n_vehicles: int, *, cap_kmh: npt.ArrayLike = EXPRESSWAY_CAP_KMH, rules: ReductionRules = REDUCTION_RULES,
        lateness_s: int = LATENESS_S,
    ) -> LiveFold:
        """Return the fold of vehicles of which nothing is known; `cap_kmh` by vehicle or for all."""
        cap = np.rint(10.0 * np.broadcast_to(np.asarray(cap_kmh, dtype=np.float64), n_vehicles))
        return cls(empty_state(n_vehicles, cap), rules, lateness_s)

    def warm(self) -> None:
        """Compile what a running service calls, on a fleet of one of which nothing is known; this state stays as it is."""
        one = LiveFold.empty(1, rules=self.rules, lateness_s=self.lateness_s)
        nobody = np.zeros(0, np.int64)
        one.apply(nobody, np.zeros(0, POSITION))
        one.lay()
        one.now(0)
        one.limits(0, DUTY_RULES)
        one.duty_rows()
        one.rows_ahead(nobody, np.zeros((0, 1), np.int64))

    @property
    def n_vehicles(self) -> int:
        """Places of the roster."""
        return len(self.state.cap)

    @property
    def counts(self) -> dict[str, int]:
        """How many records were folded, repeated, too late, out of order; and messages dropped as drift."""
        found = dict(zip(COUNTS, self.state.counts.tolist(), strict=True))
        return found | {"drifted": int(self.state.vehicle["n_drifted"][:, NEWEST].sum())}

    def apply(self, slots: IntArray, records: Records, roads: npt.NDArray[np.uint8] | None = None) -> Applied:
        """Take records in the order of their arrival.

        Parameters
        ----------
        slots
            Vehicle of each record, shape (n,).
        records
            Of dtype `positions.POSITION`.
        roads
            Class of the road of each record plus one; 0 where none is known.
        """
        from features.live.step import fold_records

        said = np.zeros(len(slots), np.int8)
        known = np.zeros(len(slots), np.uint8) if roads is None else roads
        caps = np.array([0, *(round(10.0 * cap) for cap in ROAD_CAPS_KMH)], dtype=np.int64)
        rules, done = step_rules(self.rules, self.lateness_s), 0
        while (done := fold_records(self.state, slots, records, known, done, caps, rules, said)) < len(slots):
            self._grow()
        return Applied(slots, said)

    def now(self, at_s: int, slots: IntArray | None = None) -> npt.NDArray[Any]:
        """Return `evaluate.NOW` of vehicles at an instant (epoch seconds), of all by default, shape (n,)."""
        from features.live.evaluate import NOW, read_now

        chosen = self._chosen(slots)
        found = np.zeros(len(chosen), NOW)
        read_now(self.state, chosen, at_s, self.rules.silence_s, self.rules.rest_s, self.rules.long_rest_s, found)
        return found

    def limits(self, at_s: int, rules: Iterable[DutyRule], slots: IntArray | None = None) -> npt.NDArray[Any]:
        """Return `evaluate.LIMIT` of vehicles at an instant, shape (n, n_rules): what is used and left, and when it is reached.

        Which rule binds which vehicle is the reader's to say (`registry.duty_rules.rules_in_force`).
        """
        from features.live.evaluate import LIMIT, read_limits

        chosen, wanted = self._chosen(slots), _plain(list(rules), self.rules)
        found = np.zeros((len(chosen), len(wanted)), LIMIT)
        read_limits(self.state, chosen, at_s, self.rules.silence_s, wanted, found)
        return found

    def duty_rows(
        self, slots: IntArray | None = None, cutoff_s: IntArray | None = None
    ) -> tuple[IntArray, npt.NDArray[np.float64]]:
        """Return rows of the view `duty` (`duty_rows.COLUMNS`), and the instant at which the hour of each ends.

        Parameters
        ----------
        cutoff_s
            Where the hours shall end; at the last message of each vehicle by default.

        Returns
        -------
        tuple
            Cut-offs of shape (n,), 0 where a vehicle has no row; values of shape (n, n_columns), not-a-number for null.
        """
        from features.live.duty_rows import COLUMNS, read_rows

        chosen = self._chosen(slots)
        cutoff = np.zeros(len(chosen), np.int64) if cutoff_s is None else cutoff_s.astype(np.int64)
        values = np.full((len(chosen), len(COLUMNS)), np.nan)
        read_rows(self.state, chosen, self.rules.silence_s, self.rules.long_rest_s, cutoff, values)
        return cutoff, values

    def rows_ahead(self, slots: IntArray, cutoff_s: IntArray) -> tuple[IntArray, npt.NDArray[np.float64]]:
        """Return rows of the view `duty` of hours that end at the last message or later, if driving goes on from it.

        Parameters
        ----------
        slots
            Vehicles, shape (n,).
        cutoff_s
            Where the hours shall end, shape (n, m).

        Returns
        -------
        tuple
            Cut-offs of shape (n, m), 0 where there is no row; values of shape (n, m, n_columns), not-a-number for null.
        """
        from features.live.duty_rows import COLUMNS, read_rows_ahead

        rules, cutoff = self.rules, cutoff_s.astype(np.int64)
        values = np.full((*cutoff.shape, len(COLUMNS)), np.nan)
        chosen = np.asarray(slots, dtype=np.int64)
        read_rows_ahead(self.state, chosen, rules.silence_s, rules.rest_s, rules.long_rest_s, rules.limit_s, cutoff, values)
        return cutoff, values

    def stretches(self, slot: int) -> Stretches:
        """Return what a vehicle did in the last eight days, up to its last message."""
        at, newest = int(self.state.t_at[slot]), self.state.vehicle[slot, NEWEST]
        kept = self.state.stretches[at:at + int(newest["n_stretches"])]
        start = kept["start_s"].astype(np.int64)
        end = np.r_[start[1:], int(newest["last_s"])] if len(kept) else start
        spare = np.where(kept["state"] == OFFLINE, kept["spare_s"], 0).astype(np.int64)
        return Stretches(np.zeros(len(kept), np.int64), start, end, kept["state"].astype(np.int8), spare)

    def messages(self, slot: int) -> npt.NDArray[Any]:
        """Return the newest messages of a vehicle (`layout.MESSAGE`), about two hours of them, oldest first."""
        at = int(self.state.m_at[slot])
        return self.state.messages[at:at + int(self.state.m_count[slot])].copy()

    def _chosen(self, slots: IntArray | None) -> IntArray:
        return np.arange(self.n_vehicles) if slots is None else np.asarray(slots, dtype=np.int64)

    def tidy(self) -> None:
        """Lay a pool anew of which much is in no list: memory of vehicles that gave it back."""
        state, (n_messages, n_stretches) = self.state, self.state.tops.tolist()
        if n_messages > _TIDY * int(state.m_size.sum(dtype=np.int64)) + _SPARE:
            self._lay_messages()
        if n_stretches > _TIDY * int(state.t_size.sum(dtype=np.int64)) + _SPARE:
            self._lay_stretches()

    def lay(self) -> None:
        """Lay both pools anew, with room to grow."""
        self._lay_messages()
        self._lay_stretches()

    def _grow(self) -> None:
        """Make room in the pools that are nearly full."""
        state, waiting = self.state, int((self.state.m_count - self.state.m_settled).max(initial=0))
        # As much as any vehicle may ask for before the kernel looks again.
        most = [4 * (int(size.max(initial=0)) + more + 8) for size, more in ((state.m_size, 0), (state.t_size, waiting))]
        if state.tops[0] + most[0] > len(state.messages):
            self._lay_messages(most[0])
        if state.tops[1] + most[1] > len(state.stretches):
            self._lay_stretches(most[1])

    def _lay_messages(self, more: int = 0) -> None:
        from features.live.lists import laid_messages

        pool = _roomier(self.state.messages, int(self.state.m_count.sum(dtype=np.int64)), self.n_vehicles, more)
        laid_messages(self.state, pool)
        self.state = self.state._replace(messages=pool)

    def _lay_stretches(self, more: int = 0) -> None:
        from features.live.lists import laid_stretches

        held = int(self.state.vehicle["n_stretches"][:, NEWEST].sum(dtype=np.int64))
        pool = _roomier(self.state.stretches, held, self.n_vehicles, more)
        laid_stretches(self.state, pool)
        self.state = self.state._replace(stretches=pool)


def _roomier(pool: npt.NDArray[Any], held: int, n_lists: int, more: int) -> npt.NDArray[Any]:
    """Return a pool for what lists hold, and half as much again; memory that is not written to costs nothing."""
    return np.zeros((held + held // 8 + FIRST_PIECE * n_lists) * 3 // 2 + more + _SPARE, pool.dtype)


def _plain(rules: list[DutyRule], reduction: ReductionRules) -> IntArray:
    for rule in rules:
        # What is carried from message to message fits these rules and no others.
        assert rule.rest_s == reduction.rest_s, rule.rule_id
        assert rule.window_h == _WINDOWS.get(rule.kind, rule.window_h), rule.rule_id
    rows = [(_KINDS[rule.kind], rule.limit_s, rule.rest_s, rule.span_s, *rule.window_h) for rule in rules]
    return np.array(rows, dtype=np.int64).reshape(len(rows), 6)
