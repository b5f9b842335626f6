"""Baselines: every published formula, mileage and age alone, turned into predictions without a look at the test period."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from features.formulas import FORMULAS, Formula
from features.formulas.base import OWN_CHOICE
from registry.encoding import Matrix
from training.evaluation import binned_mean
from training.judgement.concentration import Concentration
from training.judgement.subject import Part, Subject
from training.matrix import Mask, Outcome

BINS: Final = 20

Kind = Literal["formula", "single_input", "constant", "glass_box", "challenger"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A rival of the score on one part.

    Parameters
    ----------
    id, zh, en, kind, source
        What it is.
    ranking, prediction
        (n,) what it orders rows by, and its predicted mean of the label.
    note
        How its ranking was made.
    assumed
        What in it no source fixes. [A]
    """

    id: str
    zh: str
    en: str
    kind: Kind
    ranking: Matrix
    prediction: Matrix
    source: str = ""
    note: str = ""
    assumed: tuple[str, ...] = ()


def kind_of(formula: Formula) -> Kind:
    """Return whether a baseline is published, or one input by itself."""
    return "single_input" if formula.regulation == OWN_CHOICE else "formula"


def present(subject: Subject) -> tuple[list[Formula], list[dict[str, str]]]:
    """Return the product's baselines whose column has values in development and test, and why each other is left out."""
    kept, skipped = [], []
    for formula in FORMULAS.values():
        if subject.task.id not in formula.products:
            continue
        reason = _absence(formula, subject)
        if reason:
            skipped.append({"id": formula.id, "zh": formula.zh, "en": formula.en, "kind": kind_of(formula), "reason": reason})
        else:
            kept.append(formula)
    return kept, skipped


def _absence(formula: Formula, subject: Subject) -> str:
    if formula.column not in subject.frame:
        return f"the frame has no column {formula.column}; the features were built without it"
    known = subject.frame[formula.column].notna().to_numpy()
    if not known[subject.development].any():
        return f"no development row has a value of {formula.column}"
    return "" if known[subject.test].any() else f"no test row has a value of {formula.column}"


def constant(part: Part, subject: Subject) -> Candidate:
    """Return the mean of the development rows for everybody."""
    rows = part.used & subject.development
    mean = np.full(len(part.label), np.average(part.label[rows], weights=part.weight[rows]))
    return Candidate(id="constant", zh="常数", en="the same for everybody", kind="constant", ranking=mean, prediction=mean)


def candidate(formula: Formula, part: Part, subject: Subject) -> Candidate:
    """Return a baseline as a rival on one part.

    Its prediction is the mean outcome of its quantile bins on development rows; rows without a value, as where a formula
    gives no grade, are a bin of their own and stay in the comparison. Its ranking is the better, on development rows, of two
    readings: the formula's own order, and the order of the binned means. So the rival gets the benefit of the doubt and the
    test period decides nothing.
    """
    values = subject.frame[formula.column].to_numpy(dtype=np.float64, na_value=np.nan)
    fitted = part.used & subject.development
    prediction = binned_mean(values, Outcome(part.label, part.weight, part.used), fitted, bins=BINS)
    readings = {"binned mean": prediction}
    readings["own order"] = _own_order(formula.direction * values, prediction, fitted)
    best = max(readings, key=lambda name: _on(readings[name], part, fitted))
    missing = np.isnan(values)
    return Candidate(
        id=formula.id, zh=formula.zh, en=formula.en, kind=kind_of(formula),
        source=", ".join(text for text in (formula.regulation, formula.article) if text), ranking=readings[best],
        prediction=prediction,
        note=f"{best}; {missing[subject.test].mean():.1%} of the test rows without a value: {formula.null_means}",
        assumed=formula.assumed,
    )


def _own_order(values: Matrix, prediction: Matrix, fitted: Mask) -> Matrix:
    """Return values in which the missing stand where their mean outcome on development rows belongs."""
    missing = np.isnan(values)
    known = fitted & ~missing
    if not missing.any() or not (missing & fitted).any() or not known.any():
        return np.where(missing, np.nanmedian(values) if known.any() else 0.0, values)
    theirs = float(prediction[missing][0])
    means = np.unique(prediction[known])
    nearest = means[np.argmin(np.abs(means - theirs))]
    return np.where(missing, np.median(values[known & (prediction == nearest)]), values)


def _on(ranking: Matrix, part: Part, rows: Mask) -> float:
    found = Concentration.of(ranking[rows], part.label[rows], part.weight[rows], binary=part.binary).value()[0]
    return float(found) if np.isfinite(found) else -np.inf


def transferred(rival: Candidate, change: Callable[[Matrix], Matrix]) -> Candidate:
    """Return a rival on another part, where its prediction means something else."""
    prediction = change(rival.prediction)
    return Candidate(
        id=rival.id, zh=rival.zh, en=rival.en, kind=rival.kind, source=rival.source, ranking=prediction,
        prediction=prediction, note="from its rate and the row's exposure", assumed=rival.assumed,
    )
