"""The score bundle: the one saved form of a trained score.

A bundle is a folder of LightGBM model texts and JSON, nothing else and no pickle:

``manifest.json``
    Ordered inputs, components with their calibration, scale, reference population, provenance (`Manifest`).
``<component>.lgb.txt``
    One LightGBM model text per component.
``golden.json``
    Encoded rows with the raw margins they must give; a reader proves itself on them.
``signature.json``
    The digest over the files above and an Ed25519 signature of it. Not part of the digest.

The digest is SHA-256 over the lines ``<sha256>  <file name>`` in the order of names. Bytes are verified before they are
parsed, because a damaged LightGBM text aborts or hangs the process and nothing can catch that.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from registry.canonical_json import canonical_json
from registry.errors import BundleRefused
from registry.feature_spec import Feature
from registry.partition import Partition
from registry.row_texts import RowTexts
from registry.scale import ScoreScale

FORMAT: Final = "roadrisk-bundle/1"
MANIFEST: Final = "manifest.json"
GOLDEN: Final = "golden.json"
SIGNATURE: Final = "signature.json"
BOOSTER_SUFFIX: Final = ".lgb.txt"

Objective = Literal["binary", "poisson", "gamma", "tweedie"]
AnswerKind = Literal["rate", "probability", "hazard", "pure_premium"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)


class ManifestFeature(_Strict):
    """One input in the order of the matrix; the fields are those of `registry.feature_spec.Feature`."""

    name: str
    entity: str
    zh: str
    en: str
    group: str
    unit: str
    dtype: Literal["float", "category"]
    resources: tuple[str, ...]
    window_d: int | None
    null_rule: Literal["missing", "zero", "required"]
    monotone: Literal[-1, 0, 1]
    monotone_reason: str
    actionable: bool
    sensitivity: Literal["public", "business", "location", "personal"]
    reason_code: str
    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, feature: Feature) -> ManifestFeature:
        """Return the manifest entry of a declared feature."""
        return cls(**{name: getattr(feature, name) for name in cls.model_fields})


class Component(_Strict):
    """One booster of a score and how its raw margin enters the score's margin.

    The score's margin is ``sum(weight * (slope * raw + intercept))`` over the components: affine, so that exact SHAP
    values of the raw margins add up to points.

    Parameters
    ----------
    name
        For example "frequency" and "severity", or "hazard_30".
    objective
        LightGBM objective; binary has a logit link, the others a log link.
    weight
        Weight of the calibrated margin in the score's margin.
    slope, intercept
        Affine calibration on the raw margin.
    horizon_d
        End of the interval that a hazard speaks of, in days.
    n_trees
        Number of trees.
    dispersion
        Variance of the true rate around the prediction, between units that are predicted alike, relative to its square.
    line
        Insurance line of a frequency or severity beside the score's own; its weight is 0.
    cause
        What failed, for a component that ranks causes; its weight is 0.
    """

    name: str
    objective: Objective
    weight: float = 1.0
    slope: float = 1.0
    intercept: float = 0.0
    horizon_d: int | None = None
    n_trees: int
    dispersion: float | None = None
    line: str | None = None
    cause: str | None = None


class Line(_Strict):
    """One insurance line of a pure premium, the score's own among them.

    Parameters
    ----------
    id, zh, en
        Key of the code list ``insurance_line`` and its wording.
    frequency, severity
        Names of its components.
    mean_answer
        Exposure-weighted mean pure premium of the reference population, of claims cut at `large_loss`.
    large_loss
        Amount at which single claims were cut for training.
    large_loss_factor
        Uncut over cut amounts of the reference population: what large losses add, spread over the line.
    n_claims
        Claims that it was fitted on.
    """

    id: str
    zh: str
    en: str
    frequency: str
    severity: str
    mean_answer: float
    large_loss: float
    large_loss_factor: float
    n_claims: int


class Band(_Strict):
    """The permitted band of the insurer's own pricing coefficient (自主定价系数)."""

    low: float
    high: float


class Service(_Strict):
    """When a vehicle is due for service.

    Parameters
    ----------
    threshold
        Probability of failure at which service is due.
    usage_feature, usage_d
        Input with the distance driven in the last `usage_d` days; None where the inputs have none.
    """

    threshold: float
    usage_feature: str | None = None
    usage_d: int = 1


class Reference(_Strict):
    """The population that a score is measured against.

    Parameters
    ----------
    n_rows
        Number of rows.
    mean_margin
        Mean calibrated margin; 500 points lie there.
    mean_answer
        Exposure-weighted mean of the predicted rate, probability or pure premium; relativity 1 lies there.
    point_quantiles
        Points at the 0th, 1st, .. 100th percentile.
    medians
        Median of each float feature, null where it is never present.
    ranges
        First and 99th percentile of each float feature; empty in bundles of earlier releases.
    """

    n_rows: int
    mean_margin: float
    mean_answer: float
    point_quantiles: tuple[float, ...]
    medians: dict[str, float | None]
    ranges: dict[str, tuple[float, float]] = {}


class Provenance(_Strict):
    """Where a score comes from."""

    data_cut: str
    train_window: tuple[str, str]
    valid_window: tuple[str, str]
    test_window: tuple[str, str]
    snapshot: str
    seed: int
    parameters: dict[str, dict[str, Any]]
    libraries: dict[str, str]
    simulated: bool


