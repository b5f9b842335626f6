"""The fold of the lines of the access ledger into what holds: pure, so that it can be read as a table.

A line in the ledger has happened, whatever a clock says now; only declared dates (terms, validity of keys) are held against the
clock. A line that would not be lawful is refused before it is written (`registry.access.changes`), by this same fold. Each line
names the one that its writer had read last: where another came between, on another machine that shares the database, it is void.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from registry.access.parties import ApiKey, Consumer, Quota
from registry.access.roles import ROLES
from registry.access.scenarios import STEPS, Decided, Request, Scenario, Status
from registry.access.state import AccessState
from registry.access.terms import Term
from registry.chain import Entry
from registry.errors import Conflict, IntegrityError, InvalidRequest, RoadRiskError


def fold(entries: Iterable[Entry]) -> AccessState:
    """Return the state after lines in their order.

    Raises
    ------
    IntegrityError
        If a line is not lawful after those before it: no version of this program can have written it there.
    """
    state = AccessState()
    for entry in entries:
        try:
            if not void(entry):
                apply(state, entry.payload, at=entry.at)
        except (RoadRiskError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"line {entry.seq} of the access ledger cannot have been written: {type(error).__name__}: {error}",
                where="access ledger", remedy="Verify the ledger and restore it from a backup.",
            ) from error
        state.seq = entry.seq
    return state


def void(entry: Entry) -> bool:
    """Return whether a line was written on what did not hold any more."""
    return bool(entry.payload["after"] != entry.seq - 1)


def apply(state: AccessState, payload: Mapping[str, Any], *, at: datetime) -> None:
    """Change a state by one line.

    Raises
    ------
    Conflict
        If the step is not possible, or what it would make exists.
    NotFound
        If it speaks of what does not exist.
    InvalidRequest
        If a value in it is not allowed.
    """
    kind = str(payload["kind"])
    if kind not in _KINDS:
        raise InvalidRequest(f"there is no line of kind {kind!r}", where="access ledger")
    _KINDS[kind](state, payload, at)


def _consumer_added(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    _absent(state.consumers, line["id"], "consumer")
    if line["role"] not in ROLES:
        raise InvalidRequest(f"there is no role {line['role']!r}", where="role", remedy=f"Roles are: {', '.join(ROLES)}.")
    if (line["role"] == "operator") != (line["subject"] is not None):
        raise InvalidRequest(
            "an operator is bound to its own enterprise, and nobody else is", where=f"consumer {line['id']}",
            remedy="Give --subject, the pseudonym of the enterprise, for the role operator only.",
        )
    state.consumers[line["id"]] = Consumer(
        id=line["id"], role=line["role"], zh=line["zh"], en=line["en"], subject=line["subject"], epoch=line["epoch"],
        added_at=at, added_by=line["by"],
    )


def _consumer_closed(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    state.consumers[line["id"]] = replace(_present(state, line["id"]), closed_at=at)


def _consumer_bound(state: AccessState, line: Mapping[str, Any], _at: datetime) -> None:
    found = _present(state, line["id"])
    if found.role != "operator":
        raise InvalidRequest("only an operator is bound to an enterprise", where=f"consumer {found.id}")
    if line["epoch"] <= found.epoch:
        raise Conflict(
            f"consumer {found.id} is bound under the pseudonym keys of epoch {found.epoch} already",
            where=f"consumer {found.id}", remedy="Bind it again after the pseudonym keys were rotated.",
        )
    state.consumers[found.id] = replace(found, subject=line["subject"], epoch=line["epoch"])


def _present(state: AccessState, name: str) -> Consumer:
    found = state.consumer(name)
    if found.closed_at is not None:
        raise Conflict(
            f"consumer {name} was closed on {found.closed_at.isoformat()}", where=f"consumer {name}",
            remedy="Add another consumer.",
        )
    return found


def _key_issued(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    _present(state, line["consumer"])
    _absent(state.keys, line["id"], "key")
    key = ApiKey(
        id=line["id"], consumer=line["consumer"], mac=line["mac"], tail=line["tail"],
        not_before=_instant(line["not_before"]), not_after=_instant(line["not_after"]), issued_at=at, issued_by=line["by"],
    )
    if key.not_before is not None and key.not_after is not None and key.not_after <= key.not_before:
        raise InvalidRequest(f"key {key.id} would end before it is valid", where=f"key {key.id}")
    state.keys[key.id] = key


def _key_rotated(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    old, until = state.key(line["old"]), _instant(line["until"])
    if old.revoked_at is not None or old.replaced_by is not None:
        raise Conflict(
            f"key {old.id} was {'revoked' if old.revoked_at else f'replaced by {old.replaced_by}'} already",
            where=f"key {old.id}", remedy="Issue a new key with `roadrisk access keys issue`.",
        )
    if line["consumer"] != old.consumer:
        raise InvalidRequest(f"key {old.id} belongs to {old.consumer}", where=f"key {old.id}")
    _key_issued(state, line, at)
    # An overlap never makes a key live longer than it would have.
    ends = min(end for end in (old.not_after, until) if end is not None)
    state.keys[old.id] = replace(old, not_after=ends, replaced_by=line["id"])


def _key_revoked(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    key = state.key(line["id"])
    if key.revoked_at is not None:
        raise Conflict(f"key {key.id} was revoked already", where=f"key {key.id}")
    state.keys[key.id] = replace(key, revoked_at=at, reason=line["reason"])


def _quota_set(state: AccessState, line: Mapping[str, Any], _at: datetime) -> None:
    _present(state, line["consumer"])
    limits = {name: line[name] for name in ("per_month", "per_day", "rate_per_s", "burst")}
    if any(value is not None and value <= 0 for value in limits.values()):
        raise InvalidRequest("a limit is above zero", where="quota", remedy="Suspend the scenario to let nothing through.")
    state.quotas[line["consumer"], line["product"]] = Quota(**limits)


def _scenario_applied(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    _open_scenario(state, line, at, standing="applied")


def _scenario_local(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    if state.consumer(line["consumer"]).role != "local":
        raise InvalidRequest("only the consumer of this machine has scenarios without a review", where=line["id"])
    _open_scenario(state, line, at, standing="active")


def _open_scenario(state: AccessState, line: Mapping[str, Any], at: datetime, *, standing: Status) -> None:
    consumer = _present(state, line["consumer"])
    _absent(state.scenarios, line["id"], "scenario")
    role = ROLES[consumer.role]
    if line["detail"] not in role.details:
        raise InvalidRequest(
            f"detail {line['detail']!r} is not for the role {consumer.role}", where=f"scenario {line['id']}",
            remedy=f"It may have: {', '.join(sorted(role.details))}.",
        )
    first = Decided(step="apply" if standing == "applied" else "local", at=at, by=line["by"], reason=line["reason"])
    state.put(Scenario(id=line["id"], request=_request(line), standing=standing, decided=(first,)))


def _request(line: Mapping[str, Any]) -> Request:
    return Request(
        consumer=line["consumer"], product=line["product"], purpose_zh=line["purpose_zh"], purpose_en=line["purpose_en"],
        resources=None if line["resources"] is None else frozenset(line["resources"]), detail=line["detail"],
        term=Term(date.fromisoformat(line["start"]), date.fromisoformat(line["end"])), basis=line["basis"],
        charge=line["charge"], attachments=tuple(line["attachments"]),
    )


def _scenario_stepped(state: AccessState, line: Mapping[str, Any], at: datetime) -> None:
    if line["step"] not in STEPS:
        raise InvalidRequest(f"there is no step {line['step']!r}", where="scenario")
    before = state.scenario(line["id"])
    state.put(before.after(line["step"], at=at, by=line["by"], reason=line["reason"]))


_KINDS: Final[dict[str, Callable[[AccessState, Mapping[str, Any], datetime], None]]] = {
    "consumer_added": _consumer_added, "consumer_closed": _consumer_closed, "consumer_bound": _consumer_bound,
    "key_issued": _key_issued, "key_rotated": _key_rotated,
    "key_revoked": _key_revoked, "quota_set": _quota_set, "scenario_applied": _scenario_applied,
    "scenario_local": _scenario_local, "scenario_stepped": _scenario_stepped,
}


def _absent(found: Mapping[str, object], name: str, what: str) -> None:
    if name in found:
        raise Conflict(f"there is a {what} {name!r} already", where="access ledger", remedy="Choose another id.")


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
