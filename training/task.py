"""What is trained: a score is one or more boosters on declared columns of one frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from registry.bundle import AnswerKind, Band, Objective, Service
from registry.errors import TrainingError
from registry.feature_spec import Feature
from registry.products import ScoreProduct
from registry.prohibited import refuse_prohibited

HAZARD_HORIZONS_D: Final = (7, 30, 90)


@dataclass(frozen=True, kw_only=True)
class ComponentTask:
    """One booster.

    Parameters
    ----------
    name
        Name in the bundle; a pure premium needs "frequency" and "severity".
    objective
        binary has a logit link, the others a log link.
    target
        Column with the outcome. With `exposure`: a total over the exposure (claims, yuan); else a value per row.
    exposure
        Column with the exposure, for poisson and tweedie. The booster is given the label ``target / exposure`` with
        weight ``exposure``. For Poisson the gradient ``exposure * mu - target`` is that of a log-exposure offset, and
        unlike ``init_score`` it keeps ``boost_from_average``, so that trees start at the portfolio's rate. For Tweedie
        it is the usual assumption that variance falls with exposure.
    weight
        Column that multiplies the weight, for example the number of claims that an average amount stands for.
    at_risk
        Boolean column of the rows to use; the others are ignored. A severity uses rows with claims, a hazard the rows
        that are still at risk when its interval begins.
    score_weight
        Weight of the calibrated margin in the score's margin.
    horizon_d
        End of the interval of a hazard, in days.
    tweedie_power
        Variance power, between 1 and 2.
    line
        Insurance line (险种) of a frequency or severity that is not the score's own; its weight must be 0.
    cause
        What failed, for a component of a ranking among causes; its weight must be 0.
    parameters
        LightGBM parameters that replace the trainer's own.
    """

    name: str
    objective: Objective
    target: str
    exposure: str | None = None
    weight: str | None = None
    at_risk: str | None = None
    score_weight: float = 1.0
    horizon_d: int | None = None
    tweedie_power: float = 1.5
    line: str | None = None
    cause: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.line or self.cause) and self.score_weight:
            raise ValueError(f"component {self.name} stands beside the score, its weight must be 0, met {self.score_weight}")
        if self.exposure is not None and self.objective not in ("poisson", "tweedie"):
            raise ValueError(f"component {self.name}: exposure has no meaning for objective {self.objective!r}")
        if not 1.0 < self.tweedie_power < 2.0:
            raise ValueError(f"component {self.name}: Tweedie power must lie between 1 and 2, met {self.tweedie_power}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns beside the features that the component reads."""
        return tuple(name for name in (self.target, self.exposure, self.weight, self.at_risk) if name is not None)


