"""`roadrisk experiment oracle`: how near each live score comes to the best that any score could do.

The simulation knows the true intensity behind every outcome. Used as a score on the very rows on which a model is judged out
of time, it gives the metric that no model can beat but by luck. Beside it stands how much each score has to do with where
inspectors look: a score that follows inspection more than the truth does has learned the inspectors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.calibration_tables import province_of
from experiments.truth_panel import TruthPanel, hazards, read_panel
from features.build import TIMESTAMP
from features.enterprise_risk import HORIZON_D as ENTERPRISE_D
from registry.bundle import canonical_json
from registry.entities import ENTERPRISE, VEHICLE
from registry.errors import NotFound
from registry.output import ProgressCallback, table
from registry.products import DRIVER_FATIGUE, ENTERPRISE_RISK, INSURANCE_PRICING, MAINTENANCE
from registry.scorer import Scorer, load_scorer
from registry.settings import Settings
from registry.units import DAYS_PER_YEAR
from training import metrics
from training.products import training_frame
from training.splits import FOLD, TEST

FloatArray = npt.NDArray[np.float64]

PAGE_NAME: Final = "oracle"
MAINTENANCE_D: Final = 30
BEFORE: Final = "roadrisk simulate, ingest, features build, features apply, train <product>, models promote <product>"


@dataclass(frozen=True)
class Judged:
    """Rows of one product as they are judged, arrays of shape (n,).

    Parameters
    ----------
    kind
        ``poisson`` for counts per exposure, ``binary`` for events.
    observed, weight
        Outcome per unit of exposure, and exposure (1 for events).
    model, truth
        Predicted and true rate or probability.
    inspection
        Relative intensity of inspection over the outcome's span.
    """

    kind: str
    observed: FloatArray
    weight: FloatArray
    model: FloatArray
    truth: FloatArray
    inspection: FloatArray

    def known(self) -> Judged:
        """Return the rows whose truth is known."""
        keep = np.isfinite(self.truth) & np.isfinite(self.inspection)
        arrays = (self.observed, self.weight, self.model, self.truth, self.inspection)
        return Judged(self.kind, *(values[keep] for values in arrays))


Judge = Callable[[Settings, TruthPanel, pd.DataFrame, FloatArray], Judged]


def oracle(settings: Settings, *, progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Compare the live scores of a home with the truth of its simulated province.

    Returns
    -------
    dict
        ``products``: product -> rows, events, ``model``, ``oracle`` and ``ratio`` by metric, ``inspection`` rank
        correlations, version and digest.

    Raises
    ------
    NotFound
        If the home has no truth, or no product is live.
    """
    from registry.promotion import live

    began = time.monotonic()
    tell = progress or (lambda _label, _share: None)
    tell("truth", 0.0)
    panel, models = read_panel(settings), live(settings)
    wanted = [product for product in JUDGES if product in models]
    if not wanted:
        raise NotFound("no score is live in this home", where=str(settings.home), remedy=f"First: {BEFORE}.")
    products = {}
    for index, product in enumerate(wanted):
        tell(product, 0.1 + 0.9 * index / len(wanted))
        model = models[product]
        scorer = load_scorer(model.folder, settings.keys_dir, digest=model.digest)
        frame, _ = training_frame(product, settings)
        judged = _judge(settings, panel, frame, product, scorer)
        products[product] = {"version": model.version, "digest": model.digest, **compare(judged)}
    return {
        "study": PAGE_NAME, "simulated": True, "province": province_of(settings), "products": products,
        "seconds": round(time.monotonic() - began, 1),
    }


def _judge(settings: Settings, panel: TruthPanel, frame: pd.DataFrame, product: str, scorer: Scorer) -> Judged:
    test = frame[frame[FOLD] == TEST].reset_index(drop=True)
    margins = scorer.component_margins(scorer.encode_frame(test))
    names = [component.name for component in scorer.manifest.components]
    return JUDGES[product](settings, panel, test, _predicted(product, names, margins)).known()


def _predicted(product: str, names: list[str], margins: FloatArray) -> FloatArray:
    """Return the rate or probability that is judged: frequency of a price, 30 days of a hazard."""
    if product == MAINTENANCE.id:
        within = [index for index, name in enumerate(names) if int(name.rsplit("_", 1)[1]) <= MAINTENANCE_D]
        hazard = 1.0 / (1.0 + np.exp(-margins[:, within]))
        missed: FloatArray = 1.0 - np.prod(1.0 - hazard, axis=1)
        return missed
    if product == DRIVER_FATIGUE.id:
        probability: FloatArray = 1.0 / (1.0 + np.exp(-margins[:, 0]))
        return probability
    wanted = names.index("frequency") if "frequency" in names else 0
    rate: FloatArray = np.exp(margins[:, wanted])
    return rate


