"""A whole population scored at once: the numbers that the service would answer, as columns.

Points, tiers and contributions follow the arithmetic of `registry.scorer`, the quantities that of `registry.answers`, and grey
that of `serving.no_score`; tests hold them equal. Components that do not enter the score (further insurance lines, causes of
failure) are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.population import BUSINESS, SIZE
from registry.entities import ENTERPRISE
from registry.products import ScoreProduct, product_named
from registry.scale import TIERS
from serving.panel.layout import ANSWER, AS_OF, CLAMP, CONTRIBUTIONS, COVERAGE, GROUP_PREFIX, POINTS, TIER
from serving.panel.margins import Decomposed, Margins

if TYPE_CHECKING:
    from features.online_inputs import SourceAge
    from features.population import Population
    from registry.bundle import Manifest
    from registry.encoding import Matrix
    from registry.scorer import Scorer

GREY: Final = "grey"
_NAMES: Final = np.array([GREY, "blue", "yellow", "orange", "red"])


class PanelScorer:
    """Scores populations with one bundle.

    Parameters
    ----------
    scorer
        The verified bundle.
    version
        Its version.
    threads
        Threads of the explanation.
    """

    def __init__(self, scorer: Scorer, version: int, *, threads: int = 1) -> None:
        self.scorer, self.version = scorer, version
        self._margins = Margins(scorer, threads=threads)

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.scorer.manifest

    @property
    def engine(self) -> str:
        """What computes the contributions."""
        return self._margins.engine

    def score(self, population: Population) -> pa.Table:
        """Return a row for everybody, in the population's order; who has no score has null in its place."""
        product, frame = product_named(self.manifest.product), population.frame
        matrix = self.scorer.encode_frame(frame)
        share = coverage(self.manifest, matrix)
        scored = ~grey(self.manifest, matrix, share, population.sources, product)
        found = self._margins.of(matrix[scored])
        columns: dict[str, pa.Array] = {name: pa.array(frame[name], pa.string()) for name in self._ids()}
        n = len(frame)
        columns[AS_OF] = pa.array([population.cutoff] * n, pa.timestamp("us", "UTC"))
        columns[SIZE] = pa.array(frame[SIZE].to_numpy(dtype=np.int8), pa.int8())
        columns[BUSINESS] = pa.array(frame[BUSINESS], pa.string())
        columns[POINTS] = _spread(found.points, scored, pa.float64())
        columns[TIER] = pa.array(tiers(self.manifest, found.points, scored), pa.string())
        columns[ANSWER] = _spread(answers(self.manifest, found), scored, pa.float64())
        columns[COVERAGE] = pa.array(share.astype(np.float32))
        columns[CLAMP] = _spread(found.clamp, scored, pa.float32())
        for place, name in enumerate(self.manifest.groups.names):
            total = found.contributions[:, list(self.manifest.groups.members[place])].sum(axis=1)
            columns[GROUP_PREFIX + name] = _spread(total, scored, pa.float32())
        columns[CONTRIBUTIONS] = _lists(found.contributions, scored)
        return pa.table(columns)

    @property
    def base(self) -> float:
        """Points of the empty coalition."""
        return self._margins.base

    def _ids(self) -> tuple[str, ...]:
        own = f"{self.manifest.entity}_id"
        return (own,) if own == ENTERPRISE.id_column else (own, ENTERPRISE.id_column)


def answer_name(manifest: Manifest) -> str:
    """Return what the answer of a panel is called: one number per score, as `registry.answers` names it."""
    own = [component for component in manifest.components if component.weight]
    return {
        "rate": "expected_rate", "probability": "probability", "pure_premium": "relativity",
        "hazard": f"probability_{own[-1].horizon_d}d",
    }[manifest.answer]


def answers(manifest: Manifest, found: Decomposed) -> Matrix:
    """Return (n,) the quantity that `answer_name` names."""
    margins = found.component_margins
    match manifest.answer:
        case "rate":
            value: Matrix = np.exp(margins.sum(axis=1))
        case "probability":
            value = _expit(margins.sum(axis=1))
        case "hazard":
            value = 1.0 - np.prod(1.0 - _expit(margins), axis=1)
        case "pure_premium":
            value = np.exp(margins[:, 0]) * np.exp(margins[:, 1]) / manifest.reference.mean_answer
    return value


def coverage(manifest: Manifest, matrix: Matrix) -> Matrix:
    """Return (n,) the share of inputs that are known; where nothing on record means that none happened, that is known."""
    places = [place for place, feature in enumerate(manifest.features) if feature.null_rule != "zero"]
    share: Matrix = 1.0 - np.isnan(matrix[:, places]).sum(axis=1) / len(manifest.features)
    return share


def grey(
    manifest: Manifest, matrix: Matrix, share: Matrix, sources: tuple[SourceAge, ...], product: ScoreProduct
) -> npt.NDArray[np.bool_]:
    """Return (n,) whether there is no score, by the rule of `serving.no_score`."""
    ages = {age.resource: age for age in sources}
    if any(name not in ages or ages[name].stale for name in product.mandatory):
        return np.ones(len(matrix), dtype=bool)
    required = [place for place, feature in enumerate(manifest.features) if feature.null_rule == "required"]
    none: npt.NDArray[np.bool_] = np.isnan(matrix[:, required]).any(axis=1) | (share < product.min_coverage)
    return none


def tiers(manifest: Manifest, points: Matrix, scored: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
    """Return (n,) codes of the tiers; `points` are those of the scored rows."""
    assert set(_NAMES) == set(TIERS)
    places = np.zeros(len(scored), dtype=np.int64)
    places[scored] = 1 + np.searchsorted(manifest.scale.cut_points, points, side="right")
    return _NAMES[places]


def _expit(margin: Matrix) -> Matrix:
    # The two forms of the logistic function; each overflows where the other does not.
    odds = np.exp(-np.abs(margin))
    value: Matrix = np.where(margin >= 0, 1.0 / (1.0 + odds), odds / (1.0 + odds))
    return value


def _spread(values: Matrix, scored: npt.NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    whole = np.zeros(len(scored))
    whole[scored] = values
    return pa.array(whole, mask=~scored).cast(kind, safe=False)


def _lists(contributions: Matrix, scored: npt.NDArray[np.bool_]) -> pa.Array:
    n_features = contributions.shape[1]
    whole = np.zeros((len(scored), n_features), dtype=np.float32)
    whole[scored] = contributions
    # A grey row has zeros: its null points say that they mean nothing, and lists without nulls read as one matrix.
    return pa.FixedSizeListArray.from_arrays(pa.array(whole.reshape(-1)), n_features)
