"""Judge predictions on the test rows of one or several rounds: figures, intervals, paired differences, deciles.

The bootstrap draws groups with replacement, and a group that is drawn twice counts twice in every round and for every model:
differences are paired, and repeated splits of the same rows do not pass for new rows.

References
----------
Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, sections 8.3 and 13.3.
Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003 (variance over repeated splits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from registry.encoding import Matrix
from training import metrics
from training.matrix import Mask

OURS: Final = "roadrisk"
LEVEL: Final = 0.95
DECILES: Final = 10
SIDAK: Final = LEVEL ** (1 / DECILES)
"""Level of each of ten independent bands that all hold with `LEVEL`."""


@dataclass(frozen=True)
class Reading:
    """What the models of one round say about rows that they have not seen.

    Parameters
    ----------
    name
        Of the round.
    rows, groups
        (n,) positions in the table, and group codes, the same over all rounds.
    observed, weight
        (n,) outcome per unit of weight, and weight.
    predicted
        (n,) means by model; ours is `OURS`.
    seen_share
        Test rows over the rows that were fitted on.
    """

    name: str
    rows: Any
    groups: Any
    observed: Matrix
    weight: Matrix
    predicted: Mapping[str, Matrix]
    seen_share: float = 0.0


@dataclass(frozen=True)
class Judge:
    """The measures of one part: its objective decides the deviance."""

    objective: Any
    power: float

    def value(self, measure: str, y: Matrix, mu: Matrix, w: Matrix) -> float:
        """Return one measure of one prediction."""
        if measure == "deviance":
            return metrics.mean_deviance(self.objective, y, mu, w, power=self.power)
        if measure == "d2":
            return metrics.d2(self.objective, y, mu, w, power=self.power)
        found: Callable[[Matrix, Matrix, Matrix], float] = getattr(metrics, measure)
        return found(y, mu, w)


def per_round(judge: Judge, readings: Sequence[Reading], measure: str, model: str = OURS) -> list[float]:
    """Return the measure of each round."""
    return [judge.value(measure, r.observed, r.predicted[model], r.weight) for r in readings]


def paired_draws(
    judge: Judge, readings: Sequence[Reading], measures: Sequence[str], models: Sequence[str], *, replicates: int, seed: int
) -> Matrix:
    """Return (replicates, n_measures, n_models) means over rounds under the same draws of groups."""
    count = 1 + max(int(reading.groups.max()) for reading in readings)
    generator = np.random.default_rng(seed)
    orders = {
        (position, model): np.argsort(reading.predicted[model], kind="stable")
        for position, reading in enumerate(readings) for model in models
    }
    drawn = np.empty((replicates, len(measures), len(models)))
    for replicate in range(replicates):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        for m, model in enumerate(models):
            per = [
                [judge.value(measure, *row) for measure in measures]
                for row in _taken(readings, orders, model, times)
            ]
            drawn[replicate, :, m] = np.mean(per, axis=0)
    return drawn


def _taken(
    readings: Sequence[Reading], orders: Mapping[tuple[int, str], Any], model: str, times: Any
) -> Iterator[tuple[Matrix, Matrix, Matrix]]:
    for position, reading in enumerate(readings):
        # In the order of the prediction already, so that the rank measures sort what is sorted.
        order = orders[position, model]
        multiplicity = times[reading.groups[order]]
        kept = order[multiplicity > 0]
        weight = reading.weight[kept] * multiplicity[multiplicity > 0]
        yield reading.observed[kept], reading.predicted[model][kept], weight


def interval(draws: Matrix) -> list[float] | None:
    """Return the percentile interval of draws; None where fewer than half are finite."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < max(2, len(draws) / 2):
        return None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]


def over_rounds(values: Sequence[float], readings: Sequence[Reading]) -> list[float] | None:
    """Return the t interval of the mean over rounds, widened because rounds share their training rows.

    The variance of the mean is ``(1 / rounds + test rows / fitted rows)`` times that between rounds (Nadeau and Bengio).
    """
    from scipy import stats

    if len(values) < 3:
        return None
    share = float(np.mean([reading.seen_share for reading in readings]))
    error = float(np.std(values, ddof=1)) * np.sqrt(1 / len(values) + share)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error
    mean = float(np.mean(values))
    return [mean - half, mean + half]


