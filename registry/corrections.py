"""Correction requests (更正申请) on an append-only ledger: received, decided within 10 working days, delivered, and why.

The ledger (`registry.chain`) has one line per event of a request: opened, decided, delivered. The state of a request is
computed from its lines and kept nowhere else. No line holds a natural key or a personal value: the value of an identifier
is a keyed pseudonym, that of a personal column is withheld.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from registry.chain import ChainLedger, Entry, VerifyReport
from registry.errors import DataError, IntegrityError, InvalidRequest, NotFound
from registry.formats import FORMAT_CHECKS
from registry.ledger_open import alone, open_ledger
from registry.resources import RESOURCES
from registry.resources.schema import ENVELOPE, WITHHELD, Format, Resource
from registry.working_days import working_days_deadline

if TYPE_CHECKING:
    from registry.settings import Settings

TABLE: Final = "corrections"
LEDGER_FILE: Final = "corrections.db"
WITHDRAWN: Final = "withdrawn"
"""The field of a request that says that a row must not stand at all."""
WITHHELD_TEXT: Final = "(withheld)"
"""Stands for a personal value."""
MAX_TEXT: Final = 200
Status = Literal["open", "accepted", "refused"]

_NATURAL_KEYS: Final = re.compile(r"[\u4e00-\u9fff][A-Z][0-9A-Z]{5,6}|[0-9A-Z]{15,18}")
_FORMATS: Final[tuple[Format, ...]] = ("uscc", "vin", "plate", "id_card")
_PHONE: Final = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")


@dataclass(frozen=True, kw_only=True)
class CorrectionRequest:
    """What somebody says is wrong.

    Parameters
    ----------
    subject
        Pseudonym of whom the row is about; empty where the row names none.
    resource, row_id
        The row, by the warehouse's row identifier.
    field
        Column or pseudonym of the resource, or `WITHDRAWN`.
    old, claimed
        Value as held and as it should be: text, null, a pseudonym (identifiers) or `WITHHELD_TEXT` (personal).
    evidence
        Reference of the evidence, such as a document number; never the document itself.
    epoch
        Epoch of the key that made the pseudonyms.
    """

    subject: str
    resource: str
    row_id: str
    field: str
    old: str | None
    claimed: str | None
    evidence: str
    epoch: int = 1


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A request and what became of it.

    Parameters
    ----------
    id
        Identifier of the request.
    request
        What was asked.
    received_at, due_at
        When it came in, and the end of its tenth working day; aware UTC.
    provisional
        Whether `due_at` rests on holidays that are not announced yet.
    status
        Where it stands.
    decided_at, decided_by, result
        The decision and its reason; None while open.
    via
        How the decision was written where that was not a command, such as the key of a session of the console.
    delivery_id, delivered_at
        The delivery that carries an accepted correction; None until it is known.
    """

    id: str
    request: CorrectionRequest
    received_at: datetime
    due_at: datetime
    provisional: bool
    status: Status = "open"
    decided_at: datetime | None = None
    decided_by: str | None = None
    result: str | None = None
    via: str | None = None
    delivery_id: str | None = None
    delivered_at: datetime | None = None

    def overdue(self, now: datetime) -> bool:
        """Whether it was not decided in time, or is not yet and its time is over."""
        return (self.decided_at or now) >= self.due_at


@dataclass(frozen=True)
class ServiceLevel:
    """How many requests were decided in time.

    Parameters
    ----------
    received, decided, waiting
        Requests; those decided; those not decided whose time is not over.
    in_time, late
        Decided within 10 working days; decided later or still open after them.
    share_in_time
        in_time / (in_time + late); None while neither has happened.
    """

    received: int
    decided: int
    waiting: int
    in_time: int
    late: int
    share_in_time: float | None


def open_request(settings: Settings, request: CorrectionRequest, *, received_at: datetime, at: datetime) -> Correction:
    """Write a request to the ledger and start its clock.

    Parameters
    ----------
    received_at
        When it came in, from which the 10 working days are counted; at or before `at`.
    at
        Now.

    Raises
    ------
    InvalidRequest
        If resource or field do not exist, the evidence holds what looks like a natural key, or it came in later than now.
    """
    _check(request)
    if received_at > at:
        raise InvalidRequest(f"received at {received_at.isoformat()}, which is later than now", remedy="Check the time.")
    deadline = working_days_deadline(received_at)
    payload = {
        "event": "opened", "correction_id": secrets.token_hex(8), **vars(request),
        "received_at": received_at.isoformat(), "due_at": deadline.due_at.isoformat(), "provisional": deadline.provisional,
    }
    with _ledger(settings) as ledger:
        return _opened(ledger.append(payload, at=at))


