"""What a caller gets of past decisions and beside them, as declared in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from serving.answer_schema import (
    Closed,
    DecompositionOut,
    Detail,
    FactorOut,
    GroupOut,
    ModelOut,
    NoScoreOut,
    ReasonOut,
    RecordedAnswer,
    TierOut,
    WarningOut,
    Wording,
)


class ChangedRowOut(Closed):
    """A row of a source that was corrected, withdrawn or restored."""

    resource: str
    zh: str
    en: str
    row_id: str = Field(description="pseudonym of the supplier's row")
    kind: Literal["withdrawn", "restored", "corrected"]
    fields: list[str] = Field(description="columns whose values differ")
    old_arrived_at: str
    new_arrived_at: str


class VersionOut(Closed):
    """One of two scores of which the later took the place of the earlier."""

    score_id: str
    decided_at: str
    as_of: str
    score: float | None
    points: float | None
    tier: TierOut
    model_version: str


class MovedGroupOut(Wording):
    """Points of one feature group in both."""

    group: str
    old: float
    new: float
    change: float


class RevisionOut(Closed):
    """What moved between a score and the one that took its place."""

    old: VersionOut
    new: VersionOut
    same_model: bool = Field(description="whether both come from one model, so that only the data moved")
    points_change: float | None = Field(description="new minus old; null where one has no score")
    groups: list[MovedGroupOut] = Field(description="adds up to the change of points, with base and clamp, to 1e-9")
    base_change: float | None
    clamp_change: float | None
    rows: list[ChangedRowOut]
    n_rows: int = Field(description="changed rows in all; `rows` names at most 100 of them")


class PastAnswer(RecordedAnswer):
    """A past answer, and what became of it."""

    supersedes: str | None = Field(description="score_id of the answer whose place it took")
    superseded_by: str | None = Field(description="score_id of the answer that took its place")
    revisions: list[RevisionOut]


class VerificationOut(Closed):
    """The explanation was recomputed from the recorded row with the recorded bundle."""

    digest: str
    engine: str = Field(description="which implementation of exact TreeSHAP")
    max_difference_points: float
    additivity_error_points: float


class InputSourceOut(Closed):
    """A resource that an input is computed from."""

    resource: str
    complete_until: str | None = Field(description="instant until which it was complete when the decision was made")


class InputOut(Wording):
    """One input of a decision."""

    feature: str
    value: float | str | None
    unit: str
    group: str
    window_d: int | None = Field(description="days before the cut-off that it looks at; null for a state")
    points: float | None = Field(description="its exact Shapley value; null without a score")
    sources: list[InputSourceOut]
    event_timestamp: str | None = Field(description="instant that the stored value speaks about")


class SourceRowOut(Closed):
    """A row of a source, as it was known at the cut-off."""

    row_id: str = Field(description="pseudonym of the supplier's row")
    event_time: str
    arrived_at: str
    delivery_id: str


class RowsBehindOut(Wording):
    """Rows of one resource that the inputs were computed from."""

    resource: str
    window_d: int | None
    n_rows: int
    rows: list[SourceRowOut] = Field(description="the newest ones")


class ExplanationOut(Closed):
    """The exact explanation of a past decision."""

    score_id: str
    detail: Detail
    product: str
    decided_at: str
    as_of: str
    model: ModelOut
    score: float | None
    points: float | None
    tier: TierOut
    no_score: NoScoreOut | None
    reasons: list[ReasonOut]
    groups: list[GroupOut]
    factors: list[FactorOut] | None
    factor_rule: Wording | None
    currency: str | None = Field(description="ISO 4217 code of the amounts")
    decomposition: DecompositionOut | None
    verification: VerificationOut | None
    inputs: list[InputOut] = Field(description="every input; empty where the scenario lets out less than `exact`")
    rows: list[RowsBehindOut] | None = Field(description="rows of the sources, where they were asked for")


class DifferenceOut(Closed):
    """A part of a decision that did not come out again."""

    part: str
    recorded: Any
    recomputed: Any


class ReplayOut(Closed):
    """A decision computed again."""

    score_id: str
    product: str
    decided_at: str
    replayed_at: str
    digest: str
    engine: str
    equal: bool = Field(description="whether every compared part is the same, byte by byte")
    compared: list[str]
    differences: list[DifferenceOut]


class SideOut(Closed):
    """One side of a what-if question."""

    score: float | None
    points: float | None
    tier: TierOut
    percentile: float | None
    answer: dict[str, float] | None
    factors: list[FactorOut] | None
    groups: list[GroupOut]
    reasons: list[ReasonOut]
    warnings: list[WarningOut]


class WhatIfOut(Closed):
    """The score with other values, beside the current one."""

    score_id: str = Field(description="of the current score, which is recorded; the assumed one is not a decision")
    detail: Detail
    product: str
    changes: dict[str, float | str]
    current: SideOut
    assumed: SideOut
    points_change: float | None
    model: ModelOut
    as_of: str


class NoticeOut(Wording):
    """What the subject of an automated decision is told."""

    product: str
    resources: list[str]
    separate_consent: bool = Field(description="whether tracks of movement are among the resources (PIPL Art. 28, 29)")
    version: str
    sources: list[str] = Field(description="the articles behind it, each with how well it is sourced")


class DutyOut(Closed):
    """What the subject of a decision asked for, or what came of it."""

    n: int = Field(description="its number among the duties of this decision")
    kind: Literal["notice_given", "objection", "human_review", "review_result"]
    at: str
    ground: str
    reference: str
    outcome: str = Field(description="of a review")
    reason: str
    successor: str = Field(description="score_id of the decision that took its place")


class DutiesOut(Closed):
    """All of them for one decision, oldest first."""

    score_id: str
    duties: list[DutyOut]
