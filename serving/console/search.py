"""Search for past decisions: by their id, or by a number of whom they are about. The number goes no further than its pseudonym."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from registry.codes import CODE_LISTS
from registry.entities import DRIVER, ENTERPRISE, VEHICLE
from registry.errors import AccessRefused, InvalidRequest, UnknownEntity
from registry.formats import valid_plate, valid_uscc, valid_vin
from serving.authorised import request_id
from serving.schemas import EnterpriseKey, PlateKey, VinKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

    from registry.access.grants import Grant
    from registry.decisions import Decision
    from serving.console.parts import Console

KINDS: Final = ("auto", "score_id", "plate", "vin", "uscc", "driver", "name")
COLORS: Final = CODE_LISTS["plate_color"].codes
USUAL_COLOR: Final = "2"
SHORTEST_NAME: Final = 2
SHOWN: Final = 50
"""So many decisions are listed; older ones are counted as more."""
_SCAN: Final = 500
_ENTITY_OF: Final = {"plate": VEHICLE.id, "vin": VEHICLE.id, "uscc": ENTERPRISE.id, "driver": DRIVER.id}
_SCORE_ID: Final = re.compile(r"[0-9a-f]{32}")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]{2}")
_QUALIFICATION: Final = re.compile(r"[0-9A-Z]{6,19}")


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One decision of a list.

    Parameters
    ----------
    decision
        As it was recorded.
    answer
        What of it the visitor may see.
    own
        Whether it is about what was searched for, and not about something that belongs to it.
    """

    decision: Decision
    answer: Mapping[str, Any]
    own: bool


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found.

    Parameters
    ----------
    kind
        As what the number was read.
    hits, more
        Decisions, and whether there are older ones.
    refused
        Why decisions that the visitor may know of are not shown.
    subject
        Kind and pseudonym of whom the number names; None for a name or where nobody has it.
    named
        Enterprises that bear the name, by pseudonym.
    """

    kind: str
    subject: tuple[str, str] | None = None
    named: Mapping[str, str] = field(default_factory=dict)
    hits: tuple[Hit, ...] = ()
    more: bool = False
    refused: str = ""


def kind_of(written: str, kind: str) -> str:
    """Return as what a number is read.

    Raises
    ------
    InvalidRequest
        If it is none that anything has.
    """
    if kind != "auto":
        if kind not in KINDS:
            raise InvalidRequest("there is no such kind of number", remedy="Choose one of the list.")
        return kind
    if _SCORE_ID.fullmatch(written.lower()):
        return "score_id"
    for name, valid in (("plate", valid_plate), ("vin", valid_vin), ("uscc", valid_uscc)):
        if valid(written):
            return name
    if written.isascii() and written.isdigit() and _QUALIFICATION.fullmatch(written):
        return "driver"
    if _CHINESE.search(written):
        return "name"
    raise _no_number()


def normalised(text: str) -> str:
    """Return what was typed without blanks, in the width and case of numbers."""
    return re.sub(r"[\s·]+", "", unicodedata.normalize("NFKC", text)).upper()


def search(console: Console, request: Request, *, written: str, kind: str, color: str) -> Found:
    """Return the decisions about an entity that the visitor may see, newest first; every one that is listed is a look.

    Raises
    ------
    InvalidRequest
        If the number is none.
    """
    if kind == "name":
        return Found(kind=kind, named=_named(console, request, written))
    try:
        entity_id = _entity_id(console, written, kind, color)
    except UnknownEntity:
        return Found(kind=kind)
    return replace(_visible(console, request, kind, entity_id), subject=(_ENTITY_OF[kind], entity_id))


def _entity_id(console: Console, written: str, kind: str, color: str) -> str:
    resolve = console.desk.source.resolve
    try:
        if kind == "plate":
            return resolve(VEHICLE, PlateKey(plate_no=written, plate_color=color).key)
        if kind == "vin":
            return resolve(VEHICLE, VinKey(vin=written).key)
        if kind == "uscc":
            return resolve(ENTERPRISE, EnterpriseKey(uscc=written).key)
    except ValidationError as error:
        raise _no_number() from error
    if kind != "driver" or not _QUALIFICATION.fullmatch(written):
        raise _no_number()
    assert DRIVER.natural_keys == (("qualification_no",),)
    return console.driver_id(written)


def _named(console: Console, request: Request, part: str) -> dict[str, str]:
    """Return the enterprises that bear a name, to who may see names; nobody else learns whether there is one."""
    if not console.sees_all(console.door.caller(request)):
        raise AccessRefused(
            "names of enterprises are for who sees every decision", where="search", remedy="Search by the credit code.",
            details={"lacking": "role", "action": "names"},
        )
    if len(part) < SHORTEST_NAME:
        raise InvalidRequest("a part of a name of at least two signs is needed", where="search")
    return console.names.find(part, console.now(), limit=SHOWN)


def _visible(console: Console, request: Request, kind: str, entity_id: str) -> Found:
    caller, grants, refused = console.door.caller(request), dict[str, "Grant | None"](), ""
    hits: list[Hit] = []
    for _, decision in console.desk.decisions.about(entity_id, limit=_SCAN):
        if decision.product not in grants:
            try:
                grants[decision.product] = console.door.grant(request, decision.product, "read_score")
            except AccessRefused as error:
                grants[decision.product] = None
                # What a caller may not know of looks like what does not exist.
                refused = error.message if decision.consumer == caller.consumer or console.sees_all(caller) else refused
        grant = grants[decision.product]
        if grant is None or not grant.may_see(decision.consumer, (decision.entity_id, *decision.related.values())):
            continue
        if len(hits) == SHOWN:
            return Found(kind=kind, hits=tuple(hits), more=True, refused=refused)
        answer = console.past.listed(decision, grant, request_id=request_id(request))
        hits.append(Hit(decision=decision, answer=answer, own=decision.entity_id == entity_id))
    return Found(kind=kind, hits=tuple(hits), refused=refused)


def _no_number() -> InvalidRequest:
    # What was typed may identify a person, so it is not repeated.
    return InvalidRequest(
        "this is no score id, plate, VIN, credit code or qualification number", where="search",
        remedy="Check every sign; a plate needs its colour.",
    )
