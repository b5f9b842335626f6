"""What the result of a study says of a score: its rounds on their test rows, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.results import Figure
from experiments.table_compare import LEVEL, Judge, Reading, compared, deciles, per_round, places
from experiments.table_compound import compound_bands, compound_of
from experiments.table_declaration import SCORE, FigureDeclaration, ScoreDeclaration
from experiments.table_search import Tried, best_of
from experiments.table_task import part_of
from registry.encoding import Matrix
from training.fitted import FittedScore
from training.matrix import Mask
from training.splits import TEST, TRAIN, VALID


@dataclass(frozen=True)
class Fitted:
    """One round: the calibrated score, what is judged of it, and the trials that chose its parameters."""

    name: str
    score: FittedScore
    predicted: Mapping[str, Mapping[str, Matrix]]
    tried: Mapping[str, tuple[Tried, ...]]


def parts_of(score: ScoreDeclaration) -> tuple[str, ...]:
    """Return the components (and "score") that are judged."""
    named = [figure.of for figure in score.figures] + ([score.calibration] if score.calibration else [])
    return tuple(dict.fromkeys(named))


def judged(
    score: ScoreDeclaration, fitted: Sequence[Fitted], models: Sequence[str], *, group: str, replicates: int, seed: int
) -> dict[str, Any]:
    """Return what the result says of a score: figures, every measure on the test rows with peers, search, and deciles.

    Parameters
    ----------
    score, fitted
        What is judged: its rounds.
    models
        Ours first.
    group
        Column of what the bootstrap draws whole.
    replicates, seed
        Of the bootstrap.
    """
    groups, _ = pd.factorize(fitted[0].score.data.frame[group])
    readings = {part: [_reading(one, part, groups, (TEST,)) for one in fitted] for part in parts_of(score)}
    judges = {part: _judge(fitted[0], part) for part in readings}
    tables = {
        part: compared(judges[part], readings[part], measures, models, replicates=replicates, seed=seed)
        for part in readings if (measures := _measures(score, part))
    }
    figures = {
        figure.name: Figure(_value(figure, tables, fitted, judges), figure.published, figure.better) for figure in score.figures
    }
    result: dict[str, Any] = {
        "figures": figures, "by": {figure.name: figure.by for figure in score.figures if figure.by},
        "rounds": [one.name for one in fitted], "test": tables, "search": _told(fitted),
    }
    if score.calibration:
        result["calibration"] = calibration_of(score.calibration, fitted, replicates=replicates * 5, seed=seed)
    return result


def calibration_of(part: str, fitted: Sequence[Fitted], *, replicates: int, seed: int) -> dict[str, Any]:
    """Return actual over expected by decile of one part over all rounds, with the bands of a right score where there are any."""
    groups, _ = pd.factorize(fitted[0].score.data.frame[fitted[0].score.task.group])
    readings = [_reading(one, part, groups, (TEST,)) for one in fitted]
    found = deciles(_judge(fitted[0], part), readings, replicates=replicates, seed=seed)
    told: dict[str, Any] = {"of": part, "deciles": found}
    if part == SCORE and len(fitted) == 1:
        compound = compound_of(fitted[0].score, _rows(fitted[0], part))
        place = places(readings)
        found = [{**one, **band} for one, band in zip(found, compound_bands([compound], place, seed=seed), strict=True)]
        told |= {"deciles": found, "claim_variation": compound.variation, "claim_dispersion": compound.dispersion}
    return told | _all_within(found)


def _rows(one: Fitted, part: str) -> Mask:
    rows: Mask = part_of(one.score.task, one.score.data.frame, part).used & one.score.data.in_fold(TEST)
    return rows


def _all_within(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return whether every decile lies in its bands, and how often a right score's deciles all would in the pointwise ones."""
    if not all("band" in one for one in found):
        return {}
    inside = {
        f"all_in_{kind}": all(one[kind][0] <= one["actual_to_expected"] <= one[kind][1] for one in found)
        for kind in ("band", "simultaneous")
    }
    return inside | {"right_score_all_pointwise": LEVEL ** len(found)}


def _measures(score: ScoreDeclaration, part: str) -> dict[str, str]:
    return {figure.measure: figure.better for figure in score.figures if figure.of == part and figure.fold == "test"}


def _judge(one: Fitted, part: str) -> Judge:
    found = part_of(one.score.task, one.score.data.frame, part)
    return Judge(found.objective, found.power)


def _reading(one: Fitted, part: str, groups: Any, folds: tuple[str, ...]) -> Reading:
    data = one.score.data
    judged = part_of(one.score.task, data.frame, part)
    rows = judged.used & data.in_fold(*folds)
    means = {model: mean[rows] for model, mean in one.predicted[part].items()}
    seen = int((judged.used & data.in_fold(TRAIN, VALID)).sum())
    return Reading(
        one.name, np.flatnonzero(rows), groups[rows], judged.observed[rows], judged.weight[rows], means, int(rows.sum()) / seen,
    )


def _value(
    figure: FigureDeclaration, tables: Mapping[str, Any], fitted: Sequence[Fitted], judges: Mapping[str, Judge]
) -> float:
    if figure.fold == "test":
        return float(tables[figure.of][figure.measure]["value"])
    groups = np.zeros(len(fitted[0].score.data.frame), dtype=int)
    readings = [_reading(one, figure.of, groups, (TRAIN, VALID)) for one in fitted]
    return float(np.mean(per_round(judges[figure.of], readings, figure.measure)))


def _told(fitted: Sequence[Fitted]) -> dict[str, list[dict[str, Any]]]:
    """Return the trials by component and round, with the best loss so far."""
    told: dict[str, list[dict[str, Any]]] = {}
    for one in fitted:
        for component, tried in one.tried.items():
            losses = [trial.loss for trial in tried]
            told.setdefault(component, []).append({
                "round": one.name, "loss": losses, "best": np.minimum.accumulate(losses).tolist(),
                "chosen": best_of(tried).parameters, "chosen_trial": best_of(tried).number,
                "seconds": [trial.seconds for trial in tried],
            })
    return told
