"""Study `cmapss`: remaining useful life of turbofan engines with the platform's trainer, bundle and explanation.

The engines are NASA's simulation, an established public bench for prognostics; no vehicle, carrier or driver is in it.
Everything is chosen by cross-validation over training units; the last cycle of each test unit is predicted once, by what was
chosen.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from experiments.cmapss_data import CAP, DATASETS, REMAINING, UNIT, load, of_dataset
from experiments.cmapss_intervals import BANDS, RATE, band_of, conformal_by_unit, exact_range, judged
from experiments.cmapss_score import EVERY, OBJECTIVES, Rows, fit_hazard, fit_remaining, remaining_of, rows_of
from experiments.results import Figure, study_result
from experiments.table_keep import keep
from registry.output import ProgressCallback
from registry.settings import Settings
from training.fitted import FittedScore
from training.splits import FOLD, TEST

FloatArray = npt.NDArray[np.floating[Any]]

STUDY: Final = "cmapss"
REPLICATES: Final = 1000
AIM: Final = {"FD001": 14.9, "FD003": 13.36}
PUBLISHED: Final = {
    "FD001": {"LSTM": 16.14, "LSTM, second": 14.93, "CNN": 16.97, "random forest": 17.11, "untuned LightGBM": 15.05},
    "FD003": {"LSTM": 16.18, "LSTM, second": 14.20, "CNN": 15.68, "XGBoost": 13.36, "untuned LightGBM": 14.29},
}
PROTOCOL: Final = {
    "test": "the last cycle of each of 100 test units; remaining life capped at 125 cycles; root mean squared error",
    "chosen": "by cross-validation over training units alone (five parts by unit): health axes, inputs, objective, trees. Each "
    "unit counts once, over its cycles from the 20th on and at most 150 before failure. Test rows are predicted once",
    "machinery": "five boosters, each blind to a fifth of the units, merged into one; gamma or Poisson objective with a log link "
    "on remaining cycles plus 5; affine calibration; signed bundle; exact explanation",
    "intervals": "conformal by unit within bands of the prediction, on out-of-fold predictions of training units; stated rate 90 %",
    "hazard": "the discrete-time hazard of the product maintenance on the same rows, cycles in place of days; its mean life",
    "data": "NASA C-MAPSS, a simulation of turbofan engines; one operating setting. No road vehicle is in it",
    "source": "Saxena et al., PHM 2008 (data); figures of the other models are those published for the same protocol",
}


def cmapss(
    settings: Settings, *, data: Path | None = None, progress: ProgressCallback | None = None, units: int | None = None,
    every: int = EVERY, parameters: Mapping[str, Any] | None = None, datasets: Sequence[str] = DATASETS, hazard: bool = True,
    register: bool = False,
) -> dict[str, Any]:
    """Run the study and return its result in the common form.

    Parameters
    ----------
    settings
        Home of the bundles, keys, folder of the real data, seed and threads.
    data
        Folder of the real data, by default `settings.real_data_dir`.
    progress
        Told what is being done.
    units, every, parameters, datasets
        For a cheaper run: the first training units only, every how many of their cycles, LightGBM parameters over the study's own,
        and which records.
    hazard
        Whether to fit the discrete-time hazard too.
    register
        Whether to register the bundles; they are written and signed in any case.

    Raises
    ------
    ConfigurationError
        If the data or the signing key are not there.
    """
    started, tell = time.monotonic(), progress or _silent
    tell("read the records", 0.0)
    parts, snapshot = load(data or settings.real_data_dir)
    settings.home.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {}
    for place, dataset in enumerate(datasets):
        tell(f"inputs of {dataset}", place / len(datasets))
        rows = rows_of(of_dataset(parts["train"], dataset, units=units), of_dataset(parts["test"], dataset), every=every)
        within = _within(tell, place, len(datasets))
        found[dataset] = _record(dataset, rows, settings, snapshot, within, parameters, hazard=hazard, register=register)
    tell("done", 1.0)
    figures = {f"rmse_{dataset.lower()}_test": Figure(one["test"]["rmse"], AIM[dataset], "lower") for dataset, one in found.items()}
    figures |= {
        f"coverage_{dataset.lower()}_test": Figure(one["intervals"]["test"]["coverage"], RATE, "nearer")
        for dataset, one in found.items()
    }
    return study_result(
        STUDY, figures, protocol=PROTOCOL, seconds=time.monotonic() - started, records=found, verdict=_verdict(found),
        simulated=True,
    )


def _record(
    dataset: str, rows: Rows, settings: Settings, snapshot: str, tell: ProgressCallback, parameters: Mapping[str, Any] | None, *,
    hazard: bool, register: bool,
) -> dict[str, Any]:
    """Choose by cross-validation, then predict the test once; return everything about one record."""
    frame, truth = rows.frame, rows.frame[REMAINING].to_numpy()
    candidates: dict[str, FittedScore] = {}
    crossed: dict[str, FloatArray] = {}
    for place, objective in enumerate(OBJECTIVES):
        tell(f"{objective} by five parts", 0.1 + 0.3 * place)
        candidates[objective] = fit_remaining(
            dataset, rows, objective, seed=settings.seed, threads=settings.threads, parameters=parameters
        )
        crossed[objective] = remaining_of(candidates[objective].honest_margins)
    errors = {name: _unit_rmse(rows, one) for name, one in crossed.items()}
    chosen = min(errors, key=lambda name: errors[name])
    told: dict[str, Any] = {"cross_validation_rmse": errors, "chosen": chosen}
    test = (frame[FOLD] == TEST).to_numpy()
    if hazard:
        tell("discrete-time hazard", 0.7)
        honest, merged = fit_hazard(dataset, rows, seed=settings.seed, threads=settings.threads, parameters=_cheaper(parameters))
        told["hazard"] = {"cross_validation_rmse": _unit_rmse(rows, honest), "test_rmse": _rmse(merged[test], truth[test])}
    tell("bundle and explanation", 0.9)
    kept = keep(candidates[chosen], settings, snapshot, register=register).told()
    predicted = remaining_of(candidates[chosen].component_margins)
    told["test"] = _tested(predicted[test], truth[test], settings.seed)
    told["intervals"] = _intervals(rows, crossed[chosen], predicted, test)
    told["published_rmse"] = PUBLISHED[dataset]
    told["axis_shares"] = list(rows.axis_shares)
    return told | {key: kept[key] for key in ("bundle", "trees", "explanation", "example_request", "example_expected")}


def _cheaper(parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    # Fewer trees for the remaining life must not mean more for the hazard than it has of its own.
    return None if parameters is None else {key: value for key, value in parameters.items() if key != "n_trees"}


def _unit_rmse(rows: Rows, predicted: FloatArray) -> float:
    """Return the error over judged rows of training units, each unit counted once."""
    chosen = rows.judged
    unit = rows.frame.loc[chosen, UNIT]
    weight = 1.0 / unit.groupby(unit).transform("size").to_numpy()
    square = (predicted[chosen] - rows.frame.loc[chosen, REMAINING].to_numpy()) ** 2
    return float(np.sqrt(np.average(square, weights=weight)))


def _rmse(predicted: FloatArray, truth: FloatArray) -> float:
    return float(np.sqrt(np.mean((predicted - truth) ** 2)))


def _tested(predicted: FloatArray, truth: FloatArray, seed: int) -> dict[str, Any]:
    """Return the error on the test with an interval over test units, its bias, and the points of the picture."""
    square = (predicted - truth) ** 2
    drawn = np.random.default_rng(seed).integers(0, len(square), (REPLICATES, len(square)))
    low, high = np.quantile(np.sqrt(square[drawn].mean(axis=1)), (0.025, 0.975))
    return {
        "rmse": float(np.sqrt(square.mean())), "interval": [float(low), float(high)], "bias": float((predicted - truth).mean()),
        "units": len(square), "predicted": np.round(predicted, 3).tolist(), "observed": truth.tolist(),
    }


def _intervals(rows: Rows, crossed: FloatArray, predicted: FloatArray, test: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return stated and realised coverage and mean width, within bands and, for comparison, with one width for all."""
    frame, judge = rows.frame, rows.judged
    truth, unit = frame[REMAINING].to_numpy(), frame[UNIT].to_numpy()
    banded = conformal_by_unit(crossed[judge], truth[judge], unit[judge])
    single = conformal_by_unit(crossed[judge], truth[judge], unit[judge], edges=(0.0, CAP))
    tested = judged(banded, predicted[test], truth[test], unit[test])
    covered = round(tested["coverage"] * tested["units"])
    low, high = banded.interval(predicted[test])
    band, inside = band_of(predicted[test], BANDS), (low <= truth[test]) & (truth[test] <= high)
    return {
        "stated": RATE, "test": tested | {"coverage_range": list(exact_range(covered, tested["units"]))},
        "training_out_of_fold": judged(banded, crossed[judge], truth[judge], unit[judge]),
        "one_width": judged(single, predicted[test], truth[test], unit[test]),
        "bands": [
            {"from": BANDS[k], "to": BANDS[k + 1], "half_width": _finite(banded.half_width[k]),
             "calibrating_units": int(banded.units[k]), "test_units": int((band == k).sum()),
             "test_covered": int(inside[band == k].sum())}
            for k in range(len(BANDS) - 1)
        ],
        "low": np.round(low, 3).tolist(), "high": np.round(high, 3).tolist(),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _verdict(found: Mapping[str, Any]) -> str:
    said = []
    for dataset, one in found.items():
        reached = "reached" if one["test"]["rmse"] < AIM[dataset] else "missed"
        low, high = one["intervals"]["test"]["coverage_range"]
        agrees = "agrees with" if low <= RATE <= high else "differs from"
        said.append(
            f"{dataset}: RMSE {one['test']['rmse']:.2f}, aim {AIM[dataset]} {reached}; intervals cover "
            f"{one['intervals']['test']['coverage']:.0%} (95 % range {low:.0%} to {high:.0%}), which {agrees} the stated {RATE:.0%}"
        )
    return ". ".join(said)


def _within(tell: ProgressCallback, place: int, count: int) -> ProgressCallback:
    return lambda label, share: tell(label, (place + share) / count)


def _silent(_label: str, _share: float) -> None:
    return None
