"""Apply a bundle: rows -> matrix -> margins, points and exact contributions.

Training, serving, replay, MLflow and the studies all score through this one module.
"""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.bundle import ScoreBundle, parse_bundle, read_files
from registry.encoding import Encoder, Matrix, Value
from registry.errors import BundleRefused
from registry.scale import POINTS_AT_REFERENCE, POINTS_MAX, POINTS_MIN
from registry.signing import verify_files
from registry.treeshap.engines import ExactBoosters

if TYPE_CHECKING:
    import pandas as pd

    from registry.partition import Partition

GOLDEN_TOLERANCE: Final = 1e-12
CHILD_TIMEOUT_S: Final = 120

_proved: set[str] = set()


@dataclass(frozen=True)
class Explanation:
    """Exact decomposition of n scores.

    Parameters
    ----------
    base
        Points of the empty coalition, one number for all rows.
    contributions
        (n, n_features) in points.
    clamp
        (n,) points added to stay within 0..1000; its own line.
    points
        (n,) clamped points; ``base + contributions.sum(axis=1) + clamp == points`` to 1e-9.
    margin
        (n,) calibrated margin.
    component_base, component_contributions
        (n_components,) and (n, n_components, n_features): the same on the calibrated margin of each component.
    """

    base: float
    contributions: Matrix
    clamp: Matrix
    points: Matrix
    margin: Matrix
    component_base: Matrix
    component_contributions: Matrix
    _sums: dict[tuple[int, int], list[Any]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def component_margins(self) -> list[list[float]]:
        """(n, n_components) calibrated margins."""
        margins: list[list[float]] = (self.component_base + self.component_contributions.sum(axis=2)).tolist()
        return margins

    def sums(self, partition: Partition) -> list[list[float]]:
        """Return (n, n_classes) points: the contributions of each class, of all rows at once."""
        return self._kept(partition, self.contributions)

    def component_sums(self, partition: Partition) -> list[list[list[float]]]:
        """Return (n, n_components, n_classes): the same of each component, on its calibrated margin."""
        return self._kept(partition, self.component_contributions)

    def _kept(self, partition: Partition, values: Matrix) -> list[Any]:
        # A partition is of a bundle and outlives its explanations.
        key = id(partition), values.ndim
        if key not in self._sums:
            self._sums[key] = partition.sums_of_rows(values).tolist()
        return self._sums[key]


class Scorer:
    """A verified bundle, ready to score.

    Parameters
    ----------
    bundle
        A bundle whose bytes have been verified.
    threads
        Threads of LightGBM; 1 for single rows, because OpenMP's spinning costs more than it gains there.
    """

    def __init__(self, bundle: ScoreBundle, *, threads: int = 1) -> None:
        import lightgbm

        self.bundle = bundle
        self.manifest = bundle.manifest
        self.digest = bundle.digest
        self._threads = threads
        self._boosters = [
            lightgbm.Booster(model_str=bundle.booster_text(component.name)) for component in self.manifest.components
        ]
        self._exact = ExactBoosters(
            [bundle.booster_text(component.name) for component in self.manifest.components], self._boosters,
            engine=self.manifest.explained_by, threads=threads,
        )
        self._encoder = Encoder(self.manifest.features)
        self._slopes = np.array([component.slope for component in self.manifest.components])
        self._intercepts = np.array([component.intercept for component in self.manifest.components])
        self._weights = np.array([component.weight for component in self.manifest.components])
        self._check_golden()

    def encode(self, rows: Sequence[Mapping[str, Value]]) -> tuple[Matrix, list[list[str]]]:
        """Return the matrix of rows by name, and per row the features whose category was never seen."""
        return self._encoder.rows(rows)

    def encode_frame(self, frame: pd.DataFrame) -> Matrix:
        """Return the matrix of a frame by name; other columns are ignored."""
        return self._encoder.frame(frame)

    def raw(self, matrix: Matrix) -> Matrix:
        """Return (n, n_components) raw margins of the boosters."""
        columns = [booster.predict(matrix, raw_score=True, num_threads=self._threads) for booster in self._boosters]
        return np.column_stack(columns)

    def component_margins(self, matrix: Matrix) -> Matrix:
        """Return (n, n_components) calibrated margins."""
        calibrated: Matrix = self.raw(matrix) * self._slopes + self._intercepts
        return calibrated

    def margin(self, matrix: Matrix) -> Matrix:
        """Return (n,) margins of the score."""
        margins: Matrix = self.component_margins(matrix) @ self._weights
        return margins

    def points(self, matrix: Matrix) -> Matrix:
        """Return (n,) clamped points."""
        scale = self.manifest.scale
        # The operations of `scale.points` and `scale.clamp` in their order, so the same bits, without a loop.
        points = POINTS_AT_REFERENCE + scale.slope * (self.margin(matrix) - scale.reference_margin)
        clamped: Matrix = points + (np.minimum(np.maximum(points, POINTS_MIN), POINTS_MAX) - points)
        return clamped

    @property
    def engine(self) -> str:
        """What computes contributions unless another engine is asked for, as the bundle says."""
        return self._exact.engine

    def explain(self, matrix: Matrix, *, engine: str | None = None) -> Explanation:
        """Return the exact decomposition of each row: path-dependent TreeSHAP, scaled to points.

        Parameters
        ----------
        engine
            Whose arithmetic to use, as a record names it; by default `engine`. They agree to 1e-12 and not to the last bit.

        Raises
        ------
        BundleRefused
            If this version does not have the engine.

        References
        ----------
        Lundberg, Erion and Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018, algorithm 2.
        """
        scale = self.manifest.scale
        expected, values = self._exact.contributions(matrix, engine)
        component_base = np.array(expected) * self._slopes + self._intercepts
        component_parts = values * self._slopes[:, None]
        base = scale.points(float(component_base @ self._weights))
        contributions = np.einsum("nkp,k->np", component_parts, self._weights) * scale.slope
        unclamped = base + contributions.sum(axis=1)
        clamp = np.array([scale.clamp(p) for p in unclamped.tolist()])
        margin = np.array([scale.margin(p) for p in unclamped.tolist()])
        return Explanation(base, contributions, clamp, unclamped + clamp, margin, component_base, component_parts)

    def threaded(self, threads: int) -> Scorer:
        """Return the same scorer with another number of threads for many rows; its values are the same."""
        made = copy.copy(self)
        made._threads, made._exact = threads, self._exact.threaded(threads)
        return made

    def _check_golden(self) -> None:
        golden = self.bundle.golden
        if not golden.rows:
            raise BundleRefused("bundle has no golden rows", where=self.digest[:16])
        rows = np.array([[math.nan if v is None else v for v in row] for row in golden.rows])
        difference = float(np.max(np.abs(self.raw(rows) - np.array(golden.raw))))
        if not difference <= GOLDEN_TOLERANCE:
            raise BundleRefused(
                f"golden rows differ by {difference:.3g}, at most {GOLDEN_TOLERANCE} is allowed", where=self.digest[:16]
            )


def load_scorer(folder: Path, keys_dir: Path, *, digest: str | None = None, threads: int = 1) -> Scorer:
    """Verify a bundle folder, prove it in a throw-away child process, and return a scorer on the verified bytes.

    Raises
    ------
    BundleRefused
        If digest, signature, format or golden rows do not hold, or the child that parsed the trees died.
    """
    files = read_files(folder)
    met = verify_files(files, keys_dir, where=str(folder), digest=digest)
    bundle = parse_bundle(files, where=str(folder))
    prove_in_child(folder, met)
    return Scorer(bundle, threads=threads)


def proved_before(digests: Iterable[str]) -> None:
    """Say which bundles the parent of this process has proved."""
    _proved.update(digests)


def prove_in_child(folder: Path, digest: str) -> None:
    """Let a throw-away process parse the trees of a verified bundle and try the golden rows.

    The digest covers every byte, so a bundle that has been proved is not proved again in this process.

    Raises
    ------
    BundleRefused
        If the process died, hung, or the rows differ.
    """
    if digest in _proved:
        return
    # A text that passes its signature can still have been signed damaged; then the child dies instead of the service.
    command = [sys.executable, "-m", "registry.scorer", str(folder), digest]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S, check=False)  # noqa: S603 - our own interpreter and module
    except subprocess.TimeoutExpired:
        raise BundleRefused(f"bundle {digest[:16]} hangs when parsed", where=str(folder)) from None
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise BundleRefused(
            f"bundle {digest[:16]} cannot be parsed (exit {result.returncode}: {last})", where=str(folder)
        )
    _proved.add(digest)


def _child(arguments: Sequence[str]) -> None:
    folder, digest = Path(arguments[0]), arguments[1]
    bundle = parse_bundle(read_files(folder), where=str(folder))
    if bundle.digest != digest:
        raise BundleRefused(f"bundle changed while it was read: {bundle.digest[:16]} is not {digest[:16]}")
    Scorer(bundle)


if __name__ == "__main__":
    # The child needs numbers and trees only. LightGBM does without these packages, and they are most of its import time.
    for optional in ("dask", "graphviz", "matplotlib", "pandas", "pyarrow", "sklearn"):
        sys.modules[optional] = None  # type: ignore[assignment]  # None makes the import fail, as documented
    _child(sys.argv[1:])
