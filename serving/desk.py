"""The scoring desk: find the entity, read its inputs, score, record, and only then answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from features.online import OnlineInputs
from registry.access.usage import counts_of
from registry.decisions import AlreadyAnswered, Beside, Count, Decision, DecisionLedger, StoredAnswer
from registry.encoding import as_row
from registry.entities import ENTITIES
from registry.errors import RoadRiskError, ServiceUnavailable, UnknownEntity
from registry.products import product_named
from serving.answering import Scored, answer_score, model_inputs
from serving.asked import Asked
from serving.degraded import last_known
from serving.detail import reduced
from serving.encode import encoded
from serving.live import LiveScorer, Models
from serving.ports import FeatureSource
from serving.schemas import check_features
from serving.stages import stage

if TYPE_CHECKING:
    from registry.access.roles import Action
    from serving.shadow import Shadow, ShadowHolder

_OF_GRANT: Final = ("consumer", "role", "key_id", "scenario", "detail")
"""What a record keeps of the grant under which it was asked."""


Made = tuple[LiveScorer, OnlineInputs, Scored]
"""An answer, with the model and the inputs on which it rests."""


@dataclass(frozen=True)
class Reply:
    """What leaves: the answer, whose decomposition may be text, its bytes and status, and whether it was given before."""

    answer: Mapping[str, Any]
    body: bytes
    status: int = 200
    replayed: bool = False

    @classmethod
    def again(cls, stored: StoredAnswer) -> Reply:
        """Return what an earlier request was answered."""
        return cls({}, stored.body, stored.status, replayed=True)


@dataclass(frozen=True)
class Ready:
    """What may leave once the decision is durable, and what is written with it."""

    reply: Reply
    decision: Decision
    beside: Beside | None


@dataclass(frozen=True)
class ScoringDesk:
    """Makes and records scores.

    Parameters
    ----------
    live
        Holds the models that are live now; a request takes them once and keeps to them.
    source
        The online store.
    decisions
        The decision ledger.
    clock
        Returns the current instant, aware UTC.
    shadow
        Challengers that score aside what was answered; None where there are none.
    degraded
        Products that answer from the inputs of the last decision while the store does not answer.
    """

    live: Models
    source: FeatureSource
    decisions: DecisionLedger
    clock: Callable[[], datetime]
    shadow: Shadow | ShadowHolder | None = None
    degraded: frozenset[str] = frozenset()

    def score_entity(self, product_id: str, key: Mapping[str, str], asked: Asked) -> Reply:
        """Return the recorded answer for one entity.

        Raises
        ------
        UnknownEntity
            If the online store does not know it.
        ServiceUnavailable
            If the product has no live model, or store or ledger cannot be used.
        """
        earlier = self.earlier(asked)
        if earlier is not None:
            return earlier
        product = product_named(product_id)
        model = self.live.current.product(product_id)
        with stage("resolve"):
            entity_id = self.source.resolve(ENTITIES[product.entity], key)
        with stage("read"):
            inputs, degraded = self.read_or_recall(model, product_id, entity_id, asked)
        with stage("score"):
            scored = answer_score(
                model.scorer, model.version, inputs, score_id=new_score_id(), product=product, degraded=degraded,
                exact=asked.detail == "exact", written=True,
            )
        return self.keep(model, inputs, scored, asked)

    def read(self, model: LiveScorer, product_id: str, entity_id: str, asked: Asked) -> OnlineInputs:
        """Return what a grant lets the model know of an entity.

        Raises
        ------
        UnknownEntity
            If the store does not know it, or it is none that the caller may ask about: both look alike.
        ServiceUnavailable
            If the store does not answer, or does not hold an input of the model.
        """
        known = self.known(model, self.source.read(product_id, entity_id, resources=asked.resources), asked)
        if isinstance(known, RoadRiskError):
            raise known
        return known

    def known(self, model: LiveScorer, inputs: OnlineInputs | RoadRiskError, asked: Asked) -> OnlineInputs | RoadRiskError:
        """Return what was read of one of several entities, complete for a model, or what stands against this entity alone.

        Raises
        ------
        ServiceUnavailable
            If the store does not hold an input of the model, which is no matter of one entity.
        """
        if isinstance(inputs, RoadRiskError):
            return inputs
        if not asked.may_ask_about((inputs.entity_id, *inputs.related.values())):
            return UnknownEntity("no entity with this key", remedy="Check the number; an operator asks about itself alone.")
        return complete(model, inputs)

    def read_or_recall(
        self, model: LiveScorer, product_id: str, entity_id: str, asked: Asked
    ) -> tuple[OnlineInputs, bool]:
        """Return the inputs of an entity, or those of its last decision where the product may answer from them; and whether so.

        Raises
        ------
        ServiceUnavailable
            If the store does not answer, and the product may not answer without it or nothing is recorded.
        """
        try:
            return self.read(model, product_id, entity_id, asked), False
        except ServiceUnavailable:
            last = self.decisions.latest_for(product_id, entity_id) if product_id in self.degraded else None
            if last is None:
                raise
            recalled = last_known(last, model.manifest, asked.resources)
            if recalled is None or not asked.may_ask_about((entity_id, *recalled.related.values())):
                raise
            return recalled, True

    def score_known(self, model: LiveScorer, inputs: OnlineInputs, asked: Asked, *, kind: Action = "score") -> dict[str, Any]:
        """Return the whole recorded answer of a product for inputs that were read."""
        product = product_named(model.manifest.product)
        scored = answer_score(model.scorer, model.version, inputs, score_id=new_score_id(), product=product)
        self.keep(model, inputs, scored, asked, kind=kind)
        return scored.answer

    def score_portfolio(
        self, name: str, features: Mapping[str, Any], exposure: float | None, asked: Asked
    ) -> Reply:
        """Return the recorded answer for one row that the caller sent.

        Raises
        ------
        NotFound
            If there is no such portfolio.
        InvalidRequest
            If the row does not match the model.
        """
        earlier = self.earlier(asked)
        if earlier is not None:
            return earlier
        model = self.live.current.portfolio(name)
        return self.score_row(model, check_features(model.manifest, features), exposure, asked)

    def score_row(
        self, model: LiveScorer, values: Mapping[str, float | str | None], exposure: float | None, asked: Asked
    ) -> Reply:
        """Return the recorded answer for a row of checked inputs that the caller sent."""
        inputs = OnlineInputs(
            entity_id="", related={}, values=values, as_of=self.clock(), sources=(), exposure=exposure
        )
        with stage("score"):
            scored = answer_score(
                model.scorer, model.version, inputs, score_id=new_score_id(), exact=asked.detail == "exact", written=True
            )
        return self.keep(model, inputs, scored, asked)

    def score_again(
        self, before: Decision, inputs: OnlineInputs, changes: Sequence[Mapping[str, Any]], n_changes: int, asked: Asked
    ) -> dict[str, Any]:
        """Score the entity of a past decision on new inputs, and record that the new decision takes its place.

        The new decision stays with the consumer and scenario of the old one, who may read it.

        Parameters
        ----------
        before
            The decision that used rows that were corrected or withdrawn.
        inputs
            What is known now.
        changes, n_changes
            Those rows, as the ledger keeps them, and how many there are.

        Raises
        ------
        ServiceUnavailable
            If the product has no live model, or store or ledger cannot be used.
        """
        model = self.live.current.product(before.product)
        inputs = complete(model, inputs)
        scored = answer_score(
            model.scorer, model.version, inputs, score_id=new_score_id(), product=product_named(before.product)
        )
        decision = replace(
            self.decision_of(model, inputs, scored, asked), supersedes=before.score_id, changes=tuple(map(dict, changes)),
            n_changes=n_changes, consumer=before.consumer, scenario=before.scenario, detail=before.detail,
        )
        self.decisions.record(decision)
        self.offer((model, inputs, scored), decision.at)
        return scored.answer

    def earlier(self, asked: Asked) -> Reply | None:
        """Return the answer that an idempotency key got before, None where it is new.

        Raises
        ------
        KeyReused
            If the key came with another request.
        """
        if asked.key is None:
            return None
        stored = self.decisions.stored_answer(asked.key.consumer, asked.key.key_hash, now=self.clock())
        if stored is None:
            return None
        asked.key.check_body(stored.body_hash)
        return Reply.again(stored)

    def keep(self, model: LiveScorer, inputs: OnlineInputs, scored: Scored, asked: Asked, *, kind: Action = "score") -> Reply:
        """Record a decision, and return what may leave of it once it is durable.

        Parameters
        ----------
        kind
            As what the call is counted.

        Raises
        ------
        ServiceUnavailable
            If it cannot be recorded; then there is no answer either.
        QuotaExceeded
            If the consumer has used up what its scenario allows; nothing is recorded then.
        """
        with stage("encode"):
            ready = self.ready(model, inputs, scored, asked, kind)
        try:
            with stage("record"):
                self.decisions.record(ready.decision, beside=ready.beside)
        except AlreadyAnswered as answered:
            # The same request under the same key was faster.
            return Reply.again(answered.stored)
        self.offer((model, inputs, scored), ready.decision.at)
        return ready.reply

    def ready(self, model: LiveScorer, inputs: OnlineInputs, scored: Scored, asked: Asked, kind: Action) -> Ready:
        """Return what may leave of an answer once its record is durable, and that record."""
        answer = reduced(scored.answer, asked.detail)
        body = encoded(answer | scored.sent)
        decision = self.decision_of(model, inputs, scored, asked)
        return Ready(Reply(answer, body), decision, beside_of(decision, body, asked, kind))

    def decision_of(self, model: LiveScorer, inputs: OnlineInputs, scored: Scored, asked: Asked) -> Decision:
        """Return the record of an answer."""
        manifest, grant = model.manifest, asked.grant
        given = {} if grant is None else {name: getattr(grant, name) for name in _OF_GRANT}
        return Decision(
            score_id=scored.answer["score_id"], request_id=asked.request_id, at=self.clock(), product=manifest.product,
            entity_id=inputs.entity_id, as_of=inputs.as_of, model_version=model.version, digest=model.scorer.digest,
            inputs=model_inputs(manifest, inputs), encoded=scored.encoded,
            exposure=inputs.exposure, answer=scored.recorded_answer, base=scored.base, clamp=scored.clamp,
            contributions=dict(scored.contributions or {}),
            latency_ms=round((time.perf_counter() - asked.started) * 1000, 3), related=dict(inputs.related),
            epoch=self.source.epoch, engine=model.scorer.engine, degraded=bool(scored.answer["degraded"]), batch=asked.batch,
            traceparent=asked.traceparent or None, written=scored.recorded_texts, **given,
        )

    def warm_up(self) -> None:
        """Score a golden row with every live model, so that the first caller does not wait for lazy work."""
        for model in self.live.current.live.values():
            model.warm()

    def offer(self, made: Made, at: datetime) -> None:
        """Let challengers score aside what was answered at an instant."""
        if self.shadow is not None:
            self.shadow.offer(*made, at)


def beside_of(decision: Decision, body: bytes, asked: Asked, kind: Action) -> Beside | None:
    """Return what is written in the transaction of a decision: the answer of its idempotency key, and the count of its use."""
    if asked.grant is None:
        return None
    counts = counted(asked, kind, decision.at)
    if asked.key is None:
        return Beside(counts=counts)
    return Beside(answer=asked.key.stored(body, status=200, at=decision.at, score_id=decision.score_id), counts=counts)


def counted(asked: Asked, kind: Action, at: datetime, *, n: int = 1) -> tuple[Count, ...]:
    """Return what calls count for under their grant; nothing where the platform asks itself."""
    return () if asked.grant is None else counts_of(asked.grant, kind=kind, n=n, now=at)


def complete(model: LiveScorer, inputs: OnlineInputs) -> OnlineInputs:
    """Return the inputs with numbers as floats.

    Raises
    ------
    ServiceUnavailable
        If the store does not hold an input of the model.
    """
    if not model.manifest.known_names <= inputs.values.keys():
        missing = [name for name in model.manifest.feature_names if name not in inputs.values]
        raise ServiceUnavailable(
            f"the online store does not hold {len(missing)} inputs of the live model of {model.manifest.product}",
            remedy="Materialise the features of the live model, or promote a model of these features.",
            details={"missing": missing},
        )
    return inputs if inputs.plain else replace(inputs, values=as_row(inputs.values), plain=True)


def new_score_id() -> str:
    """Return an identifier that nobody can guess; it is the key to an explanation."""
    return secrets.token_hex(16)
