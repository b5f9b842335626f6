"""Questions about past decisions: the answer, its exact explanation, its replay. Every look is recorded before it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.access import duty_book
from registry.access.duties import Recorded
from registry.decisions import Decision, DecisionLedger, Look, check_recomputed, recorded_matrix
from serving.answering import explain_row
from serving.changes import Changes, no_changes
from serving.detail import reduced
from serving.levers import Lever, levers_of
from serving.live import LiveScorer, Models
from serving.recourse import recourse_of
from serving.replay import recorded_inputs, replay_of
from serving.revision import revision_of
from serving.what_if import with_changes

if TYPE_CHECKING:
    from registry.access.duties import Duty
    from registry.access.grants import Grant
    from registry.bundle import ManifestFeature

COPIED: Final = ("model", "score", "points", "tier", "no_score")
RowsBehind = Callable[[Decision], list[dict[str, Any]]]


@dataclass(frozen=True)
class PastScores:
    """Answers questions about decisions that were made.

    Parameters
    ----------
    live
        Models that are live; older ones are found by their digest.
    decisions
        The decision ledger.
    clock
        Returns the current instant, aware UTC.
    rows_behind
        Returns the rows of the sources that a decision's inputs were computed from; None where there is no warehouse.
    changes
        Returns the evidence of changes beside a model's card.
    """

    live: Models
    decisions: DecisionLedger
    clock: Callable[[], datetime]
    rows_behind: RowsBehind | None = None
    changes: Changes = no_changes

    def find(self, score_id: str) -> Decision:
        """Return a decision; whether the caller may know of it is the door's to say.

        Raises
        ------
        NotFound
            If there is none.
        Erased
            If its personal part was erased.
        """
        return self.decisions.get(score_id)

    def listed(self, decision: Decision, grant: Grant, *, request_id: str = "") -> dict[str, Any]:
        """Return what a list of decisions says of one, and record the look."""
        self._look(decision, grant, "console", request_id)
        return reduced(decision.answer, grant.detail)

    def recorded(self, decision: Decision, grant: Grant | None = None, *, request_id: str = "") -> dict[str, Any]:
        """Return a past answer as it was recorded, with what took its place and whose place it took."""
        self._look(decision, grant, "answer", request_id)
        successor = self.decisions.successor(decision.score_id)
        predecessor = self.decisions.known(decision.supersedes) if decision.supersedes else None
        revisions = [revision_of(predecessor, decision)] if predecessor else []
        revisions += [revision_of(decision, successor)] if successor else []
        answer = {
            **decision.answer, "supersedes": decision.supersedes,
            "superseded_by": successor.score_id if successor else None, "revisions": revisions,
        }
        return reduced(answer, grant.detail) if grant else answer

    def explanation(
        self, decision: Decision, grant: Grant | None = None, *, request_id: str = "", rows: bool = False
    ) -> dict[str, Any]:
        """Return the exact explanation of a decision, recomputed from its record and its bundle.

        Parameters
        ----------
        rows
            Whether the rows of the sources that the inputs were computed from are named too, which takes a second or so.

        Raises
        ------
        IntegrityError
            If the recomputed points are not the recorded ones, or the bundle is gone.
        """
        self._look(decision, grant, "explanation", request_id)
        answer = decision.answer
        head = {
            "score_id": decision.score_id, "detail": "exact", "product": decision.product,
            "decided_at": decision.at.isoformat(), "as_of": decision.as_of.isoformat(),
            **{name: answer[name] for name in COPIED},
        }
        if decision.base is None:
            absent = dict.fromkeys(("factors", "factor_rule", "currency", "decomposition", "verification"))
            whole = {**head, "reasons": [], "groups": [], **absent}
        else:
            whole = {**head, **self._recomputed(decision)}
        whole |= {"inputs": self._inputs(decision), "rows": self.rows_behind(decision) if rows and self.rows_behind else None}
        if grant is None or grant.detail == "exact":
            return whole
        return reduced(whole, grant.detail) | {"inputs": [], "rows": None}

    def replay(self, decision: Decision, grant: Grant | None = None, *, request_id: str = "") -> dict[str, Any]:
        """Compute a decision again from its recorded inputs and its bundle, and say whether every byte is the same.

        Raises
        ------
        BundleRefused
            If the bundle of the recorded digest is gone or does not verify.
        """
        self._look(decision, grant, "replay", request_id)
        scorer = self.live.current.with_digest(decision.product, decision.digest)
        return replay_of(decision, scorer, at=self.clock())

    def recourse(self, decision: Decision, grant: Grant | None = None, *, request_id: str = "") -> dict[str, Any]:
        """Return the fewest changes of the recorded inputs that would have brought the subject into the next lower tier.

        Raises
        ------
        BundleRefused
            If the bundle of the recorded digest is gone or does not verify.
        """
        self._look(decision, grant, "recourse", request_id)
        # Whether the sources of that day were fresh enough for a score was decided then.
        return recourse_of(
            self._model(decision), recorded_inputs(decision), decision.answer,
            evidence=self.changes(decision.product, decision.digest),
        )

    def exported(self, decision: Decision, grant: Grant, *, request_id: str = "") -> None:
        """Record that a decision left as a document."""
        self._look(decision, grant, "export", request_id)

    def levers(self, decision: Decision, grant: Grant, *, request_id: str = "", look: bool = True) -> list[Lever]:
        """Return what the subject of a decision can change, each with its range.

        Parameters
        ----------
        look
            Whether this is a look of its own; not where the same visitor goes on moving levers.

        Raises
        ------
        BundleRefused
            If the bundle of the recorded digest is gone or does not verify.
        """
        if look:
            self._look(decision, grant, "what_if", request_id)
        return levers_of(
            self._model(decision), recorded_inputs(decision).values, detail=grant.detail, resources=grant.resources,
            evidence=self.changes(decision.product, decision.digest),
        )

    def assumed(self, decision: Decision, changes: Mapping[str, float], grant: Grant) -> dict[str, Any]:
        """Return the answer that the recorded inputs would have given with changes; it is no decision.

        At details other than `exact` it is reduced as any answer is.
        """
        whole = with_changes(self._model(decision), recorded_inputs(decision), decision.answer, changes, product=None)
        return reduced(whole, grant.detail)

    def _model(self, decision: Decision) -> LiveScorer:
        scorer = self.live.current.with_digest(decision.product, decision.digest)
        return LiveScorer(decision.model_version, scorer)

    def ask(self, decision: Decision, grant: Grant, asked: Duty) -> dict[str, Any]:
        """Record what the subject of a decision asks for, and return it.

        Raises
        ------
        Conflict
            If the same is open already.
        """
        return _duty(duty_book.record(self.decisions, decision.score_id, asked, by=grant.consumer, at=self.clock()))

    def looks(self, score_id: str) -> list[Look]:
        """Return who looked at a decision, oldest first."""
        return self.decisions.looks(score_id)

    def duties(self, score_id: str) -> list[dict[str, Any]]:
        """Return what was asked about a decision and what came of it, oldest first."""
        return [_duty(one) for one in duty_book.recorded(self.decisions, score_id)]

    def _recomputed(self, decision: Decision) -> dict[str, Any]:
        scorer = self.live.current.with_digest(decision.product, decision.digest)
        explanation = scorer.explain(recorded_matrix(decision), engine=decision.engine)
        names = scorer.manifest.feature_names
        points = dict(zip(names, explanation.contributions[0].tolist(), strict=True))
        clamp = float(explanation.clamp[0])
        difference = check_recomputed(decision, base=explanation.base, clamp=clamp, contributions=points)
        total = explanation.base + float(np.sum(explanation.contributions[0])) + clamp
        verification = {
            "digest": scorer.digest, "engine": decision.engine, "max_difference_points": difference,
            "additivity_error_points": abs(total - float(explanation.points[0])),
        }
        return {**explain_row(scorer.manifest, explanation, decision.inputs), "verification": verification}

    def _inputs(self, decision: Decision) -> list[dict[str, Any]]:
        scorer = self.live.current.with_digest(decision.product, decision.digest)
        fresh = {name: one for one in decision.answer["freshness"] for name in one["features"]}
        ages = {source["resource"]: source for source in decision.answer["sources"]}
        return [_input(feature, decision, fresh.get(feature.name), ages) for feature in scorer.manifest.features]

    def _look(self, decision: Decision, grant: Grant | None, what: str, request_id: str) -> None:
        if grant is None:
            return
        self.decisions.record_look(Look(
            score_id=decision.score_id, at=self.clock(), who=grant.consumer, what=what, role=grant.role, key_id=grant.key_id,
            scenario=grant.scenario, purpose=grant.purpose_en, request_id=request_id,
        ))


def _duty(recorded: Recorded) -> dict[str, Any]:
    said = {name: str(getattr(recorded.duty, name, "")) for name in ("ground", "reference", "outcome", "reason", "successor")}
    return {"n": recorded.n, "kind": recorded.duty.kind, "at": recorded.at.isoformat(), **said}


def _input(
    feature: ManifestFeature, decision: Decision, fresh: Mapping[str, Any] | None, ages: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "feature": feature.name, "zh": feature.zh, "en": feature.en, "value": decision.inputs[feature.name],
        "unit": feature.unit, "group": feature.group, "window_d": feature.window_d,
        "points": decision.contributions.get(feature.name),
        "sources": [
            {"resource": name, "complete_until": ages[name]["complete_until"] if name in ages else None}
            for name in feature.resources
        ],
        "event_timestamp": fresh["event_timestamp"] if fresh else None,
    }