@dataclass(frozen=True, kw_only=True)
class LineTask:
    """One insurance line (险种) of a pure premium.

    Parameters
    ----------
    id
        Key of the code list ``insurance_line``.
    frequency, severity
        Names of its components.
    exposure, amount, amount_full
        Columns: earned years of the line, amount of claims cut at `large_loss`, and the whole amount.
    large_loss
        Amount at which single claims are cut, in the task's currency.
    """

    id: str
    frequency: str
    severity: str
    exposure: str
    amount: str
    amount_full: str
    large_loss: float


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """One score.

    Parameters
    ----------
    id, zh, en, entity, answer, exposure_unit, horizon_d
        As in the bundle's manifest.
    features
        Inputs in the order of the matrix.
    components
        Boosters in the order of the bundle.
    tier_shares
        Shares of the reference population that are (red, orange, yellow).
    members
        Boosters per component that are fitted crosswise over groups and averaged (`training.members`); 1 fits one on train.
    nested
        Whether margins out of fold are means of boosters, as served ones are: of those blind to the row's part and to one
        more. Their slope is then that of a mean and not of a single booster; it takes K (K - 1) / 2 further fits, K >= 3.
    group_weights
        Group of inputs -> factor on the gain of a cut by one of them, 1 where none is named: a prior against inputs that can
        hardly tell one unit from another.
    unit
        Column of the scored unit, whose dispersion around the prediction is estimated; None for none.
    lines
        Insurance lines beside the score's own, for a pure premium.
    group
        Column of the group that is never split between fitting and stopping, and that is resampled whole.
    time
        Column with the cut-off; None where the data have no time.
    simulated
        Whether the rows come from a simulation; the card says so.
    purpose, outcome, limits
        Words for the card.
    baseline
        Column whose binned average is the trivial baseline (exposure or mileage alone).
    amount
        Column with the total cost, for a pure premium.
    currency
        ISO 4217 code of amounts, for a pure premium.
    band
        Permitted band of the insurer's own pricing coefficient, for a pure premium.
    service
        When service is due, for a hazard.
    """

    id: str
    zh: str
    en: str
    entity: str
    answer: AnswerKind
    exposure_unit: str
    horizon_d: int | None
    features: tuple[Feature, ...]
    components: tuple[ComponentTask, ...]
    tier_shares: tuple[float, float, float] = (0.05, 0.15, 0.30)
    group: str
    members: int = 1
    nested: bool = False
    group_weights: Mapping[str, float] = field(default_factory=dict)
    unit: str | None = None
    lines: tuple[LineTask, ...] = ()
    time: str | None = None
    simulated: bool = True
    purpose: str = ""
    outcome: str = ""
    limits: tuple[str, ...] = ()
    baseline: str | None = None
    amount: str | None = None
    currency: str | None = None
    band: Band | None = None
    service: Service | None = None

    def __post_init__(self) -> None:
        _refuse_twins(self.id, "feature", [feature.name for feature in self.features])
        _refuse_twins(self.id, "component", [component.name for component in self.components])
        for feature in self.features:
            if feature.dtype == "category" and feature.null_rule == "zero":
                raise ValueError(f"task {self.id}: feature {feature.name} is a category, its null cannot mean zero")
        if self.members < 1:
            raise ValueError(f"task {self.id}: at least one member, met {self.members}")
        if self.nested and self.members < 3:
            raise ValueError(f"task {self.id}: nested margins need at least three members, met {self.members}")
        own = {component.name for component in self.components if component.score_weight}
        if self.answer == "pure_premium" and own != {"frequency", "severity"}:
            raise ValueError(f"task {self.id}: a pure premium has the components frequency and severity")

    @classmethod
    def of_product(
        cls, product: ScoreProduct, *, features: Sequence[Feature], components: Sequence[ComponentTask], group: str,
        time: str | None, **others: Any,
    ) -> TrainingTask:
        """Return the task of a declared product; `others` are further parameters of this class.

        Raises
        ------
        TrainingError
            If an input is on the list of `registry.prohibited`.
        """
        refuse_prohibited(product.id, features)
        return cls(
            id=product.id, zh=product.zh, en=product.en, entity=product.entity, answer=product.answer,
            exposure_unit=product.exposure_unit, horizon_d=product.horizon_d, features=tuple(features),
            components=tuple(components), tier_shares=product.tier_shares, group=group, time=time,
            **{"outcome": product.outcome_en, **others},
        )

    @property
    def exposure(self) -> str | None:
        """Exposure column of the score: that of the first component that has one."""
        return next((component.exposure for component in self.components if component.exposure), None)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that training reads, features first, without repetition."""
        names = [feature.name for feature in self.features]
        for component in self.components:
            names.extend(component.columns)
        further = (
            self.group, self.time, self.unit, self.baseline, self.amount,
            *(name for line in self.lines for name in (line.exposure, line.amount, line.amount_full)),
        )
        names.extend(name for name in further if name is not None)
        return tuple(dict.fromkeys(names))


def _refuse_twins(task: str, kind: str, names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins or not names:
        raise ValueError(f"task {task}: {kind} names must be unique and at least one, met twice: {twins}")


def hazard_frame(
    event_day: pd.Series, observed_d: pd.Series, horizons: Sequence[int] = HAZARD_HORIZONS_D
) -> pd.DataFrame:
    """Return target and at-risk columns of the discrete-time hazard, one pair per interval (a, b].

    A row is at risk in (a, b] if nothing happened by day a, and either it was observed to day b or the event fell into
    the interval; so a row that is censored inside an interval says nothing about it. The target is whether the event
    fell into the interval.

    Parameters
    ----------
    event_day
        Days from the cut-off to the first event, null for none; more than 0.
    observed_d
        Days under observation; an event after them is not seen and must be null.
    horizons
        Ends of the intervals, ascending; the first begins at day 0.

    Raises
    ------
    TrainingError
        If horizons do not ascend from 0, an event lies at or before day 0, or after the end of observation.

    References
    ----------
    Singer and Willett, "It's About Time: Using Discrete-Time Survival Analysis", J. Educational Statistics 18(2), 1993.
    """
    starts = (0, *horizons[:-1])
    if any(a >= b for a, b in zip(starts, horizons, strict=True)):
        raise TrainingError(f"horizons must ascend from 0, met {tuple(horizons)}")
    day = event_day.to_numpy(dtype=np.float64, na_value=np.nan)
    observed = observed_d.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(observed).any():
        raise TrainingError(f"{int(np.isnan(observed).sum())} rows have no observation length")
    if (day <= 0).any():
        raise TrainingError(f"{int((day <= 0).sum())} events lie at or before the cut-off, the outcome begins after it")
    if (day > observed).any():
        raise TrainingError(f"{int((day > observed).sum())} events lie after the end of their observation")
    columns: dict[str, np.ndarray[Any, Any]] = {}
    for a, b in zip(starts, horizons, strict=True):
        happened = (day > a) & (day <= b)
        columns[f"event_{b}"] = happened.astype(np.float64)
        columns[f"at_risk_{b}"] = ~(day <= a) & ((observed >= b) | happened)
    return pd.DataFrame(columns, index=event_day.index)


def hazard_components(horizons: Sequence[int] = HAZARD_HORIZONS_D, **others: Any) -> tuple[ComponentTask, ...]:
    """Return one binary component per interval of `hazard_frame`, of equal weight in the score's margin.

    With equal weights the score orders rows by the geometric mean of the intervals' odds; the answer itself multiplies
    the survival of the intervals exactly (`registry.answers`).
    """
    return tuple(
        ComponentTask(
            name=f"hazard_{b}", objective="binary", target=f"event_{b}", at_risk=f"at_risk_{b}",
            score_weight=1.0 / len(horizons), horizon_d=b, **others,
        )
        for b in horizons
    )
