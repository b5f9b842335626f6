"""Study `mot-surface`: the simulated province's failed inspections beside real ones, by age and mileage.

No inspection of a Chinese truck is here: the real surface is British and nearly all cars, so levels and kilometres differ for good
reasons, and what is compared is shape: how failure rises with age, and with mileage among vehicles of the same age.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.mot_surface_data import (
    AGES,
    KM_EDGES,
    QUINTILES,
    Inspected,
    province_of,
    read_mot,
    real_inspections,
    simulated_inspections,
)
from experiments.results import Figure, study_result
from features.simulation.assumptions import ConditionAssumptions
from registry.errors import DataError
from registry.output import ProgressCallback
from registry.settings import Settings

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

STUDY: Final = "mot-surface"
REPLICATES: Final = 300
LEAST_SIMULATED: Final = 20
LEAST_REAL: Final = 1_000
"""Fewest inspections for a cell to count."""
LEAST_CELLS: Final = 4
CLEARLY: Final = 1.25
"""Ratio of two gradients beyond which the simulated surface is called unlike the real one. [A]"""
PUBLISHED: Final = {"fail_3y_below_30k_miles": 0.097, "fail_12y_above_120k_miles": 0.492}
PROTOCOL: Final = {
    "real": "214.6 million MOT tests of the United Kingdom by whole year of age and 10,000 miles; open government data; nearly all "
    "cars. Tests without an odometer reading (mileage 0) are left out of the surface",
    "simulated": "regular inspections that the home's simulated province delivered (no re-inspections), by age since "
    "registration and odometer, with the true probability of failing from its truth",
    "cells": "two years of age from 3 to 15, by kilometres and by the fifth of mileage among vehicles of the same year of age; at "
    "least 20 simulated and 1,000 real inspections each",
    "compared": "rank correlation over cells; mean absolute difference of the rates, each over its own mean, weighted by simulated "
    "inspections; gradients of the log odds by weighted least squares. Intervals by drawing whole simulated vehicles",
    "published": "real failure rates at two corners, recomputed from the file",
}


def mot_surface(
    settings: Settings, *, data: Path | None = None, progress: ProgressCallback | None = None, replicates: int = REPLICATES
) -> dict[str, Any]:
    """Run the study and return its result in the common form.

    Parameters
    ----------
    settings
        Home whose province is compared; without a province a tiny one is simulated for the study and thrown away.
    data
        Folder of the real data, by default `settings.real_data_dir`.
    progress
        Told what is being done.
    replicates
        Bootstrap draws of whole simulated vehicles.

    Raises
    ------
    ConfigurationError
        If the real data are not there.
    DataError
        If the province is too small for a surface.
    """
    started, tell = time.monotonic(), progress or _silent
    tell("read the real tests", 0.0)
    mot = read_mot(data or settings.real_data_dir)
    real = real_inspections(mot)
    tell("read the simulated inspections", 0.2)
    simulated, probability, province = _province(settings)
    found = {}
    for place, axis in enumerate(("mileage_fifth", "kilometres")):
        tell(f"compare by age and {axis.replace('_', ' ')}", 0.4 + 0.3 * place)
        found[axis] = compare(real, simulated, probability, axis=axis, replicates=replicates, seed=settings.seed)
    tell("done", 1.0)
    return study_result(
        STUDY, _corners(mot), protocol=PROTOCOL, seconds=time.monotonic() - started, province=province, surfaces=found,
        inspections={
            "real": float(real.count.sum()), "simulated": len(simulated.km), "real_fail_rate": _mean(real.failed, real.count),
            "simulated_reported_fail_rate": float(simulated.failed.mean()), "simulated_true_fail_rate": float(probability.mean()),
        },
        proposal=_proposal(real, found["mileage_fifth"]), verdict=_verdict(found), simulated=True,
    )


def _province(settings: Settings) -> tuple[Inspected, FloatArray, dict[str, Any]]:
    if (settings.truth_dir / "vehicle_month.parquet").is_file():
        return *simulated_inspections(settings.outbox_dir, settings.truth_dir), province_of(settings)
    from features.simulation.presets import TINY
    from features.simulation.province import simulate_province

    with tempfile.TemporaryDirectory(prefix="mot-surface-") as folder:
        outbox, truth = Path(folder) / "outbox", Path(folder) / "truth"
        simulate_province(TINY, seed=settings.seed, outbox=outbox, truth=truth)
        return *simulated_inspections(outbox, truth), {"preset": "tiny", "seed": settings.seed, "thrown_away": True}


def _corners(mot: pd.DataFrame) -> dict[str, Figure]:
    young = (mot["age"] == 3) & (mot["mileage"] < 30_000)
    old = (mot["age"] == 12) & (mot["mileage"] >= 120_000)
    return {
        name: Figure(_mean(mot.loc[rows, "failed"], mot.loc[rows, "count"]), PUBLISHED[name], "nearer")
        for name, rows in zip(PUBLISHED, (young, old), strict=True)
    }


def _mean(failed: Any, count: Any) -> float:
    return float(np.sum(failed) / np.sum(count))


def compare(
    real: Inspected, simulated: Inspected, probability: FloatArray, *, axis: str, replicates: int, seed: int
) -> dict[str, Any]:
    """Return both surfaces on one grid, and numbers of how alike they are.

    Parameters
    ----------
    real, simulated
        Inspections.
    probability
        True probability of failing of each simulated inspection, shape (n,).
    axis
        ``kilometres``, or ``mileage_fifth`` among vehicles of the same year of age.
    replicates, seed
        Of the bootstrap.
    """
    shape = (len(AGES) - 1, QUINTILES if axis == "mileage_fifth" else len(KM_EDGES) - 1)
    theirs, cells = _cells(real, axis, shape), _cells(simulated, axis, shape)
    real_n, real_rate = _surface(theirs, real.count, real.failed, shape)
    n, rate = _surface(cells, simulated.count, probability, shape)
    reported = _surface(cells, simulated.count, simulated.failed, shape)[1]
    common = (n >= LEAST_SIMULATED) & (real_n >= LEAST_REAL)
    if common.sum() < LEAST_CELLS:
        raise DataError(
            f"only {common.sum()} cells hold {LEAST_SIMULATED} simulated and {LEAST_REAL:,} real inspections", where=axis,
            remedy="Compare a larger simulated province.",
        )
    ours = _likeness(rate, real_rate, n, common)
    drawn = [
        _likeness(_surface(cells, weight, weight * probability, shape)[1], real_rate, n, common)
        for weight in _draws(simulated.unit, replicates, seed)
    ]
    return {
        "age_edges": list(AGES), "cells": int(common.sum()), "simulated_share_in_cells": float(n[common].sum() / len(simulated.km)),
        "real": _rows(real_rate, common), "simulated": _rows(rate, common), "simulated_reported": _rows(reported, common),
        "simulated_n": n.astype(int).tolist(), **ours,
        "intervals": {name: _ends([one[name] for one in drawn]) for name in ours if drawn and not name.startswith("real")},
    }


def _cells(inspected: Inspected, axis: str, shape: tuple[int, int]) -> IntArray:
    """Return the cell of each row, -1 outside the grid."""
    across = inspected.quintile() if axis == "mileage_fifth" else inspected.km_band
    age = inspected.age_band
    return np.where((age >= 0) & (across >= 0), age * shape[1] + across, -1)


def _surface(cells: IntArray, count: FloatArray, failed: FloatArray, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    inside, size = cells >= 0, shape[0] * shape[1]
    n, bad = (
        np.bincount(cells[inside], values[inside], minlength=size).reshape(shape).astype(np.float64) for values in (count, failed)
    )
    return n, np.divide(bad, n, out=np.full(shape, np.nan), where=n > 0)


def _draws(unit: IntArray, replicates: int, seed: int) -> Any:
    """Yield how often each inspection counts when whole vehicles are drawn."""
    rng, n = np.random.default_rng(seed), int(unit.max()) + 1
    for _ in range(replicates):
        yield np.bincount(rng.integers(0, n, n), minlength=n)[unit].astype(np.float64)


def _likeness(rate: FloatArray, real: FloatArray, n: FloatArray, common: npt.NDArray[np.bool_]) -> dict[str, float]:
    common = common & np.isfinite(rate)
    weight, ours, theirs = n[common], rate[common], real[common]
    scaled = [values / np.average(values, weights=weight) for values in (ours, theirs)]
    found = {
        "rank_correlation": float(np.corrcoef(pd.Series(ours).rank(), pd.Series(theirs).rank())[0, 1]),
        "mean_absolute_difference": float(np.average(np.abs(scaled[0] - scaled[1]), weights=weight)),
    }
    for name, values in (("simulated", ours), ("real", theirs)):
        age, across = _gradients(values, np.argwhere(common), weight)
        found |= {f"{name}_log_odds_per_year": age, f"{name}_log_odds_per_step_of_mileage": across}
    return found


def _gradients(rate: FloatArray, places: IntArray, weight: FloatArray) -> tuple[float, float]:
    """Return the slopes of the log odds per year of age and per step of the other axis."""
    middles = (np.array(AGES[:-1]) + np.array(AGES[1:])) / 2.0
    design = np.column_stack([np.ones(len(rate)), middles[places[:, 0]], places[:, 1]])
    odds = np.log(np.clip(rate, 1e-4, 1.0 - 1e-4) / (1.0 - np.clip(rate, 1e-4, 1.0 - 1e-4)))
    root = np.sqrt(weight)
    solved = np.linalg.lstsq(design * root[:, None], odds * root, rcond=None)[0]
    return float(solved[1]), float(solved[2])


def _rows(rate: FloatArray, common: npt.NDArray[np.bool_]) -> list[list[float | None]]:
    return [
        [round(float(value), 5) if known else None for value, known in zip(row, keep, strict=True)]
        for row, keep in zip(rate, common, strict=True)
    ]


def _ends(values: list[float]) -> list[float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return [float(low), float(high)]


def _verdict(found: Mapping[str, Any]) -> dict[str, str]:
    """Return in words how the simulated gradients stand to the real ones."""
    one, said = found["mileage_fifth"], {}
    for what, key in (("age", "log_odds_per_year"), ("mileage", "log_odds_per_step_of_mileage")):
        real, ours = one[f"real_{key}"], one[f"simulated_{key}"]
        if ours < real / CLEARLY:
            said[what] = f"flatter than the real one: {ours:+.3f} against {real:+.3f}"
        elif ours > real * CLEARLY:
            said[what] = f"steeper than the real one: {ours:+.3f} against {real:+.3f}"
        else:
            said[what] = f"like the real one: {ours:+.3f} against {real:+.3f}"
    return said


def _proposal(real: Inspected, by_fifth: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the real surface says of the simulation's assumptions on failing, for who keeps them."""
    age = np.floor(real.age_year)
    by_year = {int(year): _mean(real.failed[age == year], real.count[age == year]) for year in range(AGES[0], AGES[-1])}
    return {
        "real_fail_rate_over_age_3": {str(year): rate / by_year[AGES[0]] for year, rate in by_year.items()},
        "log_odds_per_year_to_add": by_fifth["real_log_odds_per_year"] - by_fifth["simulated_log_odds_per_year"],
        "log_odds_per_fifth_of_mileage_to_add": (
            by_fifth["real_log_odds_per_step_of_mileage"] - by_fifth["simulated_log_odds_per_step_of_mileage"]
        ),
        "about": "features.simulation.assumptions.ConditionAssumptions: fail_per_year_after_6 starts after year 6 and nothing "
        "depends on mileage but overdue maintenance. British cars, so a direction for an assumption [A] and not its value",
        "why": _why(ConditionAssumptions()),
    }


def _why(assumed: ConditionAssumptions) -> str:
    """Return in words where the simulated gradients come from."""
    def log_odds(age: float) -> float:
        share = assumed.fail_base + assumed.fail_per_year_after_6 * max(age - 6.0, 0.0)
        return float(np.log(share / (1.0 - share)))

    late = (log_odds(AGES[-1]) - log_odds(6.0)) / (AGES[-1] - 6.0)
    return (
        "Not survivorship: vehicles leave the province at random, whatever their wear, so the worst are not missing among the old. "
        "By the assumption alone the log odds of failing are level up to year 6 and rise by "
        f"{late:+.3f} a year from then to {AGES[-1]}; wear is drawn without regard to kilometres, so mileage shows in overdue "
        "maintenance alone"
    )


def _silent(_label: str, _share: float) -> None:
    return None
