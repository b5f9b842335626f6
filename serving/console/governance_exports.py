"""What leaves through the governance pages: documents of a scenario, one or all, each recorded before it is handed out."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response

from registry.errors import NotFound, ServiceUnavailable
from registry.governance.exports import Export, record_export
from registry.governance.pack import FORMATS, file_name, make_pack, one_paper, paper_named, zipped
from serving.console.governance_routes import ScenarioId, via
from serving.console.governance_view import scenario_seen
from serving.console.pages import HEADERS
from serving.console.visit import visit_of

if TYPE_CHECKING:
    from datetime import datetime

    from serving.console.parts import Console

TYPES: Final = {
    "pdf": "application/pdf", "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
_WAIT_S: Final = 20.0
_one_at_a_time = threading.Semaphore(1)
"""Setting a pack takes seconds of processor time; a second one waits, so that scores do not."""


def export_router(console: Console) -> APIRouter:
    """Return the routes of documents."""
    router = APIRouter()

    @router.post("/console/governance/scenarios/{scenario}/documents")
    def document(scenario: ScenarioId, request: Request) -> Response:
        console.door.may(request, "govern")
        caller, form, at = console.door.caller(request), visit_of(request).form, console.now()
        found = scenario_seen(console.door.gate.book.state(), scenario, caller, everything=console.sees_all(caller))
        name, content = _made(console, found.id, form.get("document", ""), at)
        digest = hashlib.sha256(content).hexdigest()
        export = Export(at=at, what=name, about=found.id, by=form.get("by", "")[:64], via=via(caller), digest=digest)
        record_export(console.settings, export)
        headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{found.id}-{name}"', "Cache-Control": "no-store"}
        return Response(content, media_type=TYPES[name.rpartition(".")[2]], headers=headers)

    return router


def _made(console: Console, scenario: str, asked: str, at: datetime) -> tuple[str, bytes]:
    """Return the name and bytes of what was asked for: ``pack``, or a document and its form as in ``handover.pdf``."""
    if not _one_at_a_time.acquire(timeout=_WAIT_S):
        raise ServiceUnavailable("other documents are being set", where="documents", remedy="Try again in a few seconds.")
    try:
        if asked == "pack":
            return "pack.zip", zipped(make_pack(console.settings, scenario, at=at))
        named, _, kind = asked.partition(".")
        if kind not in FORMATS:
            raise NotFound("there is no such form", where="document", remedy="Choose PDF or DOCX.")
        paper = paper_named(named)
        return file_name(paper, kind), one_paper(console.settings, scenario, paper, kind, at=at)
    finally:
        _one_at_a_time.release()
