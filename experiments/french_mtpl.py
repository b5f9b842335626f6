"""Study `french-mtpl`: the trainer, bundle and explanation on a real motor portfolio with published results.

Two protocols, two scores: the frequency protocol judges a claim frequency on unclipped data, the pure premium protocol
a frequency times severity on clipped data. The second is the bundle `french_mtpl` that the service can serve.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from experiments import french_data
from experiments.results import Figure, study_result
from registry.answers import answer_of
from registry.encoding import as_row
from registry.output import ProgressCallback
from registry.scorer import Scorer, load_scorer
from registry.settings import Settings
from training import metrics
from training.calibration import calibrate
from training.evaluation import PREMIUM_POWER
from training.fit import fit_score
from training.matrix import outcome
from training.pipeline import TrainedScore, finish
from training.splits import FOLD, TEST, random_folds
from training.task import ComponentTask, TrainingTask

STUDY: Final = "french-mtpl"
PRODUCT: Final = "french_mtpl"
VALID_SHARE: Final = 0.1
TEST_SHARE: Final = 0.33
REPLICATES: Final = 40
APPROVER: Final = "roadrisk experiment"

PUBLISHED: Final = {
    "poisson_deviance_test": 0.5729, "balance_train": 1.0, "balance_test": 1.0, "pure_premium_d2_test": 0.0137,
    "pure_premium_gini_test": 0.306,
}
PROTOCOL: Final = {
    "frequency": "no clipping; train_test_split(test_size=0.33, random_state=0); target claims / exposure with weight "
    "exposure; mean Poisson deviance on the test set; early stopping on a tenth of the training set. Published: "
    "LightGBM Poisson, 100 trees, 31 leaves, untuned",
    "balance": "sum of predicted over sum of observed claims of the frequency model; balance_train on the whole "
    "training set; published is the balance property itself",
    "pure premium": "claims clipped at 4, exposure at 1, amount per policy at 200,000, no claim without an amount; "
    "default split with random_state=0; frequency times severity; Tweedie D2 at power 1.9 and Gini on an exposure axis",
    "source": "scikit-learn 1.5 documentation, examples on Poisson regression and on Tweedie regression for claims",
}
UNCLIPPED_FREQUENCY: Final[Mapping[str, Any]] = {
    "num_leaves": 255, "max_depth": -1, "min_data_in_leaf": 20, "max_bin": 1023,
}
"""Chosen on the validation fold: many leaves, and fine bins because density has 1,607 values and nearly names a town."""
FREQUENCY: Final[Mapping[str, Any]] = {"num_leaves": 31, "max_depth": -1, "min_data_in_leaf": 100}
"""Chosen on the validation fold: without the claims that have no amount, more leaves than this lose."""
SEVERITY: Final[Mapping[str, Any]] = {
    "num_leaves": 2, "min_data_in_leaf": 500, "learning_rate": 0.03, "lambda_l2": 100.0, "cat_smooth": 200.0,
    "cat_l2": 100.0, "n_trees": 100, "patience": 0,
}
"""Amounts are nearly noise: five-fold cross-validation within the training set (repeated four times) prefers stumps, an
additive model, to deeper trees, and is flat from 30 to 100 of them; one validation fold cannot tell when to stop."""


@dataclass(frozen=True)
class Prepared:
    """A frame with folds and the task that reads it."""

    task: TrainingTask
    frame: pd.DataFrame


def french_mtpl(
    settings: Settings, *, data: Path | None = None, register: bool = True, progress: ProgressCallback | None = None,
    frequency_parameters: Mapping[str, Any] | None = None, now: datetime | None = None,
) -> dict[str, Any]:
    """Run the study and return its result in the common form.

    Parameters
    ----------
    settings
        Where things lie; the seed decides folds and trees.
    data
        Folder of the real data, by default `settings.real_data_dir`.
    register
        Whether to register the pure premium bundle and promote it, so that the service serves it.
    progress
        Told what is being done.
    frequency_parameters
        LightGBM parameters of both frequency models over the study's own, for a cheaper run.
    now
        Instant of the promotion, by default the clock's.

    Raises
    ------
    ConfigurationError
        If the data or the signing key are not there.
    """
    started = time.monotonic()
    tell = progress or _silent
    tell("read the portfolio", 0.0)
    policies, snapshot = french_data.load(data or settings.real_data_dir)
    tell("fit the frequency protocol", 0.05)
    figures = _frequency_figures(frequency_protocol(policies, settings.seed, frequency_parameters), settings)
    tell("fit the pure premium protocol", 0.45)
    premium = premium_protocol(policies, settings.seed, frequency_parameters)
    fitted = fit_score(premium.task, premium.frame, seed=settings.seed, threads=settings.threads)
    tell("calibrate, write and evaluate the bundle", 0.8)
    settings.home.mkdir(parents=True, exist_ok=True)
    trained = finish(fitted, settings=settings, snapshot=snapshot, replicates=REPLICATES, register=register)
    scorer = load_scorer(trained.bundle_folder, settings.keys_dir, digest=trained.digest, threads=settings.threads)
    figures |= _premium_figures(scorer, premium.frame)
    if register:
        tell("promote", 0.95)
        _promote(settings, trained, now or datetime.now(UTC))
    tell("done", 1.0)
    return study_result(
        STUDY, figures, protocol=PROTOCOL, seconds=time.monotonic() - started,
        bundle={
            "product": PRODUCT, "digest": trained.digest, "version": trained.version,
            "folder": str(trained.bundle_folder.relative_to(settings.home)),
            "card": str((trained.card_folder / "card.md").relative_to(settings.home)),
        },
        **_example(scorer, premium.frame),
    )


def frequency_protocol(
    policies: pd.DataFrame, seed: int, parameters: Mapping[str, Any] | None = None
) -> Prepared:
    """Return frame and task of the frequency protocol; `parameters` go over the study's own."""
    frame = policies.assign(**{FOLD: _folds(policies, TEST_SHARE, seed)})
    return Prepared(_task(policies, (_frequency({**UNCLIPPED_FREQUENCY, **(parameters or {})}),), answer="rate"), frame)