def compared(
    judge: Judge, readings: Sequence[Reading], measures: Mapping[str, str], models: Sequence[str], *, replicates: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Return every measure of every model with intervals, and ours minus each peer.

    Parameters
    ----------
    measures
        Measure -> which direction is better.
    models
        Ours first.

    Returns
    -------
    dict
        ``measure -> {value, interval, per_round, over_rounds, peers: name -> {value, difference, interval, over_rounds,
        verdict}}``; a verdict is better, worse or "not distinguishable" by the paired bootstrap.
    """
    names = list(measures)
    draws = paired_draws(judge, readings, names, models, replicates=replicates, seed=seed)
    table: dict[str, dict[str, Any]] = {}
    for m, (measure, better) in enumerate(measures.items()):
        values = {model: per_round(judge, readings, measure, model) for model in models}
        ours = values[models[0]]
        table[measure] = {
            "better": better, "value": float(np.mean(ours)), "interval": interval(draws[:, m, 0]), "per_round": ours,
            "over_rounds": over_rounds(ours, readings),
            "peers": {
                model: _against(values[model], ours, draws[:, m, 0] - draws[:, m, k], better, readings)
                for k, model in enumerate(models) if k
            },
        }
    return table


def _against(
    theirs: list[float], ours: list[float], differences: Matrix, better: str, readings: Sequence[Reading]
) -> dict[str, Any]:
    found = interval(differences)
    apart = [mine - other for mine, other in zip(ours, theirs, strict=True)]
    return {
        "value": float(np.mean(theirs)), "per_round": theirs, "difference": float(np.mean(apart)), "interval": found,
        "over_rounds": over_rounds(apart, readings), "verdict": _verdict(found, better),
    }


def _verdict(found: list[float] | None, better: str) -> str:
    if found is None or found[0] <= 0 <= found[1]:
        return "not distinguishable"
    if better == "nearer":
        return "different"
    return "better" if (found[0] > 0) == (better == "higher") else "worse"


def deciles(judge: Judge, readings: Sequence[Reading], *, replicates: int, seed: int) -> list[dict[str, Any]]:
    """Return actual over expected by tenth of the weight, from the lowest prediction to the highest, with 95 % bands.

    Rounds are put together, each row in the decile of its own round. `bootstrap` is the interval of the ratio and holds 1
    where the score is right on average. For counts `band` is where the ratio of a right score falls: negative binomial with
    the overdispersion of these rows by moments, and `poisson` the same without overdispersion; for yes or no `band` is
    binomial, a little wide where probabilities differ within a decile; for a pure premium `experiments.table_compound` adds it.
    `simultaneous` is the same band at Sidak's level: all ten
    ratios of a right score lie in theirs with 95 %, where in `band` each does. There is none where rounds share test rows, whose
    counts are not new ones.

    References
    ----------
    Sidak, "Rectangular Confidence Regions for the Means of Multivariate Normal Distributions", J. American Statistical
    Association 62, 1967.
    """
    y = np.concatenate([r.observed for r in readings])
    mu = np.concatenate([r.predicted[OURS] for r in readings])
    w = np.concatenate([r.weight for r in readings])
    groups = np.concatenate([r.groups for r in readings])
    place = places(readings)
    once = len(np.unique(np.concatenate([r.rows for r in readings]))) == len(y)
    actual, expected = w * y, w * mu
    drawn = _drawn_ratios(actual, expected, place, groups, replicates, seed)
    found = []
    for decile in range(DECILES):
        rows: Mask = place == decile
        if not rows.any():
            continue
        a, e = float(actual[rows].sum()), float(expected[rows].sum())
        one: dict[str, Any] = {
            "decile": decile + 1, "weight": float(w[rows].sum()), "actual": a, "expected": e, "actual_to_expected": a / e,
            "bootstrap": interval(drawn[:, decile]),
        }
        if judge.objective == "poisson" and once:
            spread = _overdispersion(actual, expected)
            one["poisson"] = _count_band(e, 0.0)
            extra = spread * float((expected[rows] ** 2).sum())
            one["band"], one["simultaneous"] = _count_band(e, extra), _count_band(e, extra, SIDAK)
        elif judge.objective == "binary" and once:
            total = float(w[rows].sum())
            one["band"], one["simultaneous"] = _binomial_band(e, total), _binomial_band(e, total, SIDAK)
        found.append(one)
    return found


def places(readings: Sequence[Reading]) -> Any:
    """Return (n,) decile of each row in its own round, 0 the lowest prediction, rounds one after another."""
    return np.concatenate([_place(r.predicted[OURS], r.weight) for r in readings])


def _place(predicted: Matrix, weight: Matrix) -> Any:
    order = np.argsort(predicted, kind="stable")
    cumulated = np.cumsum(weight[order])
    place = np.empty(len(order), dtype=int)
    place[order] = np.minimum(((cumulated - weight[order] / 2) / cumulated[-1] * DECILES).astype(int), DECILES - 1)
    return place


def _drawn_ratios(actual: Matrix, expected: Matrix, place: Any, groups: Any, replicates: int, seed: int) -> Matrix:
    count = int(groups.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = np.empty((replicates, DECILES))
    for replicate in range(replicates):
        times = np.bincount(generator.integers(0, count, count), minlength=count)[groups]
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn[replicate] = (
                np.bincount(place, times * actual, minlength=DECILES) / np.bincount(place, times * expected, minlength=DECILES)
            )
    return drawn


def _overdispersion(actual: Matrix, expected: Matrix) -> float:
    """Return the negative binomial's k in ``variance = mean + k mean^2`` by moments, 0 or more."""
    return max(0.0, float(((actual - expected) ** 2 - actual).sum() / (expected**2).sum()))


def _count_band(expected: float, extra: float, level: float = LEVEL) -> list[float]:
    from scipy import stats

    tails = [(1 - level) / 2, (1 + level) / 2]
    if extra <= 0:
        ends = stats.poisson.ppf(tails, expected)
    else:
        size = expected**2 / extra
        ends = stats.nbinom.ppf(tails, size, size / (size + expected))
    return [float(end) / expected for end in ends]


def _binomial_band(expected: float, rows: float, level: float = LEVEL) -> list[float]:
    from scipy import stats

    ends = stats.binom.ppf([(1 - level) / 2, (1 + level) / 2], round(rows), expected / rows)
    return [float(end) / expected for end in ends]
