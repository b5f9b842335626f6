"""What a caller gets of recourse, as declared in the OpenAPI document."""

from __future__ import annotations

from pydantic import Field

from serving.answer_schema import Closed, ModelOut, TierOut, Wording


class SimilarOut(Closed):
    """What became of entities that were like this one."""

    group: str = Field(description="peer group: class of vehicle, or band of fleet size; * for all")
    similar: int = Field(ge=10, description="entities of the group whose value lay in the same band at a starting instant")
    changed: int | None = Field(description="those of them that came to the new value or beyond it; null for one to nine")
    fewer_than: int | None = Field(description="where `changed` is null: it is less than this")
    months: int = Field(description="within so many months")
    low: float = Field(description="lower end of the band")
    high: float = Field(description="upper end of the band")


class ChangeOut(Wording):
    """One input that would change."""

    feature: str
    unit: str
    old: float
    new: float
    median: float = Field(description="of the reference population; no change goes beyond it")
    share: float = Field(gt=0, le=1, description="part of the way from the old value to the median")
    similar: SimilarOut | None = Field(description="how many like it made this change; null where it was not counted or is too few")


class WayOut(Closed):
    """Changes that bring the score below the limit together; the score with them was computed anew."""

    changes: list[ChangeOut]
    effort: float = Field(description="the shares of its changes, added up")
    score: float | None
    points: float
    tier: TierOut
    answer: dict[str, float] | None
    points_change: float = Field(lt=0)


class RecourseOut(Closed):
    """The fewest changes that bring the subject into a lower tier, or why there are none."""

    score_id: str = Field(description="of the current score, which is recorded; the ways are no decisions")
    product: str
    score: float | None
    points: float | None
    tier: TierOut
    target: TierOut | None = Field(description="the tier that is aimed at")
    below_points: float | None = Field(description="points that must not be reached for it")
    ways: list[WayOut] = Field(
        description="at most three, the least effort first, all of the smallest number of changes that is enough"
    )
    reachable_points: float | None = Field(
        description="points with every input moved as far as it may be; null where nothing was searched"
    )
    n_inputs: int = Field(
        description="inputs that can be moved: the subject can change them, their direction is promised, and they are worse "
        "than the median of the reference population"
    )
    exhaustive: bool = Field(description="whether every set of that number of inputs was tried")
    none_because: Wording | None
    model: ModelOut
    as_of: str
