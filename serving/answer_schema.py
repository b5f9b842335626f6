"""What a caller gets, as declared in the OpenAPI document; a test holds real answers against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["raises", "lowers"]
Detail = Literal["reasons", "groups", "exact"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Wording(_Closed):
    """A text for people."""

    zh: str
    en: str


class TierOut(Wording):
    """A tier: red 红, orange 橙, yellow 黄, blue 蓝, or grey 灰 for no score."""

    code: Literal["red", "orange", "yellow", "blue", "grey"]


class ReasonOut(Wording):
    """One reason; codes are listed at /v1/reason-codes."""

    code: str
    direction: Direction
    contribution: float = Field(description="points; rounded to whole ones in `groups`, to fives in `reasons`")
    band: Literal["slight", "moderate", "strong"] = Field(description="below 5, below 15, and 15 points or more")
    features: list[str]
    value: float | str | None = Field(description="observed value of the leading feature")
    median: float | None = Field(description="median of the reference population")
    unit: str
    remedy: Wording | None


class GroupOut(Wording):
    """Points of one feature group."""

    group: str
    points: float


class FactorOut(Wording):
    """One factor of a pure premium; the product of all is the relativity."""

    group: str
    factor: float
    frequency_factor: float
    severity_factor: float
    amount: float = Field(description="in the currency; all add up to the pure premium minus the portfolio mean")


class LineOut(Wording):
    """One insurance line: its price and the factors that it is the product of."""

    line: str
    n_claims: int = Field(description="claims that it was learned from")
    frequency: float = Field(description="claims per earned year")
    severity: float = Field(description="amount per claim, large losses cut")
    pure_premium: float
    relativity: float
    large_losses: float = Field(description="amount that large losses add, spread over the line")
    factors: list[FactorOut]


class ContributionOut(Wording):
    """Points of one feature: an exact Shapley value."""

    feature: str
    value: float | str | None
    unit: str
    points: float
    group: str


class DecompositionOut(_Closed):
    """The exact decomposition: base + sum of contributions + clamp = total, to 1e-9."""

    base: float
    contributions: list[ContributionOut]
    clamp: float
    total: float


class SourceOut(Wording):
    """Age of a source at the instant of the question, as far as the inputs hold it."""

    resource: str
    complete_until: str | None
    age_d: float | None
    limit_d: int
    stale: bool
    authorised: bool = Field(default=True, description="whether the scenario lets it be read")


class FreshnessOut(_Closed):
    """How fresh some features are that are equally so."""

    features: list[str]
    event_timestamp: str | None = Field(description="instant that the stored value speaks about; null where none is stored")
    age_d: float | None = Field(description="age of its oldest source in days; null where one was never delivered")
    source: str = Field(description="that source")


class CoverageOut(_Closed):
    """How many inputs are known."""

    share: float
    present: int
    total: int
    minimum: float


class ModelOut(_Closed):
    """The model that answered."""

    name: str
    version: str
    digest: str
    data_cut: str
    simulated: bool


class ExposureOut(_Closed):
    """Exposure that the answer used."""

    value: float
    unit: str


class WarningOut(Wording):
    """Something to know before relying on the answer."""

    code: Literal["unseen-category", "stale-source", "source-not-authorised", "clamped", "degraded"]
    subject: str


class NoScoreOut(Wording):
    """Why there is no score."""

    missing: list[dict[str, Any]]


class RecordedAnswer(_Closed):
    """An answer as it was recorded."""

    score_id: str
    detail: Detail = Field(
        default="exact", description="how much of the explanation the scenario lets out; `exact` holds everything"
    )
    degraded: bool = Field(
        default=False, description="whether it rests on the inputs of an earlier answer, because the store does not answer"
    )
    product: str
    product_name: Wording
    outcome: Wording | None
    score: float | None = Field(description="points rounded to one decimal, 0 to 1000, higher is riskier")
    points: float | None = Field(description="exact points; rounded where the detail is `reasons`")
    tier: TierOut
    percentile: float | None = Field(description="percentage of the reference population at or below")
    answer: dict[str, float] | None = Field(description="quantities of the product by name")
    exposure: ExposureOut | None
    no_score: NoScoreOut | None
    reasons: list[ReasonOut]
    groups: list[GroupOut]
    factors: list[FactorOut] | None
    factor_rule: Wording | None
    currency: str | None = Field(description="ISO 4217 code of the amounts")
    lines: list[LineOut] = Field(default_factory=list, description="per insurance line; empty for other products")
    as_of: str = Field(description="cut-off of the inputs, ISO 8601")
    sources: list[SourceOut]
    freshness: list[FreshnessOut] = Field(
        default_factory=list, description="features that are equally fresh; empty where the caller sent the inputs"
    )
    coverage: CoverageOut
    model: ModelOut
    warnings: list[WarningOut]


class ChangedRowOut(_Closed):
    """A row of a source that was corrected, withdrawn or restored."""

    resource: str
    zh: str
    en: str
    row_id: str = Field(description="pseudonym of the supplier's row")
    kind: Literal["withdrawn", "restored", "corrected"]
    fields: list[str] = Field(description="columns whose values differ")
    old_arrived_at: str
    new_arrived_at: str


class VersionOut(_Closed):
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


class RevisionOut(_Closed):
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


class ScoreAnswer(RecordedAnswer):
    """An answer to a request for a score."""

    decomposition: DecompositionOut | None


class VerificationOut(_Closed):
    """The explanation was recomputed from the recorded row with the recorded bundle."""

    digest: str
    engine: str = Field(description="which implementation of exact TreeSHAP")
    max_difference_points: float
    additivity_error_points: float


class InputSourceOut(_Closed):
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


class SourceRowOut(_Closed):
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


class ExplanationOut(_Closed):
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


class DifferenceOut(_Closed):
    """A part of a decision that did not come out again."""

    part: str
    recorded: Any
    recomputed: Any


class ReplayOut(_Closed):
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


class SideOut(_Closed):
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


class WhatIfOut(_Closed):
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


class DutyOut(_Closed):
    """What the subject of a decision asked for, or what came of it."""

    n: int = Field(description="its number among the duties of this decision")
    kind: Literal["notice_given", "objection", "human_review", "review_result"]
    at: str
    ground: str
    reference: str
    outcome: str = Field(description="of a review")
    reason: str
    successor: str = Field(description="score_id of the decision that took its place")


class DutiesOut(_Closed):
    """All of them for one decision, oldest first."""

    score_id: str
    duties: list[DutyOut]


class FieldProblem(_Closed):
    """What is wrong with one field."""

    field: str
    problem: str
    met: str


class ProblemOut(BaseModel):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str
    instance: str = Field(description="request id")
    errors: list[FieldProblem] = Field(default_factory=list)
    details: dict[str, Any] = Field(default_factory=dict)
