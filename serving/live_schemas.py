"""What the live service answers, as declared in its OpenAPI document; tests hold real answers against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.answer_schema import (
    Closed,
    DecompositionOut,
    Detail,
    GroupOut,
    ProblemOut,
    ReasonOut,
    ScoreAnswer,
    SourceOut,
    TierOut,
    WarningOut,
    Wording,
)


class LiveProblemOut(ProblemOut):
    """A problem document (RFC 9457); the doors of the live service name no request."""

    instance: str = Field(default="", description="request id, where there is one")


class RefusedRow(Closed):
    """A row that was not taken."""

    row: int = Field(description="place in the body, from 0")
    reason: str
    zh: str
    en: str


class PositionsTaken(Closed):
    """What became of the rows of a push; whatever was accepted is durable."""

    accepted: int
    refused: int
    errors: list[RefusedRow] = Field(description="at most 100 of the refused rows")


class RefusedCard(Closed):
    """A card event that was not taken."""

    row: int
    reason: Literal["wrong_plate", "no_time", "future"]


class CardsTaken(Closed):
    """What became of the card events of a push."""

    accepted: int
    new: int = Field(description="accepted ones that were not known yet")
    refused: int
    errors: list[RefusedCard]


class Ready(Closed):
    """Whether positions are taken."""

    ready: bool
    why: str


class LiveStatus(BaseModel):
    """What came in, how far it is folded, and how fresh the rows are; further counts may come with a release."""

    model_config = ConfigDict(extra="allow")

    now: str
    replay: bool
    vehicles: int
    vehicles_heard: int
    messages: dict[str, Any]
    refused: dict[str, Any]
    p95_s: float | None = Field(description="seconds from receipt to row, 95th percentile")


class LimitOut(Wording):
    """How one legal limit stands."""

    rule: str
    used_s: int
    remaining_s: int
    reached_at: str = Field(description="when nothing is left if driving goes on")
    unobserved_s: int = Field(description="off-line time in which more may have been driven")
    complete: bool = Field(description="whether the record reaches back far enough")


class RestOut(Closed):
    """The next legal place of rest."""

    code: str
    name: str
    distance_km: float
    along_road: bool
    road: str
    stake_km: float
    lon_deg: float
    lat_deg: float


class DriverDutyOut(Wording):
    """The duty of a driver by his card."""

    driver_id: str
    at: str
    since: str
    vehicle_id: str | None = Field(description="the vehicle that his card is in")
    limits: list[LimitOut]


class WhyOut(Wording):
    """Whether there is a score, and why not."""

    code: Literal["scored", "unheard", "stale", "resting", "short", "no_model", "no_inputs", "swapped"]


class InstantForecast(Closed):
    """When a tier is reached if driving goes on, in minutes from an instant; null where it is not within four hours."""

    begin: str = Field(alias="from")
    minutes_to_orange: int | None
    minutes_to_red: int | None


class ForecastOut(Wording, InstantForecast):
    """The forecast in words too, counted from now."""

    horizon_min: int


class LiveModelOut(Closed):
    """The model that scored."""

    name: str
    version: str
    digest: str
    simulated: bool


class FatigueOut(Closed):
    """The live score of one vehicle; a look of the platform's own, no decision."""

    detail: Detail = Field(description="how much of the explanation is let out")
    tier: TierOut
    why: WhyOut
    score: float | None
    points: float | None
    percentile: float | None
    answer: dict[str, float] | None
    reasons: list[ReasonOut]
    groups: list[GroupOut]
    decomposition: DecompositionOut | None
    sources: list[SourceOut]
    warnings: list[WarningOut]
    as_of: str | None
    age_s: int | None
    forecast: ForecastOut | None
    model: LiveModelOut | None


class CorrectionOut(Closed):
    """A value that had been answered and that a late message changed."""

    cutoff_s: int
    feature: str
    before: float | None
    after: float | None
    recorded_us: int


class DutyOfVehicle(Wording):
    """The duty of one vehicle now, whoever drives it."""

    vehicle_id: str
    at: str
    age_s: int
    abstains: bool
    driving: bool
    resting: bool
    limits: list[LimitOut]
    rest: RestOut | None
    kss: dict[str, float] = Field(description="hours ahead -> expected sleepiness, if nobody sleeps")
    safte_effectiveness: dict[str, float]
    corrections: list[CorrectionOut]
    fatigue: FatigueOut | None


class DutyOut(DutyOfVehicle):
    """The duty of one vehicle now."""

    driver: DriverDutyOut | None


class SeenVehicle(DutyOfVehicle):
    """The duty of one vehicle as the live page shows it."""

    slot: int
    enterprise_id: str
    trade: str
    now_s: int
    lon_deg: float
    lat_deg: float
    speed_kmh: float
    road_class: int
    state: str
    since_s: int
    cont_s: int
    run_since_s: int
    did: list[tuple[int, int, str]] = Field(description="begin, end and state of the last 24 hours")


class RosterOut(Closed):
    """Whose the slots of the fleet's frames are."""

    run: int
    replay: bool
    vehicle_id: list[str]
    enterprise_id: list[str]
    trade: list[str]


class HealthNoticeOut(Wording):
    """An earlier rest that the driver lets his operator see; never why."""

    advised_run_min: int
    advised_rest_in_min: int | None
    evidence: Literal["A"]


class LiveScoreOut(Closed):
    """The live score of one vehicle, recorded for the caller."""

    why: WhyOut
    as_of: str | None
    age_s: int | None
    forecast: ForecastOut | None
    health_notice: HealthNoticeOut | None
    answer: ScoreAnswer | None = Field(description="the recorded answer with its `score_id`; null where `why` says so")


class StreamModelOut(Closed):
    """The model behind a streamed value."""

    version: str
    digest: str


class MinuteScoreOut(Closed):
    """The `data` of an event `score` of the stream."""

    vehicle_id: str
    tier: TierOut
    points: float | None
    why: WhyOut
    as_of: str | None
    forecast: InstantForecast | None
    score_id: str | None = Field(description="the decision in which this very score was recorded, where one was")
    model: StreamModelOut | None
