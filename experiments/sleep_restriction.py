"""Study `sleep-restriction`: models of fatigue, and the fatigue score, against measured reaction times.

Eighteen volunteers, seven nights of 3 h in bed (Belenky et al. 2003; the data are `sleepstudy` of the R package lme4). They are
laboratory measurements of volunteers: no driver, no position and no accident is in them, and no driver-labelled position data
exist here at all.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.results import Figure, study_result
from experiments.sleep_restriction_mixed import MixedModel, correlation_of, fit_mixed, within_products
from experiments.sleep_restriction_protocol import DAYS, DOCUMENTED, FROM_DAY_0, Protocol, course
from experiments.sleep_restriction_score import ScoredCourse, score_course
from registry.errors import ConfigurationError, DataError
from registry.output import ProgressCallback
from registry.settings import Settings

FloatArray = npt.NDArray[np.floating[Any]]

STUDY: Final = "sleep-restriction"
FILE: Final = "fatigue/sleepstudy.csv"
OBTAIN: Final = (
    "Get `sleepstudy` of the R package lme4 as CSV (Reaction, Days, Subject) and name its folder with --data or "
    "ROADRISK_REAL_DATA_DIR."
)
REPLICATES: Final = 2000
PUBLISHED: Final = {"reml_criterion": 1743.6, "intercept_ms": 251.405, "slope_ms_per_day": 10.467}
PROTOCOL: Final = {
    "data": "180 mean reaction times: 18 volunteers on 10 days. Days 0 and 1 are adaptation and training, day 2 the baseline, "
    "days 3 to 9 follow nights of 3 h in bed, as the data's documentation says",
    "published": "linear mixed model of reaction time on day with random intercept and slope, all ten days, restricted maximum "
    "likelihood (R package lme4)",
    "assumed [A]": "in bed 23:00 to 07:00 before days 0 to 2 and for two weeks before them, 04:00 to 07:00 after; tests at 9:00, "
    "12:00, 15:00 and 21:00; time in bed is slept; every volunteer is the models' average person",
    "compared": "each model's daily mean as the one predictor of reaction time in the same mixed model, on days 2 to 9 (training "
    "effects are in days 0 and 1); correlation within subject; intervals by resampling whole subjects",
    "score": "the live driver_fatigue score, if the home has one: sleep inputs from the schedule, every other input at the "
    "median of its reference population. It was trained on a simulated province",
    "source": "Belenky et al., J. Sleep Research 12, 2003; Bates et al., J. Statistical Software 67(1), 2015",
}


def load(data_dir: Path) -> pd.DataFrame:
    """Return the measurements as `day`, `subject` and `reaction_ms`.

    Raises
    ------
    ConfigurationError
        If the file is not there.
    DataError
        If it is not the file that is meant.
    """
    if not (data_dir / FILE).is_file():
        raise ConfigurationError(f"no file {FILE}", where=str(data_dir), remedy=OBTAIN)
    frame = pd.read_csv(data_dir / FILE)
    if {*frame.columns} < {"Reaction", "Days", "Subject"} or not frame["Days"].isin(range(DAYS)).all():
        raise DataError("not reaction times of days 0 to 9 by subject", where=str(data_dir / FILE), remedy=OBTAIN)
    return pd.DataFrame({
        "day": frame["Days"].astype(np.int64), "subject": frame["Subject"].astype(str), "reaction_ms": frame["Reaction"],
    })


def sleep_restriction(
    settings: Settings, *, data: Path | None = None, progress: ProgressCallback | None = None, replicates: int = REPLICATES
) -> dict[str, Any]:
    """Run the study and return its result in the common form.

    Parameters
    ----------
    settings
        Home whose live fatigue score is tried, folder of the real data, and the seed of the bootstrap.
    data
        Folder of the real data, by default `settings.real_data_dir`.
    progress
        Told what is being done.
    replicates
        Bootstrap draws of whole subjects.

    Raises
    ------
    ConfigurationError
        If the data are not there.
    """
    started, tell = time.monotonic(), progress or _silent
    tell("reproduce the published model", 0.0)
    frame = load(data or settings.real_data_dir)
    linear = _mixed(frame["day"].to_numpy(dtype=np.float64), frame)
    tell("models of fatigue", 0.2)
    scored = score_course(settings, course(DOCUMENTED))
    days = _predictors(DOCUMENTED, scored)
    baseline_on = frame.loc[frame["day"] >= DOCUMENTED.last_rested_day]
    drawn = _draws(baseline_on, replicates, settings.seed)
    models = {name: _judge(values, baseline_on, drawn) for name, values in days.items()}
    tell("the older reading of the days", 0.8)
    older = {name: _judge(values, frame, None) for name, values in _predictors(FROM_DAY_0, None).items()}
    tell("done", 1.0)
    means = frame.groupby("day")["reaction_ms"].mean()
    return study_result(
        STUDY, _figures(linear), protocol=PROTOCOL, seconds=time.monotonic() - started,
        mixed_model=_told(linear), models=models, all_days_from_day_0=older,
        by_day={"reaction_ms": means.tolist(), **{name: values.tolist() for name, values in days.items()}},
        score=_score_told(scored, means.to_numpy()), clock=_clock(DOCUMENTED), gains=_gains(baseline_on, days, drawn),
        verdict=_verdict(models, scored), simulated=False,
    )


def _mixed(x: FloatArray, frame: pd.DataFrame) -> MixedModel:
    return fit_mixed(x, frame["reaction_ms"].to_numpy(dtype=np.float64), frame["subject"].to_numpy())


def _figures(linear: MixedModel) -> dict[str, Figure]:
    ours = {"reml_criterion": linear.criterion, "intercept_ms": linear.intercept, "slope_ms_per_day": linear.slope}
    return {name: Figure(value, PUBLISHED[name], "nearer") for name, value in ours.items()}


def _predictors(protocol: Protocol, scored: ScoredCourse | None) -> dict[str, FloatArray]:
    """Return the daily means of every predictor, shape (DAYS,); all of them rise with fatigue."""
    told = course(protocol)
    nights = np.maximum(np.arange(DAYS, dtype=np.float64) - protocol.last_rested_day, 0.0)
    found = {
        "restricted_nights": nights, "tpm_kss": told.kss.mean(axis=1), "safte_loss_pct": 100.0 - told.effectiveness.mean(axis=1),
        "unified_fatigue": told.unified.mean(axis=1),
    }
    return found if scored is None else found | {"fatigue_score_points": scored.points.mean(axis=1)}


def _judge(values: FloatArray, frame: pd.DataFrame, drawn: FloatArray | None) -> dict[str, Any]:
    """Return how well one daily predictor follows the measurements; `drawn` counts subjects, shape (replicates, n_subjects)."""
    x, y, subject = _columns(values, frame)
    if np.ptp(x) == 0:
        return {"constant": True}
    model, products = fit_mixed(x, y, subject), within_products(x, y, subject)
    found: dict[str, Any] = {
        "within_subject_correlation": float(correlation_of(products.sum(axis=0))), "marginal_r2": model.marginal_r2,
        "conditional_r2": model.conditional_r2, "ms_per_unit": model.slope, "ms_per_unit_error": model.slope_error,
        "residual_sd_ms": float(np.sqrt(model.residual_variance)),
    }
    if drawn is not None:
        found["within_subject_interval"] = _interval(correlation_of(drawn @ products))
    return found


def _columns(values: FloatArray, frame: pd.DataFrame) -> tuple[FloatArray, FloatArray, npt.NDArray[Any]]:
    return values[frame["day"].to_numpy()], frame["reaction_ms"].to_numpy(dtype=np.float64), frame["subject"].to_numpy()


def _draws(frame: pd.DataFrame, replicates: int, seed: int) -> FloatArray:
    """Return how often each subject is drawn in each replicate; whoever is drawn twice counts twice."""
    n = frame["subject"].nunique()
    counts: FloatArray = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=replicates).astype(np.float64)
    return counts


def _interval(found: FloatArray) -> list[float]:
    low, high = np.quantile(found, (0.025, 0.975))
    return [float(low), float(high)]


def _gains(frame: pd.DataFrame, days: Mapping[str, FloatArray], drawn: FloatArray) -> dict[str, Any]:
    """Return by how much the correlation of each model exceeds that of the Three-Process Model, with an interval."""
    products = {name: within_products(*_columns(values, frame)) for name, values in days.items()}
    found = {}
    for name in ("safte_loss_pct", "unified_fatigue"):
        ours, theirs = (
            correlation_of(np.vstack([np.ones(drawn.shape[1]), drawn]) @ products[key]) for key in (name, "tpm_kss")
        )
        gain = ours - theirs
        found[f"{name} over tpm_kss"] = {"gain": float(gain[0]), "interval": _interval(gain[1:])}
    return found


def _told(model: MixedModel) -> dict[str, Any]:
    return {
        "intercept_ms": model.intercept, "slope_ms_per_day": model.slope, "slope_error": model.slope_error,
        "random_sd_ms": [float(np.sqrt(value)) for value in np.diag(model.covariance)],
        "residual_sd_ms": float(np.sqrt(model.residual_variance)), "marginal_r2": model.marginal_r2,
        "conditional_r2": model.conditional_r2,
    }


def _score_told(scored: ScoredCourse | None, means: FloatArray) -> dict[str, Any] | None:
    if scored is None:
        return None
    daily = scored.points.mean(axis=1)
    restricted = slice(DOCUMENTED.last_rested_day, None)
    together = float(np.corrcoef(daily[restricted], means[restricted])[0, 1]) if np.ptp(daily[restricted]) else None
    return {
        "version": scored.version, "digest": scored.digest, "simulated": scored.simulated, "set_inputs": list(scored.set_inputs),
        "median_inputs": scored.median_inputs, "points_above_rested": (daily - daily[0]).tolist(),
        "from_sleep_inputs": scored.from_sleep.tolist(), "correlation_with_group_mean": together,
    }


def _clock(protocol: Protocol) -> dict[str, Any]:
    return {
        "tag": "[A]", "rested_bed_h": list(protocol.rested_bed_h), "restricted_bed_h": list(protocol.restricted_bed_h),
        "test_h": list(protocol.test_h), "last_rested_day": protocol.last_rested_day, "asleep_share": protocol.asleep_share,
    }


def _verdict(models: Mapping[str, Mapping[str, Any]], scored: ScoredCourse | None) -> str:
    ranked = sorted(
        (name for name in ("tpm_kss", "safte_loss_pct", "unified_fatigue")),
        key=lambda name: -models[name]["within_subject_correlation"],
    )
    order = " > ".join(f"{name} {models[name]['within_subject_correlation']:.3f}" for name in ranked)
    counted = models["restricted_nights"]["within_subject_correlation"]
    said = f"correlation within subject, days 2 to 9: {order}; counting nights {counted:.3f}"
    if scored is None:
        return f"{said}. No fatigue score is live in this home: the physics alone was tried"
    found = models["fatigue_score_points"]
    if "constant" in found:
        return f"{said}. The live fatigue score did not move with the schedule"
    return f"{said}; live fatigue score (trained on simulated data) {found['within_subject_correlation']:.3f}"


def _silent(_label: str, _share: float) -> None:
    return None
