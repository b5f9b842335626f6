"""The scores of one subject, product by product: over a year, among its peers, what moved them, and what would lower them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from registry.entities import ENTERPRISE
from registry.errors import AccessRefused, IntegrityError, NotFound, RoadRiskError, ServiceUnavailable, UnknownEntity
from registry.feature_spec import GROUPS
from registry.products import PRODUCTS, product_named
from serving.answering import answer_score
from serving.console.portrait_charts import Radar, Trend, radar, trend
from serving.desk import complete
from serving.panel.changes import Change, changes
from serving.panel.peers import Peers, peers_of
from serving.recourse import recourse_of

if TYPE_CHECKING:
    from fastapi import Request

    from registry.access.grants import Grant
    from registry.bundle import Manifest
    from serving.console.parts import Console
    from serving.panel.reader import EntityMonth, Panel

MONTHS: Final = 12
STRONGEST: Final = 5
NOT_KEPT: Final = "0" * 32
"""Score id of what a page works out for itself: it is no decision and nobody can ask for it."""
_READABLE: Final = ("groups", "exact")


@dataclass(frozen=True, kw_only=True)
class ProductPortrait:
    """One product's view of a subject.

    Parameters
    ----------
    product
        Its id.
    grant
        Under which it is shown.
    manifest
        Of the model that spoke for the newest month; None where its bundle is gone.
    months, moves
        The newest months, oldest first, and what changed between them.
    peers, trend, radar
        The newest month among peers, and the pictures; None where there is no score.
    now
        The answer on what the service knows now, which is no decision; None where it knows nothing.
    steps
        The fewest changes that would lower the tier; None where none were looked for.
    """

    product: str
    grant: Grant
    manifest: Manifest | None
    months: list[EntityMonth]
    moves: dict[str, Change]
    peers: Peers | None
    trend: Trend | None
    radar: Radar | None
    now: Mapping[str, Any] | None
    steps: Mapping[str, Any] | None

    @property
    def newest(self) -> EntityMonth | None:
        """The newest month."""
        return self.months[-1] if self.months else None

    @property
    def shows_groups(self) -> bool:
        """Whether points by dimension may be seen."""
        return self.grant.detail in _READABLE

    @property
    def groups(self) -> list[tuple[Mapping[str, str], float, tuple[float, ...] | None]]:
        """Dimensions of the newest month with their points and the quantiles of the peers, the most points first."""
        if self.newest is None or not self.shows_groups:
            return []
        ordered = sorted(self.newest.groups.items(), key=lambda pair: -pair[1])
        return [
            ({"zh": GROUPS[name][0], "en": GROUPS[name][1]}, points, self.peers.groups[name] if self.peers else None)
            for name, points in ordered
        ]

    def group_words(self, name: str) -> Mapping[str, str]:
        """Return the wording of a dimension."""
        return {"zh": GROUPS[name][0], "en": GROUPS[name][1]}

    def moved(self, change: Change) -> list[tuple[Mapping[str, str], float]]:
        """Return what the data changed most between two months, as far as the detail lets out: inputs, or dimensions."""
        if self.grant.detail == "exact" and self.manifest is not None:
            named = {feature.name: {"zh": feature.zh, "en": feature.en} for feature in self.manifest.features}
            found = [(named[name], points) for name, points in change.features.items() if name in named]
        elif self.shows_groups:
            found = [({"zh": GROUPS[name][0], "en": GROUPS[name][1]}, points) for name, points in change.groups.items()]
        else:
            found = []
        return [(words, points) for words, points in found[:STRONGEST] if abs(points) >= 0.05]


def portrait_grants(console: Console, request: Request, kind: str, ids: Collection[str]) -> dict[str, Grant]:
    """Return the grants under which a subject may be shown, by product of its kind.

    A portrait tells scores that nobody asked for. So it is for who sees every decision, and for an operator about itself; who sees
    its own decisions alone finds those in the search.
    """
    found = {}
    for name, product in PRODUCTS.items():
        if kind not in (product.entity, "driver"):
            continue
        try:
            grant = console.door.grant(request, name, "read_score")
        except AccessRefused:
            continue
        if grant.sight == "all" or (grant.sight == "subject" and grant.subject in ids):
            found[name] = grant
    return found


def product_portraits(
    console: Console, panel: Panel, grants: Mapping[str, Grant], entity_id: str
) -> list[ProductPortrait]:
    """Return the portraits of a subject; products without a panel and without an answer now are left out."""
    found = [_portrait(console, panel, product, grant, entity_id) for product, grant in grants.items()]
    return [one for one in found if one.months or one.now]


def of_operator(panel: Panel, products: Sequence[str], enterprise_id: str) -> list[dict[str, Any]]:
    """Return the vehicles of an enterprise in the newest month, worst tiers first: id, and (points, tier) by product."""
    order = {"red": 0, "orange": 1, "yellow": 2, "blue": 3, "grey": 4}
    vehicles: dict[str, dict[str, tuple[float | None, str]]] = {}
    for product in products:
        if product_named(product).entity == ENTERPRISE.id:
            continue
        try:
            month = panel.month(product)
        except (NotFound, IntegrityError):
            continue
        for row in month.of_enterprise(enterprise_id).tolist():
            tier = str(month.tiers[row])
            points = None if tier == "grey" else float(month.points[row])
            vehicles.setdefault(str(month.ids[row]), {})[product] = (points, tier)
    made = [{"vehicle_id": vehicle, "scores": scores} for vehicle, scores in vehicles.items()]

    def rank(one: dict[str, Any]) -> tuple[Any, ...]:
        met = list(one["scores"].values())
        return sorted(order[tier] for _, tier in met), -sum(points or 0.0 for points, _ in met), one["vehicle_id"]

    return sorted(made, key=rank)


def _portrait(console: Console, panel: Panel, product: str, grant: Grant, entity_id: str) -> ProductPortrait:
    months, moves, peers = _history(panel, product, entity_id)
    newest = months[-1] if months else None
    manifest = _manifest(console, product, newest.digest if newest else None)
    now, steps = _now(console, product, grant, entity_id)
    scored = newest is not None and newest.points is not None and peers is not None
    shown = grant.detail in _READABLE
    return ProductPortrait(
        product=product, grant=grant, manifest=manifest, months=months, moves=moves, peers=peers,
        trend=trend(months, manifest.cut_points) if manifest and months else None,
        radar=radar(newest.groups, peers) if scored and shown and newest and peers else None, now=now, steps=steps,
    )


def _history(panel: Panel, product: str, entity_id: str) -> tuple[list[EntityMonth], dict[str, Change], Peers | None]:
    try:
        # One month more, so that the first that is shown has a change too.
        months = panel.entity(product, entity_id, months=MONTHS + 1)
        moves = {one.later.month: one for one in changes(panel, product, months, entity_id)}
        peers = peers_of(panel.month(product, months[-1].month), months[-1]) if months else None
    except (NotFound, IntegrityError):
        return [], {}, None
    return months[-MONTHS:], moves, peers


def _manifest(console: Console, product: str, digest: str | None) -> Manifest | None:
    try:
        models = console.desk.live.current
        return models.with_digest(product, digest).manifest if digest else models.product(product).manifest
    except RoadRiskError:
        return None


def _now(
    console: Console, product: str, grant: Grant, entity_id: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the answer on what the service knows now, and the steps that would lower its tier."""
    try:
        model = console.desk.live.current.product(product)
        inputs = complete(model, console.desk.source.read(product, entity_id, resources=grant.resources))
    except (UnknownEntity, ServiceUnavailable):
        return None, None
    declared = product_named(product)
    answer = answer_score(model.scorer, model.version, inputs, score_id=NOT_KEPT, product=declared).answer
    if answer["tier"]["code"] not in ("red", "orange", "yellow"):
        return answer, None
    return answer, recourse_of(model, inputs, answer, resources=grant.resources, product=declared)
