"""Champion against challenger on outcomes that have matured: deviance and rank measure, paired and with an interval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from registry.errors import DataError
from registry.power import Design, rows_for_error
from registry.shadow_comparison import Predictions, Wanted, predictions

if TYPE_CHECKING:
    import pandas as pd

    from registry.encoding import Matrix

Figures = dict[str, Any]

REPLICATES: Final = 400
LEAST_ROWS: Final = 20


def read_outcomes(path: Path) -> pd.DataFrame:
    """Return a table of outcomes from CSV or Parquet.

    Its columns: `score_id`, or `entity_id` and `as_of`; `target`, the number of events in the outcome window (0 or 1 for a
    probability); optionally `exposure` as it was earned.

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing, or a target is no number of events.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={"score_id": str, "entity_id": str})
    except (OSError, ValueError) as error:
        raise DataError(f"outcomes cannot be read: {error}", where=str(path)) from error
    keyed = "score_id" in frame or {"entity_id", "as_of"} <= set(frame.columns)
    if not keyed or "target" not in frame:
        raise DataError(
            f"outcomes have columns {sorted(frame.columns)}", where=str(path),
            remedy="Give score_id, or entity_id and as_of; and target.",
        )
    target = pd.to_numeric(frame["target"], errors="coerce")
    if target.isna().any() or (target < 0).any():
        raise DataError("a target is missing, negative or no number", where=str(path))
    return frame.assign(target=target)


def with_outcomes(scores: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the shadow scores whose outcome is known, with `target`, and `exposure` as it was earned where it is told.

    Raises
    ------
    DataError
        If an outcome is told twice.
    """
    import pandas as pd

    keys = ["score_id"] if "score_id" in outcomes else ["entity_id", "as_of"]
    told = outcomes[[*keys, "target", *(["exposure"] if "exposure" in outcomes else [])]]
    if "as_of" in keys:
        told = told.assign(as_of=pd.to_datetime(told["as_of"], utc=True, format="ISO8601").astype(scores["as_of"].dtype))
    if told.duplicated(keys).any():
        raise DataError(f"{int(told.duplicated(keys).sum())} outcomes are told twice", where=", ".join(keys))
    left = scores.drop(columns="exposure") if "exposure" in told else scores
    return left.merge(told, on=keys, how="inner", validate="many_to_one")


def on_outcomes(frame: pd.DataFrame, *, answer: str, wanted: Wanted, seed: int) -> Figures:
    """Return the measures of both on known outcomes, their paired difference, and the rows until the wanted one is seen.

    Parameters
    ----------
    frame
        (n,) rows of `with_outcomes`.
    seed
        Of the bootstrap over entities.

    Returns
    -------
    dict
        `rows`, `events`, `enough`; `measures`: ``deviance`` (lower is better) and ``auc`` or ``gini`` -> champion, challenger,
        `difference` (challenger minus champion), its 95 % `interval`, `standard_error`, and `rows_needed` for the wanted
        difference.
    """
    kept = frame[frame["champion_answer"].notna() & frame["challenger_answer"].notna()]
    found: Figures = {"rows": len(kept), "events": float(kept["target"].sum()), "enough": False, "measures": {}}
    if len(kept) < LEAST_ROWS or not found["events"] > 0:
        return found
    predicted = predictions(kept, answer)
    target = kept["target"].to_numpy(dtype=np.float64)
    if predicted.binary and (target > 1).any():
        raise DataError("the outcome of a probability is 0 or 1", where="target")
    found["enough"] = True
    draws = _draws(kept, seed)
    measure = "auc" if predicted.binary else "gini"
    differences = {"deviance": wanted.deviance, measure: wanted.auc if predicted.binary else wanted.gini}
    for name, difference in differences.items():
        figures = _paired(name, predicted, target, draws)
        size = difference * figures["champion"] if name == "deviance" else difference
        figures["wanted"] = size
        figures["rows_needed"] = _rows_needed(size, figures["standard_error"], len(kept), wanted.design)
        found["measures"][name] = figures
    return found


def _paired(name: str, predicted: Predictions, target: Matrix, draws: Matrix) -> Figures:
    def both(times: Matrix) -> tuple[float, float]:
        return _measure(name, predicted, predicted.champion, target, times), _measure(
            name, predicted, predicted.challenger, target, times
        )

    champion, challenger = both(np.ones(len(target)))
    changes = np.array([b - a for a, b in map(both, draws)])
    changes = changes[np.isfinite(changes)]
    interval = [float(end) for end in np.quantile(changes, [0.025, 0.975])] if len(changes) > 1 else None
    return {
        "champion": champion, "challenger": challenger, "difference": challenger - champion, "interval": interval,
        "standard_error": float(changes.std(ddof=1)) if len(changes) > 1 else None,
    }


def _measure(name: str, predicted: Predictions, prediction: Matrix, target: Matrix, times: Matrix) -> float:
    if name == "deviance":
        return _deviance(predicted, prediction, target, times)
    x = times * (target if predicted.binary else predicted.exposure)
    y = times * (1.0 - target) if predicted.binary else times * target
    area = _area(prediction, x, y)
    return area if predicted.binary else 1.0 - 2.0 * area


def _deviance(predicted: Predictions, prediction: Matrix, target: Matrix, times: Matrix) -> float:
    if predicted.binary:
        p = np.clip(prediction, 1e-15, 1.0 - 1e-15)
        unit = -2.0 * (target * np.log(p) + (1.0 - target) * np.log1p(-p))
    else:
        mean = predicted.exposure * prediction
        ratio = np.log(np.divide(target, mean, out=np.ones_like(mean), where=target > 0))
        unit = 2.0 * (target * ratio - (target - mean))
    return float(np.average(unit, weights=times)) if times.sum() > 0 else float("nan")


def _area(ranking: Matrix, x: Matrix, y: Matrix) -> float:
    """Return the share under the curve of cumulated y over cumulated x, from the lowest ranking up; ties are one step."""
    order = np.argsort(ranking, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(ranking[order]) != 0, True))
    across, up = (np.append(0.0, np.cumsum(axis[order])[ends]) for axis in (x, y))
    if across[-1] <= 0 or up[-1] <= 0:
        return float("nan")
    return float(np.sum(np.diff(across) * (up[1:] + up[:-1])) / 2.0 / across[-1] / up[-1])


def _draws(frame: pd.DataFrame, seed: int) -> Matrix:
    import pandas as pd

    # Rows of a portfolio have no entity: each is drawn by itself.
    groups = frame["entity_id"].where(frame["entity_id"] != "", frame["score_id"])
    codes, names = pd.factorize(groups)
    generator = np.random.default_rng(seed)
    drawn = [np.bincount(generator.integers(0, len(names), len(names)), minlength=len(names)) for _ in range(REPLICATES)]
    return np.array(drawn, dtype=np.float64)[:, codes]


def _rows_needed(size: float, error: float | None, rows: int, design: Design) -> int | None:
    if not error or not size:
        return None
    return int(np.ceil(rows_for_error(size, standard_error=error, rows=rows, design=design)))
