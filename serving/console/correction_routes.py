"""The page of one correction request, and its decision in two steps: what is meant to be written is shown before it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from registry.corrections import MAX_TEXT, WITHDRAWN, check_decision, correction, decide
from registry.errors import InvalidRequest
from registry.resources import RESOURCES
from serving.console.entry_routes import to
from serving.console.governance_routes import governs, tabs, via
from serving.console.governance_view import correction_lines
from serving.console.pages import ROOT, page
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.corrections import Correction
    from serving.console.parts import Console

CorrectionId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
VERDICTS: Final = ("accept", "refuse")
_CONFIRMED: Final = "yes"


def correction_router(console: Console) -> APIRouter:
    """Return the routes of single correction requests."""
    router = APIRouter()

    @router.get("/console/governance/corrections/{correction_id}")
    def show(correction_id: CorrectionId, request: Request) -> Response:
        console.door.may(request, "catalogue")
        console.must_see_all(request)
        return _shown(console, request, correction(console.settings, correction_id))

    @router.post("/console/governance/corrections/{correction_id}/decision")
    def decision(correction_id: CorrectionId, request: Request) -> Response:
        console.door.may(request, "govern")
        form, caller = visit_of(request).form, console.door.caller(request)
        found = correction(console.settings, correction_id)
        asked = {name: form.get(name, "").strip() for name in ("verdict", "by", "result")}
        confirmed = form.get("confirmed") == _CONFIRMED
        try:
            _take(console, correction_id, asked, via=via(caller), confirmed=confirmed)
        except InvalidRequest as error:
            return _shown(console, request, found, status=422, refused=error, form=asked)
        if not confirmed:
            return _shown(console, request, found, form=asked, confirming=True)
        return to(f"{ROOT}/governance/corrections/{correction_id}")

    return router


def _take(console: Console, correction_id: str, asked: Mapping[str, str], *, via: str, confirmed: bool) -> None:
    """Check a decision, and write it once it is confirmed."""
    if asked["verdict"] not in VERDICTS:
        raise InvalidRequest("there is no such decision", where="verdict", remedy="Accept or refuse.")
    by, result, now = asked["by"], asked["result"], console.now()
    if confirmed:
        accept = asked["verdict"] == "accept"
        decide(console.settings, correction_id, accept=accept, decided_by=by, result=result, at=now, via=via)
    else:
        check_decision(console.settings, correction_id, decided_by=by, result=result, at=now)


def _shown(console: Console, request: Request, found: Correction, *, status: int = 200, **values: Any) -> Response:
    (line,) = correction_lines([found], console.now())
    resource = RESOURCES[found.request.resource]
    return page(
        request, "governance_correction.html", status=status, tabs=tabs(console, request), tab="corrections", line=line,
        resource=resource, field=_field_words(found), withdrawal=found.request.field == WITHDRAWN, longest=MAX_TEXT,
        governing=governs(console, request), **{"refused": None, "form": {}, "confirming": False, **values},
    )


def _field_words(found: Correction) -> Mapping[str, str]:
    """Return the wording of the field; its identifier where it is no column, such as a pseudonym."""
    name = found.request.field
    column = next((one for one in RESOURCES[found.request.resource].columns if one.id == name), None)
    return {"zh": column.zh if column else name, "en": name}
