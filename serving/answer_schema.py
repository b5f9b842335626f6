"""What a caller gets, as declared in the OpenAPI document; a test holds real answers against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["raises", "lowers"]
Detail = Literal["reasons", "groups", "exact"]


class Closed(BaseModel):
    """A part of an answer: nothing beside what is declared, no NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Wording(Closed):
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


class DecompositionOut(Closed):
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


class FreshnessOut(Closed):
    """How fresh some features are that are equally so."""

    features: list[str]
    event_timestamp: str | None = Field(description="instant that the stored value speaks about; null where none is stored")
    age_d: float | None = Field(description="age of its oldest source in days; null where one was never delivered")
    source: str = Field(description="that source")


class CoverageOut(Closed):
    """How many inputs are known."""

    share: float
    present: int
    total: int
    minimum: float


class ModelOut(Closed):
    """The model that answered."""

    name: str
    version: str
    digest: str
    data_cut: str
    simulated: bool


class ExposureOut(Closed):
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


class RecordedAnswer(Closed):
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


class ScoreAnswer(RecordedAnswer):
    """An answer to a request for a score."""

    decomposition: DecompositionOut | None


class FieldProblem(Closed):
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