def _enterprise(_settings: Settings, panel: TruthPanel, rows: pd.DataFrame, model: FloatArray) -> Judged:
    """Judge by registered accidents and grave cases of the vehicles held at the cut-off, over the horizon."""
    key = [ENTERPRISE.id_column, TIMESTAMP]
    vehicles = panel.vehicles.reset_index().assign(position=np.arange(len(panel.vehicles)))
    pairs = rows[key].drop_duplicates().merge(vehicles, on=ENTERPRISE.id_column)
    day = (pairs[TIMESTAMP].dt.tz_convert("UTC").dt.tz_localize(None) + pd.Timedelta(hours=8)).dt.normalize()
    pairs = pairs[(pd.to_datetime(pairs.enters) <= day) & (pd.to_datetime(pairs.leaves) > day)]
    position, start = pairs.position.to_numpy(), pairs[TIMESTAMP]
    end = start + pd.Timedelta(days=ENTERPRISE_D)
    expected = panel.between("registered_accident_rate", position, start, end)
    expected += panel.between("serious_case_rate", position, start, end)
    inspection = panel.mean_between("p_detect", position, start, end)
    summed = pairs[key].assign(expected=expected, inspection=inspection).groupby(key, as_index=False).agg(
        expected=("expected", "sum"), inspection=("inspection", "mean")
    )
    joined = rows[key].merge(summed, on=key, how="left")
    exposure = rows["exposure_vehicle_year"].to_numpy(dtype=np.float64)
    return Judged(
        "poisson", rows["n_events"].to_numpy(dtype=np.float64) / exposure, exposure, model,
        joined.expected.to_numpy() / exposure, joined.inspection.to_numpy(),
    )


def _pricing(_settings: Settings, panel: TruthPanel, rows: pd.DataFrame, model: FloatArray) -> Judged:
    """Judge by motor claims over the slice of the policy."""
    position, start = panel.positions(rows[VEHICLE.id_column]), rows[TIMESTAMP]
    exposure = rows["exposure_year"].to_numpy(dtype=np.float64)
    end = start + pd.to_timedelta(exposure * DAYS_PER_YEAR, unit="D")
    return Judged(
        "poisson", rows["n_claims"].to_numpy(dtype=np.float64) / exposure, exposure, model,
        panel.between("claim_rate_motor", position, start, end) / exposure,
        panel.mean_between("p_detect", position, start, end),
    )


def _maintenance(_settings: Settings, panel: TruthPanel, rows: pd.DataFrame, model: FloatArray) -> Judged:
    """Judge by a breakdown or a reported failure within 30 days."""
    position, start = panel.positions(rows[VEHICLE.id_column]), rows[TIMESTAMP]
    end = start + pd.Timedelta(days=MAINTENANCE_D)
    expected = panel.between("breakdown_rate", position, start, end)
    expected += panel.between("reported_failure_rate", position, start, end)
    event = np.asarray(rows["event_day"].le(MAINTENANCE_D).fillna(value=False), dtype=np.float64)
    return Judged(
        "binary", event, np.ones(len(rows)), model, 1.0 - np.exp(-expected),
        panel.mean_between("p_detect", position, start, end),
    )


def _fatigue(settings: Settings, panel: TruthPanel, rows: pd.DataFrame, model: FloatArray) -> Judged:
    """Judge by the hazard of the driving hour."""
    position, start = panel.positions(rows[VEHICLE.id_column]), rows[TIMESTAMP]
    inspection = panel.mean_between("p_detect", position, start, start + pd.Timedelta(hours=1))
    return Judged(
        "binary", rows["fatigue_event"].to_numpy(dtype=np.float64), np.ones(len(rows)), model,
        hazards(settings, panel, rows), inspection,
    )


JUDGES: Final[dict[str, Judge]] = {
    ENTERPRISE_RISK.id: _enterprise, INSURANCE_PRICING.id: _pricing, MAINTENANCE.id: _maintenance,
    DRIVER_FATIGUE.id: _fatigue,
}


