"""The pages of an enterprise, a vehicle and a driver (风险画像). Addresses hold a sign that only the session can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from registry.codes import CODE_LISTS
from registry.decisions import Look
from registry.duty_rules import rule_named
from registry.entities import DRIVER, ENTERPRISE, VEHICLE
from registry.errors import AccessRefused, NotFound, UnknownEntity
from registry.products import PRODUCTS
from serving.authorised import request_id
from serving.console.pages import ROOT, page
from serving.console.portrait_charts import day_strips
from serving.console.portrait_facts import coded, dues_of, events_of, limits_of, map_of, source_of
from serving.console.portrait_scores import of_operator, portrait_grants, product_portraits
from serving.console.quantities import quantities
from serving.console.visit import visit_of
from serving.panel.dossier import Dossier, dossier_folder
from serving.panel.reader import Panel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from registry.access.grants import Grant
    from registry.decisions import Decision
    from serving.console.parts import Console

Sign = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{20,160}$")]
KINDS: Final = (ENTERPRISE.id, VEHICLE.id, DRIVER.id)
SHOWN_DECISIONS: Final = 8
SHOWN_VEHICLES: Final = 40
SHOWN_DRIVERS: Final = 20
STRIP_DAYS: Final = 7


@dataclass(frozen=True)
class Portraits:
    """What the pages are made from."""

    console: Console
    panel: Panel
    dossier: Dossier

    def opened(self, request: Request, sign: str) -> tuple[str, str, dict[str, Any] | None, dict[str, Grant]]:
        """Return kind, pseudonym, what is known of the subject, and the grants of the visitor; the look is recorded.

        Raises
        ------
        NotFound
            If the sign is none of this session, or the subject is none that the visitor may know of: both look alike.
        """
        session = visit_of(request).session
        found = self.console.sessions.open_subject(session, sign) if session else None
        if found is None or found[0] not in KINDS:
            raise _no_subject()
        kind, entity_id = found
        known = self.known(kind, entity_id)
        grants = portrait_grants(self.console, request, kind, subject_ids(kind, entity_id, known))
        if not grants:
            raise _no_subject()
        grant = next(iter(grants.values()))
        self.console.desk.decisions.record_subject_look(entity_id, Look(
            score_id="", at=self.console.now(), who=grant.consumer, what="portrait", role=grant.role, key_id=grant.key_id,
            scenario=grant.scenario, purpose=grant.purpose_en, request_id=request_id(request),
        ))
        return kind, entity_id, known, grants

    def known(self, kind: str, entity_id: str) -> dict[str, Any] | None:
        """Return what the dossier knows of a vehicle or driver."""
        try:
            if kind == VEHICLE.id:
                return self.dossier.vehicle(entity_id)
            return self.dossier.driver(entity_id) if kind == DRIVER.id else None
        except NotFound:
            return None

    def as_of(self) -> datetime | None:
        """Return until when the dossier tells; None where there is none."""
        try:
            return self.dossier.as_of
        except NotFound:
            return None

    def decisions(self, request: Request, entity_id: str) -> list[tuple[Decision, Mapping[str, Any]]]:
        """Return the newest decisions about a subject that the visitor may see; each is a look."""
        found: list[tuple[Decision, Mapping[str, Any]]] = []
        for _, decision in self.console.desk.decisions.about(entity_id, limit=SHOWN_DECISIONS):
            try:
                grant = self.console.door.grant(request, decision.product, "read_score")
            except AccessRefused:
                continue
            if grant.may_see(decision.consumer, (decision.entity_id, *decision.related.values())):
                found.append((decision, self.console.past.listed(decision, grant, request_id=request_id(request))))
        return found


def subject_ids(kind: str, entity_id: str, known: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return whom a page is about, and whom he belongs to."""
    operator = (known or {}).get(ENTERPRISE.id_column)
    return (entity_id, operator) if kind != ENTERPRISE.id and operator else (entity_id,)


def portrait_address(console: Console, request: Request, kind: str, entity_id: str) -> str:
    """Return the address of a subject's page, for this session alone."""
    session = visit_of(request).session
    assert session is not None, "the guard lets nobody in without a session"
    return f"{ROOT}/subjects/{console.sessions.seal_subject(session, kind, entity_id)}"


def subjects_of_decision(portraits: Portraits, request: Request, decision: Decision) -> list[tuple[str, str]]:
    """Return (kind, address) of the subjects of a decision whose pages the visitor may see."""
    declared = PRODUCTS.get(decision.product)
    met = {declared.entity: decision.entity_id} if declared and decision.entity_id else {}
    ids = (decision.entity_id, *decision.related.values())
    return [
        (kind, portrait_address(portraits.console, request, kind, entity_id))
        for kind, entity_id in {**met, **decision.related}.items()
        if kind in KINDS and portrait_grants(portraits.console, request, kind, ids)
    ]


def portraits_of(console: Console) -> Portraits:
    """Return what the pages of a console are made from."""
    return Portraits(console, Panel.open(console.settings), Dossier(dossier_folder(console.settings)))