def premium_protocol(
    policies: pd.DataFrame, seed: int, parameters: Mapping[str, Any] | None = None
) -> Prepared:
    """Return frame and task of the pure premium protocol; `parameters` go over the frequency's own."""
    clipped = french_data.clipped(policies)
    frame = clipped.assign(**{FOLD: _folds(policies, None, seed)})
    severity = ComponentTask(
        name="severity", objective="gamma", target="average_amount", weight="claims", at_risk="has_amount",
        parameters=SEVERITY,
    )
    frequency = _frequency({**FREQUENCY, **(parameters or {})})
    return Prepared(_task(policies, (frequency, severity), answer="pure_premium"), frame)


def _folds(policies: pd.DataFrame, share: float | None, seed: int) -> Any:
    return random_folds(french_data.is_test(len(policies), share=share), valid_share=VALID_SHARE, seed=seed).to_numpy()


def _frequency(parameters: Mapping[str, Any]) -> ComponentTask:
    return ComponentTask(
        name="frequency", objective="poisson", target="claims", exposure="exposure_year", parameters=parameters
    )


def _task(policies: pd.DataFrame, components: tuple[ComponentTask, ...], *, answer: str) -> TrainingTask:
    task = TrainingTask(
        id=PRODUCT, zh="法国机动车第三者责任险组合", en="French motor third-party liability portfolio",
        entity="request", answer="rate", exposure_unit="year", currency="EUR", horizon_d=365,
        features=french_data.features(policies), components=components, group="policy_id", simulated=False,
        baseline="bonus_malus",
        purpose="shows on a real portfolio with published results that trainer, bundle, explanation and service work",
        outcome="claims and claim amounts per policy year",
        limits=(
            "French private cars of about 2004, third-party liability: no statement about trucks or about China.",
            "Amounts are euros.",
            "The published split is random by policy, not out of time; near-identical policies fall on both sides.",
            "Driver's age is an input of the published models; whether a price may use it is for the law to say.",
        ),
    )
    return replace(task, answer="pure_premium", amount="amount") if answer == "pure_premium" else task


def _frequency_figures(prepared: Prepared, settings: Settings) -> dict[str, Figure]:
    calibrated, _ = calibrate(
        fit_score(prepared.task, prepared.frame, seed=settings.seed, threads=settings.threads)
    )
    data = calibrated.data
    target = outcome(data.task.components[0], data.frame)
    predicted = np.exp(calibrated.margin)
    test, fitted = data.in_fold(TEST), data.fitted_rows
    deviance = metrics.mean_deviance("poisson", target.label[test], predicted[test], target.weight[test])
    return {
        "poisson_deviance_test": Figure(deviance, PUBLISHED["poisson_deviance_test"], "lower"),
        **{
            name: Figure(
                metrics.balance(target.label[rows], predicted[rows], target.weight[rows]), PUBLISHED[name], "nearer"
            )
            for name, rows in (("balance_train", fitted), ("balance_test", test))
        },
    }


def _premium_figures(scorer: Scorer, frame: pd.DataFrame) -> dict[str, Figure]:
    """Judge what will be served: the bundle's own scorer on the published test rows."""
    test = frame.loc[frame[FOLD] == TEST]
    predicted = np.exp(scorer.component_margins(scorer.encode_frame(test)).sum(axis=1))
    exposure = test["exposure_year"].to_numpy()
    observed = test["amount"].to_numpy() / exposure
    d2 = metrics.d2("tweedie", observed, predicted, exposure, power=PREMIUM_POWER)
    gini = metrics.gini(observed, predicted, exposure)
    return {
        "pure_premium_d2_test": Figure(d2, PUBLISHED["pure_premium_d2_test"], "higher"),
        "pure_premium_gini_test": Figure(gini, PUBLISHED["pure_premium_gini_test"], "higher"),
    }


def _example(scorer: Scorer, frame: pd.DataFrame) -> dict[str, Any]:
    """Return a request with a real policy of the test rows, the first with a claim, and what must come back."""
    policy = frame.loc[(frame[FOLD] == TEST) & frame["has_amount"]].iloc[0]
    inputs = as_row({name: policy[name] for name in scorer.manifest.feature_names})
    matrix, _ = scorer.encode([inputs])
    margins = scorer.component_margins(matrix)[0].tolist()
    return {
        "example_request": {"features": inputs},
        "example_expected": {
            "points": float(scorer.points(matrix)[0]), "answer": answer_of(scorer.manifest, margins),
            "policy_id": int(policy["policy_id"]),
        },
    }


def _promote(settings: Settings, trained: TrainedScore, at: datetime) -> None:
    from registry.promotion import live, promote

    current = live(settings).get(PRODUCT)
    if current is not None and current.digest == trained.digest:
        return
    assert trained.version is not None
    promote(
        settings, PRODUCT, trained.version, approver=APPROVER, at=at,
        reason="study french-mtpl: a real portfolio for the service to answer",
    )


def _silent(_label: str, _share: float) -> None:
    return None