def decide(
    settings: Settings, correction_id: str, *, accept: bool, decided_by: str, result: str, at: datetime, via: str = ""
) -> Correction:
    """Decide a request, once; a decision is signed with a name and a reason.

    Parameters
    ----------
    via
        How it was written where that is not a command.

    Raises
    ------
    NotFound
        If there is no such request.
    InvalidRequest
        If it is decided already, or name or reason are missing or hold what looks like a natural key.
    """
    with alone(settings, TABLE), _ledger(settings) as ledger:
        _check_decision(_state(ledger, correction_id), decided_by=decided_by, result=result, at=at)
        ledger.append({
            "event": "decided", "correction_id": correction_id, "status": "accepted" if accept else "refused",
            "decided_by": decided_by.strip(), "result": result.strip(), **({"via": via} if via else {}),
        }, at=at)
        return _state(ledger, correction_id)


def check_decision(settings: Settings, correction_id: str, *, decided_by: str, result: str, at: datetime) -> Correction:
    """Return a request that could be decided so; nothing is written. It raises what `decide` raises."""
    found = correction(settings, correction_id)
    _check_decision(found, decided_by=decided_by, result=result, at=at)
    return found


def record_delivery(settings: Settings, correction_id: str, *, delivery_id: str, at: datetime) -> Correction:
    """Note which delivery carries an accepted correction.

    Raises
    ------
    InvalidRequest
        If the request is not accepted, or another delivery is noted already.
    """
    with alone(settings, TABLE), _ledger(settings) as ledger:
        before = _state(ledger, correction_id)
        if before.status != "accepted" or before.delivery_id not in (None, delivery_id):
            raise InvalidRequest(
                f"correction {correction_id} is {before.status}, its delivery {before.delivery_id or 'none'}",
                where="correction ledger", remedy="Only an accepted correction is delivered, and once.",
            )
        if before.delivery_id is None:
            ledger.append({"event": "delivered", "correction_id": correction_id, "delivery_id": delivery_id}, at=at)
        return _state(ledger, correction_id)


def correction(settings: Settings, correction_id: str) -> Correction:
    """Return one request.

    Raises
    ------
    NotFound
        If there is none with this identifier.
    """
    with _ledger(settings) as ledger:
        return _state(ledger, correction_id)


def corrections(settings: Settings) -> list[Correction]:
    """Return every request in the order of opening; the whole ledger is verified first.

    Raises
    ------
    IntegrityError
        If the ledger does not verify.
    """
    with _ledger(settings) as ledger:
        report = ledger.verify()
        if not report.ok:
            raise IntegrityError(
                f"the correction ledger does not verify: {'; '.join(report.problems)}",
                where=str(settings.ledger_dir / LEDGER_FILE), remedy="Restore ledger and head from the same backup.",
            )
        return list(_states(ledger.entries()).values())


def audit(settings: Settings) -> VerifyReport:
    """Walk the whole ledger and say whether anything was changed, removed, reordered or cut off."""
    with _ledger(settings) as ledger:
        return ledger.verify()


def service_level(found: Iterable[Correction], now: datetime) -> ServiceLevel:
    """Return how many requests were decided within 10 working days, as it stands at an instant."""
    known = [one for one in found if one.received_at <= now]
    decided = [one for one in known if one.decided_at is not None]
    late = sum(one.overdue(now) for one in known)
    in_time = sum(not one.overdue(now) for one in decided)
    return ServiceLevel(
        received=len(known), decided=len(decided), waiting=len(known) - late - in_time, in_time=in_time, late=late,
        share_in_time=in_time / (in_time + late) if in_time + late else None,
    )


def field_kind(resource: Resource, field: str) -> Literal["clear", "pseudonym", "personal"]:
    """Return how the values of a field are kept.

    Raises
    ------
    InvalidRequest
        If the resource has no such field, or the identifier is one of several that make a pseudonym.
    """
    if field == WITHDRAWN or field in {pseudonym.id for pseudonym in resource.pseudonyms}:
        return "clear" if field == WITHDRAWN else "pseudonym"
    column = next((column for column in resource.columns if column.id == field), None)
    if column is None or field in {envelope.id for envelope in ENVELOPE}:
        named = ", ".join([*(column.id for column in resource.columns), WITHDRAWN])
        raise InvalidRequest(f"{resource.id} has no field {field!r}", remedy=f"Fields are: {named}.")
    if column.sensitivity != "identifier":
        return "personal" if column.sensitivity in WITHHELD else "clear"
    if pseudonym_of(resource, field) is None:
        several = next((p.id for p in resource.pseudonyms if field in p.inputs), None)
        if several is not None:
            raise InvalidRequest(
                f"{field} alone names nothing: {several} is made of several columns",
                remedy=f"Give {several} with its parts in order, separated by |.",
            )
        return "personal"
    return "pseudonym"