def portrait_router(console: Console, portraits: Portraits) -> APIRouter:
    """Return the routes of the pages."""
    router = APIRouter()

    @router.get("/console/subjects/{sign}")
    def show(sign: Sign, request: Request) -> Response:
        kind, entity_id, known, grants = portraits.opened(request, sign)
        shared = _shared(portraits, request, kind, entity_id, grants)
        if kind == ENTERPRISE.id:
            return page(request, "enterprise.html", **shared, **_enterprise(portraits, request, entity_id, grants))
        if kind == VEHICLE.id:
            return page(request, "vehicle.html", **shared, **_vehicle(portraits, request, entity_id, known))
        return page(request, "driver.html", **shared, **_driver(portraits, request, entity_id, known))

    return router


def _shared(
    portraits: Portraits, request: Request, kind: str, entity_id: str, grants: Mapping[str, Grant]
) -> dict[str, Any]:
    console = portraits.console
    exact = any(grant.detail == "exact" for grant in grants.values())
    all_seen = console.sees_all(console.door.caller(request))
    return {
        "entity_id": entity_id, "products": PRODUCTS, "exact": exact, "all_seen": all_seen, "as_of": portraits.as_of(),
        "address": lambda of, one: portrait_address(console, request, of, one), "coded": coded, "codes": CODE_LISTS,
        "source": source_of, "said": lambda answer: quantities(answer, visit_of(request).language),
        "portraits": product_portraits(console, portraits.panel, grants, entity_id) if kind != DRIVER.id else [],
        "decisions": portraits.decisions(request, entity_id),
        "looks": console.desk.decisions.subject_looks(entity_id)[::-1][:20] if all_seen else None,
    }


def _names(portraits: Portraits, request: Request, ids: Iterable[str | None]) -> Mapping[str, str]:
    console = portraits.console
    if not console.sees_all(console.door.caller(request)):
        return {}
    return console.names.known([one for one in ids if one], console.now())


def _enterprise(portraits: Portraits, request: Request, entity_id: str, grants: Mapping[str, Grant]) -> dict[str, Any]:
    vehicle_grants = portrait_grants(portraits.console, request, VEHICLE.id, (entity_id,))
    vehicles = of_operator(portraits.panel, list(vehicle_grants), entity_id)
    try:
        fleet = {row["vehicle_id"]: row for row in portraits.dossier.fleet(entity_id)}
        rows = portraits.dossier.events({entity_id, *fleet})
        drivers = sorted(portraits.dossier.drivers(entity_id), key=_worst_first)
    except NotFound:
        fleet, rows, drivers = {}, [], []
    return {
        "names": _names(portraits, request, [entity_id]), "vehicles": vehicles[:SHOWN_VEHICLES], "n_vehicles": len(vehicles),
        "fleet": fleet, "columns": [name for name in vehicle_grants if any(name in one["scores"] for one in vehicles)],
        "events": events_of(rows), "n_events": len(rows), "drivers": drivers[:SHOWN_DRIVERS], "n_drivers": len(drivers),
    }


def _vehicle(portraits: Portraits, request: Request, entity_id: str, known: Mapping[str, Any] | None) -> dict[str, Any]:
    if known is None:
        return {
            "names": {}, "vehicle": None, "dues": [], "map": None, "strips": [], "limits": [], "last_hour": None, "events": [],
            "n_events": 0, "drivers": [],
        }
    dossier, as_of = portraits.dossier, portraits.dossier.as_of
    rows, hours = dossier.events({entity_id}), dossier.hours(entity_id)
    cases = [row["row_id"] for row in rows if row["kind"] == "case"]
    drivers = sorted({
        row["subject_id"] for row in dossier.subjects_of(cases)
        if row["vehicle_id"] is None and row["subject_id"] not in (entity_id, known["enterprise_id"])
    })
    linked = [found for one in drivers if (found := dossier.driver(one)) is not None]
    return {
        "names": _names(portraits, request, [known["enterprise_id"]]), "vehicle": known, "dues": dues_of(known, as_of),
        "map": map_of(known, dossier.places()), "limits": limits_of(hours), "last_hour": hours[-1] if hours else None,
        "strips": day_strips(
            hours, until=as_of, days=STRIP_DAYS, run_limit_h=rule_named("continuous_4h").limit_s / 3600,
        ) if hours else [],
        "events": events_of(rows), "n_events": len(rows), "drivers": linked,
    }


def _driver(portraits: Portraits, request: Request, entity_id: str, known: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        rows = portraits.dossier.events({entity_id})
        cases = {row["row_id"] for row in rows if row["kind"] == "case"}
        linked = sorted({row["vehicle_id"] for row in portraits.dossier.subjects_of(cases) if row["vehicle_id"] is not None})
    except NotFound:
        rows, linked = [], []
    operator = known["enterprise_id"] if known else None
    return {
        "driver": known, "names": _names(portraits, request, [operator]), "events": events_of(rows), "n_events": len(rows),
        "linked": linked,
    }


def _worst_first(row: Mapping[str, Any]) -> tuple[Any, ...]:
    grades = {"B": 0, "A": 1, "AA": 2, "AAA": 3}
    return grades.get(row["grade"], 4), -(row["score_points"] or 0.0), row["driver_id"]


def _no_subject() -> NotFound:
    return UnknownEntity(
        "no subject has this address", where="console", remedy="Addresses of subjects hold for one session; search again.",
    )
