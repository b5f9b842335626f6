"""The scoring desk: find the entity, read its inputs, score, record, and only then answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from features.online import OnlineInputs
from registry.decisions import Decision, DecisionLedger, check_recomputed, recorded_matrix
from registry.encoding import as_row
from registry.entities import ENTITIES
from registry.errors import ServiceUnavailable
from registry.products import product_named
from serving.answering import Scored, answer_score, explain_row
from serving.live import LiveModels, LiveScorer
from serving.ports import FeatureSource
from serving.revision import revision_of
from serving.schemas import check_features

if TYPE_CHECKING:
    from serving.shadow import Shadow

COPIED = ("model", "score", "points", "tier", "no_score")


@dataclass(frozen=True)
class Asked:
    """Which request asks: its id, and when it came in by `time.perf_counter`."""

    request_id: str
    started: float


@dataclass(frozen=True)
class ScoringDesk:
    """Answers questions about scores.

    Parameters
    ----------
    models
        Live models.
    source
        The online store.
    decisions
        The decision ledger.
    clock
        Returns the current instant, aware UTC.
    epoch
        Epoch of the key that made the store's pseudonyms.
    shadow
        Challengers that score aside what was answered; None where there are none.
    """

    models: LiveModels
    source: FeatureSource
    decisions: DecisionLedger
    clock: Callable[[], datetime]
    epoch: int = 1
    shadow: Shadow | None = None

    def score_entity(self, product_id: str, key: Mapping[str, str], asked: Asked) -> dict[str, Any]:
        """Return the recorded answer for one entity.

        Raises
        ------
        UnknownEntity
            If the online store does not know it.
        ServiceUnavailable
            If the product has no live model, or store or ledger cannot be used.
        """
        product = product_named(product_id)
        model = self.models.product(product_id)
        entity_id = self.source.resolve(ENTITIES[product.entity], key)
        inputs = _complete(model, self.source.read(product_id, entity_id))
        scored = answer_score(
            model.scorer, model.version, inputs, score_id=new_score_id(), product=product
        )
        return self._record(model, inputs, scored, asked)

    def score_portfolio(
        self, name: str, features: Mapping[str, Any], exposure: float | None, asked: Asked
    ) -> dict[str, Any]:
        """Return the recorded answer for one row that the caller sent.

        Raises
        ------
        NotFound
            If there is no such portfolio.
        InvalidRequest
            If the row does not match the model.
        """
        model = self.models.portfolio(name)
        values = check_features(model.manifest, features)
        inputs = OnlineInputs(
            entity_id="", related={}, values=values, as_of=self.clock(), sources=(), exposure=exposure
        )
        scored = answer_score(model.scorer, model.version, inputs, score_id=new_score_id())
        return self._record(model, inputs, scored, asked)

    def score_again(
        self, before: Decision, inputs: OnlineInputs, changes: Sequence[Mapping[str, Any]], n_changes: int, asked: Asked
    ) -> dict[str, Any]:
        """Score the entity of a past decision on new inputs, and record that the new decision takes its place.

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
        model = self.models.product(before.product)
        inputs = _complete(model, inputs)
        scored = answer_score(
            model.scorer, model.version, inputs, score_id=new_score_id(), product=product_named(before.product)
        )
        return self._record(
            model, inputs, scored, asked, supersedes=before.score_id, changes=tuple(map(dict, changes)), n_changes=n_changes
        )

    def recorded(self, score_id: str) -> dict[str, Any]:
        """Return a past answer as it was recorded, with what took its place and whose place it took.

        Raises
        ------
        NotFound
            If there is none.
        """
        decision = self.decisions.get(score_id)
        successor = self.decisions.successor(score_id)
        predecessor = self.decisions.get(decision.supersedes) if decision.supersedes else None
        revisions = [revision_of(predecessor, decision)] if predecessor else []
        revisions += [revision_of(decision, successor)] if successor else []
        return {
            **decision.answer, "supersedes": decision.supersedes,
            "superseded_by": successor.score_id if successor else None, "revisions": revisions,
        }

    def explanation(self, score_id: str) -> dict[str, Any]:
        """Return the exact explanation of a past decision, recomputed from its record and its bundle.

        Raises
        ------
        NotFound
            If there is no such decision.
        IntegrityError
            If the recomputed points are not the recorded ones, or the bundle is gone.
        """
        decision = self.decisions.get(score_id)
        answer = decision.answer
        head = {
            "score_id": score_id, "product": decision.product, "decided_at": decision.at.isoformat(),
            "as_of": decision.as_of.isoformat(), **{name: answer[name] for name in COPIED},
        }
        if decision.base is None:
            absent = dict.fromkeys(("factors", "factor_rule", "currency", "decomposition", "verification"))
            return {**head, "reasons": [], "groups": [], **absent}
        scorer = self.models.with_digest(decision.product, decision.digest)
        explanation = scorer.explain(recorded_matrix(decision))
        names = scorer.manifest.feature_names
        points = dict(zip(names, explanation.contributions[0].tolist(), strict=True))
        clamp = float(explanation.clamp[0])
        difference = check_recomputed(decision, base=explanation.base, clamp=clamp, contributions=points)
        total = explanation.base + float(np.sum(explanation.contributions[0])) + clamp
        verification = {
            "digest": scorer.digest, "max_difference_points": difference,
            "additivity_error_points": abs(total - float(explanation.points[0])),
        }
        return {**head, **explain_row(scorer.manifest, explanation, decision.inputs), "verification": verification}

    def warm_up(self) -> None:
        """Score a golden row with every live model, so that the first caller does not wait for lazy work."""
        for model in self.models.live.values():
            row = [np.nan if value is None else value for value in model.scorer.bundle.golden.rows[0]]
            model.scorer.explain(np.array([row]))

    def _record(
        self, model: LiveScorer, inputs: OnlineInputs, scored: Scored, asked: Asked, *, supersedes: str | None = None,
        changes: tuple[dict[str, Any], ...] = (), n_changes: int = 0,
    ) -> dict[str, Any]:
        manifest, at = model.manifest, self.clock()
        self.decisions.record(Decision(
            score_id=scored.answer["score_id"], request_id=asked.request_id, at=at, product=manifest.product,
            entity_id=inputs.entity_id, as_of=inputs.as_of, model_version=model.version, digest=model.scorer.digest,
            inputs={name: inputs.values[name] for name in manifest.feature_names}, encoded=scored.encoded,
            exposure=inputs.exposure, answer=scored.recorded_answer, base=scored.base, clamp=scored.clamp,
            contributions=dict(scored.contributions or {}),
            latency_ms=round((time.perf_counter() - asked.started) * 1000, 3), related=dict(inputs.related),
            supersedes=supersedes, changes=changes, n_changes=n_changes, epoch=self.epoch,
        ))
        if self.shadow is not None:
            self.shadow.offer(model, inputs, scored, at)
        return scored.answer


def _complete(model: LiveScorer, inputs: OnlineInputs) -> OnlineInputs:
    missing = [name for name in model.manifest.feature_names if name not in inputs.values]
    if missing:
        raise ServiceUnavailable(
            f"the online store does not hold {len(missing)} inputs of the live model of {model.manifest.product}",
            remedy="Materialise the features of the live model, or promote a model of these features.",
            details={"missing": missing},
        )
    return replace(inputs, values=as_row(inputs.values))


def new_score_id() -> str:
    """Return an identifier that nobody can guess; it is the key to an explanation."""
    return secrets.token_hex(16)