def compare(rows: Judged) -> dict[str, Any]:
    """Return the metrics of model and truth on the same rows, their ratio, and the rank correlations with inspection.

    The ratio is what the model reaches of the oracle: of its Gini, of its AUC above one half, of the share of deviance that
    it explains.
    """
    model, truth = _metrics(rows, rows.model), _metrics(rows, rows.truth)
    neutral = {"auc": 0.5}
    ratio = {
        name: _ratio(model[name] - neutral.get(name, 0.0), truth[name] - neutral.get(name, 0.0))
        for name in model if name != "deviance"
    }
    return {
        "rows": len(rows.observed), "events": float(rows.observed @ rows.weight), "model": model, "oracle": truth,
        "ratio": ratio,
        "inspection": {"model": _rank_correlation(rows.model, rows.inspection),
                       "oracle": _rank_correlation(rows.truth, rows.inspection)},
        "agreement": _rank_correlation(rows.model, rows.truth),
    }


def _metrics(rows: Judged, score: FloatArray) -> dict[str, float]:
    floored = np.clip(score, 1e-9, 1.0 - 1e-9) if rows.kind == "binary" else np.maximum(score, 1e-9)
    objective: Any = rows.kind
    common = {
        "deviance": metrics.mean_deviance(objective, rows.observed, floored, rows.weight),
        "d2": metrics.d2(objective, rows.observed, floored, rows.weight),
    }
    if rows.kind == "binary":
        return {"auc": metrics.auc(rows.observed, score, rows.weight)} | common
    return {"gini": metrics.gini(rows.observed, score, rows.weight)} | common


def _ratio(ours: float, best: float) -> float | None:
    return ours / best if best > 0 else None


def _rank_correlation(left: FloatArray, right: FloatArray) -> float | None:
    """Return Spearman's correlation; None where one side has no spread."""
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(pd.Series(left).rank(), pd.Series(right).rank())[0, 1])


def render(result: Mapping[str, Any]) -> Any:
    """Return the table for people."""
    return table(
        ("product", "metric", "model", "oracle", "reached"), [
            (product, name, f"{found['model'][name]:.4f}", f"{found['oracle'][name]:.4f}", _share(found["ratio"].get(name)))
            for product, found in result["products"].items() for name in found["model"]
        ] + [
            (product, "rank correlation with inspection", _signed(found["inspection"]["model"]),
             _signed(found["inspection"]["oracle"]), "")
            for product, found in result["products"].items()
        ], title=f"live scores and the truth of the simulated province {result['province']['preset']}",
    )


def write_study(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the page and the result into a folder; return the file names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{PAGE_NAME}.md").write_text(to_markdown(result), encoding="utf-8")
    kept = {key: value for key, value in result.items() if key != "seconds"}
    (folder / f"{PAGE_NAME}.json").write_bytes(canonical_json(kept))
    return [f"{PAGE_NAME}.md", f"{PAGE_NAME}.json"]


def to_markdown(result: Mapping[str, Any]) -> str:
    """Return the page."""
    province = result["province"]
    lines = [
        "# Live scores beside the oracle, simulated", "",
        f"Simulated province `{province['preset']}`, seed {province['seed']}. The oracle scores the same out-of-time rows with",
        "the true intensity behind their outcomes: no model can do better but by luck. Reached is the model's share of the",
        "oracle's Gini, of its AUC above one half, or of the deviance that it explains (d2).", "",
        "| product | rows | events | metric | model, simulated | oracle, simulated | reached |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for product, found in result["products"].items():
        lines += [
            f"| `{product}` | {found['rows']:,} | {found['events']:,.0f} | {name} | {found['model'][name]:.4f} "
            f"| {found['oracle'][name]:.4f} | {_share(found['ratio'].get(name))} |"
            for name in found["model"]
        ]
    lines += [
        "", "## Risk or inspectors", "",
        "Rank correlation of the score with how hard inspectors look at the vehicle or operator, which no outcome but a case",
        "depends on. A model well above the oracle has learned the inspectors.", "",
        "| product | model, simulated | oracle, simulated | rank correlation of model and oracle |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| `{product}` | {_signed(found['inspection']['model'])} | {_signed(found['inspection']['oracle'])} "
            f"| {_signed(found['agreement'])} |"
            for product, found in result["products"].items()
        ),
        "", "Written by `roadrisk experiment oracle --write docs/studies`.", "",
    ]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
