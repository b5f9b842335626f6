"""What holds after any sequence of lines, against an oracle that looks through all of them again for every question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.access.fold import apply, fold
from registry.access.state import AccessState
from registry.chain import Entry
from registry.errors import RoadRiskError

T0 = datetime(2026, 7, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
CONSUMERS, KEYS, SCENARIOS, PEOPLE = ("c1", "c2"), ("k1", "k2", "k3"), ("s1", "s2"), ("a", "b", "c", "d")
STEPS = ("review", "refuse", "approve", "activate", "suspend", "resume", "expire")
Line = dict[str, Any]


def instant(hours: int | None) -> str | None:
    return None if hours is None else (T0 + hours * HOUR).isoformat()


def consumer_line(name: str, role: str, by: str) -> Line:
    subject = "e1" if role == "operator" else None
    return {"kind": "consumer_added", "id": name, "role": role, "zh": name, "en": name, "subject": subject, "epoch": 1, "by": by}


def key_line(key: str, consumer: str, start: int | None, end: int | None, by: str) -> Line:
    return {
        "kind": "key_issued", "id": key, "consumer": consumer, "mac": "m", "tail": "t", "not_before": instant(start),
        "not_after": instant(end), "by": by,
    }


def rotation_line(old: str, key: str, consumer: str, until: int, by: str) -> Line:
    return key_line(key, consumer, None, None, by) | {"kind": "key_rotated", "old": old, "until": instant(until)}


def scenario_line(name: str, consumer: str, days: int, by: str) -> Line:
    return {
        "kind": "scenario_applied", "id": name, "consumer": consumer, "product": "p", "purpose_zh": "z", "purpose_en": "e",
        "resources": None, "detail": "reasons", "start": "2026-07-04", "basis": "b", "charge": "public", "attachments": [],
        "end": f"2026-07-{4 + days:02d}", "by": by, "reason": "",
    }


people, hours = st.sampled_from(PEOPLE), st.integers(0, 96)
lines = st.one_of(
    st.builds(consumer_line, st.sampled_from(CONSUMERS), st.sampled_from(["insurer", "operator", "nobody"]), people),
    st.builds(
        lambda name, by: {"kind": "consumer_closed", "id": name, "reason": "r", "by": by}, st.sampled_from(CONSUMERS), people
    ),
    st.builds(key_line, st.sampled_from(KEYS), st.sampled_from(CONSUMERS), st.none() | hours, st.none() | hours, people),
    st.builds(rotation_line, st.sampled_from(KEYS), st.sampled_from(KEYS), st.sampled_from(CONSUMERS), hours, people),
    st.builds(lambda key, by: {"kind": "key_revoked", "id": key, "reason": "r", "by": by}, st.sampled_from(KEYS), people),
    st.builds(scenario_line, st.sampled_from(SCENARIOS), st.sampled_from(CONSUMERS), st.integers(0, 4), people),
    st.builds(
        lambda name, step, by: {"kind": "scenario_stepped", "id": name, "step": step, "reason": "r", "by": by},
        st.sampled_from(SCENARIOS), st.sampled_from(STEPS), people,
    ),
)


def seeded() -> list[Line]:
    """Return lines without which most of the others would be refused."""
    return [
        consumer_line("c1", "insurer", "a"), key_line("k1", "c1", None, None, "a"), scenario_line("s1", "c1", 3, "a"),
    ]


@dataclass
class Oracle:
    """Keeps the lawful lines and answers everything by going through them."""

    past: list[tuple[Line, datetime]]

    def lawful(self, line: Line, at: datetime) -> bool:
        kind = line["kind"]
        if kind == "consumer_added":
            return line["role"] != "nobody" and not self._made("consumer_added", line["id"])
        if kind == "consumer_closed":
            return self.present(line["id"])
        if kind == "key_issued":
            ordered = line["not_before"] is None or line["not_after"] is None or line["not_before"] < line["not_after"]
            return self.present(line["consumer"]) and not self._key(line["id"]) and ordered
        if kind == "key_rotated":
            old = self._key(line["old"])
            return bool(
                old and old["consumer"] == line["consumer"] and self.present(line["consumer"]) and not self._key(line["id"])
                and not self._revoked(line["old"]) and not self._rotations(line["old"])
            )
        if kind == "key_revoked":
            return bool(self._key(line["id"])) and not self._revoked(line["id"])
        if kind == "scenario_applied":
            return self.present(line["consumer"]) and not self._made(kind, line["id"])
        return self._may_step(line, at)

    def valid(self, key: str, now: datetime) -> bool:
        line = self._key(key)
        if not line or self._revoked(key):
            return False
        ends = [line["not_after"], *(one["until"] for one in self._rotations(key))]
        after = line["not_before"] is None or now >= datetime.fromisoformat(line["not_before"])
        return after and all(end is None or now < datetime.fromisoformat(end) for end in ends)

    def standing(self, scenario: str) -> str:
        standing = "applied"
        for line, _ in self._steps(scenario):
            standing = {
                "review": "reviewed", "refuse": "refused", "approve": "approved", "activate": "active",
                "suspend": "suspended", "resume": "active", "expire": "expired",
            }[line["step"]]
        return standing

    def in_force(self, scenario: str, now: datetime) -> bool:
        made = self._made("scenario_applied", scenario)
        if not made or self.standing(scenario) != "active":
            return False
        return made[0]["start"] <= (now + 8 * HOUR).date().isoformat() <= made[0]["end"]

    def _may_step(self, line: Line, at: datetime) -> bool:
        made = self._made("scenario_applied", line["id"])
        if not made:
            return False
        step, standing = line["step"], self.standing(line["id"])
        possible = {
            "applied": {"review", "refuse"}, "reviewed": {"refuse", "approve"}, "approved": {"approve", "activate", "expire"},
            "active": {"suspend", "expire"}, "suspended": {"resume", "expire"},
        }.get(standing, set())
        over = (at + 8 * HOUR).date().isoformat() > made[0]["end"]
        if step not in possible or (over and step in {"review", "approve", "activate", "resume"}):
            return False
        earlier = [("apply", made[0]["by"]), *((one["step"], one["by"]) for one, _ in self._steps(line["id"]))]
        barred = {"review": {"apply"}, "approve": {"apply", "review", "approve"}}.get(step, set())
        return not any(one in barred and by == line["by"] for one, by in earlier)

    def _made(self, kind: str, name: str) -> list[Line]:
        return [line for line, _ in self.past if line["kind"] == kind and line["id"] == name]

    def present(self, name: str) -> bool:
        return bool(self._made("consumer_added", name)) and not self._made("consumer_closed", name)

    def _key(self, name: str) -> Line | None:
        found = [*self._made("key_issued", name), *self._made("key_rotated", name)]
        return found[0] if found else None

    def _revoked(self, name: str) -> bool:
        return bool(self._made("key_revoked", name))

    def _rotations(self, name: str) -> list[Line]:
        return [line for line, _ in self.past if line["kind"] == "key_rotated" and line["old"] == name]

    def _steps(self, name: str) -> list[tuple[Line, datetime]]:
        return [(line, at) for line, at in self.past if line["kind"] == "scenario_stepped" and line["id"] == name]


def accepted(state: AccessState, line: Line, at: datetime) -> bool:
    try:
        apply(state, line, at=at)
    except RoadRiskError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(lines, st.integers(0, 6)), max_size=30))
def test_the_fold_agrees_with_looking_through_all_lines(wanted: list[tuple[Line, int]]) -> None:
    state, oracle, at = AccessState(), Oracle([]), T0
    for line, wait_h in [*((line, 0) for line in seeded()), *wanted]:
        at += wait_h * HOUR
        lawful = oracle.lawful(line, at)
        assert accepted(state, line, at) == lawful, line
        if lawful:
            oracle.past.append((line, at))
    for now in (T0 - HOUR, T0, T0 + 17 * HOUR, at, T0 + 100 * HOUR):
        assert {key: one.valid(now) for key, one in state.keys.items()} == {
            key: oracle.valid(key, now) for key in state.keys
        }
        assert {name: one.in_force(now) for name, one in state.scenarios.items()} == {
            name: oracle.in_force(name, now) for name in state.scenarios
        }
    assert {name: one.closed_at is None for name, one in state.consumers.items()} == {
        name: oracle.present(name) for name in state.consumers
    }
    assert {name: one.standing for name, one in state.scenarios.items()} == {
        name: oracle.standing(name) for name in state.scenarios
    }
    again = fold(Entry(seq + 1, when, line | {"after": seq}, "") for seq, (line, when) in enumerate(oracle.past))
    assert (again.keys, again.scenarios, again.consumers) == (state.keys, state.scenarios, state.consumers)
    assert again.owned == {
        owner: {name: one for name, one in state.scenarios.items() if one.request.consumer == owner}
        for owner in {one.request.consumer for one in state.scenarios.values()}
    }


