"""The declaration of a study on a table: where the rows come from, what is predicted from what, and what to stand beside.

A declaration is one YAML file. A new data set is a new file, not new code: `roadrisk experiment table FILE` trains, signs,
explains and judges it with the project's own trainer. Those that come with the project lie in `experiments/declarations`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.table_columns import SourceDeclaration, StepDeclaration
from experiments.table_split import SplitDeclaration, TrainTestSplit
from registry.bundle import AnswerKind, Objective
from registry.errors import ConfigurationError
from registry.feature_spec import GROUPS, Disclosure, FeatureDType, NullRule
from registry.reasons import REASONS
from registry.units import UNITS

SHIPPED: Final = Path(__file__).parent / "declarations"
LEARN: Final = "learn"
SCORE: Final = "score"
"""Name under which figures speak of the whole score; any other name is a component's."""
Better = Literal["lower", "higher", "nearer"]
Measure = Literal["deviance", "d2", "gini", "auc", "ks", "brier", "log_loss", "balance"]
PeerKind = Literal["glm", "ebm", "scorecard", "untuned"]
OF_BINARY: Final = frozenset({"auc", "ks", "brier", "log_loss"})
OF_TRAINER: Final = frozenset({
    "objective", "metric", "seed", "deterministic", "num_threads", "monotone_constraints", "tweedie_variance_power",
})
"""LightGBM parameters that the trainer sets itself."""
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MonotoneDeclaration(_Strict):
    """The only direction in which the score may move with an input, and why that is right."""

    direction: Literal[-1, 1]
    reason: str = Field(min_length=1)


class FeatureDeclaration(_Strict):
    """One input; the fields are those of `registry.feature_spec.Feature` where they have its names.

    Parameters
    ----------
    column
        Column of the source, by default the name itself.
    vocabulary
        Categories in code order, or "learn": those met in the rows that are not test rows, in the order of text.
    """

    name: Identifier
    column: str | None = None
    zh: str
    en: str
    group: str
    unit: str = "1"
    type: FeatureDType = "float"
    vocabulary: tuple[str, ...] | Literal["learn"] | None = None
    null: NullRule = "missing"
    monotone: MonotoneDeclaration | None = None
    actionable: bool = False
    sensitivity: Disclosure = "business"
    reason_code: str = "R00"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for value, known, what in (
            (self.group, GROUPS, "group"), (self.unit, UNITS, "unit"), (self.reason_code, REASONS, "reason code"),
        ):
            if value not in known:
                raise ValueError(f"feature {self.name}: unknown {what} {value!r}, known are {', '.join(known)}")
        if self.type == "float" and self.vocabulary is not None:
            raise ValueError(f"feature {self.name} is a float and has no vocabulary; give it `type: category`")
        if self.type == "category" and self.monotone is not None:
            raise ValueError(f"feature {self.name} is a category and cannot be monotone; remove `monotone`")
        if self.type == "category" and self.null == "zero":
            raise ValueError(f"feature {self.name} is a category, its null cannot mean zero; use `missing`")
        return self


class ComponentDeclaration(_Strict):
    """One booster; the fields are those of `training.task.ComponentTask`."""

    name: Identifier
    objective: Objective
    target: str
    exposure: str | None = None
    weight: str | None = None
    at_risk: str | None = None
    tweedie_power: float = Field(default=1.5, gt=1.0, lt=2.0)
    parameters: dict[str, bool | int | float | str] = {}
    reason: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.exposure is not None and self.objective not in ("poisson", "tweedie"):
            raise ValueError(f"component {self.name}: an exposure has no meaning for objective {self.objective!r}")
        taken = sorted(OF_TRAINER & self.parameters.keys())
        if taken:
            raise ValueError(f"component {self.name}: parameters {taken} are the trainer's own; remove them")
        return self


class FigureDeclaration(_Strict):
    """One figure of the study and the published one beside it.

    Parameters
    ----------
    of
        A component, or "score" for the whole score.
    fold
        test, or development: all rows that are not test rows.
    published, by
        The figure that others reached, and who; null where none with a usable protocol is known.
    """

    name: Identifier
    of: str
    measure: Measure
    better: Better
    fold: Literal["test", "development"] = "test"
    published: float | None = None
    by: str = ""