class Manifest(_Strict):
    """Everything about a score but its trees."""

    format: Literal["roadrisk-bundle/1"] = FORMAT
    product: str
    zh: str
    en: str
    entity: str
    answer: AnswerKind
    exposure_unit: str
    currency: str | None = None
    horizon_d: int | None
    features: tuple[ManifestFeature, ...]
    components: tuple[Component, ...]
    cut_points: tuple[float, float, float]
    reference: Reference
    provenance: Provenance
    lines: tuple[Line, ...] = ()
    band: Band | None = None
    service: Service | None = None
    explained_by: str = "pred_contrib"

    @property
    def scale(self) -> ScoreScale:
        """The score scale of this bundle."""
        return ScoreScale(reference_margin=self.reference.mean_margin, cut_points=self.cut_points)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Feature names in the order of the matrix."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def known_names(self) -> frozenset[str]:
        """The same without an order."""
        return frozenset(self.feature_names)

    @cached_property
    def may_be_unknown(self) -> tuple[str, ...]:
        """Names of the inputs of which null says that they are not known."""
        return tuple(feature.name for feature in self.features if feature.null_rule != "zero")

    @cached_property
    def required(self) -> tuple[ManifestFeature, ...]:
        """The inputs without which there is no score."""
        return tuple(feature for feature in self.features if feature.null_rule == "required")

    @cached_property
    def labels(self) -> tuple[tuple[str, str, str, str, str], ...]:
        """Name, zh, en, unit and group of each feature: what every answer says of them, read once."""
        return tuple((feature.name, feature.zh, feature.en, feature.unit, feature.group) for feature in self.features)

    @cached_property
    def row_texts(self) -> RowTexts:
        """The parts of an answer and its record that are the same text for every row."""
        return RowTexts(self.labels, [place for place, feature in enumerate(self.features) if feature.dtype != "float"])

    @cached_property
    def component_places(self) -> dict[str, int]:
        """Position of each component by its name."""
        return {component.name: place for place, component in enumerate(self.components)}

    @cached_property
    def groups(self) -> Partition:
        """The inputs by feature group."""
        return Partition.of(feature.group for feature in self.features)

    @cached_property
    def reason_codes(self) -> Partition:
        """The inputs by reason code."""
        return Partition.of(feature.reason_code for feature in self.features)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; what is derived from its features is of its own features."""
        copied = super().model_copy(update=update, deep=deep)
        for name, member in vars(Manifest).items():
            if isinstance(member, cached_property):
                copied.__dict__.pop(name, None)
        return copied


class Golden(_Strict):
    """Encoded rows and the raw margin of each component on them.

    `rows` is (n, n_features) with None for a missing value; `raw` is (n, n_components).
    """

    rows: tuple[tuple[float | None, ...], ...]
    raw: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ScoreBundle:
    """A bundle in memory: its parsed JSON and the exact bytes of every file that the digest covers."""

    manifest: Manifest
    golden: Golden
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 over the covered files, as lower-case hex."""
        return digest_of(self.files)

    def booster_text(self, component: str) -> str:
        """Return the LightGBM model text of a component."""
        return self.files[component + BOOSTER_SUFFIX].decode()


def make_bundle(manifest: Manifest, golden: Golden, boosters: Mapping[str, str]) -> ScoreBundle:
    """Return a bundle of a manifest, golden rows and one LightGBM model text per component.

    Raises
    ------
    BundleRefused
        If boosters and components do not name each other.
    """
    names = {component.name for component in manifest.components}
    if names != set(boosters):
        raise BundleRefused(f"components {sorted(names)} do not match boosters {sorted(boosters)}")
    files = {name + BOOSTER_SUFFIX: _without_thread_count(text).encode() for name, text in boosters.items()}
    files[MANIFEST] = canonical_json(manifest.model_dump(mode="json"))
    files[GOLDEN] = canonical_json(golden.model_dump(mode="json"))
    return ScoreBundle(manifest, golden, files)


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the digest over named bytes; the signature is not covered."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files) if name != SIGNATURE)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_bundle(bundle: ScoreBundle, parent: Path) -> Path:
    """Write a bundle below `parent` in a folder named by product and digest, whole or not at all.

    Writing the same bundle again changes nothing.
    """
    target = parent / f"{bundle.manifest.product}-{bundle.digest[:16]}"
    if target.exists():
        return target
    parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=parent))
    for name, content in bundle.files.items():
        with (staging / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    staging.chmod(0o755)
    staging.rename(target)
    return target


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a bundle folder.

    Raises
    ------
    BundleRefused
        If there is no such folder or it has no manifest.
    """
    if not (folder / MANIFEST).is_file():
        raise BundleRefused("no bundle here: manifest.json is missing", where=str(folder), remedy="Train or fetch the model again.")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def parse_bundle(files: Mapping[str, bytes], *, where: str) -> ScoreBundle:
    """Return the bundle in verified bytes. Call it only on bytes whose digest and signature have been checked.

    Raises
    ------
    BundleRefused
        If a file is missing, is one too many, or does not follow the format.
    """
    covered = {name: content for name, content in files.items() if name != SIGNATURE}
    try:
        manifest = Manifest.model_validate_json(covered[MANIFEST])
        golden = Golden.model_validate_json(covered[GOLDEN])
    except (KeyError, ValidationError) as error:
        raise BundleRefused(f"not a {FORMAT} bundle: {error}", where=where, remedy="Train the model again.") from error
    expected = {MANIFEST, GOLDEN} | {component.name + BOOSTER_SUFFIX for component in manifest.components}
    if set(covered) != expected:
        raise BundleRefused(f"bundle has files {sorted(covered)}, its manifest declares {sorted(expected)}", where=where)
    return ScoreBundle(manifest, golden, covered)


def _without_thread_count(text: str) -> str:
    # The number of threads does not change a tree but is written into the text; the digest must not see it.
    return re.sub(r"^\[num_threads: \d+\]$", "[num_threads: 1]", text, flags=re.MULTILINE)
