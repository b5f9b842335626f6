"""The models that are live: found in the promotion ledger, verified, proved, and kept ready to score."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from registry.bundle import Manifest, ScoreBundle, parse_bundle, read_files
from registry.errors import ConfigurationError, IntegrityError, NotFound, ServiceUnavailable
from registry.products import PRODUCTS
from registry.recourse import thresholds
from registry.scorer import Scorer, load_scorer
from registry.settings import Settings
from registry.signing import verify_files

if TYPE_CHECKING:
    from registry.promotion import LiveModel

REQUEST_ENTITY: Final = "request"
MAX_OLD_SCORERS: Final = 8


@dataclass(frozen=True)
class LiveScorer:
    """A live model: its version in the model registry and its scorer."""

    version: str
    scorer: Scorer

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.scorer.manifest

    def warm(self) -> None:
        """Score a golden row and read what steps to a lower tier are sought among, so that no caller waits for lazy work."""
        row = [np.nan if value is None else value for value in self.scorer.bundle.golden.rows[0]]
        self.scorer.explain(np.array([row]))
        thresholds(self.scorer)

    @property
    def is_portfolio(self) -> bool:
        """Whether the caller sends every input."""
        return all(feature.entity == REQUEST_ENTITY for feature in self.manifest.features)


class Models(Protocol):
    """Whoever knows which models are live now."""

    @property
    def current(self) -> LiveModels:
        """The models of this instant; a request reads it once."""
        ...


class LiveModels:
    """Live scorers by product, and scorers of older digests for questions about past decisions.

    Parameters
    ----------
    live
        Product or portfolio -> live scorer.
    bundle_dir, keys_dir
        Where bundles of past decisions and the public key lie.
    """

    def __init__(self, live: Mapping[str, LiveScorer], bundle_dir: Path, keys_dir: Path) -> None:
        self.live = dict(live)
        self._bundle_dir, self._keys_dir = bundle_dir, keys_dir
        self._old: dict[str, Scorer] = {}
        self._lock = threading.Lock()

    @property
    def current(self) -> LiveModels:
        """These models: whoever needs no reloading holds them directly."""
        return self

    def named(self, name: str) -> LiveScorer:
        """Return the live model of a product or portfolio.

        Raises
        ------
        NotFound
            If none of this name is live.
        """
        if name not in self.live:
            raise NotFound(
                "no model of this name is live", where="models", remedy="GET /v1/models lists those that are."
            )
        return self.live[name]

    @property
    def portfolios(self) -> dict[str, LiveScorer]:
        """The live models whose inputs the caller sends."""
        return {name: model for name, model in self.live.items() if model.is_portfolio}

    def product(self, product_id: str) -> LiveScorer:
        """Return the live model of a declared product.

        Raises
        ------
        ServiceUnavailable
            If none is live.
        """
        if product_id not in self.live:
            raise ServiceUnavailable(
                f"product {product_id} has no live model",
                remedy="Train and promote a model: `roadrisk train`, `roadrisk models promote`; then restart.",
            )
        return self.live[product_id]

    def portfolio(self, name: str) -> LiveScorer:
        """Return the live model of a portfolio.

        Raises
        ------
        NotFound
            If there is no such portfolio.
        """
        portfolios = self.portfolios
        if name not in portfolios:
            known = ", ".join(sorted(portfolios)) or "none"
            raise NotFound(f"no portfolio {name!r}", where="portfolios", remedy=f"Live portfolios are: {known}.")
        return portfolios[name]

    def remember(self, earlier: LiveModels) -> None:
        """Keep the scorers of models that were in place before, for questions about their decisions."""
        scorers = [*earlier.live.values()]
        with self._lock:
            self._old = {**earlier._old, **{one.scorer.digest: one.scorer for one in scorers}}
            while len(self._old) > MAX_OLD_SCORERS:
                self._old.pop(next(iter(self._old)))

    def with_digest(self, product: str, digest: str) -> Scorer:
        """Return the scorer of a recorded decision, live or not.

        Raises
        ------
        BundleRefused
            If the bundle of that digest is gone or does not verify.
        """
        live = self.live.get(product)
        if live is not None and live.scorer.digest == digest:
            return live.scorer
        with self._lock:
            if digest not in self._old:
                folder = self._bundle_dir / f"{product}-{digest[:16]}"
                scorer = load_scorer(folder, self._keys_dir, digest=digest, threads=1)
                if len(self._old) >= MAX_OLD_SCORERS:
                    self._old.pop(next(iter(self._old)))
                self._old[digest] = scorer
            return self._old[digest]


def check_live(settings: Settings, *, proved: Collection[str] = ()) -> dict[str, LiveModel]:
    """Verify bytes and signature of every live bundle, and prove those not proved yet in a throw-away child.

    Returns
    -------
    dict
        Product -> what the promotion ledger names.

    Raises
    ------
    ConfigurationError
        If no model is live.
    IntegrityError
        If a bundle does not verify; the message names it.
    """
    models = _promoted(settings)
    with ThreadPoolExecutor(max_workers=settings.threads) as pool:
        list(pool.map(lambda model: _check(model, settings.keys_dir, proved), models.values()))
    return models


def load_live(settings: Settings, *, proved: Collection[str] = (), kept: LiveModels | None = None) -> LiveModels:
    """Load every live model; raises as `check_live` does.

    Parameters
    ----------
    settings
        Names promotion ledger, bundles and keys.
    proved
        Digests that this process or its parent has already proved in a throw-away child; bytes and signature are
        verified in any case.
    kept
        Models in place: one of the same version and digest is taken over, and stays found by its digest where it is replaced.
    """
    before = dict(kept.live) if kept else {}
    models = check_live(settings, proved=[*proved, *(model.scorer.digest for model in before.values())])
    live = {name: _taken_over(before.get(name), model) or _loaded(model, settings) for name, model in models.items()}
    found = LiveModels(live, settings.bundle_dir, settings.keys_dir)
    if kept is not None:
        found.remember(kept)
    return found


def _promoted(settings: Settings) -> dict[str, LiveModel]:
    from registry.promotion import live

    models = live(settings)
    if not models:
        raise ConfigurationError(
            "no model is live", where=str(settings.ledger_dir),
            remedy="Train and promote first: `roadrisk train`, then `roadrisk models promote`.",
        )
    return models


def _check(model: LiveModel, keys_dir: Path, proved: Collection[str]) -> None:
    try:
        bundle = _verified(model, keys_dir)
        if model.digest not in proved:
            load_scorer(model.folder, keys_dir, digest=model.digest, threads=1)
    except IntegrityError as error:
        raise type(error)(
            f"the live model of {model.product}, version {model.version}, is refused: {error.message}",
            where=error.where, details={**error.details, "product": model.product, "digest": model.digest},
            remedy=error.remedy or "Restore the bundle or roll back: `roadrisk models rollback`.",
        ) from error
    if bundle.manifest.product != model.product:
        raise ConfigurationError(
            f"the promotion ledger names a bundle of {bundle.manifest.product} for {model.product}",
            where=str(model.folder),
        )
    if model.product not in PRODUCTS and any(f.entity != REQUEST_ENTITY for f in bundle.manifest.features):
        raise ConfigurationError(
            f"model {model.product} is no declared product and its inputs do not come with the request",
            where=str(model.folder),
        )


def _taken_over(before: LiveScorer | None, model: LiveModel) -> LiveScorer | None:
    if before is None or (before.version, before.scorer.digest) != (str(model.version), model.digest):
        return None
    return before


def _loaded(model: LiveModel, settings: Settings) -> LiveScorer:
    return LiveScorer(str(model.version), Scorer(_verified(model, settings.keys_dir), threads=1))


def _verified(model: LiveModel, keys_dir: Path) -> ScoreBundle:
    files = read_files(model.folder)
    verify_files(files, keys_dir, where=str(model.folder), digest=model.digest)
    return parse_bundle(files, where=str(model.folder))