class RangeDeclaration(_Strict):
    """Where the search may look for one LightGBM parameter."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"a range ascends, and from above 0 on a log scale; met low {self.low}, high {self.high}")
        return self

    def whole_or_not(self, value: float) -> float:
        """Return a value of the kind that is searched."""
        return round(value) if self.whole else value


class SearchDeclaration(_Strict):
    """Search of parameters: the validation loss decides, in every round anew, and the test rows are not looked at.

    Parameters
    ----------
    trials
        How many, unless the command says otherwise; the first is the declared parameters.
    timeout_s
        Wall time per component and round after which no further trial begins.
    measure
        What decides: the component's deviance, or AUC for a binary outcome.
    parameters
        LightGBM parameters of the trials alone, for cheaper ones: a larger learning rate with fewer trees.
    space
        Ranges by component and parameter.
    """

    trials: int = Field(default=0, ge=0)
    measure: Literal["deviance", "auc"] = "deviance"
    timeout_s: float | None = Field(default=None, gt=0)
    parameters: dict[str, bool | int | float | str] = {}
    space: dict[str, dict[str, RangeDeclaration]] = {}


class ScoreDeclaration(_Strict):
    """One score: a protocol with its own clipping, split and figures.

    Parameters
    ----------
    prepare
        Steps on the columns that only this score takes.
    members
        Cross-fitted boosters that are merged into one; 1 for none.
    nested
        Whether it is calibrated on means of boosters that have not seen the row (`training.task.TrainingTask`).
    served
        Whether `--register` registers and promotes it.
    baseline
        Column whose binned average is the trivial baseline on the card.
    calibration
        Component (or "score") whose actual over expected is shown by decile of the prediction.
    peers
        What is fitted on the same rows and judged on the same test rows.
    again
        Random states of further divisions of the rows, for a `train_test` split: fitted once more with seeds of their own, and
        looked at for actual over expected by decile alone.
    """

    id: Identifier
    zh: str
    en: str
    answer: AnswerKind
    exposure_unit: str = "1"
    horizon_d: int | None = None
    protocol: str
    prepare: tuple[StepDeclaration, ...] = ()
    split: SplitDeclaration
    components: tuple[ComponentDeclaration, ...] = Field(min_length=1)
    members: int = Field(default=1, ge=1, le=20)
    nested: bool = False
    amount: str | None = None
    currency: str | None = None
    served: bool = False
    baseline: str | None = None
    calibration: str | None = None
    figures: tuple[FigureDeclaration, ...] = Field(min_length=1)
    peers: tuple[PeerKind, ...] = ()
    again: tuple[int, ...] = ()
    search: SearchDeclaration = SearchDeclaration()
    outcome: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [component.name for component in self.components]
        if self.answer == "pure_premium" and ({*names} != {"frequency", "severity"} or self.amount is None):
            raise ValueError(f"score {self.id}: a pure premium has components frequency and severity, and an `amount`")
        parts = {*names} | ({SCORE} if self.answer == "pure_premium" else set())
        for what, met in (
            *((f"figure {figure.name}", figure.of) for figure in self.figures),
            *(("search space", name) for name in self.search.space),
            *([("calibration", self.calibration)] if self.calibration else []),
        ):
            if met not in parts:
                raise ValueError(f"score {self.id}: {what} speaks of {met!r}, there are {sorted(parts)}")
        for figure in self.figures:
            self._check_measure(figure)
        if self.again and not (self.calibration and isinstance(self.split, TrainTestSplit)):
            raise ValueError(f"score {self.id}: `again` needs a train_test split and a `calibration`")
        return self

    def _check_measure(self, figure: FigureDeclaration) -> None:
        binary = any(c.name == figure.of and c.objective == "binary" for c in self.components)
        if (figure.measure in OF_BINARY) != binary and figure.measure not in ("deviance", "d2", "balance"):
            raise ValueError(
                f"score {self.id}: figure {figure.name} asks for {figure.measure} of {figure.of!r}; binary outcomes have "
                f"{sorted(OF_BINARY)}, the others gini"
            )


class TableDeclaration(_Strict):
    """A study on one table.

    Parameters
    ----------
    study
        Name of the study and of its page.
    source
        Files, joins, columns and steps that every score takes.
    obtain
        Where a user gets the files; told when they are not there.
    group
        Column whose rows belong together: drawn together by the bootstrap; null where every row is its own.
    purpose, limits, notes
        Words for card and page.
    replicates
        Draws of the bootstrap.
    """

    study: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    obtain: str
    source: SourceDeclaration
    group: str | None = None
    features: tuple[FeatureDeclaration, ...] = Field(min_length=1)
    scores: tuple[ScoreDeclaration, ...] = Field(min_length=1)
    purpose: str
    limits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cited: str = ""
    replicates: int = Field(default=100, ge=20)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for what, names in (
            ("feature", [feature.name for feature in self.features]),
            ("score", [score.id for score in self.scores]),
            ("figure", [figure.name for score in self.scores for figure in score.figures]),
        ):
            twins = sorted({name for name in names if names.count(name) > 1})
            if twins:
                raise ValueError(f"{what} names {twins} are met twice; give each its own")
        return self


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without YAML 1.1's further truths, in which a column `on` and a category `NO` are truth values."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), ["t", "f"])


def read_declaration(path: Path) -> TableDeclaration:
    """Return the checked declaration of a file.

    Raises
    ------
    ConfigurationError
        If the file is not there, is no YAML mapping, or an entry cannot be used; every such entry is named.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise ConfigurationError(
            f"no declaration can be read: {error}", where=str(path), remedy=f"Name a YAML file; shipped are {known}."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"not YAML: {' '.join(str(error).split())}", where=str(path), remedy="Mend the file at that line."
        ) from error
    if not isinstance(content, Mapping):
        raise ConfigurationError(
            f"a declaration is a mapping, met {type(content).__name__}", where=str(path),
            remedy="Begin with `study:`, `source:`, `features:` and `scores:`.",
        )
    try:
        return TableDeclaration.model_validate(content)
    except ValidationError as error:
        problems = list(_problems(error))
        raise ConfigurationError(
            f"{len(problems)} entries cannot be used: {'; '.join(problems)}", where=str(path),
            remedy="Mend these entries; the fields are described in `experiments/table_declaration.py`.",
            details={"problems": problems},
        ) from error


def shipped(study: str) -> TableDeclaration:
    """Return a declaration that comes with the project."""
    return read_declaration(SHIPPED / f"{study}.yaml")


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        place = ".".join(str(step) for step in problem["loc"]) or "the whole"
        met = problem.get("input")
        shown = f" (met {met!r})" if isinstance(met, str | int | float | bool | None) and problem["type"] != "missing" else ""
        yield f"{place}: {problem['msg'].removeprefix('Value error, ')}{shown}"


def overridden(score: ScoreDeclaration, parameters: Mapping[str, Mapping[str, Any]]) -> ScoreDeclaration:
    """Return the score with LightGBM parameters by component laid over the declared ones."""
    components = tuple(
        component.model_copy(update={"parameters": {**component.parameters, **parameters.get(component.name, {})}})
        for component in score.components
    )
    return score.model_copy(update={"components": components})