def pseudonym_of(resource: Resource, field: str) -> str | None:
    """Return the warehouse column that stands for an identifier column alone, or the pseudonym itself."""
    for pseudonym in resource.pseudonyms:
        if field == pseudonym.id or pseudonym.inputs == (field,):
            return pseudonym.id
    return None


def _check_decision(before: Correction, *, decided_by: str, result: str, at: datetime) -> None:
    _check_text("decided_by", decided_by)
    _check_text("result", result)
    if before.status != "open":
        raise InvalidRequest(
            f"correction {before.id} was {before.status} by {before.decided_by}", where="correction ledger",
            remedy="Open a new request if there is new evidence.",
        )
    if at < before.received_at:
        raise InvalidRequest(f"decided at {at.isoformat()}, before it came in", remedy="Check the clock.")


def _check(request: CorrectionRequest) -> None:
    if request.resource not in RESOURCES:
        raise InvalidRequest(f"no resource {request.resource!r}", remedy="See docs/reference/resources.md.")
    resource = RESOURCES[request.resource]
    kind = field_kind(resource, request.field)
    values = (request.old, request.claimed)
    if kind == "personal" and any(value not in (None, WITHHELD_TEXT) for value in values):
        raise InvalidRequest(f"{request.field} is personal: its values are withheld", where=request.resource)
    if kind == "pseudonym" and any(value is not None and not re.fullmatch("[0-9a-f]{24}", value) for value in values):
        raise InvalidRequest(f"{request.field} names somebody: only its pseudonym is kept", where=request.resource)
    for name, value in (("old", request.old), ("claimed", request.claimed)):
        if kind == "clear" and value is not None:
            _check_text(name, value)
    if request.old == request.claimed and kind != "personal":
        raise InvalidRequest("the claimed value is the one that is held", where=f"{request.resource}.{request.field}")
    _check_text("evidence", request.evidence)


def _check_text(name: str, text: str) -> None:
    if not text.strip() or len(text) > MAX_TEXT:
        raise InvalidRequest(f"{name} has {len(text.strip())} characters", remedy=f"Give 1 to {MAX_TEXT} characters.")
    likely = _NATURAL_KEYS.findall(text.upper())
    named: list[str] = [kind for kind in _FORMATS for token in likely if FORMAT_CHECKS[kind](token)]
    named += ["phone number"] * bool(_PHONE.search(text))
    if named:
        raise InvalidRequest(f"{name} holds what looks like a {named[0]}", remedy="Refer to the document by its number only.")


@contextmanager
def _ledger(settings: Settings) -> Iterator[ChainLedger]:
    with closing(open_ledger(settings, TABLE, indexed=("correction_id",))) as ledger:
        yield ledger


def _state(ledger: ChainLedger, correction_id: str) -> Correction:
    found = _states(ledger.find("correction_id", correction_id)).get(correction_id)
    if found is None:
        raise NotFound(
            f"no correction {correction_id!r}", where="correction ledger", remedy="List them: `roadrisk corrections list`."
        )
    return found


def _states(entries: Iterable[Entry]) -> dict[str, Correction]:
    found: dict[str, Correction] = {}
    for entry in entries:
        name = entry.payload["correction_id"]
        if entry.payload["event"] == "opened":
            found[name] = _opened(entry)
        elif name not in found:
            raise DataError(f"line {entry.seq} is about a correction that was never opened", where="correction ledger")
        else:
            found[name] = replace(found[name], **_changes(entry))
    return found


def _changes(entry: Entry) -> dict[str, Any]:
    payload = entry.payload
    if payload["event"] == "delivered":
        return {"delivery_id": payload["delivery_id"], "delivered_at": entry.at}
    names = ("status", "decided_by", "result")
    return {name: payload[name] for name in names} | {"via": payload.get("via")} | {"decided_at": entry.at}


def _opened(entry: Entry) -> Correction:
    payload = entry.payload
    request = CorrectionRequest(**{name: payload[name] for name in CorrectionRequest.__dataclass_fields__})
    received = datetime.fromisoformat(payload["received_at"])
    due, provisional = datetime.fromisoformat(payload["due_at"]), bool(payload["provisional"])
    if provisional:
        # The holidays may have been announced since.
        again = working_days_deadline(received)
        due, provisional = again.due_at, again.provisional
    return Correction(
        id=payload["correction_id"], request=request, received_at=received, due_at=due, provisional=provisional
    )
